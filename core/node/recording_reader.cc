#include "core/node/recording_reader.h"

#include <algorithm>
#include <string>

#include "core/base/hash.h"
#include "core/base/zeros.h"

namespace vesper::node {

namespace {

std::string at_offset(std::size_t offset) {
  return "at offset " + std::to_string(offset);
}

constexpr std::size_t aligned(std::size_t size) {
  return (size + 7) / 8 * 8;
}

}  // namespace

Result<RecordingReader> RecordingReader::open(ByteView file) {
  const std::size_t known = std::min(file.size(), kRecordingMagic.size());
  if (as_text(file.first(known)) != kRecordingMagic.substr(0, known)) {
    return Error{ErrorCode::kInvalid, "no recording: it does not begin with VSPRECRD"};
  }
  if (file.size() < kRecordingHeaderBytes) {
    return Error{ErrorCode::kInvalid,
                 "it ends " + at_offset(file.size()) + ": before anything was recorded"};
  }
  const auto version = load_little<std::uint32_t>(file.data() + 8);
  if (crc32c(file.first(12)) != load_little<std::uint32_t>(file.data() + 12)) {
    return Error{ErrorCode::kCorruption, "damaged at offset 0: the header's sum does not fit"};
  }
  if (version != kRecordingVersion) {
    return Error{ErrorCode::kMismatch, "at offset 8: recording format version " +
                                           std::to_string(version) + ", this program reads " +
                                           std::to_string(kRecordingVersion)};
  }
  RecordingReader reader(file);
  reader.verify();
  return reader;
}

void RecordingReader::fail(std::size_t at, const std::string& what) {
  damage_ = Error{ErrorCode::kCorruption, "damaged " + at_offset(at) + ": " + what};
}

// Nothing: the last block was before, or damage() is set.
std::optional<RecordingReader::Block> RecordingReader::block_at(std::size_t at) {
  const ByteView rest = file_.subspan(std::min(at, file_.size()));
  if (rest.size() < kBlockHeaderBytes || is_zero(rest.first(8))) {
    // A block that was begun. What it holds is told by no length: its records end where a zero is.
    if (!is_zero(rest.first(std::min(rest.size(), kBlockHeaderBytes + 1)))) end_ = at + 1;
    return std::nullopt;
  }
  const auto first = load_little<std::uint32_t>(rest.data());
  if (crc32c(rest.first(12)) != load_little<std::uint32_t>(rest.data() + 12)) {
    fail(at, "a block's header does not fit its sum");
    return std::nullopt;
  }
  const Block block{first & ~kBlockEndsTurn, load_little<std::uint32_t>(rest.data() + 4),
                    (first & kBlockEndsTurn) != 0};
  if (load_little<std::uint32_t>(rest.data() + 8) != blocks_) {
    fail(at, "it is not block " + std::to_string(blocks_) + ", which belongs there");
    return std::nullopt;
  }
  if (block.length > rest.size() - kBlockHeaderBytes) {
    end_ = at + 1;  // the file is cut off in it
    return std::nullopt;
  }
  if (crc32c(rest.subspan(kBlockHeaderBytes, block.length)) != block.sum) {
    fail(at, "a block of " + std::to_string(block.length) + " bytes does not fit its sum");
    return std::nullopt;
  }
  return block;
}

void RecordingReader::verify() {
  std::size_t at = kRecordingHeaderBytes;
  while (const auto block = block_at(at)) {
    at += aligned(kBlockHeaderBytes + block->length);
    end_ = at;
    ++blocks_;
    if (block->ends_turn) whole_end_ = at;
  }
}

// Makes fields_ read the next block's records.
bool RecordingReader::enter_block() {
  if (at_ < whole_end_ || (goes_on_ && at_ < end_)) {
    const ByteView rest = file_.subspan(at_);
    if (rest.size() < kBlockHeaderBytes) return false;
    std::size_t length = load_little<std::uint32_t>(rest.data()) & ~kBlockEndsTurn;
    const bool is_open = is_zero(rest.first(8)) || length > rest.size() - kBlockHeaderBytes;
    if (is_open) length = rest.size() - kBlockHeaderBytes;
    begin_ = at_ + kBlockHeaderBytes;
    fields_ = ByteReader(file_.subspan(begin_, length));
    at_ = is_open ? file_.size() : at_ + aligned(kBlockHeaderBytes + length);
    return true;
  }
  return false;
}

RecordKind RecordingReader::next() {
  if (!status_.ok()) return RecordKind::kNone;
  if (!fields_.ok()) {
    refuse();
    return RecordKind::kNone;
  }
  while (fields_.remaining() == 0) {
    if (!enter_block()) return RecordKind::kNone;
  }
  offset_ = begin_ + fields_.offset();
  const auto kind = static_cast<RecordKind>(fields_.u8());
  if (kind == RecordKind::kNone && offset_ >= whole_end_) {
    fields_ = ByteReader(ByteView());
    at_ = file_.size();
    return kind;
  }
  ++number_;
  if (kind == RecordKind::kNone || kind > RecordKind::kEnd) {
    refuse();
    return RecordKind::kNone;
  }
  return kind;
}

bool RecordingReader::refuse() {
  if (offset_ >= whole_end_) {
    // The last record before the process ended.
    fields_ = ByteReader(ByteView());
    at_ = file_.size();
  } else if (status_.ok()) {
    status_ = Error{ErrorCode::kInvalid, "record " + std::to_string(number_) + " " +
                                             at_offset(offset_) + " is not what a recorder writes"};
  }
  return false;
}

}  // namespace vesper::node
