// Disks and clocks that do wrong, in the random search: stalls, errors, wrong and lost writes,
// names that vanish or come back, rot; clocks that leap and stand still. From draws of their own,
// and after all others, so that what else happens in a seed is the same without them.
#pragma once

#include "core/base/random.h"
#include "sim/scenario/hunt_faults.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

// What takes acknowledged entries strikes a minority of the nodes at most, with those that other
// steps strike or wipe; but in a few seeds a majority, to see that the cluster stops and says so.
void draw_hunt_disks(RandomStream draws, FaultWindow window, Scenario& scenario);

void draw_hunt_clocks(RandomStream draws, FaultWindow window, Scenario& scenario);

}  // namespace vesper::sim
