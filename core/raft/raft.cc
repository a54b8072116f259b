#include "core/raft/raft.h"

#include <algorithm>
#include <utility>

namespace vesper::raft {

namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

bool is_vote_request(const MessageBody& body) {
  return std::holds_alternative<PreVoteRequest>(body) || std::holds_alternative<VoteRequest>(body);
}

// Only a leader sends these.
bool is_from_leader(const MessageBody& body) {
  return std::holds_alternative<AppendRequest>(body) ||
         std::holds_alternative<HeartbeatRequest>(body) ||
         std::holds_alternative<SnapshotRequest>(body) || std::holds_alternative<TimeoutNow>(body);
}

// Dissertation section 9.6: a pre-vote asks about a future term and must change nobody's.
bool carries_future_term(const MessageBody& body) {
  if (std::holds_alternative<PreVoteRequest>(body)) return true;
  const auto* reply = std::get_if<PreVoteReply>(&body);
  return reply != nullptr && reply->granted;
}

}  // namespace

Raft::Raft(RaftConfig config, HardState hard_state, Log log, Instant now,
           const SnapshotId& snapshot, std::optional<Term> doubt, std::optional<Index> safe)
    : config_(std::move(config)),
      timeouts_(config_.random, DrawKey{Purpose::kElectionTimeout, config_.id.value()}),
      log_(std::move(log)),
      configurations_(snapshot.last.index, config_.configuration),
      newest_snapshot_(snapshot),
      role_(Follower{}),
      now_(now),
      hard_state_(hard_state),
      commit_(snapshot.last.index),
      handed_out_(snapshot.last.index),
      doubt_(doubt),
      collected_(log_.last_index()),
      durable_(log_.last_index()) {
  VESPER_CHECK(config_.heartbeat_interval < config_.election_timeout_min);
  VESPER_CHECK(config_.election_timeout_min < config_.election_timeout_max);
  VESPER_CHECK(!config_.configuration.members().empty());
  VESPER_CHECK(hard_state_.term >= log_.last().term);
  VESPER_CHECK(snapshot.last.index >= log_.base().index && log_.contains(snapshot.last));
  VESPER_CHECK(config_.lease_drift_ppm >= 0 && config_.lease_drift_ppm < 1'000'000);
  for (Index index = snapshot.last.index.next(); index <= log_.last_index(); index = index.next()) {
    note_configuration(log_.at(index));
  }
  // From the lower half, so that no life counts to the end of the numbers.
  last_batch_ = ReadBatch(config_.random.draw({Purpose::kReadBatch, config_.id.value()}, 0) >> 1);
  if (safe) {
    last_write_ = WriteId(1);
    hard_state_written_ = last_write_;
    pending_writes_.push_back({last_write_, durable_});
    durable_ = std::min(durable_, std::max(*safe, snapshot.last.index));
  }
  if (hard_state_.term > Term(0)) promise_votes(config_.election_timeout_max);
  reset_election_deadline();
}

// --- Time ---

void Raft::tick(Instant now) {
  now_ = std::max(now_, now);
  if (auto* leader = std::get_if<Leader>(&role_)) {
    end_overdue_transfer();
    if (leader->has_voters_in_doubt) lead_anew_for_doubt();
    if (!is_leader()) return;
    if (now_ < leader->next_heartbeat) return;
    check_quorum();
    if (!is_leader()) return;
    forget_silent_receivers();
    send_heartbeats();
    return;
  }
  if (now_ < election_deadline_) return;
  if (!may_campaign()) return reset_election_deadline();
  campaign();
}

Instant Raft::next_deadline() const {
  if (const auto* leader = std::get_if<Leader>(&role_)) {
    if (leader->transfer) return std::min(leader->next_heartbeat, leader->transfer->ends_at);
    return leader->next_heartbeat;
  }
  if (!asked_reads_.empty()) return std::min(election_deadline_, next_ask_);
  return election_deadline_;
}

// Paper section 5.2: randomised, so that split votes are rare and resolve quickly.
void Raft::reset_election_deadline() {
  const Duration one = Duration::nanoseconds(1);
  election_deadline_ =
      now_ + timeouts_.between(config_.election_timeout_min, config_.election_timeout_max - one);
}

