// A node in doubt: its disk lost a part of its log that it may have acknowledged. `doubt_` is its
// term when the damage was found; it acknowledged and voted in that term and earlier ones only. It
// goes on from what is intact, and everything it says of that is true, so it takes entries, counts
// in the quorum's size, and acknowledges as any follower does: never past its first hole, for the
// log is cut there. What it must not do is to stand in for what it lost:
//
//   - It neither votes, in any round, nor campaigns, by its timer or by TimeoutNow. An entry that
//     was committed with its copy is on at least m - 1 intact logs, m the majority; m voters, none
//     of them in doubt, must meet one of those, for no more than n - 1 are there and 2m - 1 > n - 1
//     (with f in doubt: 2m - f > n - f). So every leader holds all that was or, by acknowledgements
//     under way, still may be committed, and no position is dropped but one that a majority of
//     intact logs lacks: the vote itself is the count that the literature asks for.
//   - It acknowledges rounds of heartbeats. What that promises, that it has helped no later leader,
//     rests on term and vote, which are intact, and it does not vote: reads and leases are safe.
//
//   - From a leader of a term up to `doubt_` it takes no commit index that the very message does
//     not verify. A heartbeat's is at most what the leader knows to match here; but that may be
//     among what was lost, and where it was, leftovers may stand that had been overwritten.
//
// The doubt ends when an entry of a later term is committed and on this disk. By Log Matching the
// log then equals the log of that term's leader up to there, which holds all that the terms up to
// `doubt_` could commit; a node without damage would hold the same, its other entries overwritten.
// A leader of a term up to `doubt_` will not do: it may still receive an acknowledgement from
// before the damage and commit by it what is here no more, after this node was told its commit
// index; were the doubt over, this node could then vote for someone who lacks the entry.
//
// How that leader comes about. If the node led, or had reached a term of its own, the others elect
// one. Else its heartbeat replies tell the leader, who counts none of its acknowledgements for the
// rest of the term (old and new ones look the same), and if a majority of intact voters is heard,
// asks for their votes in the next term: none of them has a log that is ahead of its own, so it
// needs to bring nobody up to date first, and all is counted from the start one term later. The
// request is marked as one by transfer, for they hear a leader, and breaks no lease: the only one
// there can be is this leader's, who has just given it up.
//
// Published work. In Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage" (FAST
// '18), a node with faulty entries may lead: it asks the others, takes an intact copy where there
// is one, discards an entry once a majority says that it never had it, and otherwise waits.
// Identifiers apart from the records tell which entries are faulty, and a persist record tells
// damage from a crash (here a group's mark does). We know less, for damage may hide how long the
// log was, so the whole suffix is taken as lost, and ask less, for the election makes that very
// count: a candidate that lacks an entry is refused by each intact node that has it. In
// TigerBeetle a replica that does not know the head of its log takes no part in view changes (its
// status is `recovering_head`) and goes on from what a primary sends: the rule on later terms is
// ours for the same reason.
#include <algorithm>

#include "core/raft/raft.h"

namespace vesper::raft {

void Raft::end_doubt_if_repaired() {
  if (!doubt_ || commit_ > durable_) return;
  if (log_.term_at(commit_) > *doubt_) doubt_.reset();
}

// --- Leader ---

// `doubt` is what the voter says of itself in a reply; 0: it is intact.
void Raft::note_doubt(Progress& progress, Term doubt) {
  progress.doubt = doubt;
  if (doubt < term()) return;
  progress.count_no_more();
  std::get<Leader>(role_).has_voters_in_doubt = true;
}

// Within its term nothing that this leader does can end the doubt of a voter: so it takes the next
// one, where it can win it.
void Raft::lead_anew_for_doubt() {
  const auto& leader = std::get<Leader>(role_);
  if (leader.transfer) return;
  std::vector<NodeId> intact;
  bool is_waited_for = false;
  for (const Progress& progress : leader.progress) {
    const bool is_heard =
        progress.member() == config_.id || now_ - progress.heard_at < config_.election_timeout_min;
    if (!is_heard) continue;
    is_waited_for = is_waited_for || !progress.counts();
    if (progress.is_intact()) intact.push_back(progress.member());
  }
  const VoteResult votes = vote_result(
      configuration(),
      [&](NodeId node) { return std::find(intact.begin(), intact.end(), node) != intact.end(); },
      [](NodeId) { return false; });
  if (!is_waited_for || votes != VoteResult::kWon || !may_campaign()) return;
  become_follower(std::nullopt);
  start_election(Cause::kTransfer);
}

}  // namespace vesper::raft
