// Shrinks one failing run and writes what is left: for `vesper-sim shrink` and `hunt --shrink`.
#pragma once

#include <cstddef>
#include <string>

#include "sim/scenario/scenario.h"

namespace vesper::app {

// How the file is called where nobody says it.
std::string small_file_of(const sim::Scenario& scenario);

struct ShrinkJob {
  sim::Scenario scenario;  // drawn
  std::string name;        // of what it was drawn from, for people
  std::size_t processes = 1;
  std::string file;  // that it writes
  // Of the wall clock. What is small by then has to do: shrinking ends within half a minute.
  double seconds = 25;
};
// Says on standard output what it took away, and how to run what is left. The exit status:
// kExitViolation if the scenario fails, as it should; kExitBadInput if it passes, if the file
// cannot be written, or if two runs of the small one differ.
int shrink_and_write(const ShrinkJob& job);

}  // namespace vesper::app
