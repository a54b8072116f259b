// What one Raft group member is told at its start, and its bounds. Times are the node's own
// clock's.
#pragma once

#include <cstddef>

#include "core/base/limits.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "core/raft/configuration.h"

namespace vesper::raft {

struct RaftConfig {
  NodeId id;
  // What holds where the log begins: after the snapshot, or before the first entry.
  Configuration configuration;

  // A follower campaigns after hearing from no leader for a time drawn anew from [min, max).
  // Requires: heartbeat_interval < election_timeout_min < election_timeout_max.
  Duration election_timeout_min = Duration::milliseconds(500);
  Duration election_timeout_max = Duration::milliseconds(1000);
  Duration heartbeat_interval = Duration::milliseconds(50);

  // A leader answers reads by its lease, without a round of heartbeats for them. Safe only while no
  // two nodes' clocks run faster or slower than time by more than lease_drift_ppm parts in a
  // million; and only if every node of the cluster is told the same (lease.cc).
  // Requires: lease_drift_ppm < 1'000'000.
  bool lease_reads = false;
  std::int64_t lease_drift_ppm = 10'000;

  std::size_t append_entries_max = limits::kAppendEntries;
  std::size_t append_bytes_max = limits::kAppendBytes;
  std::size_t inflight_appends_max = limits::kInflightAppends;
  std::size_t uncommitted_bytes_max = limits::kUncommittedBytes;
  std::size_t waiting_reads_max = limits::kWaitingReads;

  // Draws the election timeouts, keyed by (kElectionTimeout, id). Seed it anew for every life of a
  // node.
  Random random{0};
};

}  // namespace vesper::raft
