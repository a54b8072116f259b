// Elections: the pre-vote round, the vote, becoming leader, and the leader that steps down when it
// no longer hears a majority. A newcomer who looks for the vote rule finds it in on_vote_request.
#include <algorithm>

#include "core/raft/raft.h"

namespace vesper::raft {

namespace {

bool has(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

// Dissertation section 4.2.3: a server that hears from a live leader disregards requests for votes,
// and so does that leader. But a request by transfer has "permission to disrupt the leader: it told
// me to".
bool Raft::must_ignore_vote_request(const MessageBody& body) const {
  const auto* vote = std::get_if<VoteRequest>(&body);
  if (vote != nullptr && vote->by_transfer) return false;
  if (is_leader() || now_ < withholds_votes_until_) return true;
  return heard_from_leader_ && now_ - *heard_from_leader_ < config_.election_timeout_min;
}

// Dissertation section 4.2.1: a learner "is not yet counted for majorities", and never leads. But
// "a server that is not part of its own latest configuration should still start new elections, as
// it might still be needed until the C_new entry is committed" (4.2.2): it may hold the longest
// log. Its own vote counts only where the configuration counts it.
bool Raft::may_campaign() const {
  return configuration().is_voter(config_.id) || configurations_.at(commit_).is_voter(config_.id);
}

void Raft::campaign() {
  // A vote that is not durable yet has asked nobody: a slow disk must not restart the election over
  // and over.
  if (is_waiting_for_own_vote()) {
    reset_election_deadline();
    return;
  }
  start_pre_vote();
}

// Dissertation section 9.6: ask first whether an election could be won; nothing changes by asking.
void Raft::start_pre_vote() {
  role_ = Candidate{.pre_vote = true, .granted = {}, .refused = {}};
  reset_election_deadline();
  for (const Member& member : configuration().members()) {
    if (member.id == config_.id || member.standing == Standing::kLearner) continue;
    send_now(member.id, term().next(), PreVoteRequest{log_.last()});
  }
  count_vote(config_.id, true);
}

// Paper section 5.2: "a follower increments its current term and transitions to candidate state".
// Its own vote counts, and its requests leave, once term and vote are durable (see persisted).
void Raft::start_election(Cause cause) {
  set_hard_state({term().next(), config_.id});
  role_ = Candidate{.pre_vote = false, .granted = {}, .refused = {}};
  heard_from_leader_.reset();
  reset_election_deadline();
  for (const Member& member : configuration().members()) {
    if (member.id == config_.id || member.standing == Standing::kLearner) continue;
    send_after_durable(
        member.id, VoteRequest{.last_log = log_.last(), .by_transfer = cause == Cause::kTransfer});
  }
}

bool Raft::is_waiting_for_own_vote() const {
  const auto* candidate = std::get_if<Candidate>(&role_);
  return candidate != nullptr && !candidate->pre_vote && !has(candidate->granted, config_.id);
}

void Raft::become_leader() {
  VESPER_CHECK(hard_state_.vote == config_.id);
  VESPER_CHECK(!barrier_is_up());

  Leader leader;
  leader.first_of_term = log_.last_index().next();
  leader.next_heartbeat = now_ + config_.heartbeat_interval;
  role_ = std::move(leader);
  // Paper section 5.3: nextIndex starts just after the leader's last entry.
  rebuild_progress();
  // Dissertation section 6.4: a no-op of its own term, so that it soon knows what is committed.
  append_to_log(Entry::make({term(), log_.last_index().next()}, EntryKind::kNoop, {}));
}

void Raft::on_pre_vote_request(const Message& message, const PreVoteRequest& request) {
  const bool granted = message.term > term() && request.last_log >= log_.last();
  send_now(message.from, granted ? message.term : term(), PreVoteReply{granted});
}

void Raft::on_pre_vote_reply(const Message& message, const PreVoteReply& reply) {
  const auto* candidate = std::get_if<Candidate>(&role_);
  if (candidate == nullptr || !candidate->pre_vote) return;
  if (reply.granted && message.term != term().next()) return;  // an answer to an older question
  count_vote(message.from, reply.granted);
}

void Raft::on_vote_request(const Message& message, const VoteRequest& request) {
  // Paper figure 2, RequestVote: one vote a term, first come first served...
  const bool is_free = !hard_state_.vote || *hard_state_.vote == message.from;
  // ...and only for a log at least as up to date as this one (paper section 5.4.1).
  if (!is_free || request.last_log < log_.last()) {
    send_now(message.from, term(), VoteReply{false});
    return;
  }
  if (!hard_state_.vote) set_hard_state({term(), message.from});
  reset_election_deadline();
  send_after_durable(message.from, VoteReply{true});
}

void Raft::on_vote_reply(const Message& message, const VoteReply& reply) {
  const auto* candidate = std::get_if<Candidate>(&role_);
  if (candidate == nullptr || candidate->pre_vote) return;
  // Nobody has been asked before the own vote is durable, so no correct peer answers yet.
  if (is_waiting_for_own_vote()) return;
  count_vote(message.from, reply.granted);
}

void Raft::count_vote(NodeId voter, bool granted) {
  auto& candidate = std::get<Candidate>(role_);
  if (has(candidate.granted, voter) || has(candidate.refused, voter))
    return;  // repeated by the network
  (granted ? candidate.granted : candidate.refused).push_back(voter);

  switch (vote_result(
      configuration(), [&](NodeId node) { return has(candidate.granted, node); },
      [&](NodeId node) { return has(candidate.refused, node); })) {
    case VoteResult::kPending:
      return;
    case VoteResult::kLost:
      become_follower(std::nullopt);
      return;
    case VoteResult::kWon:
      if (candidate.pre_vote) {
        start_election(Cause::kTimeout);
      } else {
        become_leader();
      }
      return;
  }
}

// Dissertation section 6.2: "a leader steps down if an election timeout elapses without a
// successful round of heartbeats to a majority of its cluster", so that its clients look elsewhere.
void Raft::check_quorum() {
  const auto& leader = std::get<Leader>(role_);
  const Instant majority = reached_by_quorum(configuration(), [&](std::size_t i) {
    const Progress& progress = leader.progress[i];
    return progress.member() == config_.id ? now_ : progress.heard_at;
  });
  if (now_ - majority > config_.election_timeout_min) become_follower(std::nullopt);
}

}  // namespace vesper::raft
