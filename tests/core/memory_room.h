// A recording that is kept in memory, for tests: gives its room in pieces as small as it may.
#pragma once

#include <algorithm>
#include <vector>

#include "core/node/recording_writer.h"

namespace vesper::testing {

class MemoryRoom final : public node::RecordingRoom {
 public:
  explicit MemoryRoom(std::size_t capacity, std::size_t piece = 64)
      : bytes_(capacity), piece_(piece) {}

  std::span<std::byte> more(std::size_t least) override {
    const std::size_t left = bytes_.size() - given_;
    const std::size_t size = std::min(left, std::max(least, piece_));
    const std::span<std::byte> given = std::span(bytes_).subspan(given_, size);
    given_ += size;
    return given;
  }
  void finish(const std::byte* end) override {
    given_ = static_cast<std::size_t>(end - bytes_.data());
    is_finished_ = true;
  }

  // All that was given: what a file holds when its process is ended now.
  ByteView file() const { return ByteView(bytes_).first(given_); }
  std::span<std::byte> writable() { return std::span(bytes_).first(given_); }
  bool is_finished() const { return is_finished_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t piece_;
  std::size_t given_ = 0;
  bool is_finished_ = false;
};

}  // namespace vesper::testing
