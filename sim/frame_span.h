// Names frames between two nodes one by one, as a scenario that was made small says which of them
// are lost: a value that scenario files, the world's configuration and the links share.
#pragma once

#include <cstdint>

namespace vesper::sim {

// Frames of one direction by their numbers, the first that is sent in it being 1.
struct FrameSpan {
  std::uint64_t first = 1;
  std::uint64_t last = 1;  // this one too; kNoLast: all from `first` on
  static constexpr std::uint64_t kNoLast = UINT64_MAX;
  bool operator==(const FrameSpan&) const = default;
};

}  // namespace vesper::sim
