// Disk damage of the random search: nodes that crash, lose a bit or a sector of what their disks
// held, and come back.
#pragma once

#include "core/base/random.h"
#include "sim/scenario/hunt_faults.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Appends damage in some of the seeds, always at the same nodes of a seed and never at so many that
// the others are no majority: what a majority has kept must not be lost. From draws of its own.
void draw_hunt_damage(RandomStream draws, FaultWindow window, Scenario& scenario);

}  // namespace vesper::sim
