// Which keys each action of a step takes: for the parser, which refuses others, and the serializer,
// which writes no others.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

inline constexpr auto kStepKeys = std::to_array<std::string_view>(
    {"node",        "as",       "groups",    "from",         "to",    "delay",   "drop",
     "duplicate",   "sync",     "on_crash",  "part",         "rate",  "key",     "value",
     "at_follower", "room",     "in_place",  "spikes",       "spike", "lane",    "operation",
     "lasting",     "jump",     "drift_ppm", "stands_still", "burst", "corrupt", "replay",
     "replay_age",  "mid_turn", "type",      "count",        "nth",   "reverse"});

inline constexpr std::array<std::pair<std::string_view, Trigger>, 5> kTriggers = {
    {{"at", Trigger::kAt},
     {"after", Trigger::kAfter},
     {"when", Trigger::kWhen},
     {"on_message", Trigger::kOnMessage},
     {"on_disk", Trigger::kOnDisk}}};

struct StepKeys {
  std::vector<std::string_view> required;
  std::vector<std::string_view> others;
  bool needs_message = false;
  // One of the others at least: without any the action would do nothing.
  bool needs_other = false;

  bool takes(std::string_view key) const {
    return std::find(required.begin(), required.end(), key) != required.end() ||
           std::find(others.begin(), others.end(), key) != others.end();
  }
};

const StepKeys& keys_of(Action action);

}  // namespace vesper::sim
