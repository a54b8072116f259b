// The full disks of one seed of the random search: one node's, the leader's, some or everybody's,
// for a while. Part of hunt_scenario.
#pragma once

#include "core/base/random.h"
#include "sim/scenario/hunt_faults.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Nothing in most seeds.
void draw_hunt_full_disks(RandomStream draws, FaultWindow window, Scenario& scenario);

}  // namespace vesper::sim
