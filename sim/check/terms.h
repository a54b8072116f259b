// Terms, votes and leaders: the promises of paper figure 2's persistent state, kept across crashes.
//   election-safety     at most one leader a term, over the whole run and across restarts
//   term-monotonic      in one life a node's term never goes back
//   vote-once           a node grants one vote a term, whatever it forgets; in one life its vote
//                       never changes
//   hard-state-durable  no term or vote leaves in a message before it is on disk, and none that
//                       left, or that was reported synced, is forgotten by a restart
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/node/environment.h"
#include "core/raft/ready.h"
#include "sim/check/violation.h"

namespace vesper::sim {

class TermChecker {
 public:
  TermChecker(std::size_t nodes, Violations& violations) : nodes_(nodes), violations_(violations) {}

  // A process starts: its memory is empty.
  void on_start(NodeId node);
  // Its disk is empty: whatever runs there later is no member that promised anything.
  void on_wipe(NodeId node) { nodes_[node.value()] = {}; }
  // A life begins with what its disk held.
  void on_recovered(const node::NodeView& view, std::uint64_t life);
  // `durable` is what is known to be on the node's disk.
  void on_view(const node::NodeView& view);
  void on_send(const node::NodeView& view, const raft::Message& message,
               const raft::HardState& durable);
  // True once for each (leader, term): it was elected just now.
  bool is_new_leader(const node::NodeView& view);

 private:
  struct Node {
    std::uint64_t life = 0;
    // In this life.
    Term term;
    std::optional<NodeId> vote;
    Term led;  // the last term that it was seen to lead
    // Over all lives: what left in a message.
    Term sent_term;
    Term granted_term;
    NodeId granted_to;
  };
  struct Leader {
    NodeId node;
    std::uint64_t life = 0;
  };
  void on_grant(Node& node, const node::NodeView& view, Term term, NodeId to,
                const raft::HardState& durable);

  std::vector<Node> nodes_;
  std::map<Term, Leader> leaders_;
  Violations& violations_;
};

}  // namespace vesper::sim
