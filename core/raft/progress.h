// What a leader knows of one voter's log, and how it paces what it sends. Probing: one
// AppendRequest at a time, until the place where the logs agree is found. Replicating: a window of
// requests in flight, each sent without waiting for the one before. All moves between the two are
// here.
#pragma once

#include <deque>

#include "core/base/time.h"
#include "core/base/types.h"

namespace vesper::raft {

class Progress {
 public:
  Progress(NodeId voter, Index next, std::size_t inflight_max)
      : voter_(voter), next_(next), inflight_max_(inflight_max) {}

  NodeId voter() const { return voter_; }
  // The voter's log is known to agree with the leader's up to here, durably.
  Index match() const { return match_; }
  // The first entry that the next AppendRequest will carry.
  Index next() const { return next_; }
  bool is_probing() const { return probing_; }

  // Whether an AppendRequest with entries may leave now.
  bool can_send() const { return probing_ ? !probe_out_ : inflight_.size() < inflight_max_; }
  // An AppendRequest with entries up to `last` (next - 1 if none) left.
  void on_sent(Index last);
  // The voter has everything up to `match`. False: this says nothing new.
  bool on_accepted(Index match);
  // The voter lacks `rejected`; the logs may agree at `agree`. False: a stale rejection, to be
  // ignored.
  bool on_rejected(Index rejected, Index agree);
  // Whether requests are unanswered that may be lost, though the voter answers heartbeats: then an
  // empty AppendRequest asks. (Not the same entries again: they may only wait for a slow disk.)
  bool must_ask(Index last_index) const;
  // This node's own: its durable index.
  void set_own_match(Index match) { match_ = match; }

  // When the voter was last heard in this term (check-quorum), and the newest round it acknowledged
  // (ReadIndex).
  Instant heard_at;
  Round acked_round;
  // When it may be asked again whether requests were lost.
  Instant next_ask;

 private:
  NodeId voter_;
  Index match_;
  Index next_;
  bool probing_ = true;
  bool probe_out_ = false;
  std::size_t inflight_max_;
  std::deque<Index> inflight_;  // the last index of each request in flight, oldest first
};

}  // namespace vesper::raft
