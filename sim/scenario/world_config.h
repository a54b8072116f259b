// From a drawn scenario to the plain numbers of a world.
#pragma once

#include "sim/config.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Requires: the scenario is drawn.
WorldConfig world_config_of(const Scenario& scenario);
BurstConfig burst_of(const BurstSpec& burst);
Delay delay_of(const DelaySpec& delay);
// This node's own, or everybody's.
DiskConfig world_disk_of(const Scenario& scenario, NodeId node);

}  // namespace vesper::sim
