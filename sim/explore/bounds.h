// What a systematic exploration covers: how often each thing may happen, and what is taken
// together. Read by all of sim/explore; vesper-sim explore fills it in.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/base/limits.h"

namespace vesper::sim::explore {

inline constexpr std::uint32_t kNodesMax = 5;

enum class Order : std::uint8_t {
  // Any message under way may arrive next. Then a message that is lost is one that never arrives,
  // so every loss is covered, and costs nothing.
  kAny,
  // Each link keeps its order, as TCP does, and a loss is a choice of its own.
  kLink,
};

enum class PreVotes : std::uint8_t {
  // An election may begin at any node at any time, as if every pre-vote were granted. Raft's safety
  // does not rest on the pre-vote, so this covers every order of its messages, and more.
  kFree,
  // Where a majority would grant the pre-vote at that moment.
  kAtOnce,
  // The pre-vote's messages are explored like all others.
  kMessages,
};

enum class Disks : std::uint8_t {
  // Writes complete in any order with what else happens to the node.
  kSlow,
  // A write completes before the node's next input, or the node crashes first.
  kPrompt,
};

// Deliberate lies of a node's disk: they show that the checks can fail.
struct Lies {
  bool forgets_vote = false;      // a restarted node has its term and log, but not its vote
  bool acknowledges_all = false;  // what waits for a write leaves before it is done
  bool loses_synced = false;      // a crash takes the last entry that was on the disk along
};

struct Bounds {
  std::uint32_t nodes = 3;
  // Elections that begin (with kMessages: pre-vote rounds). No term goes above it.
  std::uint32_t terms = 2;
  std::uint32_t entries = 2;     // client proposals
  std::uint32_t crashes = 1;     // each with an immediate restart
  std::uint32_t losses = 1;      // kLink
  std::uint32_t duplicates = 0;  // messages that arrive and stay under way
  std::uint32_t heartbeats = 0;  // rounds
  std::uint32_t step_downs = 0;  // leaders that no longer hear a majority
  Order order = Order::kLink;
  PreVotes pre_votes = PreVotes::kFree;
  Disks disks = Disks::kSlow;
  std::size_t append_entries_max = limits::kAppendEntries;
  // Reductions: what they leave out is equal to something that is visited (state.h says why).
  bool symmetry = true;
  bool drops_dead = true;
  Lies lies;
};

}  // namespace vesper::sim::explore
