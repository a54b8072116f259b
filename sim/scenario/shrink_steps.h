// A scenario's steps without some of them: the others happen when they did. For shrink.h.
#pragma once

#include <cstddef>
#include <vector>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Steps from `begin` up to `end`, which is not among them.
struct StepSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
  bool operator==(const StepSpan&) const = default;
};

// Each step at a time of its own, with all that is armed by it.
std::vector<StepSpan> chains_of(const std::vector<Step>& steps);
std::vector<StepSpan> single_steps_of(const std::vector<Step>& steps);

// A step that waited for one that goes keeps its time, as far as times say it.
std::vector<Step> without(const std::vector<Step>& steps, StepSpan span);

// Times rounded to the nearest multiple of this.
std::vector<Step> rounded(std::vector<Step> steps, Duration unit);

}  // namespace vesper::sim
