// Makes a failing scenario small: takes away steps, crowds, nodes, noise and time as long as what
// is left still breaks the same invariant (delta debugging: Zeller and Hildebrandt, 2002). It runs
// nothing itself: whoever calls it says which of several candidates fails, and may try them side by
// side, in processes of their own. What comes out is a scenario like any other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/runner.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

struct FailedCandidate {
  std::size_t index = 0;
  Instant at;  // of the violation
  std::uint64_t deliveries = 0;
};
// The first of the candidates that fails as the scenario did; nothing if none does.
using FindFailed =
    std::function<std::optional<FailedCandidate>(const std::vector<Scenario>& candidates)>;

struct Shrunk {
  Scenario scenario;
  std::vector<std::string> removed;  // what was taken away, in words, a line each
  std::size_t tried = 0;             // candidates
};

struct Failure {
  Instant at;
  // Whether a run that ends before that may break the same: not where a scenario waits in vain.
  bool may_come_earlier = true;
};
// Requires: the scenario is drawn, and fails so. Ensures: the result is what `find_failed` said
// last to fail, or the scenario itself; it reads back as the same from its text, and may have
// another seed. Deterministic, if `find_failed` is.
Shrunk shrink_scenario(Scenario scenario, const Failure& failure, const FindFailed& find_failed);

}  // namespace vesper::sim
