// What disks and clocks do wrong, by the caller's will.
#include <fmt/format.h>

#include "sim/damage.h"
#include "sim/world_impl.h"

namespace vesper::sim {

namespace {

std::string name(NodeId node) {
  return fmt::format("n{}", node.value());
}

std::int64_t drift_of(const WorldConfig& config, NodeId node) {
  const auto own = config.clocks.find(node);
  return own == config.clocks.end() ? 0 : own->second.drift_ppm;
}

const char* name(DiskOperation operation) {
  switch (operation) {
    case DiskOperation::kRead:
      return "read";
    case DiskOperation::kWrite:
      return "write";
    case DiskOperation::kCreate:
      return "create";
    case DiskOperation::kRename:
      return "rename";
    case DiskOperation::kSync:
      return "sync";
  }
  VESPER_UNREACHABLE();
}

}  // namespace

void WorldImpl::note_misdeeds(Member& member) {
  const SimDisk::Misdeeds misdeeds = member.disk.take_misdeeds();
  counts.spikes += misdeeds.spikes;
  for (const std::string& what : misdeeds.damages) {
    fault(fmt::format("{}, on the disk of {}", what, name(member.id)));
    note_damage(member);
  }
  for (const std::string& what : misdeeds.errors) {
    observers.tell<&WorldObserver::on_disk_error>(now, member.id, what);
  }
}

void WorldImpl::note_damage(Member& member) {
  member.is_struck = true;
  observers.tell<&WorldObserver::on_damage>(now, member.id);
}

// --- Disks ---

void World::stall_disk(NodeId node, std::optional<storage::DiskLane> lane) {
  for (const auto each : {storage::DiskLane::kLog, storage::DiskLane::kBackground}) {
    if (!lane || *lane == each) impl_->member(node).disk.stall(each);
  }
  impl_->fault("stall the disk of " + name(node));
}

void World::refuse(NodeId node, SimDisk::Refusal refusal) {
  impl_->member(node).disk.refuse(refusal);
  impl_->fault(fmt::format("fail {} {} of {}", refusal.lasts ? "every" : "the next",
                           name(refusal.operation), name(node)));
}

void World::mend_disk(NodeId node) {
  if (impl_->member(node).disk.mend()) impl_->fault("mend the disk of " + name(node));
}

void World::damage(NodeId node, DamagePart part) {
  SimDisk& disk = impl_->member(node).disk;
  if (part == DamagePart::kMisdirected || part == DamagePart::kLostWrite) {
    const bool is_lost = part == DamagePart::kLostWrite;
    is_lost ? disk.lose_next_write() : disk.misdirect_next_write();
    return impl_->fault(
        fmt::format("{} the next write of {}", is_lost ? "lose" : "misdirect", name(node)));
  }
  std::string what;
  if (part == DamagePart::kName || part == DamagePart::kOldName) {
    // Of what stood there once, beside a gap, nobody can tell that it is not the end.
    if (is_up(node) || impl_->member(node).is_struck) return;
    const auto file = find_name(disk, part, disk.damages());
    if (!file) return;
    part == DamagePart::kName ? disk.lose_name(*file) : disk.bring_back(*file);
    what = fmt::format("{} {} of", part == DamagePart::kName ? "lose" : "bring back", *file);
  } else {
    const auto place = find_damage(disk, part, disk.damages());
    if (!place) return;
    if (part == DamagePart::kSector) {
      disk.lose_sector(place->file, place->offset);
    } else {
      disk.flip_bit(place->file, place->offset, place->bit);
    }
    what = fmt::format("damage {} at {} of", place->file, place->offset);
  }
  impl_->fault(what + " " + name(node));
  impl_->note_damage(impl_->member(node));
  impl_->observers.tell<&WorldObserver::on_strike>(now(), node, part);
}

// --- Clocks ---

void World::change_clock(NodeId node, const ClockChange& change) {
  Member& member = impl_->member(node);
  const bool stood_still = member.clock.stands_still();
  member.clock.change(change);
  std::string what = "clock of " + name(node);
  if (change.jump > Duration()) {
    what += fmt::format(" leaps ahead by {} us", change.jump.nanoseconds() / 1'000);
  }
  if (change.drift_ppm) what += fmt::format(" drifts by {} ppm", *change.drift_ppm);
  if (change.stands_still) what += *change.stands_still ? " stands still" : " goes on";
  impl_->fault(what);
  if (member.clock.stands_still() != stood_still) {
    impl_->observers.tell<&WorldObserver::on_clock_stopped>(now(), node, !stood_still);
  }
  if (member.node == nullptr || member.is_paused || member.has_stopped) return;
  impl_->arm_timer(member);
}

void World::calm_clock(NodeId node) {
  if (is_clock_as_usual(node)) return;
  const std::int64_t drift = drift_of(impl_->config, node);
  change_clock(node, {.jump = {}, .drift_ppm = drift, .stands_still = false});
}

bool World::is_log_stalled(NodeId node) const {
  return impl_->member(node).disk.is_stalled(storage::DiskLane::kLog);
}

bool World::is_disk_as_usual(NodeId node) const {
  const auto own = impl_->config.disks.find(node);
  const DiskConfig& usual = own == impl_->config.disks.end() ? impl_->config.disk : own->second;
  return impl_->member(node).disk.config() == usual;
}

bool World::is_clock_as_usual(NodeId node) const {
  const SimClock& clock = impl_->member(node).clock;
  return clock.drift_ppm() == drift_of(impl_->config, node) && !clock.stands_still();
}

}  // namespace vesper::sim
