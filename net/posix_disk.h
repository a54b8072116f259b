// One directory of the file system as the core's Disk. Owns a lock on the directory, so that a
// second process is refused, and a thread for each lane; completions leave through a callback on
// that thread. The first error ends a batch and names the operation and the file.
#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "core/storage/disk.h"

namespace vesper::net {

class PosixDisk : public storage::Disk {
 public:
  struct Options {
    std::string directory;
    // Off: a crash of the machine (not of the process) may lose what was acknowledged.
    bool sync = true;
  };
  // Called on a lane's thread, never from inside submit.
  using OnDone = std::function<void(storage::DiskDone)>;

  // Makes the directory if it is missing and locks it.
  // Errors: kMismatch (another process has it), kIo.
  static Result<std::unique_ptr<PosixDisk>> open(Options options);
  // Finishes the batches that were submitted.
  ~PosixDisk() override;
  PosixDisk(const PosixDisk&) = delete;
  PosixDisk& operator=(const PosixDisk&) = delete;

  // Starts the lanes. Call once, before the first submit.
  void start(OnDone on_done);

  Result<std::vector<storage::FileInfo>> list() override;
  Result<SharedBytes> read(const std::string& name) override;
  void submit(storage::DiskBatch batch) override;

 private:
  struct Lane {
    std::mutex mutex;
    std::condition_variable submitted;
    std::deque<storage::DiskBatch> batches;  // guarded by mutex
    bool stop = false;                       // guarded by mutex
    std::thread thread;
  };
  PosixDisk(Options options, int directory, int lock)
      : options_(std::move(options)), directory_(directory), lock_(lock) {}
  void run_lane(Lane& lane);

  Options options_;
  int directory_;
  int lock_;
  OnDone on_done_;
  std::array<Lane, 2> lanes_;  // by DiskLane
};

}  // namespace vesper::net
