// Counting: majorities of votes and of match indexes. Pure functions, tested against brute force.
// A joint configuration is two such counts, both of which must agree (dissertation section 4.3).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/raft/configuration.h"

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

// The same of a configuration: what its majority has reached, or both of its majorities if it is
// joint. `reached(i)` is what the i-th member has.
template <class Reached>
auto reached_by_quorum(const Configuration& configuration, Reached reached) {
  const std::vector<Member>& members = configuration.members();
  const auto of = [&](auto counts) {
    // Not cleared first: there is room for many more members than most clusters have.
    using Value = decltype(reached(0));
    alignas(Value) std::array<std::byte, limits::kNodes * sizeof(Value)> room;
    const std::span values(reinterpret_cast<Value*>(room.data()), limits::kNodes);
    std::size_t voters = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (counts(members[i].standing)) std::construct_at(&values[voters++], reached(i));
    }
    return majority_reached(std::span(values.data(), voters));
  };
  const auto by_new = of(is_new_voter);
  return configuration.is_joint() ? std::min(by_new, of(is_old_voter)) : by_new;
}

// Whether a majority of a configuration has something, or both of its majorities if it is joint.
// `has(i)` says whether the i-th member has it.
template <class Has>
bool has_quorum(const Configuration& configuration, Has has) {
  const std::vector<Member>& members = configuration.members();
  const auto of = [&](auto counts) {
    std::size_t voters = 0;
    std::size_t with = 0;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (!counts(members[i].standing)) continue;
      ++voters;
      if (has(i)) ++with;
    }
    return with >= majority_of(voters);
  };
  return of(is_new_voter) && (!configuration.is_joint() || of(is_old_voter));
}

// The result of votes: `granted` and `refused` are asked about each member.
template <class Granted, class Refused>
VoteResult vote_result(const Configuration& configuration, Granted granted, Refused refused) {
  const auto of = [&](auto counts) {
    VoteCount count;
    for (const Member& member : configuration.members()) {
      if (!counts(member.standing)) continue;
      ++count.voters;
      if (granted(member.id)) ++count.granted;
      if (refused(member.id)) ++count.refused;
    }
    return vote_result(count);
  };
  const VoteResult by_new = of(is_new_voter);
  const VoteResult by_old = configuration.is_joint() ? of(is_old_voter) : by_new;
  if (by_new == by_old) return by_new;
  const bool is_lost = by_new == VoteResult::kLost || by_old == VoteResult::kLost;
  return is_lost ? VoteResult::kLost : VoteResult::kPending;
}

}  // namespace vesper::raft
