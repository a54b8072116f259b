#include "sim/scenario/hunt_damage.h"

#include <array>
#include <utility>
#include <vector>

#include "sim/scenario/hunt_chain.h"

namespace vesper::sim {

namespace {

Step& add(Scenario& scenario, Trigger trigger, Duration time, Action action, Selector node) {
  Step& step = add_step(scenario, trigger, time, action);
  step.nodes = {std::move(node)};
  return step;
}

// The node is down for a while, its disk is struck, and it comes back; sometimes to die again in
// the middle of what it does about it.
void strike(RandomStream& draws, Duration at, Selector victim, Scenario& scenario) {
  constexpr std::array<DamagePart, 8> kParts = {DamagePart::kRecord,     DamagePart::kRecord,
                                                DamagePart::kLastRecord, DamagePart::kFirstRecord,
                                                DamagePart::kSegment,    DamagePart::kSnapshot,
                                                DamagePart::kSnapshot,   DamagePart::kSector};
  add(scenario, Trigger::kAt, at, Action::kCrash, victim);
  const Duration down = ms(draws.chance_ppm(600'000) ? draws.between(1, 200) : draws.below(3'000));
  add(scenario, Trigger::kAfter, down, Action::kDamage, victim).part =
      kParts[draws.below(kParts.size())];
  add(scenario, Trigger::kAfter, Duration(), Action::kRestart, victim);
  if (!draws.chance_ppm(400'000)) return;
  const auto soon = Duration::microseconds(static_cast<std::int64_t>(draws.below(12'000)));
  add(scenario, Trigger::kAfter, soon, Action::kCrash, victim);
  add(scenario, Trigger::kAfter, ms(draws.below(300)), Action::kRestart, victim);
}

}  // namespace

void draw_hunt_damage(RandomStream draws, FaultWindow window, Scenario& scenario) {
  const std::uint64_t nodes = scenario.cluster.nodes.value();
  const std::uint64_t most = (nodes - 1) / 2;
  if (!draws.chance_ppm(500'000) || most == 0) return;
  // One entry a round trip fetches no log in the time that a run has.
  const ClusterSpec& cluster = scenario.cluster;
  if (cluster.append_entries_max.value() * cluster.inflight_appends_max.value() == 1) return;
  const std::uint64_t first = draws.below(nodes);
  const std::uint64_t victims = draws.between(1, most);
  const Duration gap = ms(draws.between(2'000, 12'000));
  // A node may have to fetch all of its log again, an entry at a time: it gets as long as it had.
  const Duration last = window.from + (window.to - window.from) / 2;
  for (Duration at = window.from + draws.exponential(gap); at < last;
       at = at + draws.exponential(gap)) {
    const std::uint64_t victim = (first + draws.below(victims)) % nodes;
    strike(draws, at, node_number(victim), scenario);
  }
}

}  // namespace vesper::sim
