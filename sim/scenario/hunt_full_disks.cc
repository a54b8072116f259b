#include "sim/scenario/hunt_full_disks.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

namespace vesper::sim {

namespace {

Step& add(Scenario& scenario, Action action, Trigger trigger, Duration time) {
  Step& step = scenario.steps.emplace_back();
  step.action = action;
  step.trigger = trigger;
  step.time = time;
  step.optional = true;
  return step;
}

Selector drawn_node(RandomStream& draws, const Scenario& scenario) {
  if (draws.chance_ppm(300'000)) return {.kind = Selector::Kind::kLeader, .number = 0, .name = {}};
  if (draws.chance_ppm(300'000)) return {.kind = Selector::Kind::kAll, .number = 0, .name = {}};
  const auto number = static_cast<std::uint32_t>(draws.below(scenario.cluster.nodes.value()));
  return {.kind = Selector::Kind::kNode, .number = number, .name = {}};
}

// Where writes inside files need no room, a log notices only when it has filled its segment.
void fill_and_empty(RandomStream& draws, Duration at, Scenario& scenario) {
  constexpr std::array<std::uint64_t, 5> kRooms = {0, 700, 5'000, 20'000, 100'000};
  const Selector who = drawn_node(draws, scenario);
  const std::string name = fmt::format("x{}", scenario.steps.size());
  Step& full = add(scenario, Action::kDiskFull, Trigger::kAt, at);
  full.nodes = {who};
  full.room = kRooms[draws.below(kRooms.size())];
  full.in_place = draws.chance_ppm(400'000);
  // All of them, or the one that was meant, whoever leads by then.
  Selector whose = who;
  if (who.kind == Selector::Kind::kLeader) {
    full.as = name;
    whose = {.kind = Selector::Kind::kName, .number = 0, .name = name};
  }
  const Duration crash_after = Duration::milliseconds(static_cast<std::int64_t>(draws.below(4000)));
  if (who.kind != Selector::Kind::kAll && draws.chance_ppm(300'000)) {
    add(scenario, Action::kCrash, Trigger::kAfter, crash_after).nodes = {whose};
    const Duration down = Duration::milliseconds(static_cast<std::int64_t>(draws.below(1500)));
    add(scenario, Action::kRestart, Trigger::kAfter, down).nodes = {whose};
  }
  const auto span = static_cast<std::int64_t>(draws.between(500, 15'000));
  add(scenario, Action::kDiskRoom, Trigger::kAfter, Duration::milliseconds(span)).nodes = {whose};
}

}  // namespace

void draw_hunt_full_disks(RandomStream draws, FaultWindow window, Scenario& scenario) {
  if (!draws.chance_ppm(250'000)) return;
  // Small segments are full soon.
  scenario.cluster.segment_bytes = 16 * 1024;
  const Duration gap =
      Duration::milliseconds(static_cast<std::int64_t>(draws.between(4000, 15'000)));
  for (Duration at = window.from + draws.exponential(gap); at < window.to;
       at = at + draws.exponential(gap)) {
    fill_and_empty(draws, at, scenario);
  }
}

}  // namespace vesper::sim
