#include "core/storage/wal_format.h"

#include <fmt/format.h>

#include "core/base/hash.h"

namespace vesper::storage::format {

namespace {

constexpr std::uint64_t kHeaderMagic = 0x314745535253'5056ULL;  // "VPSRSEG1"
constexpr std::uint32_t kGroupMagic = 0x50524756;               // "VGRP"
constexpr std::uint32_t kMarkMagic = 0x4b524d56;                // "VMRK"
constexpr std::uint32_t kClosingMagic = 0x534c4356;             // "VCLS"
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kClosingSumOffset = 24;
constexpr const char* kNamePrefix = "segment-";
constexpr const char* kNameSuffix = ".log";
constexpr std::string_view kTemporarySuffix = ".tmp";

std::uint32_t seed_of(Incarnation incarnation) {
  return static_cast<std::uint32_t>(mix64(0, incarnation.value()));
}

}  // namespace

std::string segment_name(std::uint64_t segment) {
  return fmt::format("{}{:016x}{}", kNamePrefix, segment, kNameSuffix);
}

std::optional<std::uint64_t> segment_of(const std::string& name) {
  const std::size_t digits = std::string_view(kNamePrefix).size();
  if (name.size() != segment_name(0).size()) return std::nullopt;
  std::uint64_t segment = 0;
  for (std::size_t i = digits; i < digits + 16; ++i) {
    const char c = name[i];
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(c >= 'a' && c <= 'f')) return std::nullopt;
    segment = segment << 4 | static_cast<std::uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  if (name != segment_name(segment)) return std::nullopt;
  return segment;
}

bool is_temporary(const std::string& name) {
  if (!name.ends_with(kTemporarySuffix)) return false;
  return segment_of(name.substr(0, name.size() - kTemporarySuffix.size())).has_value();
}

// --- Segment headers ---

std::vector<std::byte> encode_header(const SegmentHeader& header) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  for (int copy = 0; copy < 2; ++copy) {
    const std::size_t start = bytes.size();
    out.u64(kHeaderMagic);
    out.u32(kVersion);
    out.u32(header.node.value());
    out.u64(header.segment);
    out.u64(header.segment_bytes);
    out.u64(header.cluster.value());
    out.u64(header.incarnation.value());
    out.zeros(kHeaderBytes - (bytes.size() - start));
    out.u32(crc32c(ByteView(bytes).subspan(start, kHeaderBytes)));
    out.zeros(kSectorBytes - (bytes.size() - start));
  }
  return bytes;
}

Result<SegmentHeader> decode_header(ByteView sector) {
  const Error invalid{ErrorCode::kInvalid, "the segment header does not verify"};
  if (sector.size() < kSectorBytes) return invalid;
  ByteReader in(sector);
  const bool is_header = in.u64() == kHeaderMagic;
  const std::uint32_t version = in.u32();
  SegmentHeader header;
  header.node = NodeId(in.u32());
  header.segment = in.u64();
  header.segment_bytes = in.u64();
  header.cluster = ClusterId(in.u64());
  header.incarnation = Incarnation(in.u64());
  const auto sum = load_little<std::uint32_t>(sector.data() + kHeaderBytes);
  if (!is_header || sum != crc32c(sector.first(kHeaderBytes))) return invalid;
  if (version != kVersion) {
    return Error{ErrorCode::kMismatch,
                 fmt::format("format version {}, this program reads {}", version, kVersion)};
  }
  return header;
}

void add_create_segment(const Identity& identity, std::uint64_t segment,
                        std::uint64_t segment_bytes, std::vector<DiskOp>& ops) {
  const std::string name = segment_name(segment);
  const std::string temporary = name + std::string(kTemporarySuffix);
  ops.push_back(CreateFile{temporary, segment_bytes});
  ops.push_back(WriteFile{temporary, 0,
                          encode_header({.segment = segment,
                                         .segment_bytes = segment_bytes,
                                         .node = identity.node,
                                         .cluster = identity.cluster,
                                         .incarnation = identity.incarnation})});
  ops.push_back(SyncFile{temporary});
  ops.push_back(RenameFile{temporary, name});
  ops.emplace_back(SyncDirectory{});
}

// --- Groups ---

void write_head(const Place& place, Incarnation incarnation, std::vector<std::byte>& group) {
  VESPER_CHECK(group.size() >= kHeadBytes);
  const ByteView body = ByteView(group).subspan(kHeadBytes);
  std::byte* const head = group.data();
  store_little(head + 0, kGroupMagic);
  store_little(head + 4, body_sum(body, incarnation));
  store_little(head + 8, place.segment);
  store_little(head + 16, place.sequence);
  store_little(head + 24, static_cast<std::uint32_t>(body.size()));
  store_little(head + 28, crc32c({head, 28}, seed_of(incarnation)));
}

