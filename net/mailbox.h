// Everything that comes to the core thread: frames, requests, completions of the disk. Any thread
// puts in, the core thread alone drains. Bounded: a full mailbox loses frames, as a network may,
// and refuses requests; completions are always taken, for at most a batch a lane is under way.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/node/environment.h"
#include "core/storage/disk.h"

namespace vesper::net {

class AnswerSlot;

struct MailRequest {
  AnswerSlot* slot = nullptr;  // waits for the answer; lives until it is given
  node::RequestKind kind = node::RequestKind::kGet;
  std::string key;
  std::string value;
  std::optional<kv::IdempotencyKey> once;  // kPut
  std::optional<NodeId> target;            // kTransfer
  bool at_follower = false;                // kGet
  std::string address;                     // kAddMember
  raft::Configuration::Change change;      // kChangeMembers
  Index snapshot;                          // kSnapshotPart
  std::uint64_t offset = 0;                // kSnapshotPart
};

// What one drain takes out. The drainer keeps it and gives it back, so that its room is used again.
struct Mail {
  std::vector<SharedBytes> frames;
  std::vector<MailRequest> requests;
  std::vector<storage::DiskDone> disk;
  bool stop = false;
  void clear();
};

class Mailbox {
 public:
  struct Bounds {
    std::size_t frame_bytes = 64 * 1024 * 1024;
    std::size_t requests = limits::kWaitingRequests;
    std::size_t request_bytes = 64 * 1024 * 1024;
  };
  explicit Mailbox(Bounds bounds) : bounds_(bounds) {}
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // False: full or closed, the frame is lost.
  bool put_frame(SharedBytes frame);
  // False: full or closed, the request never reaches the node.
  bool put_request(MailRequest request);
  void put_disk_done(storage::DiskDone done);
  // Wakes the drainer for the last time: whatever comes later is refused.
  void close();

  // Waits until something is there or the deadline passes, and takes all of it.
  // Requires: mail is empty.
  void drain(Instant deadline, Mail& mail);

 private:
  bool has_mail() const;

  const Bounds bounds_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  Mail mail_;  // guarded by mutex_, as all that follows
  std::size_t frame_bytes_ = 0;
  std::size_t request_bytes_ = 0;
  bool is_waiting_ = false;  // spares the wake-up when the core thread is busy
};

}  // namespace vesper::net
