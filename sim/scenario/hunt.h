// The random search: for each seed a whole scenario is drawn, a cluster of some size with its
// timings, limits, network, disks, clients, and a mix of faults from the few kinds that this seed
// keeps. The result is a scenario like any other: it can be run, written out and read back.
#pragma once

#include <cstdint>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Ensures: the scenario is drawn, and depends on the seed alone.
Scenario hunt_scenario(std::uint64_t seed);

}  // namespace vesper::sim
