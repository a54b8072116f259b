// Runs a scenario in a world under every check: the safety invariants after each event, the
// scenario's expectations after each event and step, progress after the last fault, the clients'
// history and the final values at the end. The first violation ends the run.
#pragma once

#include <cstdint>
#include <string>

#include "sim/marks.h"
#include "sim/outcomes.h"
#include "sim/recovery.h"
#include "sim/scenario/scenario.h"
#include "sim/world.h"

namespace vesper::sim {

struct RunOptions {
  std::uint64_t seed = 1;
  // Told of everything beside the checks: a trace. They must outlive the run.
  Observers observers;
};

struct RunResult {
  std::uint64_t seed = 0;
  bool passed = false;
  // The invariant's id: those of sim/check, or "expectation", "step", "final". Empty if passed.
  std::string violation;
  std::string detail;
  Instant at;               // of the violation, or the end
  std::uint64_t event = 0;  // likewise
  WorldCounts counts;
  Marks marks;        // of what happened in it
  Outcomes outcomes;  // of what it did about its faults
  Recovery recovery;  // from its last fault
  // By whose fault the cluster cannot work at the end (Blame::text), though the run passed; empty:
  // it can, or it was not asked.
  std::string stuck;
  std::uint64_t hash = 0;
};

// The same scenario and seed give the same result everywhere, its hash included.
RunResult run_scenario(const Scenario& scenario, const RunOptions& options);

}  // namespace vesper::sim
