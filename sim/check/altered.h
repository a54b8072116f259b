// Nodes whose state was altered on purpose (World::alter), and what follows:
//   consistency  no node stops for a wrong state that was not altered, nor says that another's
//                differs; one that was is found and stops within a bound
// What an altered node applies is judged less strictly by others (applied.h): its hashes are wrong,
// that is the point.
#pragma once

#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "sim/check/violation.h"

namespace vesper::sim {

class Altered {
 public:
  Altered(std::size_t nodes, Violations& violations) : nodes_(nodes), violations_(violations) {}

  // A new life: the memory is new, but a snapshot may have kept the wrong state.
  void on_start(NodeId node) { nodes_[node.value()].since.reset(); }
  // So does a leader's snapshot give it a new state.
  void on_restored(NodeId node) { nodes_[node.value()].since.reset(); }
  void on_altered(Instant at, NodeId node);
  // It took a snapshot whose contents are not what the entries give, as an altered node may make.
  void on_inherited(NodeId node) { nodes_[node.value()].is_altered = true; }
  void on_diverged(NodeId node, const Error& reason);
  void on_differs(NodeId node);

  bool any() const;
  bool is_altered(NodeId node) const { return nodes_[node.value()].is_altered; }
  // When it was altered, if that was in its present life and it has not stopped since. Nothing also
  // where so many are altered that no majority of the others could tell.
  std::optional<Instant> unnoticed(NodeId node) const;

 private:
  struct Node {
    bool is_altered = false;       // ever
    std::optional<Instant> since;  // in this life
  };
  bool has_sound_majority() const;

  std::vector<Node> nodes_;
  Violations& violations_;
};

}  // namespace vesper::sim
