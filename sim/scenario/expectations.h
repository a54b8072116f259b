// Judges a scenario's expectations while it runs: each is open from the start or from a step, until
// the end or another step. The runner asks after every event and every step; the first that fails
// ends the run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/scenario/scenario.h"
#include "sim/scenario/script.h"

namespace vesper::sim {

class Expectations {
 public:
  // Requires: the scenario is drawn; both outlive this.
  Expectations(const Scenario& scenario, const Script& script);

  bool is_any() const { return !states_.empty(); }
  // What failed by now, in words; nothing if all is well. Call it after each event and step.
  std::optional<std::string> check(Instant now);
  // The same once the run is over: what was expected to happen has happened, and what was to hold
  // for a while was asked at least once.
  std::optional<std::string> check_end(Instant now);

 private:
  struct State {
    std::optional<Instant> since;
    bool satisfied = false;  // kWithin, kEventually: need not be asked again
    bool closed = false;     // its `until` step has run
    bool examined = false;   // was asked while it was open
  };

  std::optional<std::string> check_one(const Expectation& expect, State& state, Instant now,
                                       bool is_end);
  Instant deadline_of(const Expectation& expect, Instant since) const;

  const Scenario& scenario_;
  const Script& script_;
  std::vector<State> states_;
};

}  // namespace vesper::sim
