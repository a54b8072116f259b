#include "sim/check/memberships.h"

#include <vector>

#include "core/base/limits.h"

namespace vesper::sim {

Memberships::Memberships(std::size_t founders) {
  add({}, raft::Configuration::of_founders(std::vector<Incarnation>(founders)));
}

Memberships::InForce Memberships::in_force(const ShadowLog& log, Index index) const {
  auto at = known_.upper_bound({index, Term(limits::kTerm)});
  while (at != known_.begin()) {
    --at;
    const auto [where, term] = at->first;
    if (where <= log.base() || (where <= log.last() && log.at(where).term == term)) {
      return {where, term, &at->second};
    }
  }
  VESPER_UNREACHABLE();
}

// The founders' own stays, for logs that end before it.
void Memberships::settle(const ShadowLog& committed, Index to) {
  const InForce kept = in_force(committed, to);
  std::erase_if(known_, [&](const auto& each) {
    const Index where = each.first.first;
    return where > Index() && where <= to && each.first != std::pair(kept.index, kept.term);
  });
}

bool Memberships::may_commit(const ShadowLog& log, Index index,
                             const std::function<bool(NodeId)>& has_it) const {
  // Counted here once more, by nothing of what the nodes count with.
  const auto is_quorum = [&](const raft::Configuration& configuration) {
    int before = 0;
    int after = 0;
    for (const raft::Member& member : configuration.members()) {
      const int vote = has_it(member.id) ? 1 : -1;
      const raft::Standing is = member.standing;
      if (is == raft::Standing::kVoter || is == raft::Standing::kOutgoing) before += vote;
      if (is == raft::Standing::kVoter || is == raft::Standing::kIncoming) after += vote;
    }
    return before > 0 && after > 0;
  };
  if (is_quorum(*in_force(log, index).configuration)) return true;
  for (auto at = known_.upper_bound({index, Term(limits::kTerm)}); at != known_.end(); ++at) {
    if (is_quorum(at->second)) return true;
  }
  return false;
}

}  // namespace vesper::sim