std::optional<GroupHead> decode_head(ByteView at, Incarnation incarnation) {
  const std::byte* const head = at.data();
  if (load_little<std::uint32_t>(head) != kGroupMagic) return std::nullopt;
  if (load_little<std::uint32_t>(head + 28) != crc32c(at.first(28), seed_of(incarnation))) {
    return std::nullopt;
  }
  return GroupHead{.place = {.segment = load_little<std::uint64_t>(head + 8),
                             .sequence = load_little<std::uint64_t>(head + 16)},
                   .body_bytes = load_little<std::uint32_t>(head + 24),
                   .body_sum = load_little<std::uint32_t>(head + 4)};
}

std::uint32_t body_sum(ByteView body, Incarnation incarnation) {
  return crc32c(body, seed_of(incarnation));
}

// --- Marks ---

std::uint32_t sector_sum(ByteView sector) {
  return crc32c(sector);
}

bool is_sum_of_one_bit(std::uint32_t sum) {
  std::vector<std::byte> sector(kSectorBytes);
  for (std::byte& byte : sector) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      byte = std::byte{1} << bit;
      if (sector_sum(sector) == sum) return true;
    }
    byte = std::byte{0};
  }
  return false;
}

void append_mark(const MarkOf& mark, Incarnation incarnation, std::vector<std::byte>& group) {
  const std::size_t group_bytes = group.size();
  VESPER_CHECK(group_bytes % kSectorBytes == 0);
  group.resize(group_bytes + mark_bytes(group_bytes));  // zeros where nothing is put
  std::byte* const begin = group.data() + group_bytes;
  std::byte* at = begin;
  const auto put = [&at](auto value) {
    store_little(at, value);
    at += sizeof value;
  };
  put(kMarkMagic);
  put(std::uint32_t{0});  // the sum
  put(mark.place.segment);
  put(mark.place.sequence);
  put(mark.group_offset);
  put(static_cast<std::uint32_t>(group_bytes));
  put(mark.hard_state.term.value());
  put(std::uint32_t{mark.hard_state.vote.has_value()});
  put(mark.hard_state.vote.value_or(NodeId()).value());
  at = begin + kMarkFixedBytes;
  for (std::size_t sector = 0; sector < group_bytes; sector += kSectorBytes) {
    put(sector_sum(ByteView(group).subspan(sector, kSectorBytes)));
  }
  const ByteView summed = ByteView(group).subspan(group_bytes + 8);
  store_little(begin + 4, crc32c(summed, seed_of(incarnation)));
}

std::optional<Mark> decode_mark(ByteView at, Incarnation incarnation) {
  ByteReader in(at);
  if (in.u32() != kMarkMagic) return std::nullopt;
  const std::uint32_t sum = in.u32();
  Mark mark;
  mark.place.segment = in.u64();
  mark.place.sequence = in.u64();
  mark.group_offset = in.u64();
  mark.group_bytes = in.u32();
  mark.hard_state = read_hard_state(in);
  if (!in.ok() || mark.group_bytes == 0 || mark.group_bytes % kSectorBytes != 0) {
    return std::nullopt;
  }
  const std::uint64_t size = mark_bytes(mark.group_bytes);
  if (size > at.size()) return std::nullopt;
  if (sum != crc32c(at.subspan(8, size - 8), seed_of(incarnation))) return std::nullopt;

  in.bytes(kMarkFixedBytes - in.offset());
  const std::size_t sectors = mark.group_bytes / kSectorBytes;
  mark.sector_sums.reserve(sectors);
  for (std::size_t i = 0; i < sectors; ++i) mark.sector_sums.push_back(in.u32());
  return mark;
}

// --- Closings ---

std::vector<std::byte> encode_closing(const Place& place, Incarnation incarnation) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.u32(kClosingMagic);
  out.u32(0);
  out.u64(place.segment);
  out.u64(place.sequence);
  out.u32(crc32c(bytes, seed_of(incarnation)));
  out.zeros(kSectorBytes - bytes.size());
  return bytes;
}

std::optional<Place> decode_closing(ByteView sector, Incarnation incarnation) {
  ByteReader in(sector);
  const bool is_closing = in.u32() == kClosingMagic;
  in.u32();
  const Place place{.segment = in.u64(), .sequence = in.u64()};
  const std::uint32_t sum = in.u32();
  if (!in.ok() || !is_closing) return std::nullopt;
  if (sum != crc32c(sector.first(kClosingSumOffset), seed_of(incarnation))) return std::nullopt;
  return place;
}

// --- Records ---

void append_hard_state(const raft::HardState& hard_state, ByteWriter& out) {
  out.u64(hard_state.term.value());
  out.u32(hard_state.vote ? 1 : 0);
  out.u32(hard_state.vote ? hard_state.vote->value() : 0);
}

void append_position(LogPosition position, ByteWriter& out) {
  out.u64(position.term.value());
  out.u64(position.index.value());
}

LogPosition read_position(ByteReader& in) {
  const Term term(in.u64());
  return {term, Index(in.u64())};
}

raft::HardState read_hard_state(ByteReader& in) {
  raft::HardState hard_state;
  hard_state.term = Term(in.u64());
  const bool has_vote = in.u32() != 0;
  const NodeId vote(in.u32());
  if (has_vote) hard_state.vote = vote;
  return hard_state;
}

}  // namespace vesper::storage::format
