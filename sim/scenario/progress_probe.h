// Asks a world, at the end of a run, whether it still works: if a majority is up and connected, it
// must have a leader that takes a put and gives it back to a get, and everybody whom the leader
// reaches must come to the same state, all within a bound of virtual time. If it does not work,
// it must be proved by whose fault.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sim/scenario/blame.h"
#include "sim/world.h"

namespace vesper::sim {

// The probe's own: no scenario may put it.
inline constexpr std::string_view kProbeKey = "progress";

struct ProgressProbe {
  // Takes one event; false: a check failed, and the run is over.
  std::function<bool()> step;
  // How long an answer may take, or one step of whoever is behind.
  Duration bound;
  // Whether nothing explains it where no majority is there (FaultBudget::must_work).
  bool must_work = false;
  // Of the run so far.
  const FaultLedger* faults = nullptr;
};

struct Probed {
  // What is missing when the bound is over, in words; nothing if all is well or excused.
  std::optional<std::string> missing;
  // Why the cluster cannot work, where that is proved (Blame::text). Empty: it can.
  std::string stuck;
};

// Nothing is missing if a check failed meanwhile. Stops the clients first and lets their operations
// end.
Probed probe_progress(World& world, const ProgressProbe& probe);

}  // namespace vesper::sim
