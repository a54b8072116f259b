// Steps that a disk's operation triggers, and crashes in the middle of something.
#include <vector>

#include "sim/scenario/script.h"
#include "sim/scenario/text.h"

namespace vesper::sim {

DiskStop Script::on_disk_op(NodeId node, storage::DiskLane lane, const storage::DiskOp& op) {
  for (Rule& rule : rules_) {
    const Step& step = scenario_.steps[rule.step];
    const DiskMatch& match = step.disk;
    if (rule.spent || !rule.can_match || step.trigger != Trigger::kOnDisk) continue;
    if (rule.from && *rule.from != node) continue;
    if (!match.op.empty() && match.op != disk_op_name(op)) continue;
    if (!match.lane.empty() && match.lane != disk_lane_name(lane)) continue;
    if (++rule.seen < match.nth) continue;
    rule.spent = true;
    triggered_.push_back({.step = rule.step, .sender = node, .receiver = node});
    return match.after ? DiskStop::kAfter : DiskStop::kBefore;
  }
  return DiskStop::kNone;
}

void Script::stop_crashing() {
  std::erase_if(rules_, [&](const Rule& rule) {
    const Step& step = scenario_.steps[rule.step];
    return step.trigger == Trigger::kOnDisk || step.mid_turn;
  });
}

}  // namespace vesper::sim
