// Turns a snapshot's bytes into a state machine, a piece at a time: at a node's start from its own
// file, and at a follower while the pieces come in. It verifies everything; what it has loaded is
// worth something only once `finish` says that all of it is there.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/limits.h"
#include "core/base/result.h"
#include "core/kv/state_machine.h"
#include "core/raft/configuration.h"
#include "core/raft/message.h"
#include "core/storage/snapshot_format.h"

namespace vesper::node {

class SnapshotLoader {
 public:
  // Of a snapshot of this many bytes.
  SnapshotLoader(std::uint64_t file_bytes, ClusterId cluster, kv::SessionBounds bounds)
      : decoder_(file_bytes), cluster_(cluster), bounds_(bounds), machine_(bounds) {}

  // The next blocks, whole ones but for the last. Errors: kCorruption, kMismatch: what is wrong and
  // at which offset. After one it is of no more use.
  Status feed(ByteView blocks);
  std::uint64_t fed() const { return decoder_.fed(); }
  bool is_complete() const { return decoder_.is_complete(); }
  // Requires: something was fed.
  const storage::SnapshotHeader& header() const { return decoder_.header(); }
  // Whether all that the header promises was loaded. Errors: kCorruption.
  Status finish() const;
  // Names what was fed. Requires: is_complete().
  raft::SnapshotId id() const;
  kv::StateMachine take_machine() { return std::move(machine_); }
  // The members at the snapshot's end. Requires: finish was ok.
  raft::Configuration take_configuration() { return std::move(*configuration_); }

 private:
  Status load_configuration();
  Status load_sessions();

  storage::SnapshotDecoder decoder_;
  ClusterId cluster_;
  kv::SessionBounds bounds_;
  kv::StateMachine machine_;
  std::optional<raft::Configuration> configuration_;
  bool has_sessions_ = false;
};

}  // namespace vesper::node
