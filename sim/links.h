// The network between nodes: what each direction does to a frame, and which directions are cut.
// Pure bookkeeping and draws; World keeps the frames in flight.
#pragma once

#include <array>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/base/types.h"
#include "sim/config.h"

namespace vesper::sim {

class Links {
 public:
  explicit Links(const WorldConfig& config);

  // What becomes of the next frame from `from` to `to`: when each copy of it arrives. No copy:
  // lost.
  struct Arrivals {
    std::size_t copies = 0;
    std::array<Duration, 2> after;
  };
  Arrivals draw(NodeId from, NodeId to);

  // Whether frames pass in this direction now.
  bool passes(NodeId from, NodeId to) const;

  // Each returns whether it changed anything.
  bool partition(const std::vector<std::vector<NodeId>>& groups);
  bool cut(NodeId from, NodeId to) { return !std::exchange(at(from, to).is_cut, true); }
  bool mend(NodeId from, NodeId to) { return std::exchange(at(from, to).is_cut, false); }
  bool heal();
  bool set_all(const LinkConfig& config);
  bool set(NodeId from, NodeId to, const LinkConfig& config) {
    return std::exchange(at(from, to).config, config) != config;
  }

 private:
  struct Link {
    LinkConfig config;
    RandomStream delays;
    RandomStream drops;
    RandomStream duplicates;
    bool is_cut = false;
  };
  Link& at(NodeId from, NodeId to) { return links_[from.value() * nodes_ + to.value()]; }
  const Link& at(NodeId from, NodeId to) const {
    return links_[from.value() * nodes_ + to.value()];
  }

  std::uint32_t nodes_;
  std::vector<Link> links_;
  std::vector<std::uint32_t> group_of_;  // by node
};

}  // namespace vesper::sim
