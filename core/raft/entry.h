// One log entry. An entry is encoded once, with its checksums, by the leader that proposes it; the
// same record bytes then go to the leader's log, to every peer, and into the follower's log. An
// Entry shares those bytes and keeps its position beside them, so that the log is searched without
// touching them.
//
// The record, little-endian:
//   0  u32 payload length        16  u64 index
//   4  u32 CRC-32C of payload    24  u8  kind, then 3 zero bytes
//   8  u64 term                  28  u32 CRC-32C of bytes 0..27: the length has its own checksum
//  32  payload
#pragma once

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/types.h"

namespace vesper::raft {

enum class EntryKind : std::uint8_t {
  kNoop = 0,           // the first entry of every leader's term (dissertation section 6.4)
  kCommand = 1,        // payload: a command of the state machine (core/kv/command.h)
  kConfiguration = 2,  // payload: who the members are (core/raft/configuration.h)
};

class Entry {
 public:
  static constexpr std::size_t kHeaderBytes = 32;

  Entry() = default;
  // Encodes the record. Requires: payload.size() <= limits::kEntryPayloadBytes, position.index is
  // not 0.
  static Entry make(LogPosition position, EntryKind kind, ByteView payload);
  // Verifies and adopts the record at the front of `bytes` (sharing them); bytes after it are not
  // looked at.
  // Errors: kInvalid (what and at which offset), never a crash, whatever the bytes.
  static Result<Entry> decode(const SharedBytes& bytes);

  LogPosition position() const { return position_; }
  Index index() const { return position_.index; }
  Term term() const { return position_.term; }
  EntryKind kind() const { return kind_; }
  ByteView payload() const { return record_.view().subspan(kHeaderBytes); }
  SharedBytes shared_payload() const {
    return record_.slice(kHeaderBytes, record_.size() - kHeaderBytes);
  }
  const SharedBytes& record() const { return record_; }
  // The CRC-32C over the record's header, which covers the payload's: names the entry's content.
  std::uint32_t checksum() const { return load_little<std::uint32_t>(record_.view().data() + 28); }

 private:
  Entry(LogPosition position, EntryKind kind, SharedBytes record)
      : position_(position), kind_(kind), record_(std::move(record)) {}

  LogPosition position_;
  EntryKind kind_ = EntryKind::kNoop;
  SharedBytes record_;
};

}  // namespace vesper::raft
