#include "sim/scenario/step_keys.h"

#include <map>

namespace vesper::sim {

const StepKeys& keys_of(Action action) {
  static const std::vector<std::string_view> kOfLinks = {"delay",   "drop",   "duplicate", "burst",
                                                         "corrupt", "replay", "replay_age"};
  static const std::map<Action, StepKeys> kKeys = {
      {Action::kPartition, {{"groups"}, {}, false}},
      {Action::kCut, {{"from", "to"}, {}, false}},
      {Action::kMend, {{"from", "to"}, {}, false}},
      {Action::kHeal, {{}, {}, false}},
      {Action::kCrash, {{"node"}, {"as", "on_crash", "mid_turn"}, false}},
      {Action::kRestart, {{"node"}, {"as"}, false}},
      {Action::kPause, {{"node"}, {"as"}, false}},
      {Action::kResume, {{"node"}, {"as"}, false}},
      {Action::kFailSync, {{"node"}, {"as"}, false}},
      {Action::kLink, {{"from", "to"}, kOfLinks, false, true}},
      {Action::kNetwork, {{}, kOfLinks, false, true}},
      {Action::kDisk, {{"node", "sync"}, {"as", "spikes", "spike"}, false}},
      {Action::kPut, {{"node", "key", "value"}, {"as"}, false}},
      {Action::kGet, {{"node", "key"}, {"as", "at_follower"}, false}},
      {Action::kClients, {{"rate"}, {}, false}},
      {Action::kHold, {{}, {}, true}},
      {Action::kDrop, {{}, {}, true}},
      {Action::kDuplicate, {{}, {}, true}},
      {Action::kDelay, {{"delay"}, {}, true}},
      {Action::kRelease, {{}, {"nth", "reverse"}, false}},
      {Action::kClog, {{"from", "to"}, {}, false}},
      {Action::kUnclog, {{"from", "to"}, {}, false}},
      {Action::kReplay, {{"from", "to"}, {"type", "count"}, false}},
      {Action::kCalm, {{}, {}, false}},
      {Action::kNote, {{}, {"node", "as"}, false}},
      {Action::kAlter, {{"node", "key"}, {"as", "value"}, false}},
      {Action::kDamage, {{"node", "part"}, {"as"}, false}},
      {Action::kTransfer, {{}, {"to"}, false}},
      {Action::kMembers, {{"node"}, {}, false}},
      {Action::kWipe, {{"node"}, {"as"}, false}},
      {Action::kTimeout, {{"node"}, {"as"}, false}},
      {Action::kDiskFull, {{"node"}, {"as", "room", "in_place"}, false}},
      {Action::kDiskRoom, {{"node"}, {"as"}, false}},
      {Action::kDiskStall, {{"node"}, {"as", "lane"}, false}},
      {Action::kDiskError, {{"node", "operation"}, {"as", "lasting"}, false}},
      {Action::kDiskMend, {{"node"}, {"as"}, false}},
      {Action::kClock, {{"node"}, {"as", "jump", "drift_ppm", "stands_still"}, false}},
  };
  return kKeys.at(action);
}

}  // namespace vesper::sim
