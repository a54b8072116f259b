// The bytes of a snapshot file, which are also the bytes that travel to a follower: two nodes that
// take a snapshot at the same index make the same file, so that a transfer can go on from another
// leader. Encoder and decoder work a piece at a time, for a snapshot may be larger than memory has
// room to spare. Node's snapshot rooms use them.
//
// On disk (integers little-endian):
//
//   snapshot-<16 hex digits of the last index>.snap
//     blocks    of 512 bytes, the last one shorter: a payload, then its CRC-32C. Every sum starts
//               from cluster, last position and the block's number, so that no block of another
//               snapshot or another place passes.
//   The payloads, joined, are the content:
//     header         80 bytes: magic, format version, cluster, last position, the lengths of what
//                    follows, the length of the log up to here, the state's hash.
//     configuration  the members at the last position (raft::Configuration)
//     sessions       the clients' sessions
//     pairs          as kv::Store::capture_next writes them
//
// The length of the file follows from the header, so a file that is cut is damage like a block that
// does not verify. A file is written under another name, synced and renamed: one that is there is
// whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/types.h"
#include "core/storage/disk.h"

namespace vesper::storage {

inline constexpr std::uint64_t kSnapshotBlockBytes = kSectorBytes;

struct SnapshotHeader {
  ClusterId cluster;
  LogPosition last;
  std::uint64_t log_bytes = 0;  // of all entries up to here: where the next snapshot is due
  std::uint64_t state_hash = 0;
  std::uint64_t configuration_bytes = 0;
  std::uint64_t session_bytes = 0;
  std::uint64_t pair_bytes = 0;

  std::uint64_t file_bytes() const;
};

std::string snapshot_name(Index last);
// Nothing if it is not the name of a snapshot.
std::optional<Index> snapshot_of(const std::string& name);
inline constexpr const char* kSnapshotTemporary = "snapshot.tmp";  // one that is being made
inline constexpr const char* kIncomingTemporary = "incoming.tmp";  // one that comes from a leader

// Whether these blocks of a snapshot's file, from `offset` on, are what was written. Requires: the
// offset is a block's, and whole blocks follow. Errors: kCorruption, with the offset.
struct SnapshotPlace {
  ClusterId cluster;
  LogPosition last;
  std::uint64_t file_bytes = 0;
};
Status verify_blocks(const SnapshotPlace& of, std::uint64_t offset, ByteView blocks);

class SnapshotEncoder {
 public:
  explicit SnapshotEncoder(const SnapshotHeader& header);

  // Where more content goes.
  std::vector<std::byte>& content() { return content_; }
  // The whole blocks that the content makes so far; with `is_end`, the last one too.
  std::vector<std::byte> take_blocks(bool is_end);
  // Of all blocks taken. Names the file's content.
  std::uint32_t checksum() const { return checksum_; }

 private:
  void seal(ByteView payload, std::vector<std::byte>& out);

  SnapshotHeader header_;
  std::vector<std::byte> content_;
  std::uint64_t blocks_ = 0;
  std::uint32_t checksum_ = 0;
};

class SnapshotDecoder {
 public:
  // Of a file of this many bytes.
  explicit SnapshotDecoder(std::uint64_t file_bytes) : file_bytes_(file_bytes) {}

  // The next blocks, whole ones but for the file's last. Errors: kCorruption (which offset, and
  // what is wrong there), kMismatch (another format version). After one it is of no more use.
  Status feed(ByteView blocks);
  bool is_complete() const { return fed_ == file_bytes_; }
  std::uint64_t fed() const { return fed_; }
  // Requires: something was fed.
  const SnapshotHeader& header() const { return *header_; }
  // What was read of the content after the header and not yet taken.
  ByteView content() const { return ByteView(content_).subspan(taken_); }
  void take(std::size_t bytes);
  // Of all blocks fed: the encoder's, if nothing has changed.
  std::uint32_t checksum() const { return checksum_; }

 private:
  Status feed_block(ByteView block);
  Status read_header(ByteView payload, std::uint32_t sum);

  std::uint64_t file_bytes_;
  std::uint64_t fed_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint32_t checksum_ = 0;
  std::optional<SnapshotHeader> header_;
  std::vector<std::byte> content_;
  std::size_t taken_ = 0;  // of content_
};

}  // namespace vesper::storage
