// How a cluster is formed, once. A wiped disk and a first start look alike, so a cluster may only
// come to be when every node of the list is up and says that it is empty: then no vote and no entry
// can have been lost. Node 0 decides, when it has heard all the others lately; its cluster id and
// the founders' incarnations are what everybody then stores. A Hello counts only if it answers one
// of this very incarnation: one that was under way since before this node lost its disk says
// nothing of today, and its sender may have formed a cluster meanwhile. A pure value: Node feeds it
// Hellos and asks.
#pragma once

#include <optional>
#include <vector>

#include "core/base/time.h"
#include "core/base/types.h"

namespace vesper::node {

class Formation {
 public:
  // A Hello older than `fresh_for` no longer says that its sender is up.
  struct Options {
    NodeId id;
    std::size_t cluster_size = 0;
    Incarnation incarnation;
    Duration fresh_for;
  };
  explicit Formation(Options options);

  // `heard` is the incarnation of this node that the sender had heard of; 0: none.
  // Requires: from is another node of the list.
  struct HelloFrom {
    NodeId node;
    Incarnation incarnation;
    Incarnation heard;
  };
  void on_hello(Instant now, const HelloFrom& hello);
  // The incarnation of another node that said Hello last; 0: none did.
  Incarnation heard_of(NodeId node) const { return heard_[node.value()].incarnation; }

  // The nodes not heard lately: whom formation waits for.
  std::vector<NodeId> waiting_for(Instant now) const;
  // Whether this node decides, and everybody is there.
  bool is_complete(Instant now) const;
  // The incarnations by node id. Requires: is_complete.
  std::vector<Incarnation> founders() const;

 private:
  struct Heard {
    Incarnation incarnation;
    std::optional<Instant> at;  // of the last Hello that answered one of ours
  };
  Options options_;
  std::vector<Heard> heard_;  // by node id; this node's own place is unused
};

}  // namespace vesper::node
