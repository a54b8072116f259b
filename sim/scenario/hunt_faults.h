// The faults of the random search, as short chains of steps: a time, then what follows from it.
// Some are blind (crash whoever), some are aimed at the moments that break consensus when it is
// wrong: a leader that dies right after it sent, a voter right after its vote, a read at a leader
// that was cut off.
#pragma once

#include "core/base/random.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

struct FaultWindow {
  Duration from;
  Duration to;
};

// Appends the chains of one seed: draws which kinds it keeps, then when and which.
void draw_hunt_faults(RandomStream& draws, FaultWindow window, Scenario& scenario);
// Appends transfers of leadership, and faults in the middle of them, in some of the seeds. From
// draws of their own: what else happens in a seed is the same without them.
void draw_hunt_transfers(RandomStream draws, FaultWindow window, Scenario& scenario);
// The same of changes of the members (hunt_members.cc).
void draw_hunt_members(RandomStream draws, FaultWindow window, Scenario& scenario);

// Appends damage in one node's memory, at some time.
void draw_hunt_alteration(RandomStream& draws, FaultWindow window, Scenario& scenario);

}  // namespace vesper::sim
