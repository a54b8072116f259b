// What a leader knows of one member's log, and how it paces what it sends. Probing: one
// AppendRequest at a time, until the place where the logs agree is found. Replicating: a window of
// requests in flight, each sent without waiting for the one before. Snapshot: the entries that the
// member lacks are gone, and pieces of a snapshot go out, one at a time. All moves between the
// three are here.
#pragma once

#include <deque>
#include <optional>

#include "core/base/limits.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "core/raft/message.h"

namespace vesper::raft {

class Progress {
 public:
  Progress(NodeId member, Index next, std::size_t inflight_max)
      : member_(member), next_(next), inflight_max_(inflight_max) {}

  NodeId member() const { return member_; }
  // The member's log is known to agree with the leader's up to here, durably.
  Index match() const { return match_; }
  // The first entry that the next AppendRequest will carry.
  Index next() const { return next_; }
  bool is_probing() const { return state_ == State::kProbe; }
  bool needs_snapshot() const { return state_ == State::kSnapshot; }

  // Whether an AppendRequest with entries may leave now.
  bool can_send() const {
    if (state_ == State::kReplicate) {
      return inflight_.size() < inflight_max_ && inflight_bytes_ < limits::kInflightBytes;
    }
    return is_probing() && !probe_out_;
  }
  // An AppendRequest with entries up to `last` (next - 1 if none), of so many bytes, left.
  void on_sent(Index last, std::size_t bytes);
  // The member has everything up to `match`; the leader's log holds what follows `base`. False:
  // this says nothing new.
  bool on_accepted(Index match, Index base);
  // The member lacks `rejected`; the logs may agree at `agree`. False: a stale rejection, to be
  // ignored.
  bool on_rejected(Index rejected, Index agree);
  // Whether requests are unanswered that may be lost, though the member answers heartbeats: then an
  // empty AppendRequest asks. (Not the same entries again: they may only wait for a slow disk.)
  bool must_ask(Index last_index) const;
  // What the member lacks is below the log's base.
  void begin_snapshot();
  // The voter lost a part of its log in this term or later: its acknowledgements, of which some may
  // be older, count no more while this leader leads, and nothing is sent that would ask for them.
  void count_no_more();
  bool counts() const { return counts_; }
  bool is_intact() const { return counts_ && doubt == Term(0); }
  // This node's own: its durable index.
  void set_own_match(Index match) { match_ = match; }
  // Appends all but the times (see Raft::encode_state).
  void encode_state(ByteWriter& out) const;

  // When the member was last heard in this term (check-quorum), and the newest round it
  // acknowledged (ReadIndex).
  Instant heard_at;
  Round acked_round;
  // How a learner catches up (dissertation section 4.2.1): in rounds, each of which ends once it
  // has all that the log held when the round began.
  struct CatchUp {
    std::optional<Index> target;  // of the round under way; nothing: it has everything
    Instant began;
    bool is_fast = false;  // the last round took no longer than an election timeout
  };
  CatchUp catch_up;
  // What it last said of itself (HeartbeatReply::doubt).
  Term doubt;
  // When it may be asked again whether requests were lost.
  Instant next_ask;
  // What is being sent to a member that needs a snapshot; nothing while the member is silent, so
  // that no snapshot is kept for the dead.
  struct Sending {
    SnapshotId snapshot;
    std::uint64_t offset = 0;  // the member has what is below
  };
  std::optional<Sending> sending;

 private:
  enum class State : std::uint8_t { kProbe, kReplicate, kSnapshot };

  NodeId member_;
  Index match_;
  Index next_;
  State state_ = State::kProbe;
  bool probe_out_ = false;
  bool counts_ = true;
  std::size_t inflight_max_;
  struct InFlight {
    Index last;
    std::size_t bytes = 0;  // of its entries
  };
  void clear_window();

  std::deque<InFlight> inflight_;  // requests with entries, oldest first
  std::size_t inflight_bytes_ = 0;
};

}  // namespace vesper::raft
