// The network between nodes: what each direction does to a frame, and which directions are cut
// or clogged.
// Pure bookkeeping and draws; World keeps the frames in flight.
#pragma once

#include <array>
#include <optional>
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
    bool is_dropped = false;  // by its number, or by a draw of its own
    bool is_lost_in_burst = false;
    std::array<Duration, 2> after;
  };
  Arrivals draw(Instant now, NodeId from, NodeId to);
  // Whether the next copy that leaves is corrupted; by what draws, if so.
  RandomStream* draw_corruption(NodeId from, NodeId to);
  // Whether an old frame comes after this one; by what draws it is chosen, if so.
  RandomStream* draw_replay(NodeId from, NodeId to);
  RandomStream& replays(NodeId from, NodeId to) { return at(from, to).replays; }
  const LinkConfig& config(NodeId from, NodeId to) const { return at(from, to).config; }

  // Whether frames pass in this direction now, or wait in it.
  bool passes(NodeId from, NodeId to) const;
  bool is_clogged(NodeId from, NodeId to) const { return at(from, to).is_clogged; }

  // Each returns whether it changed anything.
  bool partition(const std::vector<std::vector<NodeId>>& groups);
  bool cut(NodeId from, NodeId to) { return !std::exchange(at(from, to).is_cut, true); }
  bool mend(NodeId from, NodeId to) { return std::exchange(at(from, to).is_cut, false); }
  bool heal();
  bool clog(NodeId from, NodeId to) { return !std::exchange(at(from, to).is_clogged, true); }
  bool unclog(NodeId from, NodeId to) { return std::exchange(at(from, to).is_clogged, false); }
  bool set_all(const LinkConfig& config);
  bool set(NodeId from, NodeId to, const LinkConfig& config);

 private:
  struct Link {
    LinkConfig config;
    RandomStream delays;
    RandomStream drops;
    RandomStream duplicates;
    RandomStream bursts;
    RandomStream corruptions;
    RandomStream replays;
    std::vector<FrameSpan> lost;
    std::uint64_t sent = 0;
    std::size_t lost_before = 0;  // spans that have been passed
    bool is_cut = false;
    bool is_clogged = false;
    // Of a link with bursts: its state, and how long that lasts. Begins with its first frame.
    bool is_bad = false;
    std::optional<Instant> state_until;
  };
  static bool is_lost_by_number(Link& link);
  static bool is_lost_in_burst(Instant now, Link& link);
  Link& at(NodeId from, NodeId to) { return links_[from.value() * nodes_ + to.value()]; }
  const Link& at(NodeId from, NodeId to) const {
    return links_[from.value() * nodes_ + to.value()];
  }

  std::uint32_t nodes_;
  std::vector<Link> links_;
  std::vector<std::uint32_t> group_of_;  // by node
};

}  // namespace vesper::sim
