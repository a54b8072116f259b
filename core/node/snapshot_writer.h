// How a state machine and its members become a snapshot's bytes (core/storage/snapshot_format.h):
// the one place that knows what a snapshot begins with. Snapshots writes one a piece at a time
// beside its node's work; who has no node to keep waiting writes all of it at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/types.h"
#include "core/kv/state_machine.h"
#include "core/raft/configuration.h"
#include "core/storage/snapshot_format.h"

namespace vesper::node {

// What it is of.
struct SnapshotEnd {
  ClusterId cluster;
  LogPosition last;             // the last entry that the state stands for
  std::uint64_t log_bytes = 0;  // of all entries up to there
};

class SnapshotWriter {
 public:
  // Begins a capture of the state machine as it is now; any other ends.
  SnapshotWriter(const SnapshotEnd& end, const raft::Configuration& members,
                 kv::StateMachine& machine);

  const storage::SnapshotHeader& header() const { return header_; }
  // The next blocks: as many as at least so much more of the state makes. Requires: the same state
  // machine, and not has_all().
  std::vector<std::byte> take_blocks(kv::StateMachine& machine, std::size_t bytes);
  // Nothing more comes.
  bool has_all() const { return has_all_; }
  // Of all blocks taken.
  std::uint32_t checksum() const { return encoder_.checksum(); }

 private:
  SnapshotWriter(const SnapshotEnd& end, ByteView members, ByteView sessions,
                 const kv::StateMachine& machine);

  storage::SnapshotHeader header_;
  storage::SnapshotEncoder encoder_;
  bool has_all_ = false;
};

// All of it.
SharedBytes whole_snapshot(const SnapshotEnd& end, const raft::Configuration& members,
                           kv::StateMachine& machine);

}  // namespace vesper::node
