// Writes a recording (recording_format.h) straight into memory that someone else provides: in
// production a file's, mapped, so that a record costs no system call and outlives the process.
// Recorder (recorder.h) calls it, on the core's thread.
#pragma once

#include "core/node/recording_format.h"

namespace vesper::node {

// Where a recording goes.
class RecordingRoom {
 public:
  virtual ~RecordingRoom() = default;
  // At least `least` zero bytes, right behind those that were given before; fewer: there is no more
  // room, and never will be. What was given stays writable for as far back as kRecordingBlockBytes
  // and a record. Requires: least <= kRecordingRoomBytes.
  virtual std::span<std::byte> more(std::size_t least) = 0;
  // Nothing more is written: the recording ends here.
  virtual void finish(const std::byte* end) = 0;
};
inline constexpr std::size_t kRecordingRoomBytes = kRecordingRecordBytes + 64;
inline constexpr std::size_t kRecordingKeptBytes = kRecordingBlockBytes + kRecordingRoomBytes;

class RecordingWriter {
 public:
  // The room outlives it.
  explicit RecordingWriter(RecordingRoom& room);
  RecordingWriter(const RecordingWriter&) = delete;
  RecordingWriter& operator=(const RecordingWriter&) = delete;

  // Once false, it stays so: the room is at its end, or a record was longer than one may be.
  bool is_open() const { return is_open_; }

  // One record: begin, fields that are no longer than `fields_max` together, end.
  // False: there is no room; nothing else may be called for this record.
  bool begin(RecordKind kind, std::size_t fields_max);
  void number(std::uint64_t value) { at_ = store_varint(at_, value); }
  void word(std::uint64_t value) {
    store_little(at_, value);
    at_ += sizeof value;
  }
  // Their number goes before them.
  void bytes(ByteView bytes);
  void status(const Status& status);
  void sparse(ByteView bytes) { at_ = store_sparse(at_, bytes); }
  void end();
  // The turn ends with the record before.
  void end_turn();
  void finish();

  static std::size_t bytes_max(std::size_t size) { return kVarintBytes + size; }
  static std::size_t status_max(const Status& status);

 private:
  bool make_room(std::size_t size);
  void close_block(bool ends_turn);

  RecordingRoom& room_;
  bool is_open_ = true;
  std::byte* at_ = nullptr;
  std::byte* limit_ = nullptr;   // of the room
  std::byte* block_ = nullptr;   // the open one's header; none: none is open
  std::byte* record_ = nullptr;  // the one that is being written
  std::byte* record_limit_ = nullptr;
  RecordKind kind_ = RecordKind::kNone;
  std::uint32_t blocks_ = 0;
};

}  // namespace vesper::node
