// Whether a history of puts and gets could have come from one register a key, each operation taking
// effect at one instant between its start and its end (Herlihy and Wing). Two ways to judge:
//
//   by a witness  the order in which puts were applied. Then only one instant for each put needs to
//                 be found, in that order, and the earliest possible is always the best: time in
//                 the history's length.
//   by search     no order is known: for each key, Wing and Gong's search with Lowe's memory of
//                 what was tried. Keys are independent, so each is judged alone. Bounded; beyond
//                 the bound the verdict is undecided, never a silent pass.
//
// Failed operations take no effect. An unknown put takes effect at any time from its start on, or
// never.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/check/history.h"

namespace vesper::sim {

struct Linearizability {
  enum class Verdict : std::uint8_t { kLinearizable, kViolated, kUndecided };
  Verdict verdict = Verdict::kLinearizable;
  std::string detail;  // unless linearizable: the key, and the operations that cannot be placed

  bool ok() const { return verdict == Verdict::kLinearizable; }
};

struct WitnessPut {
  std::string_view key;
  std::string_view value;
};

// Requires: no two puts of one key have the same value. `order` may hold puts that are not in the
// history (they were there from the start), but only at its front.
Linearizability check_by_witness(const History& history, const std::vector<WitnessPut>& order);

struct SearchLimits {
  // Configurations remembered for one key, and the bytes that they may take.
  std::size_t configurations_max = 2'000'000;
  std::size_t bytes_max = 1'000'000'000;
};
Linearizability check_by_search(const History& history, const SearchLimits& limits = {});

}  // namespace vesper::sim
