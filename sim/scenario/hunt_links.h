// Faults of the network and of nodes in the random search that strike single frames, links and
// moments: links that clog, bursts of loss, corrupted and old frames, nodes that stop one after
// another and come back in another order, crashes at one operation of a disk or in the middle of a
// turn, several at once, again and again; clients whose requests and answers are lost.
#pragma once

#include "core/base/random.h"
#include "sim/scenario/hunt_faults.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

// What lasts as long as the run, in some seeds. From draws of its own.
void draw_hunt_link_settings(RandomStream draws, Scenario& scenario);
// Appends chains of these faults in some of the seeds. From draws of its own.
void draw_hunt_links(RandomStream draws, FaultWindow window, Scenario& scenario);
// Ends what draw_hunt_link_settings began, in the step that makes the network lossless at the end.
void quieten_links(const Scenario& scenario, Step& quiet);

}  // namespace vesper::sim
