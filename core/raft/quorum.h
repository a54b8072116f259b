// Counting: majorities of votes and of match indexes. Pure functions, tested against brute force.
// Joint configurations will be two such counts, both of which must agree (dissertation section
// 4.3).
#pragma once

#include <cstddef>
#include <span>

#include "core/base/check.h"

namespace vesper::raft {

constexpr std::size_t majority_of(std::size_t voters) {
  return voters / 2 + 1;
}

enum class VoteResult { kPending, kWon, kLost };

struct VoteCount {
  std::size_t granted = 0;
  std::size_t refused = 0;
  std::size_t voters = 0;
};

constexpr VoteResult vote_result(VoteCount count) {
  const std::size_t needed = majority_of(count.voters);
  if (count.granted >= needed) return VoteResult::kWon;
  if (count.refused > count.voters - needed) return VoteResult::kLost;
  return VoteResult::kPending;
}

// The highest value that a majority has reached: the commit index of match indexes, the confirmed
// round of acknowledged rounds, the last instant at which a majority was heard. Sorts `reached` in
// place.
// Requires: reached is not empty.
template <class T>
T majority_reached(std::span<T> reached) {
  VESPER_CHECK(!reached.empty());
  // Insertion sort, highest first: clusters are small, and this allocates nothing.
  for (std::size_t i = 1; i < reached.size(); ++i) {
    const T value = reached[i];
    std::size_t at = i;
    for (; at > 0 && reached[at - 1] < value; --at) reached[at] = reached[at - 1];
    reached[at] = value;
  }
  return reached[majority_of(reached.size()) - 1];
}

}  // namespace vesper::raft
