#include "sim/links.h"

#include "sim/draws.h"

namespace vesper::sim {

Links::Links(const WorldConfig& config)
    : nodes_(config.all_nodes()), group_of_(config.all_nodes(), 0) {
  const Random random(config.seed);
  for (std::uint32_t from = 0; from < nodes_; ++from) {
    for (std::uint32_t to = 0; to < nodes_; ++to) {
      const auto single = config.links.find({NodeId(from), NodeId(to)});
      links_.push_back({.config = single == config.links.end() ? config.network : single->second,
                        .delays = {random, {Purpose::kLinkDelay, from, to}},
                        .drops = {random, {Purpose::kLinkDrop, from, to}},
                        .duplicates = {random, {Purpose::kLinkDuplicate, from, to}},
                        .bursts = {random, {Purpose::kLinkBurst, from, to}},
                        .corruptions = {random, {Purpose::kLinkCorrupt, from, to}},
                        .replays = {random, {Purpose::kLinkReplay, from, to}},
                        .lost = {}});
      const auto lost = config.lost_frames.find({NodeId(from), NodeId(to)});
      if (lost != config.lost_frames.end()) links_.back().lost = lost->second;
    }
  }
}

Links::Arrivals Links::draw(Instant now, NodeId from, NodeId to) {
  Link& link = at(from, to);
  Arrivals arrivals;
  arrivals.is_dropped = is_lost_by_number(link);
  if (arrivals.is_dropped) return arrivals;
  if (!passes(from, to)) return arrivals;
  arrivals.is_dropped = link.config.drop_ppm > 0 && link.drops.chance_ppm(link.config.drop_ppm);
  if (arrivals.is_dropped) return arrivals;
  arrivals.is_lost_in_burst = is_lost_in_burst(now, link);
  if (arrivals.is_lost_in_burst) return arrivals;
  arrivals.after[arrivals.copies++] = draw_delay(link.config.delay, link.delays);
  if (link.config.duplicate_ppm > 0 && link.duplicates.chance_ppm(link.config.duplicate_ppm)) {
    arrivals.after[arrivals.copies++] = draw_delay(link.config.delay, link.delays);
  }
  return arrivals;
}

bool Links::is_lost_by_number(Link& link) {
  if (link.lost.empty()) return false;
  ++link.sent;
  while (link.lost_before < link.lost.size() && link.lost[link.lost_before].last < link.sent) {
    ++link.lost_before;
  }
  return link.lost_before < link.lost.size() && link.lost[link.lost_before].first <= link.sent;
}

bool Links::is_lost_in_burst(Instant now, Link& link) {
  const BurstConfig& burst = link.config.burst;
  if (burst.drop_ppm == 0) return false;
  // What a link that was silent for long has been through meanwhile is of no interest.
  const Duration round = burst.mean_good + burst.mean_bad;
  if (!link.state_until || now - *link.state_until > round * 100) {
    link.is_bad = false;
    link.state_until = now + link.bursts.exponential(burst.mean_good);
  }
  while (*link.state_until <= now) {
    link.is_bad = !link.is_bad;
    link.state_until = *link.state_until +
                       link.bursts.exponential(link.is_bad ? burst.mean_bad : burst.mean_good) +
                       Duration::nanoseconds(1);
  }
  return link.is_bad && link.bursts.chance_ppm(burst.drop_ppm);
}

RandomStream* Links::draw_corruption(NodeId from, NodeId to) {
  Link& link = at(from, to);
  const std::uint64_t share = link.config.corrupt_ppm;
  return share > 0 && link.corruptions.chance_ppm(share) ? &link.corruptions : nullptr;
}

RandomStream* Links::draw_replay(NodeId from, NodeId to) {
  Link& link = at(from, to);
  const std::uint64_t share = link.config.replay_ppm;
  return share > 0 && link.replays.chance_ppm(share) ? &link.replays : nullptr;
}

bool Links::passes(NodeId from, NodeId to) const {
  return group_of_[from.value()] == group_of_[to.value()] && !at(from, to).is_cut;
}

bool Links::partition(const std::vector<std::vector<NodeId>>& groups) {
  const std::vector<std::uint32_t> before = group_of_;
  for (std::uint32_t node = 0; node < nodes_; ++node) group_of_[node] = nodes_ + node;  // alone
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    for (const NodeId node : groups[group]) group_of_[node.value()] = group;
  }
  return group_of_ != before;
}

bool Links::heal() {
  bool is_change = false;
  for (std::uint32_t& group : group_of_) is_change |= std::exchange(group, group_of_[0]) != group;
  for (Link& link : links_) is_change |= std::exchange(link.is_cut, false);
  return is_change;
}

bool Links::set_all(const LinkConfig& config) {
  bool is_change = false;
  for (std::uint32_t from = 0; from < nodes_; ++from) {
    for (std::uint32_t to = 0; to < nodes_; ++to)
      is_change |= set(NodeId(from), NodeId(to), config);
  }
  return is_change;
}

bool Links::set(NodeId from, NodeId to, const LinkConfig& config) {
  Link& link = at(from, to);
  if (link.config.burst != config.burst) link.state_until.reset();
  return std::exchange(link.config, config) != config;
}

}  // namespace vesper::sim
