// What the chains of the random search are made of (hunt_faults.cc, hunt_links.cc, hunt_disks.cc
// and the like write them): a step at a time, then steps that follow it, each of them optional, for
// what a chain meant may be gone by then. And the draws that several kinds of chains share.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/random.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

Duration ms(std::uint64_t count);

Selector the_leader();
Selector everybody();
Selector the_rest();
Selector node_number(std::uint64_t number);
Selector follower(std::uint64_t number);
Selector named(std::string name);

// Appends a step that need not run.
Step& add_step(Scenario& scenario, Trigger trigger, Duration time, Action action);

// Appends the steps of one chain after another.
class StepChain {
 public:
  explicit StepChain(Scenario& scenario) : scenario_(scenario) {}

  // When the next chain begins.
  void at(Duration time) { at_ = time; }
  // Opens a chain: its first step comes at its time.
  Step& first(Action action) { return add_step(scenario_, Trigger::kAt, at_, action); }
  Step& then(Duration after, Action action) {
    return add_step(scenario_, Trigger::kAfter, after, action);
  }
  // At the nth message of this type.
  Step& on(const char* type, std::uint64_t nth, Action action);
  // By another trigger, which the caller fills in.
  Step& add(Trigger trigger, Action action) {
    return add_step(scenario_, trigger, Duration(), action);
  }
  // A name that no other chain uses.
  std::string fresh_name() const;

 private:
  Scenario& scenario_;
  Duration at_;
};

// A short time often, a long one sometimes: around the election timeout.
Duration draw_time_around(RandomStream& draws, Duration election);
CrashLoss draw_crash_loss(RandomStream& draws);
// The leader, or one of the nodes 0..nodes-1.
Selector draw_leader_or_node(RandomStream& draws, std::uint64_t nodes);

}  // namespace vesper::sim
