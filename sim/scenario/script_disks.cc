// The steps that change disks and clocks.
#include "sim/scenario/script.h"
#include "sim/scenario/world_config.h"

namespace vesper::sim {

void Script::run_on_disk(const Step& step, NodeId node) {
  switch (step.action) {
    case Action::kFailSync:
      if (world_.is_up(node)) {
        world_.refuse(node, {.operation = DiskOperation::kSync, .lasts = false});
      }
      return;
    case Action::kDisk: {
      const DiskConfig usual = world_disk_of(scenario_, node);
      DiskConfig disk = usual;
      disk.sync = delay_of(*step.delay);
      if (step.spikes) disk.spikes_ppm = step.spikes->value().per_million;
      if (step.spike) disk.spike = delay_of(*step.spike);
      if (disk == usual) {
        disks_disturbed_.erase(node);
      } else {
        disks_disturbed_.insert(node);
      }
      return world_.set_disk(node, disk);
    }
    case Action::kDiskFull:
      full_disks_.insert(node);
      return world_.set_disk_room(
          node, SimDisk::Room{.bytes = step.room.value(), .is_in_place = step.in_place});
    case Action::kDiskRoom:
      full_disks_.erase(node);
      return world_.set_disk_room(node, std::nullopt);
    case Action::kDamage:
      return world_.damage(node, *step.part);
    case Action::kDiskStall:
      stalled_disks_.insert(node);
      return world_.stall_disk(node, step.lane);
    case Action::kDiskError:
      return world_.refuse(node, {.operation = *step.operation, .lasts = step.lasting});
    case Action::kDiskMend:
      stalled_disks_.erase(node);
      return world_.mend_disk(node);
    default:
      return;
  }
}

// A jump is over at once. A clock that stands still, or runs otherwise than the file says, promises
// no timeout.
void Script::run_clock(const Step& step, NodeId node) {
  ClockChange change{.jump = step.jump.value(), .drift_ppm = {}, .stands_still = step.stands_still};
  if (step.drift_ppm) change.drift_ppm = step.drift_ppm->value().ppm;
  world_.change_clock(node, change);
  if (world_.is_clock_as_usual(node)) {
    disturbed_clocks_.erase(node);
  } else {
    disturbed_clocks_.insert(node);
  }
}

}  // namespace vesper::sim
