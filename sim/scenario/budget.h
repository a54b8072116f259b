// What faults a cluster has to survive, in one place. A node is spent while its disk does not hold
// what it has acknowledged and cannot be made to: it was struck, is in doubt, has refused to start,
// or was wiped. As long as those who are not spent are a majority of every configuration in force,
// nothing acknowledged may be lost, and once faults end the cluster works again. Beyond that it may
// stop; but it must say so, and lie never: every node that takes no part is in doubt or has
// stopped, and its reason is one that a fault of the run explains. One of the runner's observers:
//   explained-stop  a node stops for a disk's error only if its disk gave one, and is in doubt or
//                   finds damage only if a fault made some (sound-disk, check/safety.h)
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/check/violation.h"
#include "sim/observer.h"
#include "sim/scenario/scenario.h"
#include "sim/world.h"

namespace vesper::sim {

// It runs, and takes part in the cluster; perhaps in doubt about its log.
bool takes_part(const World& world, NodeId node);
// And is in no doubt, in which it would not vote.
bool can_vote(const World& world, NodeId node);
// Nodes that can vote and all reach each other are a majority of every configuration in force.
bool has_connected_majority(const World& world);
// The same of some of these nodes, which are sorted.
bool are_connected_majority(const World& world, const std::vector<NodeId>& working);

// Whether a follower may be sent a single entry a round trip. That may be less than what is asked
// for: then all puts come too late, and no client comes to its next get.
bool may_be_swamped(const Scenario& scenario);

class FaultBudget final : public WorldObserver {
 public:
  explicit FaultBudget(std::size_t nodes) : nodes_(nodes) {}

  const std::optional<Violation>& violation() const { return violations_.first(); }
  bool is_spent(NodeId node) const;
  // Whether those who are not spent are a majority of every configuration in force.
  bool is_kept(const World& world) const;
  // Whether nothing that is no spent node's explains that no majority works: the budget is kept,
  // and whoever is not spent runs and reaches the others.
  bool must_work(const World& world) const;
  // How often the budget was left. Call observe whenever a node may have been spent or repaired.
  std::uint64_t times_left() const { return times_left_; }
  void observe(const World& world);

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_opened(Instant at, const node::Node& node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_wipe(Instant at, NodeId node) override;
  void on_damage(Instant at, NodeId node) override;
  void on_disk_error(Instant at, NodeId node, std::string_view operation) override;
  void on_node_event(Instant at, const node::NodeEvent& event) override;

 private:
  struct Node {
    bool is_struck = false;  // since it was last opened
    bool is_in_doubt = false;
    bool has_refused = false;  // to start from what is there
    bool is_wiped = false;
    bool had_error = false;  // of its disk, in this life
  };

  std::vector<Node> nodes_;
  bool was_kept_ = true;
  std::uint64_t times_left_ = 0;
  Violations violations_;
};

}  // namespace vesper::sim
