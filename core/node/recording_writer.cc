#include "core/node/recording_writer.h"

#include "core/base/hash.h"

namespace vesper::node {

namespace {

constexpr std::size_t kAlignment = 8;

// A process may be ended between any two stores: these happen as they stand, each whole.
void store_at_once(std::byte* to, std::uint32_t low, std::uint32_t high) {
  std::byte bytes[sizeof(std::uint64_t)];
  store_little(bytes, low);
  store_little(bytes + sizeof low, high);
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  *reinterpret_cast<volatile std::uint64_t*>(to) = word;
}

}  // namespace

RecordingWriter::RecordingWriter(RecordingRoom& room) : room_(room) {
  if (!make_room(kRecordingHeaderBytes)) return;
  VESPER_CHECK(reinterpret_cast<std::uintptr_t>(at_) % kAlignment == 0);
  std::memcpy(at_, kRecordingMagic.data(), kRecordingMagic.size());
  store_little(at_ + 8, kRecordingVersion);
  store_little(at_ + 12, crc32c({at_, 12}));
  at_ += kRecordingHeaderBytes;
}

bool RecordingWriter::make_room(std::size_t size) {
  if (static_cast<std::size_t>(limit_ - at_) >= size) return true;
  const std::size_t least = size - static_cast<std::size_t>(limit_ - at_);
  const std::span<std::byte> more = room_.more(least);
  if (more.size() < least) {
    is_open_ = false;
    return false;
  }
  VESPER_CHECK(at_ == nullptr || more.data() == limit_);
  if (at_ == nullptr) at_ = more.data();
  limit_ = more.data() + more.size();
  return true;
}

bool RecordingWriter::begin(RecordKind kind, std::size_t fields_max) {
  if (!is_open_) return false;
  if (block_ != nullptr && static_cast<std::size_t>(at_ - block_) >= kRecordingBlockBytes)
    close_block(false);
  if (fields_max >= kRecordingRecordBytes) is_open_ = false;
  if (!is_open_ || !make_room(kBlockHeaderBytes + kAlignment + 1 + fields_max)) return false;
  if (block_ == nullptr) {
    block_ = at_;
    at_ += kBlockHeaderBytes;
  }
  kind_ = kind;
  record_ = at_++;
  record_limit_ = at_ + fields_max;
  return true;
}

void RecordingWriter::bytes(ByteView bytes) {
  number(bytes.size());
  if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
  at_ += bytes.size();
}

void RecordingWriter::status(const Status& status) {
  if (status.ok()) return number(0);
  number(1 + static_cast<std::uint64_t>(status.error().code));
  bytes(as_bytes(status.error().message));
}

std::size_t RecordingWriter::status_max(const Status& status) {
  return kVarintBytes + (status.ok() ? 0 : bytes_max(status.error().message.size()));
}

void RecordingWriter::end() {
  VESPER_CHECK(at_ <= record_limit_);
  // Last, so that a record that was cut off is none.
  *reinterpret_cast<volatile std::uint8_t*>(record_) = static_cast<std::uint8_t>(kind_);
}

void RecordingWriter::end_turn() {
  if (is_open_ && block_ != nullptr) close_block(true);
}

void RecordingWriter::close_block(bool ends_turn) {
  std::byte* const records = block_ + kBlockHeaderBytes;
  const auto length = static_cast<std::uint32_t>(at_ - records);
  std::byte header[kBlockHeaderBytes];
  store_little(header, length | (ends_turn ? kBlockEndsTurn : 0));
  store_little(header + 4, crc32c({records, length}));
  store_little(header + 8, blocks_++);
  const std::uint32_t sum = crc32c({header, 12});
  store_at_once(block_ + 8, load_little<std::uint32_t>(header + 8), sum);
  store_at_once(block_, load_little<std::uint32_t>(header), load_little<std::uint32_t>(header + 4));
  block_ = nullptr;
  // begin() has seen to it that there is room.
  at_ += (kAlignment - reinterpret_cast<std::uintptr_t>(at_) % kAlignment) % kAlignment;
}

void RecordingWriter::finish() {
  end_turn();
  if (at_ != nullptr) room_.finish(at_);
  is_open_ = false;
}

}  // namespace vesper::node