// --- Messages ---

void Raft::step(Instant now, const Message& message) {
  now_ = std::max(now_, now);
  if (message.to != config_.id || message.from == config_.id) return;
  // Dissertation section 4.2.3: while a leader is alive the request is ignored whole, its term too.
  if (is_vote_request(message.body) && must_ignore_vote_request(message.body)) return;

  // Paper figure 2, "Rules for Servers": the term rules stand here, once, for every role and
  // message.
  if (message.term > term() && !carries_future_term(message.body)) {
    adopt_term(message.term);
  } else if (message.term < term()) {
    answer_stale(message);
    return;
  }
  step_in_term(message);
}

void Raft::step_in_term(const Message& message) {
  std::visit(Overloaded{
                 [&](const PreVoteRequest& body) { on_pre_vote_request(message, body); },
                 [&](const PreVoteReply& body) { on_pre_vote_reply(message, body); },
                 [&](const VoteRequest& body) { on_vote_request(message, body); },
                 [&](const VoteReply& body) { on_vote_reply(message, body); },
                 [&](const AppendRequest& body) { on_append_request(message, body); },
                 [&](const AppendReply& body) { on_append_reply(message, body); },
                 [&](const HeartbeatRequest& body) { on_heartbeat_request(message, body); },
                 [&](const HeartbeatReply& body) { on_heartbeat_reply(message, body); },
                 [&](const TimeoutNow&) { on_timeout_now(message); },
                 [&](const SnapshotRequest& body) { on_snapshot_request(message, body); },
                 [&](const SnapshotReply& body) { on_snapshot_reply(message, body); },
                 [&](const ReadIndexRequest& body) { on_read_index_request(message, body); },
                 [&](const ReadIndexReply& body) { on_read_index_reply(message, body); },
             },
             message.body);
}

// Paper figure 2: reply false to a request of an older term, so that a deposed leader or a
// candidate that lags learns the term. Old replies say nothing any more.
void Raft::answer_stale(const Message& message) {
  if (std::holds_alternative<PreVoteRequest>(message.body)) {
    send_now(message.from, term(), PreVoteReply{false});
  } else if (std::holds_alternative<VoteRequest>(message.body)) {
    send_now(message.from, term(), VoteReply{false});
  } else if (is_from_leader(message.body)) {
    send_now(message.from, term(), HeartbeatReply{Round(0)});
  } else if (const auto* read = std::get_if<ReadIndexRequest>(&message.body)) {
    send_now(message.from, term(), ReadIndexReply{.granted = false, .batch = read->batch});
  }
}

void Raft::adopt_term(Term term) {
  VESPER_CHECK(term > hard_state_.term);
  set_hard_state({term, std::nullopt});
  heard_from_leader_.reset();
  become_follower(std::nullopt);
}

void Raft::become_follower(std::optional<NodeId> leader) {
  if (is_leader()) {
    lose_reads();
    reset_election_deadline();  // a leader had none
  }
  role_ = Follower{leader};
}

// A message that only this term's leader sends: whoever it is, this node follows it now.
// False: this node leads this term itself, so the sender cannot.
bool Raft::follow_leader(NodeId leader) {
  if (is_leader()) return false;
  become_follower(leader);
  heard_from_leader_ = now_;
  reset_election_deadline();
  return true;
}

// A barred message is as good as lost when too many wait: its sender or receiver will try again.
void Raft::make_room_behind_barrier() {
  if (barrier_is_up()) now_messages_.erase(now_messages_.begin());
}

// --- Durability ---

void Raft::set_hard_state(HardState hard_state) {
  VESPER_CHECK(hard_state.term >= hard_state_.term);
  VESPER_CHECK(hard_state.term > hard_state_.term || !hard_state_.vote ||
               hard_state.vote == hard_state_.vote);
  hard_state_ = hard_state;
  hard_state_changed_ = true;
}

