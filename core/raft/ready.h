// What Raft wants done, as one value. The caller owns one Ready and passes it to Raft::collect
// again and again; its buffers keep their capacity, so a steady cluster allocates nothing here.
#pragma once

#include <optional>
#include <vector>

#include "core/base/types.h"
#include "core/raft/message.h"

namespace vesper::raft {

// What Raft must never forget (paper figure 2, "Persistent state").
struct HardState {
  Term term;
  std::optional<NodeId> vote;
  bool operator==(const HardState&) const = default;
};

struct GrantedRead {
  RequestId request;
  Index index;  // answer once the state machine has applied this index
};

// Leader: this piece of the snapshot is to be read and given to Raft::chunk_read.
struct ChunkWanted {
  NodeId to;
  SnapshotId snapshot;
  std::uint64_t offset = 0;
};
// Follower: this piece is to be kept, then Raft::chunk_stored called. `offset` is where the piece
// before it ended; 0 begins the snapshot anew.
struct ChunkReceived {
  SnapshotId snapshot;
  std::uint64_t offset = 0;
  SharedBytes bytes;
};

// The contract between Raft and its caller. `collect` checks Raft's half of it.
//
// Write. If `write` is set, the caller puts hard_state, restart_after, truncate_from and entries
// (in that meaning: the log is emptied and goes on after restart_after, then is cut from
// truncate_from on, then entries follow) on disk, in the order of the Readys, and calls
// persisted(now, write) once they are durable. Several Readys may share one disk write; then only
// the last id needs to be named. A failed write is final: the node stops.
//
// send_now leaves at once, in parallel with the write: appends, heartbeats, pre-votes. Every
// message in it bears a durable term. Hard state is a barrier: while any hard state, of this Ready
// or an earlier one, is not yet persisted, send_now is empty. Otherwise a candidate could lead a
// term it has not persisted, crash, lead the same term again, and break log matching.
//
// send_after_durable leaves once this Ready's write and all earlier ones are durable, first in
// first out: votes, vote requests, replies that acknowledge entries.
//
// committed are entries to apply, in order, each exactly once. They may be applied before this
// node's own copy is durable: a majority's copies are.
//
// chunks_wanted and chunks_received are a snapshot's pieces on their way from the leader's disk to
// the follower's. An answer to a piece that is no longer wanted is ignored. Hard state is a barrier
// for chunks_received too: a snapshot of a term that the disk does not know could not be started
// from.
//
// reads were confirmed by a round of heartbeats after they came in; lost_reads never will be.
struct Ready {
  WriteId write;  // 0: nothing to write
  std::optional<HardState> hard_state;
  std::optional<LogPosition> restart_after;
  std::optional<Index> truncate_from;
  std::vector<Entry> entries;
  std::vector<Message> send_now;
  std::vector<Message> send_after_durable;
  std::vector<Entry> committed;
  std::vector<ChunkWanted> chunks_wanted;
  std::vector<ChunkReceived> chunks_received;
  std::vector<GrantedRead> reads;
  std::vector<RequestId> lost_reads;

  void clear() {
    write = WriteId();
    hard_state.reset();
    restart_after.reset();
    truncate_from.reset();
    entries.clear();
    send_now.clear();
    send_after_durable.clear();
    committed.clear();
    chunks_wanted.clear();
    chunks_received.clear();
    reads.clear();
    lost_reads.clear();
  }
};

}  // namespace vesper::raft
