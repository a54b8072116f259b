// Which marks the runs of a search reached, and which none did. vesper-sim hunt adds each run's and
// prints the report.
#pragma once

#include <array>
#include <string>

#include "sim/marks.h"

namespace vesper::sim {

class Coverage {
 public:
  void add(const Marks& run);

  // A line a mark that was reached, in the order of the list: in how many runs, which share that
  // is, how often in all; then one line of those never reached.
  std::string report() const;
  // {"runs": N, "reached": {name: {"runs": N, "times": N}, ...}, "never_reached": [name, ...]}
  std::string json() const;

 private:
  std::uint64_t runs_ = 0;
  std::array<std::uint64_t, kMarks> reached_{};  // runs, by mark
  Marks total_;
};

}  // namespace vesper::sim
