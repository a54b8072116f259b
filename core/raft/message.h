// The messages of Raft, as values. `term` is the sender's current term, but for two: a
// PreVoteRequest and a granted PreVoteReply carry the term that the candidate would lead, and
// change nobody's term (dissertation section 9.6).
#pragma once

#include <variant>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/types.h"
#include "core/raft/entry.h"

namespace vesper::raft {

struct PreVoteRequest {
  LogPosition last_log;
};
struct PreVoteReply {
  bool granted = false;
};
// Paper figure 2, RequestVote.
struct VoteRequest {
  LogPosition last_log;
  // The leader of the term before told this candidate to campaign (TimeoutNow): voters who hear
  // that leader do not ignore the request (dissertation section 4.2.3).
  bool by_transfer = false;
};
struct VoteReply {
  bool granted = false;
};
// Paper figure 2, AppendEntries. Entries follow `previous` without a gap, their terms never go down
// and are at most the message's term (the codec refuses anything else). Without entries it asks
// only whether the follower's log holds `previous`.
struct AppendRequest {
  LogPosition previous;
  Index commit;
  std::vector<Entry> entries;
};
// Accepted: the follower's log equals the leader's up to `match`, durably. Rejected: the follower
// lacks `rejected` (the request's previous index); `hint` is the last position in its log that may
// still agree: at most `rejected`, of a term at most the request's previous term.
struct AppendReply {
  bool accepted = false;
  Index match;
  Index rejected;
  LogPosition hint;
};
// A heartbeat and its reply are messages of their own: the reply says nothing of the log, so it
// waits for no entry's write, and a slow disk of one follower neither deposes a healthy leader nor
// slows a read.
struct HeartbeatRequest {
  Index commit;  // at most the receiver's match index
  Round round;
};
struct HeartbeatReply {
  Round round;
  Term doubt;  // of a voter that lost a part of its log, above which term it can be repaired; or 0
};
// Dissertation section 3.10, leadership transfer: the leader, which has brought the receiver up to
// date, asks it to campaign at once, as if its election timeout had passed.
struct TimeoutNow {};

// Names the content of one snapshot: two nodes that hold the same one hold the same bytes.
struct SnapshotId {
  LogPosition last;         // the last entry that it stands for; {0, 0}: no snapshot
  std::uint64_t bytes = 0;  // its length
  std::uint32_t checksum = 0;
  bool operator==(const SnapshotId&) const = default;
};
// Paper figure 13, InstallSnapshot: a piece of the leader's snapshot, never empty.
struct SnapshotRequest {
  SnapshotId snapshot;
  std::uint64_t offset = 0;
  SharedBytes chunk;
};
// The follower has the snapshot's bytes below `next` and wants those from there on. (That it has
// all of it and is at its position, an AppendReply says.)
struct SnapshotReply {
  SnapshotId snapshot;
  std::uint64_t next = 0;
};
// Dissertation section 6.4: a follower asks its leader for a read index, one for all reads that
// came to it before. An answer to a batch is good for all earlier ones too. Batches are counted
// from a number drawn for each life of a node: an answer to an earlier life is for none of them.
using ReadBatch = StrongId<struct ReadBatchTag>;
struct ReadIndexRequest {
  ReadBatch batch;
};
struct ReadIndexReply {
  bool granted = false;
  ReadBatch batch;
  Index index;  // granted: what the follower must have applied
};

using MessageBody =
    std::variant<PreVoteRequest, PreVoteReply, VoteRequest, VoteReply, AppendRequest, AppendReply,
                 HeartbeatRequest, HeartbeatReply, TimeoutNow, SnapshotRequest, SnapshotReply,
                 ReadIndexRequest, ReadIndexReply>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  MessageBody body;
};

// The body's name as the field writes it: "VoteRequest", ... (for traces and scenario files).
const char* message_name(const MessageBody& body);

}  // namespace vesper::raft
