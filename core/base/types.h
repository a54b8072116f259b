// The strong types of the protocol: a term is never an index, and neither is a node. Plain 64-bit
// counters inside, explicit at the edges; they order, compare and step, and convert to nothing.
#pragma once

#include <compare>
#include <cstdint>

namespace vesper {

template <class Tag>
class StrongId {
 public:
  constexpr StrongId() = default;
  constexpr explicit StrongId(std::uint64_t value) : value_(value) {}

  constexpr std::uint64_t value() const { return value_; }
  constexpr StrongId next() const { return StrongId(value_ + 1); }
  // Requires: value() > 0.
  constexpr StrongId previous() const { return StrongId(value_ - 1); }
  constexpr StrongId plus(std::uint64_t count) const { return StrongId(value_ + count); }

  constexpr auto operator<=>(const StrongId&) const = default;

 private:
  std::uint64_t value_ = 0;
};

// Raft's logical clock (paper section 5.1). Term 0 comes before every election.
using Term = StrongId<struct TermTag>;
// A position in the log, counted from 1; index 0 is "before the first entry".
using Index = StrongId<struct IndexTag>;
// Names one write that Raft handed out in a Ready; completions name it back. 0 is "no write".
using WriteId = StrongId<struct WriteIdTag>;
// Names one client request inside one node's life.
using RequestId = StrongId<struct RequestIdTag>;
// Names one client's session: the index of the entry that registered it, so that no id is issued
// twice.
using SessionId = StrongId<struct SessionIdTag>;
// Names one request within its client's session, counted by the client from 1.
using RequestNumber = StrongId<struct RequestNumberTag>;
// Names one heartbeat round of one leader's term (ReadIndex counts replies by it).
using Round = StrongId<struct RoundTag>;
// Drawn at random when a cluster is formed. 0 is "not formed yet".
using ClusterId = StrongId<struct ClusterIdTag>;
// Drawn at random when a data directory is first used: a wiped disk comes back under another one.
using Incarnation = StrongId<struct IncarnationTag>;

// A node's place in the ip list, counted from 0.
class NodeId {
 public:
  constexpr NodeId() = default;
  constexpr explicit NodeId(std::uint32_t value) : value_(value) {}
  constexpr std::uint32_t value() const { return value_; }
  constexpr auto operator<=>(const NodeId&) const = default;

 private:
  std::uint32_t value_ = 0;
};

// Where an entry stands. Orders by term, then index: that order is the vote rule's "at least as up
// to date" (paper section 5.4.1).
struct LogPosition {
  Term term;
  Index index;
  constexpr auto operator<=>(const LogPosition&) const = default;
};

}  // namespace vesper
