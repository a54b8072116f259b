// The bytes of the write-ahead log's frames: segment headers, group heads, marks, closings. Pure
// functions, for wal.cc and wal_recovery.cc only; wal.h tells what they mean together. Every
// checksum here starts from the directory's incarnation, so that neither the bytes of another life
// nor a value that a client made to look like a frame ever passes for one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/types.h"
#include "core/raft/ready.h"
#include "core/storage/disk.h"
#include "core/storage/identity.h"

namespace vesper::storage::format {

inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::uint64_t kFirstSegment = 1;
// Two header sectors before the first group, the closing's sector after the last.
inline constexpr std::uint64_t kGroupsBegin = 2 * kSectorBytes;
inline constexpr std::uint64_t kClosingBytes = kSectorBytes;
inline constexpr std::size_t kHeadBytes = 32;
inline constexpr std::size_t kMarkFixedBytes = 64;
// Fills a group's last sector.
inline constexpr std::byte kPadding{0xff};

constexpr std::uint64_t round_to_sectors(std::uint64_t bytes) {
  return (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
}
// Where the groups of a segment of this size must end.
constexpr std::uint64_t groups_end(std::uint64_t segment_bytes) {
  return segment_bytes - kClosingBytes;
}
constexpr std::uint64_t mark_bytes(std::uint64_t group_bytes) {
  return round_to_sectors(kMarkFixedBytes + group_bytes / kSectorBytes * sizeof(std::uint32_t));
}
// A group with this body and its mark, on disk.
constexpr std::uint64_t framed_bytes(std::uint64_t body_bytes) {
  const std::uint64_t group = round_to_sectors(kHeadBytes + body_bytes);
  return group + mark_bytes(group);
}

std::string segment_name(std::uint64_t segment);
// Nothing if it is not the name of a segment.
std::optional<std::uint64_t> segment_of(const std::string& name);
// A segment that was being made when its maker died.
bool is_temporary(const std::string& name);

struct SegmentHeader {
  std::uint64_t segment = 0;
  std::uint64_t segment_bytes = 0;
  NodeId node;
  ClusterId cluster;
  Incarnation incarnation;
  bool operator==(const SegmentHeader&) const = default;
};
// Both copies. Its own sum does not start from the incarnation: it is what tells it.
std::vector<std::byte> encode_header(const SegmentHeader& header);
// One copy. Errors: kInvalid (does not verify), kMismatch (another format version).
Result<SegmentHeader> decode_header(ByteView sector);

// The operations that put an empty segment in place, durable whole or not there at all.
void add_create_segment(const Identity& identity, std::uint64_t segment,
                        std::uint64_t segment_bytes, std::vector<DiskOp>& ops);

// Where a frame says that it stands: stale bytes never pass.
struct Place {
  std::uint64_t segment = 0;
  std::uint64_t sequence = 0;
  bool operator==(const Place&) const = default;
};

struct GroupHead {
  Place place;
  std::uint32_t body_bytes = 0;
  std::uint32_t body_sum = 0;
};
// Overwrites the kHeadBytes at the front of `group`, whose body follows them.
void write_head(const Place& place, Incarnation incarnation, std::vector<std::byte>& group);
// Nothing if the head's own checksum fails. Requires: at least kHeadBytes.
std::optional<GroupHead> decode_head(ByteView at, Incarnation incarnation);
std::uint32_t body_sum(ByteView body, Incarnation incarnation);

struct Mark {
  Place place;
  std::uint64_t group_offset = 0;
  std::uint32_t group_bytes = 0;  // head, body and padding
  raft::HardState hard_state;
  std::vector<std::uint32_t> sector_sums;
};
// Appends the mark of `group` (whole sectors) to it.
struct MarkOf {
  Place place;
  std::uint64_t group_offset = 0;
  raft::HardState hard_state;
};
void append_mark(const MarkOf& mark, Incarnation incarnation, std::vector<std::byte>& group);
// Nothing if no valid mark begins here.
std::optional<Mark> decode_mark(ByteView at, Incarnation incarnation);
std::uint32_t sector_sum(ByteView sector);
// Whether a sector with this sum may hold a single 1 bit.
bool is_sum_of_one_bit(std::uint32_t sum);

// The last sector of a segment, once the log goes on in the next one; `place.sequence` is the next
// group's.
std::vector<std::byte> encode_closing(const Place& place, Incarnation incarnation);
std::optional<Place> decode_closing(ByteView sector, Incarnation incarnation);

// The records of a group's body.
enum class RecordKind : std::uint8_t { kHardState = 1, kTruncation = 2, kEntry = 3, kRestart = 4 };
void append_hard_state(const raft::HardState& hard_state, ByteWriter& out);
raft::HardState read_hard_state(ByteReader& in);
inline constexpr std::size_t kHardStateBytes = 16;
void append_position(LogPosition position, ByteWriter& out);
LogPosition read_position(ByteReader& in);
inline constexpr std::size_t kPositionBytes = 16;

}  // namespace vesper::storage::format
