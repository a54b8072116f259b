// A recording: all that came into one life of a node, and what it did then, so that the very same
// core runs through it again (sim/replay). Values only; recorder.h makes one, RecordingReader reads
// it. The format, all integers little-endian, a "number" as store_varint puts it:
//
//   file   8 bytes "VSPRECRD", u32 format version, u32 CRC-32C of the 12 bytes before; blocks
//   block  u32 length of its records, top bit: a turn ends with it; u32 CRC-32C of its records
//          u32 the block's number, from 0; u32 CRC-32C of the 12 bytes before
//          its records; zeros up to a multiple of 8
//   record u8 kind, then the fields of that kind (RecordKind)
//
// A block's first eight bytes are zero until it is whole. So the file of a process that was ended
// at any moment is good up to its last whole block, and a turn counts once its last block does.
// What comes after the last block is zeros, or nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace vesper::node {

inline constexpr std::uint32_t kRecordingVersion = 1;
inline constexpr std::string_view kRecordingMagic = "VSPRECRD";
inline constexpr std::size_t kRecordingHeaderBytes = 16;
inline constexpr std::size_t kBlockHeaderBytes = 16;
inline constexpr std::uint32_t kBlockEndsTurn = std::uint32_t{1} << 31;
// A block ends with its turn, or with the record that makes it so long.
inline constexpr std::size_t kRecordingBlockBytes = 1024 * 1024;
// One record. Longer: recording ends there.
inline constexpr std::size_t kRecordingRecordBytes = 4 * 1024 * 1024;
// Of a file that was read: what one record holds. The rest follows in others.
inline constexpr std::size_t kRecordingPartBytes = 256 * 1024;

enum class RecordKind : std::uint8_t {
  kNone = 0,      // no record: the end
  kBegin = 1,     // bytes program, bytes sources, u64 seed, bytes NodeConfig
  kFrame = 2,     // bytes
  kRequest = 3,   // number id, the request
  kDiskDone = 4,  // number lane, number ticket, status, of each read: sparse bytes
  kClock = 5,     // number: nanoseconds since the reading before
  kListed = 6,    // status, number count, each: bytes name, number size
  kFile = 7,      // status, number size; kPart records follow
  kPart = 8,      // sparse bytes
  kOpened = 9,    // status
  kTurn = 10,     // run_turn is called
  kSent = 11,     // u64 hash of a frame and where it goes, as of all outputs below
  kSubmitted = 12,
  kAnswered = 13,
  kMet = 14,
  kTold = 15,
  kTurnEnd = 16,  // number mask, of each field of Seen that changed: number, zigzag of the change
  kEnd = 17,      // the life ended by itself, or was asked to
};
// "a frame", "a reading of the clock": for people.
const char* record_name(RecordKind kind);

// A number in as few bytes as it needs, seven bits in each, the lowest first: at most 10.
inline constexpr std::size_t kVarintBytes = 10;
// Returns where it ends. Requires: kVarintBytes of room.
inline std::byte* store_varint(std::byte* to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) *to++ = static_cast<std::byte>(value | 0x80);
  *to++ = static_cast<std::byte>(value);
  return to;
}
// One that does not fit in 64 bits is none: then `in` is not ok any more.
std::uint64_t take_varint(ByteReader& in);
// Bytes, their number before them.
ByteView take_bytes(ByteReader& in);

// Sparse bytes: number size; then, until they are complete, number count, that many bytes, number
// of zero bytes. Runs of zeros, as in a log's segment that stands ready, cost nothing.
// Requires: sparse_bytes_max(bytes.size()) of room. Returns where it ends.
std::byte* store_sparse(std::byte* to, ByteView bytes);
constexpr std::size_t sparse_bytes_max(std::size_t size) {
  return size + size / 8 + 4 * kVarintBytes;
}
// False: it is not what store_sparse makes of as many bytes.
bool load_sparse(ByteReader& in, std::span<std::byte> to);

}  // namespace vesper::node
