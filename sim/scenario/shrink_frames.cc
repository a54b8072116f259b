#include "sim/scenario/shrink_frames.h"

#include <algorithm>
#include <numeric>

namespace vesper::sim {

namespace {

// A failing run that needs more of one direction is looked at frame by frame by nobody.
constexpr std::uint64_t kMostFrames = 4096;

std::vector<FrameSpan> lost_of(const Arriving& arriving) {
  std::vector<FrameSpan> lost;
  std::uint64_t next = 1;
  for (const std::uint64_t number : arriving.numbers) {
    if (number > next) lost.push_back({next, number - 1});
    next = number + 1;
  }
  lost.push_back({next, FrameSpan::kNoLast});
  return lost;
}

const LinkOverride* find_link(const Scenario& scenario, const Direction& direction) {
  const auto found =
      std::find_if(scenario.links.begin(), scenario.links.end(), [&](const LinkOverride& link) {
        return link.from == direction.from && link.to == direction.to;
      });
  return found == scenario.links.end() ? nullptr : &*found;
}

}  // namespace

std::vector<Direction> directions_of(const Scenario& scenario) {
  std::vector<Direction> directions;
  const auto nodes =
      static_cast<std::uint32_t>(scenario.cluster.nodes.value() + scenario.cluster.spares.value());
  for (std::uint32_t from = 0; from < nodes; ++from) {
    for (std::uint32_t to = 0; to < nodes; ++to) {
      if (from != to) directions.push_back({from, to});
    }
  }
  return directions;
}

Arriving arriving(const Scenario& scenario, const Direction& direction) {
  const LinkOverride* link = find_link(scenario, direction);
  if (link == nullptr || link->lose.empty() || link->lose.back().last != FrameSpan::kNoLast) {
    return {};
  }
  Arriving result{.numbers = {}, .end = link->lose.back().first};
  std::uint64_t next = 1;
  for (const FrameSpan& span : link->lose) {
    for (; next < span.first; ++next) result.numbers.push_back(next);
    next = span.last + 1;
  }
  return result;
}

Scenario with_arriving(Scenario scenario, const Direction& direction, const Arriving& arriving) {
  if (find_link(scenario, direction) == nullptr) {
    scenario.links.push_back(
        {.from = direction.from, .to = direction.to, .link = scenario.network, .lose = {}});
  }
  for (LinkOverride& link : scenario.links) {
    if (link.from == direction.from && link.to == direction.to) link.lose = lost_of(arriving);
  }
  return scenario;
}

Scenario without_losses(Scenario scenario, const Direction& direction) {
  std::erase_if(scenario.links, [&](LinkOverride& link) {
    if (link.from != direction.from || link.to != direction.to) return false;
    link.lose.clear();
    return link.link == scenario.network;
  });
  return scenario;
}

Arriving first_frames(std::uint64_t end) {
  Arriving result{.numbers = std::vector<std::uint64_t>(end - 1), .end = end};
  std::iota(result.numbers.begin(), result.numbers.end(), std::uint64_t{1});
  return result;
}

std::vector<Arriving> shortest_first() {
  std::vector<Arriving> all{first_frames(1)};
  for (std::uint64_t frames = 1; frames <= kMostFrames; frames *= 2) {
    all.push_back(first_frames(frames + 1));
  }
  return all;
}

std::vector<Arriving> without_stretches(const Arriving& arriving, std::size_t size) {
  std::vector<Arriving> all;
  for (std::size_t begin = 0; begin < arriving.numbers.size(); begin += size) {
    const std::size_t end = std::min(begin + size, arriving.numbers.size());
    Arriving fewer = arriving;
    fewer.numbers.erase(fewer.numbers.begin() + static_cast<std::ptrdiff_t>(begin),
                        fewer.numbers.begin() + static_cast<std::ptrdiff_t>(end));
    all.push_back(std::move(fewer));
  }
  return all;
}

}  // namespace vesper::sim
