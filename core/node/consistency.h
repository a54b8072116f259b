// Whether the nodes' states are still the same. Every so often the leader puts a check point into
// the log, an entry that changes nothing; each node, right after it applies it, tells all others
// the hash of its store and sessions. All of them stood at the same index of the same log then, and
// the state machine is deterministic, so the hashes are equal unless something else is wrong:
// memory, a disk beyond its checksums, a bug that only one build or machine has. This class gathers
// the hashes of the last check points and judges them. A pure value; Node feeds it and acts.
//
// A majority is right because faults of that kind are independent: two nodes that err alike by
// chance would have to come to the same 64 bits (a sum of one XXH3 hash a pair: an accident moves
// it to any value, 1 in 2^64 to the right one; it does not resist an attacker, and need not). A
// node that is outvoted stops, whatever its role: a leader too, for its reads and its snapshots are
// as wrong as its state, and the others elect the next at once. It neither votes nor campaigns any
// more, though its log would be as good as any: who answers from a wrong state must not get a
// chance to. Where no majority agrees, as between two nodes that differ, nobody can say who is
// right: all report it and go on. A bug that all nodes share shows no difference and is not found.
//
// The comparison names what was applied, as the commands moved the hash. That memory still holds
// it, each node finds out alone, by the walk of StateMachine::scrub: that needs no majority.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/base/types.h"
#include "core/node/wire.h"
#include "core/raft/configuration.h"

namespace vesper::node {

class Consistency {
 public:
  explicit Consistency(NodeId self) : self_(self) {}

  // The check point at own.index was applied here, with these members in force: its voters are the
  // ones of whom a majority counts. Requires: above all before.
  void on_applied(Fingerprint own, const raft::Configuration& members);
  // One that this node has not come to yet is kept, the newest of each node; one that it does not
  // remember is of no use.
  void on_fingerprint(NodeId from, Fingerprint theirs);

  // The newest of its own, for all others; each once.
  std::optional<Fingerprint> take_to_send();
  // Nodes whose state differed from this one's, each once a check point. Each is to be told `ours`:
  // one that came to the check point late has missed what was said about it.
  struct Difference {
    NodeId node;
    Fingerprint theirs;
    Fingerprint ours;
  };
  std::vector<Difference> take_differences();
  // The check point at which a majority had the same hash, another than this node.
  std::optional<Index> outvoted_at() const { return outvoted_at_; }

  // The newest check point that was applied here; 0: none.
  Index last() const { return points_.empty() ? Index(0) : points_.back().index; }
  // Check points at which a majority, this node among it, had the same hash.
  std::uint64_t agreed() const { return agreed_; }

 private:
  struct Point {
    Index index;
    std::vector<NodeId> voters;
    std::map<NodeId, std::uint64_t> hashes;
    bool is_agreed = false;
  };
  void add(Point& point, NodeId node, std::uint64_t hash);
  void judge(Point& point);

  NodeId self_;
  std::deque<Point> points_;  // the last of its own, oldest first
  std::map<NodeId, Fingerprint> ahead_;
  bool is_to_send_ = false;
  std::vector<Difference> differences_;
  std::optional<Index> outvoted_at_;
  std::uint64_t agreed_ = 0;
};

}  // namespace vesper::node
