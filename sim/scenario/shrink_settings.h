// Ways to make a scenario simpler that are not about its steps. For shrink.h.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

struct Simplification {
  std::string what;  // it takes away, in words
  // Leaves a scenario as it is that is that simple already.
  std::function<void(Scenario&)> apply;
};

// Each of them applies to this scenario alone: fewer nodes or crowds move the places of others.
std::vector<Simplification> fewer_machines(const Scenario& scenario);
std::vector<Simplification> less_load(const Scenario& scenario);
// Everything of network, disks, clocks and cluster as it is where a file says nothing.
std::vector<Simplification> usual_settings();

}  // namespace vesper::sim
