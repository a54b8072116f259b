// Every configuration that was ever appended to a log, by position: what the checkers count
// majorities by. LogChecker owns it.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "core/raft/configuration.h"
#include "sim/check/shadow_log.h"

namespace vesper::sim {

class Memberships {
 public:
  explicit Memberships(std::size_t founders);

  void add(LogPosition position, const raft::Configuration& configuration) {
    known_.try_emplace({position.index, position.term}, configuration);
  }
  // No log is told apart before this index any more: of what stands there only what is in force at
  // `to` in the log of what is committed matters.
  void settle(const ShadowLog& committed, Index to);
  // The one in force in this log once the entry at `index` was appended.
  struct InForce {
    Index index;
    Term term;
    const raft::Configuration* configuration = nullptr;
  };
  InForce in_force(const ShadowLog& log, Index index) const;
  // Whether these nodes suffice to commit the entry at `index` of this log: a quorum of the
  // configuration in force there, or of a later one, by which a leader may have counted.
  bool may_commit(const ShadowLog& log, Index index,
                  const std::function<bool(NodeId)>& has_it) const;

 private:
  std::map<std::pair<Index, Term>, raft::Configuration> known_;
};

}  // namespace vesper::sim
