// The file of a recording (core/node/recording_format.h): mapped, and allocated ahead by a thread
// of its own, so that the node's thread writes to it as to memory. What was written is in the file
// when the process is ended, however that happens; only a failure of the machine may lose the last
// of it, for nothing here syncs. The runtime owns it; the node's thread alone asks for room.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/base/result.h"
#include "core/node/recording_writer.h"
#include "net/file_descriptor.h"

namespace vesper::net {

class RecordFile final : public node::RecordingRoom {
 public:
  // No file is allocated beyond what it holds by more than three of these.
  static constexpr std::size_t kChunkBytes = 8 * 1024 * 1024;

  struct Options {
    // Where there is such a file already, path.2, path.3 and so on: no life writes over another's.
    std::string path;
    // The recording ends there.
    std::uint64_t bytes_max = 0;
  };
  // Errors: kIo, kNoSpace.
  static Result<std::unique_ptr<RecordFile>> create(const Options& options);
  // Requires: nobody writes any more.
  ~RecordFile() override;
  RecordFile(const RecordFile&) = delete;
  RecordFile& operator=(const RecordFile&) = delete;

  const std::string& path() const { return path_; }
  // How long `more` may wait for a disk that is slow to allocate; beyond that the recording ends.
  void set_patience(std::chrono::milliseconds patience) { patience_ = patience; }

  std::span<std::byte> more(std::size_t least) override;
  void finish(const std::byte* end) override;

  // Why there is no more room.
  std::string failure() const;

 private:
  RecordFile(std::string path, FileDescriptor file, std::size_t bytes_max);
  Status reserve();
  void prepare_chunks();
  Status prepare(std::size_t chunk);
  void end_thread();

  const std::string path_;
  FileDescriptor file_;
  const std::size_t chunks_max_;
  std::byte* base_ = nullptr;  // of addresses for the whole file; chunks are mapped in their places
  std::chrono::milliseconds patience_{10'000};
  std::thread thread_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t ready_ = 0;     // chunks; guarded by mutex_, as all that follows
  std::size_t given_ = 0;     // of them
  std::size_t unmapped_ = 0;  // of those
  bool stop_ = false;
  std::string failure_;
};

}  // namespace vesper::net
