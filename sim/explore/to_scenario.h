// A path of the exploration as a scenario: the same steps in the world's time, one a second, so
// that `vesper-sim run` plays them with whole nodes, under every check. Each message that leaves is
// told by a step of its own when to arrive, or to be lost; each write how long it takes; timers
// fire by the step "timeout".
#pragma once

#include <string>

#include "core/base/result.h"
#include "sim/explore/explorer.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim::explore {

// Errors: kInvalid, in words: a step that the language cannot say. What comes of the scenario is
// for the caller to see, by running it: a whole node may write two Readys at once, and its
// elections need pre-votes that are granted (PreVotes::kAtOnce).
Result<Scenario> to_scenario(System& system, const Path& path);

}  // namespace vesper::sim::explore
