// The faults that the runs of a search injected, and what the clusters did about each. vesper-sim
// hunt adds each run's and prints the report.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/outcomes.h"

namespace vesper::sim {

class OutcomeMatrix {
 public:
  void add(const Outcomes& run);

  // A line a fault: how often it was injected, in how many runs, and how many of its episodes had
  // each outcome; where it can have none, why follows below. Then one line of cells that are empty
  // though they need not be, and one of those that belie the table.
  std::string report() const;
  // {"faults": {name: {"times": N, "runs": N, "episodes": N, "masked": N or "cannot: why", ...}},
  //  "without_fault": {"repaired": N, ...}, "empty": ["fault: outcome", ...],
  //  "belied": [...]}
  std::string json() const;

  // As "fault: outcome", in the order of the table.
  std::vector<std::string> empty_cells() const;
  // What cannot be and was seen.
  std::vector<std::string> belied_cells() const;

 private:
  Outcomes total_;
  std::array<std::uint64_t, kFaultKinds> runs_{};  // by fault
};

}  // namespace vesper::sim
