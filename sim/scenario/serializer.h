// Writes a scenario back in its own language: what the random search finds, drawn and concrete, is
// a file like any other. Only what differs from the defaults is written.
#pragma once

#include <string>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Ensures: parse_scenario of the text gives an equal scenario. Requires: the scenario has a name.
std::string serialize_scenario(const Scenario& scenario);

}  // namespace vesper::sim
