#include "sim/damage.h"

#include <algorithm>
#include <vector>

#include "core/storage/snapshot_format.h"
#include "core/storage/wal_format.h"

namespace vesper::sim {

namespace {

namespace format = storage::format;

// The bytes of one group: its head and body.
struct Extent {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct Segment {
  std::string file;
  std::vector<Extent> groups;
  bool is_sealed = false;
};

std::vector<std::string> names(SimDisk& disk) {
  const auto files = disk.list();
  std::vector<std::string> names;
  for (const storage::FileInfo& file : files.value()) names.push_back(file.name);
  std::sort(names.begin(), names.end());
  return names;
}

Segment read_segment(SimDisk& disk, const std::string& file) {
  Segment segment{.file = file, .groups = {}, .is_sealed = false};
  const SharedBytes bytes = disk.look_at(file).value();
  const auto header = format::decode_header(bytes.view().first(storage::kSectorBytes));
  if (!header.ok()) return segment;
  const Incarnation incarnation = header.value().incarnation;
  const std::uint64_t end = format::groups_end(bytes.size());
  std::uint64_t at = format::kGroupsBegin;
  while (at < end) {
    const ByteView rest = bytes.view().subspan(at, end - at);
    const auto head = format::decode_head(rest, incarnation);
    if (!head || format::framed_bytes(head->body_bytes) > rest.size()) break;
    segment.groups.push_back(
        {.file = file, .offset = at, .bytes = format::kHeadBytes + head->body_bytes});
    at += format::framed_bytes(head->body_bytes);
  }
  segment.is_sealed = format::decode_closing(bytes.view().subspan(end), incarnation).has_value();
  return segment;
}

// Oldest first; only those that hold a group.
std::vector<Segment> read_segments(SimDisk& disk) {
  std::vector<Segment> segments;
  for (const std::string& name : names(disk)) {
    if (!format::segment_of(name)) continue;
    Segment segment = read_segment(disk, name);
    if (!segment.groups.empty()) segments.push_back(std::move(segment));
  }
  return segments;
}

DamagePlace within(const Extent& extent, RandomStream& draws) {
  const std::uint64_t offset = draws.below(extent.bytes);
  const std::uint64_t bit = draws.below(8);
  return {.file = extent.file, .offset = extent.offset + offset, .bit = static_cast<unsigned>(bit)};
}

std::optional<DamagePlace> find_in_snapshot(SimDisk& disk, RandomStream& draws) {
  std::optional<std::string> newest;
  for (const std::string& name : names(disk)) {
    if (storage::snapshot_of(name)) newest = name;
  }
  if (!newest) return std::nullopt;
  const std::uint64_t bytes = disk.look_at(*newest).value().size();
  return within({.file = *newest, .offset = 0, .bytes = bytes}, draws);
}

}  // namespace

std::optional<DamagePlace> find_damage(SimDisk& disk, DamagePart part, RandomStream& draws) {
  if (part == DamagePart::kSnapshot) return find_in_snapshot(disk, draws);
  std::vector<Segment> segments = read_segments(disk);
  if (part == DamagePart::kSegment) {
    std::erase_if(segments, [](const Segment& segment) { return !segment.is_sealed; });
  }
  if (segments.empty()) return std::nullopt;
  switch (part) {
    case DamagePart::kFirstRecord:
      return within(segments.front().groups.front(), draws);
    case DamagePart::kLastRecord:
      return within(segments.back().groups.back(), draws);
    default:
      break;
  }
  const Segment& segment =
      part == DamagePart::kRecord ? segments.back() : segments[draws.below(segments.size())];
  return within(segment.groups[draws.below(segment.groups.size())], draws);
}

std::optional<std::string> find_name(SimDisk& disk, DamagePart part, RandomStream& draws) {
  std::vector<std::string> all = part == DamagePart::kOldName ? disk.removed_names() : names(disk);
  std::erase_if(all, [](const std::string& name) {
    return !format::segment_of(name) && !storage::snapshot_of(name);
  });
  if (all.empty()) return std::nullopt;
  return all[draws.below(all.size())];
}

}  // namespace vesper::sim
