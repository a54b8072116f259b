// Snapshots (paper section 7): entries that a snapshot stands for leave the log, and a follower
// that lacks them gets the snapshot instead, in pieces. Raft moves the pieces; it sees none of
// their bytes. A piece is on its way at a time, so the transfer takes no more of the network than
// the follower's disk takes in; heartbeats go on beside it. A follower that already has a part of
// the same snapshot, from this leader or another one, says so, and only the rest travels.
#include <algorithm>

#include "core/raft/raft.h"

namespace vesper::raft {

namespace {

// Whether what is coming in gives way. Within a term only a newer snapshot replaces one, for
// messages of the one leader may be late; a new leader may well have an older one to send.
bool gives_way(const SnapshotId& known, Term known_in, const SnapshotId& offered, Term offered_in) {
  if (known == offered) return false;
  return offered_in > known_in || offered.last.index > known.last.index;
}

}  // namespace

void Raft::compact(const SnapshotId& newest, Index to) {
  VESPER_CHECK(newest.last.index >= newest_snapshot_.last.index);
  VESPER_CHECK(newest.last.index <= durable_ && newest.last.index <= handed_out_);
  VESPER_CHECK(to <= newest.last.index);
  newest_snapshot_ = newest;
  if (to <= log_.base().index) return;
  log_.compact(to);
  configurations_.compact(to);
}

bool Raft::sends_snapshot(const SnapshotId& snapshot) const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return false;
  return std::any_of(leader->progress.begin(), leader->progress.end(), [&](const Progress& each) {
    return each.sending && each.sending->snapshot == snapshot;
  });
}

// --- Leader ---

void Raft::begin_snapshot(Progress& progress) {
  VESPER_CHECK(newest_snapshot_.last.index >= log_.base().index);
  progress.begin_snapshot();
  ask_for_chunk(progress);
}

// The next piece, or again the one whose answer did not come. A follower that was silent in between
// begins anew with the newest snapshot; what it has of it, it says.
void Raft::ask_for_chunk(Progress& progress) {
  if (!progress.sending || progress.sending->snapshot.last.index < log_.base().index) {
    progress.sending = Progress::Sending{.snapshot = newest_snapshot_, .offset = 0};
  }
  progress.next_ask = now_ + config_.election_timeout_min;
  // All of it is there, and the follower has not said that it is installed: any piece asks.
  const Progress::Sending& sending = *progress.sending;
  const std::uint64_t offset = sending.offset < sending.snapshot.bytes ? sending.offset : 0;
  chunks_wanted_.push_back({progress.member(), sending.snapshot, offset});
}

void Raft::chunk_read(Instant now, const ChunkWanted& wanted, SharedBytes bytes) {
  now_ = std::max(now_, now);
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  const Progress* progress = progress_of(*leader, wanted.to);
  if (progress == nullptr || !progress->sending) return;
  if (progress->sending->snapshot != wanted.snapshot) return;
  send_now(wanted.to, term(), SnapshotRequest{wanted.snapshot, wanted.offset, std::move(bytes)});
}

void Raft::on_snapshot_reply(const Message& message, const SnapshotReply& reply) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  Progress* const known = progress_of(*leader, message.from);
  if (known == nullptr) return;
  Progress& progress = *known;
  progress.heard_at = now_;
  if (!progress.counts()) return;
  if (!progress.sending || progress.sending->snapshot != reply.snapshot) return;
  // A repeated answer asks for nothing new; after a restart the follower has less than it had.
  if (reply.next == progress.sending->offset) return;
  progress.sending->offset = reply.next;
  if (reply.next < reply.snapshot.bytes) ask_for_chunk(progress);
}

// At the pace of heartbeats: the follower answers them, so it is there.
void Raft::ask_for_lost_chunk(Progress& progress) {
  if (now_ >= progress.next_ask) ask_for_chunk(progress);
}

// A snapshot is kept on disk as long as it is being sent; not for a follower that is gone.
void Raft::forget_silent_receivers() {
  for (Progress& progress : std::get<Leader>(role_).progress) {
    if (now_ - progress.heard_at > config_.election_timeout_max) progress.sending.reset();
  }
}

// --- Follower ---

void Raft::on_snapshot_request(const Message& message, const SnapshotRequest& request) {
  if (!follow_leader(message.from)) return;
  const LogPosition last = request.snapshot.last;
  if (log_.contains(last)) {
    // The log agrees with the snapshot up to its end, so all of that is committed; nothing that is
    // newer here is touched.
    commit_to(last.index);
    send_after_durable(
        message.from,
        AppendReply{.accepted = true, .match = last.index, .rejected = {}, .hint = {}});
    return;
  }
  if (!incoming_ || gives_way(incoming_->snapshot, incoming_->term, request.snapshot, term())) {
    incoming_ = Incoming{.snapshot = request.snapshot, .term = term(), .next = 0};
  }
  if (incoming_->snapshot != request.snapshot) return;  // an older one, late
  incoming_->term = term();
  if (incoming_->is_storing) return;  // it is answered when the piece is stored
  if (request.offset != incoming_->next) {
    send_now(message.from, term(), SnapshotReply{incoming_->snapshot, incoming_->next});
    return;
  }
  incoming_->is_storing = true;
  chunks_received_.push_back({request.snapshot, request.offset, request.chunk});
}

void Raft::chunk_stored(Instant now, const SnapshotId& snapshot, std::uint64_t next) {
  now_ = std::max(now_, now);
  if (!incoming_ || incoming_->snapshot != snapshot) return;
  incoming_->is_storing = false;
  incoming_->next = next;
  if (const auto leader = this->leader(); leader && !is_leader()) {
    send_now(*leader, term(), SnapshotReply{snapshot, next});
  }
}

void Raft::chunk_refused(const SnapshotId& snapshot) {
  if (incoming_ && incoming_->snapshot == snapshot) incoming_.reset();
}

// Paper figure 13: "if existing log entry has same index and term as snapshot's last included
// entry, retain log entries following it"; else "discard the entire log".
bool Raft::restore(Instant now, const SnapshotId& snapshot, const Configuration& configuration) {
  now_ = std::max(now_, now);
  // Whatever was appended is handed out: no reply waits that would vouch for what goes now.
  VESPER_CHECK(collected_ == log_.last_index() && durable_messages_.empty());
  VESPER_CHECK(!truncate_from_ && !restart_after_);
  if (incoming_ && incoming_->snapshot == snapshot) incoming_.reset();
  const LogPosition last = snapshot.last;
  // What was committed meanwhile is newer. A leader's log holds all that is committed.
  if (last.index <= commit_ || is_leader()) return false;

  if (log_.contains(last)) {
    log_.compact(last.index);
    configurations_.compact(last.index);
    for (PendingWrite& write : pending_writes_) write.last = std::max(write.last, last.index);
    durable_ = std::max(durable_, last.index);
  } else {
    log_.reset(last);
    configurations_ = Configurations(last.index, configuration);
    for (PendingWrite& write : pending_writes_) write.last = last.index;
    collected_ = last.index;
    durable_ = last.index;
    restart_after_ = last;
  }
  newest_snapshot_ = snapshot;
  commit_ = last.index;
  handed_out_ = last.index;
  if (const auto leader = this->leader()) {
    send_after_durable(
        *leader, AppendReply{.accepted = true, .match = last.index, .rejected = {}, .hint = {}});
  }
  return true;
}

}  // namespace vesper::raft
