// The steps that change the network: partitions, links, and what all links do.
#include <algorithm>

#include "sim/scenario/script.h"
#include "sim/scenario/world_config.h"

namespace vesper::sim {

void Script::run_network(const Step& step) {
  world_.set_network(link_of(step, world_config_of(scenario_).network));
  network_disturbed_ = disturbs(step);
  disturbed_links_.clear();
}

// Whether what a network step says is worse than what the file says.
bool Script::disturbs(const Step& step) const {
  const LinkSpec& base = scenario_.network;
  return (step.delay && !(*step.delay == base.delay)) ||
         (step.drop && step.drop->value() > base.drop.value()) ||
         (step.duplicate && step.duplicate->value() > base.duplicate.value()) ||
         (step.burst && !(*step.burst == base.burst)) ||
         (step.corrupt && step.corrupt->value() > base.corrupt.value()) ||
         (step.replay && step.replay->value() > base.replay.value());
}

bool Script::run_partition(const Step& step) {
  std::vector<std::vector<NodeId>> groups;
  std::vector<NodeId> named;
  for (const auto& selectors : step.groups) {
    const auto group = find_all(selectors);
    if (!group) return false;
    groups.emplace_back();
    for (const NodeId node : *group) {
      if (std::find(named.begin(), named.end(), node) != named.end()) continue;
      named.push_back(node);
      groups.back().push_back(node);
    }
  }
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const std::vector<Selector>& selectors = step.groups[i];
    const bool takes_rest = std::any_of(selectors.begin(), selectors.end(), [](const Selector& s) {
      return s.kind == Selector::Kind::kRest;
    });
    if (!takes_rest) continue;
    for (const NodeId node : all()) {
      if (std::find(named.begin(), named.end(), node) == named.end()) groups[i].push_back(node);
    }
    break;  // a second "rest" finds nobody
  }
  world_.partition(groups);
  return true;
}

bool Script::run_on_link(const Step& step) {
  const auto from = find_all({*step.from});
  const auto to = find_all({*step.to});
  if (!from || !to) return false;
  // "rest" is everybody but the other end, which the loop leaves out by itself.
  for (const NodeId a : step.from->kind == Selector::Kind::kRest ? all() : *from) {
    for (const NodeId b : step.to->kind == Selector::Kind::kRest ? all() : *to) {
      if (a == b) continue;
      const auto own = world_.config().links.find({a, b});
      switch (step.action) {
        case Action::kCut:
          world_.cut(a, b);
          break;
        case Action::kMend:
          world_.mend(a, b);
          break;
        case Action::kClog:
          world_.clog(a, b);
          break;
        case Action::kUnclog:
          world_.unclog(a, b);
          break;
        case Action::kReplay:
          world_.replay(a, b, step.type, step.count);
          break;
        default: {
          const LinkConfig& base =
              own == world_.config().links.end() ? world_.config().network : own->second;
          const LinkConfig link = link_of(step, base);
          if (link == base) {
            disturbed_links_.erase({a, b});
          } else {
            disturbed_links_.insert({a, b});
          }
          world_.set_link(a, b, link);
          break;
        }
      }
    }
  }
  return true;
}

LinkConfig Script::link_of(const Step& step, LinkConfig link) const {
  if (step.delay) link.delay = delay_of(*step.delay);
  if (step.drop) link.drop_ppm = step.drop->value().per_million;
  if (step.duplicate) link.duplicate_ppm = step.duplicate->value().per_million;
  if (step.burst) link.burst = burst_of(*step.burst);
  if (step.corrupt) link.corrupt_ppm = step.corrupt->value().per_million;
  if (step.replay) link.replay_ppm = step.replay->value().per_million;
  if (step.replay_age) link.replay_age = step.replay_age->value();
  return link;
}

}  // namespace vesper::sim
