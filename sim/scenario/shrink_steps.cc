#include "sim/scenario/shrink_steps.h"

namespace vesper::sim {

std::vector<StepSpan> chains_of(const std::vector<Step>& steps) {
  std::vector<StepSpan> chains;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    if (i == 0 || steps[i].trigger == Trigger::kAt) chains.push_back({.begin = i, .end = i});
    chains.back().end = i + 1;
  }
  return chains;
}

std::vector<StepSpan> single_steps_of(const std::vector<Step>& steps) {
  std::vector<StepSpan> spans;
  for (std::size_t i = 0; i < steps.size(); ++i) spans.push_back({.begin = i, .end = i + 1});
  return spans;
}

std::vector<Step> without(const std::vector<Step>& steps, StepSpan span) {
  std::vector<Step> left(steps.begin(), steps.begin() + static_cast<std::ptrdiff_t>(span.begin));
  std::vector<Step> after(steps.begin() + static_cast<std::ptrdiff_t>(span.end), steps.end());
  if (!after.empty() && after.front().trigger == Trigger::kAfter) {
    Step& next = after.front();
    for (std::size_t i = span.end; i-- > span.begin;) {
      const Step& gone = steps[i];
      if (gone.trigger != Trigger::kAt && gone.trigger != Trigger::kAfter) break;
      next.time = next.time.value() + gone.time.value();
      if (gone.trigger != Trigger::kAt) continue;
      next.trigger = Trigger::kAt;
      break;
    }
  }
  left.insert(left.end(), after.begin(), after.end());
  return left;
}

std::vector<Step> rounded(std::vector<Step> steps, Duration unit) {
  for (Step& step : steps) {
    if (step.trigger != Trigger::kAt && step.trigger != Trigger::kAfter) continue;
    const std::int64_t units = (step.time.value() + unit / 2).nanoseconds() / unit.nanoseconds();
    step.time = Duration::nanoseconds(units * unit.nanoseconds());
  }
  return steps;
}

}  // namespace vesper::sim
