#include "core/node/recording_format.h"

#include <algorithm>
#include <cstring>

#include "core/base/zeros.h"

namespace vesper::node {

namespace {

// Zeros are looked for in pieces of this size.
constexpr std::size_t kGrain = 64;

// How many bytes from `at` on are zeros, or are not.
std::size_t run_length(ByteView bytes, std::size_t at, bool of_zeros) {
  const std::size_t begin = at;
  while (at < bytes.size()) {
    const ByteView grain = bytes.subspan(at, std::min(kGrain, bytes.size() - at));
    if (is_zero(grain) != of_zeros) break;
    at += grain.size();
  }
  return at - begin;
}

}  // namespace

const char* record_name(RecordKind kind) {
  switch (kind) {
    case RecordKind::kNone:
      return "nothing";
    case RecordKind::kBegin:
      return "the beginning of a life";
    case RecordKind::kFrame:
      return "a frame that came";
    case RecordKind::kRequest:
      return "a request";
    case RecordKind::kDiskDone:
      return "a completion of the disk";
    case RecordKind::kClock:
      return "a reading of the clock";
    case RecordKind::kListed:
      return "a list of the files";
    case RecordKind::kFile:
      return "a file that was read";
    case RecordKind::kPart:
      return "a part of a file";
    case RecordKind::kOpened:
      return "the end of the start";
    case RecordKind::kTurn:
      return "the beginning of a turn";
    case RecordKind::kSent:
      return "a frame that was sent";
    case RecordKind::kSubmitted:
      return "a batch for the disk";
    case RecordKind::kAnswered:
      return "an answer";
    case RecordKind::kMet:
      return "a list of the members";
    case RecordKind::kTold:
      return "a line for the log";
    case RecordKind::kTurnEnd:
      return "the end of a turn";
    case RecordKind::kEnd:
      return "the end of the life";
  }
  return "what no recorder writes";
}

std::uint64_t take_varint(ByteReader& in) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint64_t part = in.u8();
    if (shift == 63 && part > 1) break;
    value |= (part & 0x7f) << shift;
    if (part < 0x80) return in.ok() ? value : 0;
  }
  static_cast<void>(in.bytes(in.remaining() + 1));
  return 0;
}

ByteView take_bytes(ByteReader& in) {
  const std::uint64_t size = take_varint(in);
  return in.bytes(size);
}

std::byte* store_sparse(std::byte* to, ByteView bytes) {
  to = store_varint(to, bytes.size());
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t literal = run_length(bytes, at, false);
    to = store_varint(to, literal);
    if (literal > 0) std::memcpy(to, bytes.data() + at, literal);
    to += literal;
    at += literal;
    const std::size_t zeros = run_length(bytes, at, true);
    to = store_varint(to, zeros);
    at += zeros;
  }
  return to;
}

bool load_sparse(ByteReader& in, std::span<std::byte> to) {
  if (take_varint(in) != to.size() || !in.ok()) return false;
  while (!to.empty()) {
    const std::uint64_t literal = take_varint(in);
    if (!in.ok() || literal > to.size()) return false;
    const ByteView bytes = in.bytes(literal);
    if (!in.ok()) return false;
    std::copy(bytes.begin(), bytes.end(), to.begin());
    to = to.subspan(literal);
    const std::uint64_t zeros = take_varint(in);
    if (!in.ok() || zeros > to.size() || literal + zeros == 0) return false;
    std::fill_n(to.begin(), zeros, std::byte{0});
    to = to.subspan(zeros);
  }
  return true;
}

}  // namespace vesper::node