void Raft::persisted(Instant now, WriteId write) {
  VESPER_CHECK(write <= last_write_);
  now_ = std::max(now_, now);
  const bool was_barred = barrier_is_up();
  bool moved = false;
  while (!pending_writes_.empty() && pending_writes_.front().id <= write) {
    const PendingWrite& done = pending_writes_.front();
    durable_ = done.last;
    if (hard_state_written_ == done.id) hard_state_written_.reset();
    pending_writes_.pop_front();
    moved = true;
  }
  if (!moved) return;

  // A node's own vote and own match count only here: durability is an input, never an assumption.
  if (auto* leader = std::get_if<Leader>(&role_)) {
    if (Progress* own = progress_of(*leader, config_.id)) own->set_own_match(durable_);
    advance_commit();
  } else if (is_waiting_for_own_vote() && !barrier_is_up()) {
    // The vote requests leave only now, so the election's time runs only from now.
    reset_election_deadline();
    count_vote(config_.id, true);
  } else if (was_barred && !barrier_is_up() && hard_state_.vote && !this->leader()) {
    // So does the grant to another candidate, who gets as much time to be heard.
    reset_election_deadline();
  }
}

bool Raft::collect(Ready& ready) {
  ready.clear();
  if (doubt_) end_doubt_if_repaired();
  if (is_leader()) continue_membership();
  if (is_leader()) {
    if (reads_need_round()) send_heartbeats();
    replicate();
    continue_transfer();
  }
  if (!asked_reads_.empty()) ask_leader_for_reads();
  if (has_nothing_to_hand_out()) {
    check_ready(ready);
    return false;
  }
  collect_write(ready);
  collect_messages(ready);
  while (handed_out_ < commit_ && ready.committed.size() < limits::kCommittedEntries) {
    handed_out_ = handed_out_.next();
    ready.committed.push_back(log_.at(handed_out_));
  }
  ready.chunks_wanted.swap(chunks_wanted_);
  // A snapshot may end in this very term: none may be durable here before the term is.
  if (!barrier_is_up()) ready.chunks_received.swap(chunks_received_);
  ready.reads.swap(granted_reads_);
  ready.lost_reads.swap(lost_reads_);
  check_ready(ready);
  return ready.write != WriteId() || !ready.send_now.empty() || !ready.send_after_durable.empty() ||
         !ready.committed.empty() || !ready.chunks_wanted.empty() ||
         !ready.chunks_received.empty() || !ready.reads.empty() || !ready.lost_reads.empty();
}

void Raft::collect_write(Ready& ready) {
  if (!has_write()) return;
  last_write_ = last_write_.next();
  ready.write = last_write_;

  if (hard_state_changed_) {
    ready.hard_state = hard_state_;
    hard_state_written_ = last_write_;
    hard_state_changed_ = false;
  }
  ready.restart_after = std::exchange(restart_after_, std::nullopt);
  ready.truncate_from = std::exchange(truncate_from_, std::nullopt);
  while (collected_ < log_.last_index()) {
    collected_ = collected_.next();
    ready.entries.push_back(log_.at(collected_));
  }
  pending_writes_.push_back({last_write_, collected_});
}

void Raft::collect_messages(Ready& ready) {
  ready.send_after_durable.swap(durable_messages_);
  if (barrier_is_up()) return;
  ready.send_now.swap(now_messages_);
  // What waited behind the barrier and belongs to a term that this node has left is of no use to
  // anyone.
  std::erase_if(ready.send_now, [this](const Message& message) {
    return carries_future_term(message.body) ? message.term <= term() : message.term != term();
  });
}

void Raft::check_ready(const Ready& ready) const {
  VESPER_CHECK(!hard_state_written_ || ready.send_now.empty());
  VESPER_CHECK(ready.write != WriteId() ||
               (!ready.hard_state && !ready.restart_after && !ready.truncate_from));
  VESPER_CHECK(ready.write != WriteId() || ready.entries.empty());
  VESPER_CHECK(ready.committed.empty() || ready.committed.back().index() <= commit_);
  VESPER_CHECK(commit_ <= log_.last_index());
  VESPER_CHECK(durable_ <= log_.last_index());
}

}  // namespace vesper::raft
