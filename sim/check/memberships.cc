#include "sim/check/memberships.h"

#include <vector>

#include "core/raft/quorum.h"

namespace vesper::sim {

Memberships::Memberships(std::size_t founders) {
  add({}, raft::Configuration::of_founders(std::vector<Incarnation>(founders)));
}

Memberships::InForce Memberships::in_force(const ShadowLog& log, Index index) const {
  auto at = known_.upper_bound({index, Term(limits::kTerm)});
  while (at != known_.begin()) {
    --at;
    const auto [where, term] = at->first;
    if (where == Index() || (where <= log.last() && log.at(where).term == term)) {
      return {where, &at->second};
    }
  }
  VESPER_UNREACHABLE();
}

bool Memberships::may_commit(const ShadowLog& log, Index index,
                             const std::function<bool(NodeId)>& has_it) const {
  const auto is_quorum = [&](const raft::Configuration& configuration) {
    return raft::vote_result(configuration, has_it, [](NodeId) { return false; }) ==
           raft::VoteResult::kWon;
  };
  if (is_quorum(*in_force(log, index).configuration)) return true;
  for (auto at = known_.upper_bound({index, Term(limits::kTerm)}); at != known_.end(); ++at) {
    if (is_quorum(at->second)) return true;
  }
  return false;
}

}  // namespace vesper::sim
