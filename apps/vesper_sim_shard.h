// One shard of a hunt: a machine runs some of the seeds and writes their results to a file, and
// merge prints of all shards' files what one hunt over all seeds prints.
#pragma once

#include <string>
#include <vector>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_plan.h"

namespace vesper::app {

// Runs what the shard's file lacks: nothing, if it is complete. The exit status is the same as if
// it had run all of it.
int hunt_shard(const HuntCommand& command, const HuntPlan& whole);

}  // namespace vesper::app
