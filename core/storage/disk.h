// The disk as the core sees it: one directory of flat names, a few low-level operations as plain
// values, and completions as inputs. Low-level on purpose: the atomic replacement of a file (write
// a temporary, sync, rename, sync the directory) is core code, so that the simulator can crash
// between its steps.
//
// list and read block and are for start-up only. While the node runs it submits batches: in order
// within a lane, one completion each (Node::on_disk_done). The snapshot lane exists so that a large
// or slow piece of work (a new segment, a snapshot) never holds up the log's sync.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace vesper::storage {

// A new file of `size` zero bytes, allocated for real, so that a write inside it cannot run out of
// space. An existing file of that name is replaced.
struct CreateFile {
  std::string name;
  std::uint64_t size = 0;
  // Whether the zeros are written, not only set aside: then a later sync changes no metadata, which
  // a log that syncs often wants.
  bool is_written = true;
};
// Overwrites bytes inside the file. Requires: offset + bytes.size() <= the file's size.
struct WriteFile {
  std::string name;
  std::uint64_t offset = 0;
  std::vector<std::byte> bytes;
};
// Fills `bytes` from the file. Requires: offset + bytes.size() <= the file's size.
struct ReadFile {
  std::string name;
  std::uint64_t offset = 0;
  std::vector<std::byte> bytes;
};
struct RenameFile {
  std::string from;
  std::string to;
};
// That it is not there is no error.
struct RemoveFile {
  std::string name;
};
// The file's bytes are durable once this completes. Until then a crash may keep any of the 512-byte
// sectors written since the last sync and lose the others; a sector itself is old or new, never a
// mixture.
struct SyncFile {
  std::string name;
};
// Created, renamed and removed names are durable once this completes; until then a crash may undo
// any of them.
struct SyncDirectory {};

using DiskOp =
    std::variant<CreateFile, WriteFile, RenameFile, RemoveFile, SyncFile, SyncDirectory, ReadFile>;

enum class DiskLane : std::uint8_t { kLog = 0, kBackground = 1 };

struct DiskBatch {
  DiskLane lane = DiskLane::kLog;
  std::uint64_t ticket = 0;
  std::vector<DiskOp> ops;
};

// A completion gives the batch back, with what was read, and so that its buffers can be used again.
// The first failed operation ends the batch; its error names the operation and the file. With
// kNoSpace, which only what creates, writes or renames may end with, that operation may have been
// carried out in part: a write of the first bytes, a file that is shorter than was asked for.
struct DiskDone {
  DiskBatch batch;
  Status status;
};

struct FileInfo {
  std::string name;
  std::uint64_t size = 0;
};

inline constexpr std::uint64_t kSectorBytes = 512;

class Disk {
 public:
  virtual ~Disk() = default;

  // Both block and are for start-up only. Ensures: what they return is durable, whatever a process
  // before this one left unsynced: the node will vouch for it.
  // Names in no particular order.
  virtual Result<std::vector<FileInfo>> list() = 0;
  // The whole file.
  virtual Result<SharedBytes> read(const std::string& name) = 0;

  // Never blocks, never calls back from inside.
  virtual void submit(DiskBatch batch) = 0;
};

}  // namespace vesper::storage
