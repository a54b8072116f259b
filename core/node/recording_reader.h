// Reads a recording (recording_format.h) that may be cut off anywhere, damaged, or another
// program's. Opening it verifies every block and finds the last whole turn; after that the records
// come one by one. sim/replay owns one and asks. The file's bytes outlive it.
#pragma once

#include <optional>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/node/recording_format.h"

namespace vesper::node {

class RecordingReader {
 public:
  // Errors, each with the offset: kInvalid (no recording), kCorruption (its first 16 bytes),
  // kMismatch (another format version).
  static Result<RecordingReader> open(ByteView file);

  // What is wrong behind the last whole turn, if that is more than an end.
  const std::optional<Error>& damage() const { return damage_; }
  // Whether records of a turn that is not whole follow it.
  bool is_cut() const { return whole_end_ < end_; }

  // The next record's kind; its fields are to be read, all of them, before the next one is. kNone:
  // that was the last whole turn's last one, or what has gone wrong (status()).
  RecordKind next();
  ByteReader& fields() { return fields_; }
  // The fields are not those of the record: nothing comes any more. Returns false.
  bool refuse();
  const Status& status() const { return status_; }
  // Of the record that next() returned: counted from 1, and where it begins.
  std::uint64_t number() const { return number_; }
  std::uint64_t offset() const { return offset_; }

  // Behind its beginning, of the file.
  std::uint64_t bytes_left() const { return file_.size() - offset_; }

  // From now on what follows the last whole turn comes too, as far as it goes: the last of it is
  // verified by no sum.
  void go_on_unfinished() { goes_on_ = true; }

 private:
  explicit RecordingReader(ByteView file) : file_(file) {}
  struct Block {
    std::size_t length = 0;
    std::uint32_t sum = 0;
    bool ends_turn = false;
  };
  void verify();
  std::optional<Block> block_at(std::size_t at);
  void fail(std::size_t at, const std::string& what);
  bool enter_block();

  ByteView file_;
  std::optional<Error> damage_;
  std::size_t whole_end_ = kRecordingHeaderBytes;
  std::size_t end_ = kRecordingHeaderBytes;  // of the whole blocks, and what is in the open one
  std::uint32_t blocks_ = 0;

  bool goes_on_ = false;
  std::size_t at_ = kRecordingHeaderBytes;  // the next block
  std::size_t begin_ = 0;                   // of the records that fields_ reads
  ByteReader fields_{ByteView()};
  Status status_;
  std::uint64_t number_ = 0;
  std::uint64_t offset_ = 0;
};

}  // namespace vesper::node
