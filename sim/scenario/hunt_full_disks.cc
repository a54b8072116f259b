#include "sim/scenario/hunt_full_disks.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <utility>

#include "sim/scenario/hunt_chain.h"

namespace vesper::sim {

namespace {

Selector drawn_node(RandomStream& draws, const Scenario& scenario) {
  if (draws.chance_ppm(300'000)) return the_leader();
  if (draws.chance_ppm(300'000)) return everybody();
  return node_number(draws.below(scenario.cluster.nodes.value()));
}

// Where writes inside files need no room, a log notices only when it has filled its segment.
void fill_and_empty(RandomStream& draws, Duration at, Scenario& scenario) {
  constexpr std::array<std::uint64_t, 5> kRooms = {0, 700, 5'000, 20'000, 100'000};
  const Selector who = drawn_node(draws, scenario);
  const std::string name = fmt::format("x{}", scenario.steps.size());
  Step& full = add_step(scenario, Trigger::kAt, at, Action::kDiskFull);
  full.nodes = {who};
  full.room = kRooms[draws.below(kRooms.size())];
  full.in_place = draws.chance_ppm(400'000);
  // All of them, or the one that was meant, whoever leads by then.
  Selector whose = who;
  if (who.kind == Selector::Kind::kLeader) {
    full.as = name;
    whose = named(name);
  }
  const Duration crash_after = Duration::milliseconds(static_cast<std::int64_t>(draws.below(4000)));
  if (who.kind != Selector::Kind::kAll && draws.chance_ppm(300'000)) {
    add_step(scenario, Trigger::kAfter, crash_after, Action::kCrash).nodes = {whose};
    const Duration down = Duration::milliseconds(static_cast<std::int64_t>(draws.below(1500)));
    add_step(scenario, Trigger::kAfter, down, Action::kRestart).nodes = {whose};
  }
  const auto span = static_cast<std::int64_t>(draws.between(500, 15'000));
  add_step(scenario, Trigger::kAfter, Duration::milliseconds(span), Action::kDiskRoom).nodes = {
      whose};
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
