// Reads by lease (dissertation section 6.4.1), off by default. A leader whose round of heartbeats a
// majority has acknowledged knows that nobody else is elected for a while, and answers reads at
// once. It trusts clocks: where they run more apart than lease_drift_ppm says, a read may be stale.
//
// Why nobody else is elected. Whoever acknowledges a round withholds its vote for one minimum
// election timeout E of its own clock, and does not campaign itself; each winner needs one of them.
//   - The lease runs from when the round was sent: an acknowledgement that comes late adds nothing.
//   - With clocks that run at a rate between 1 - d and 1 + d, a voter's E lasts at least
//     E / (1 + d), and a lease of E (1 - d) / (1 + d) on the leader's clock at most E / (1 + d).
//   - The promise outlives the term in which it was made: a voter that hears of a later term, from
//     a node that only campaigned there, forgets whom it follows, but not its promise.
//   - A restarted voter has forgotten its promises, so it withholds its vote for one maximum
//     election timeout; but in term 0, in which nobody led. Only where leases are on: elsewhere no
//     leader counts on it, and a cluster that restarts as a whole would wait for nothing. A node
//     cannot see what its leader counts on, so all nodes must be told the same.
//   - Once a transfer was begun its TimeoutNow may reach its target at any time, and a marked
//     request is heard: there is no lease for the rest of that term. It breaks no other leader's
//     lease: whoever asked for the transfer was elected after every earlier lease had ended.
#include <algorithm>

#include "core/raft/raft.h"

namespace vesper::raft {

namespace {

constexpr std::int64_t kMillion = 1'000'000;

}  // namespace

Duration Raft::lease_time() const {
  const std::int64_t drift = config_.lease_drift_ppm;
  return config_.election_timeout_min * (kMillion - drift) / (kMillion + drift);
}

void Raft::promise_votes(Duration time) {
  if (config_.lease_reads) withholds_votes_until_ = std::max(withholds_votes_until_, now_ + time);
}

// Before the round leaves: `now_` was read earlier than any of it is sent.
void Raft::note_round_sent() {
  auto& leader = std::get<Leader>(role_);
  if (config_.lease_reads) leader.sent_rounds.push_back({leader.last_round, now_});
}

void Raft::extend_lease() {
  auto& leader = std::get<Leader>(role_);
  while (!leader.sent_rounds.empty() && is_confirmed(leader.sent_rounds.front().round)) {
    leader.lease_until = leader.sent_rounds.front().sent_at + lease_time();
    leader.sent_rounds.pop_front();
  }
}

bool Raft::holds_lease(Instant now) const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->has_begun_transfer) return false;
  // As for every read: what earlier leaders committed is known by then.
  if (commit_ < leader->first_of_term) return false;
  return now < leader->lease_until;
}

bool Raft::read_by_lease(Instant now, RequestId request) {
  now_ = std::max(now_, now);
  if (!holds_lease(now_)) return false;
  grant_read(request, commit_);
  return true;
}

}  // namespace vesper::raft
