// By whose fault a cluster cannot work. Faults (FaultLedger) remembers of each node and link what a
// fault did to it that lasts, and since when; find_blame then says, from the state of the nodes and
// from that alone, which nodes must be there, a majority of every configuration that is in force,
// and why each that is missing is. A cluster that gets on no more is excused only by that proof: a
// node that is missing with no fault that explains it is the cluster's own failure. The ledger is
// one of the runner's observers; the probe at the end of a run asks (progress_probe.h).
//
// Not known to it: a clock that stands still keeps a node from campaigning, but not from voting, so
// it excuses nobody; a link that loses much is not one that is cut.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/observer.h"
#include "sim/world.h"

namespace vesper::sim {

class FaultLedger final : public WorldObserver {
 public:
  explicit FaultLedger(std::size_t nodes) : nodes_(nodes) {}

  struct Stop {
    Instant at;
    std::string why;
    bool is_explained = false;  // its disk gave an error or is full, or was damaged
  };
  struct Node {
    Instant changed_at;        // it crashed, was started, paused or resumed
    std::optional<Stop> stop;  // of this life
    std::optional<Instant> wiped;
    std::optional<Instant> damaged;  // its data or its state, last
    std::optional<Instant> error;    // of its disk, in this life
    std::optional<Instant> stalled;  // its disk
    std::optional<Instant> full;     // likewise
  };
  const Node& node(NodeId id) const { return nodes_[id.value()]; }
  // The last that changed which links pass.
  Instant links_changed_at() const { return links_changed_at_; }

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_crash(Instant at, NodeId node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_wipe(Instant at, NodeId node) override;
  void on_altered(Instant at, NodeId node) override;
  void on_damage(Instant at, NodeId node) override;
  void on_disk_error(Instant at, NodeId node, std::string_view operation) override;
  void on_fault(Instant at, std::string_view what) override;

 private:
  bool is_any_altered_ = false;
  std::vector<Node> nodes_;
  Instant links_changed_at_;
};

// Its disk takes nothing any more, until a fault of it ends. Requires: the node is up.
bool has_broken_disk(const World& world, const FaultLedger& faults, NodeId node);

struct Blame {
  // No majority works of some configuration in force.
  bool is_stuck = false;
  // A fault explains each node that is missing.
  bool is_proved = false;
  // "needs 2 of {n0, n1, n2}; n1: ...; n2: ...". Empty: it is not stuck.
  std::string text;
};
Blame find_blame(const World& world, const FaultLedger& faults);

}  // namespace vesper::sim
