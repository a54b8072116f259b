#include "sim/scenario/scenario.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/random.h"
#include "sim/scenario/fields.h"

namespace vesper::sim {

namespace {

// Replaces each range that it meets by a number keyed by the path of names to it.
class Drawer {
 public:
  Drawer(std::uint64_t seed, std::uint64_t path) : seed_(seed), path_(path) {}

  void field(std::string_view key, Range<std::uint64_t>& range) {
    range = stream(key).between(range.low, range.high);
  }
  void field(std::string_view key, Range<Duration>& range) {
    range = stream(key).between(range.low, range.high);
  }
  void field(std::string_view key, Range<Parts>& range) {
    range = Parts{stream(key).between(range.low.per_million, range.high.per_million)};
  }
  void field(std::string_view key, Range<Rate>& range) {
    range = Rate{stream(key).between(range.low.per_kilosecond, range.high.per_kilosecond)};
  }
  void field(std::string_view key, Range<Drift>& range) {
    const auto width = static_cast<std::uint64_t>(range.high.ppm - range.low.ppm);
    const auto above = static_cast<std::int64_t>(stream(key).between(0, width));
    range = Drift{range.low.ppm + above};
  }
  void field(std::string_view key, DelaySpec& delay) { draw_inside(key, delay); }
  void field(std::string_view key, BurstSpec& burst) { draw_inside(key, burst); }
  template <class T>
  void field(std::string_view key, std::optional<T>& value) {
    if (value) field(key, *value);
  }
  template <class T>
  void field(std::string_view /*key*/, T& /*not a range*/) {}

 private:
  template <class Spec>
  void draw_inside(std::string_view key, Spec& spec) {
    Drawer inner(seed_, hash64(as_bytes(key), path_));
    visit_fields(inner, spec);
  }
  RandomStream stream(std::string_view key) const {
    return {Random(seed_),
            {.purpose = Purpose::kScenario, .a = hash64(as_bytes(key), path_), .b = 0}};
  }

  std::uint64_t seed_;
  std::uint64_t path_;
};

template <class Spec>
void draw(std::uint64_t seed, std::string_view table, std::uint64_t place, Spec& spec) {
  Drawer drawer(seed, hash64(as_bytes(table), place));
  visit_fields(drawer, spec);
}

// What an override leaves as the default has it becomes what the default has drawn.
template <class T>
void inherit(T& own, const T& undrawn, const T& drawn) {
  if (own == undrawn) own = drawn;
}

void draw_links(std::uint64_t seed, Scenario& scenario) {
  const LinkSpec undrawn = scenario.network;
  draw(seed, "network", 0, scenario.network);
  for (LinkOverride& link : scenario.links) {
    inherit(link.link.delay, undrawn.delay, scenario.network.delay);
    inherit(link.link.drop, undrawn.drop, scenario.network.drop);
    inherit(link.link.duplicate, undrawn.duplicate, scenario.network.duplicate);
    inherit(link.link.burst, undrawn.burst, scenario.network.burst);
    inherit(link.link.corrupt, undrawn.corrupt, scenario.network.corrupt);
    inherit(link.link.replay, undrawn.replay, scenario.network.replay);
    inherit(link.link.replay_age, undrawn.replay_age, scenario.network.replay_age);
    draw(seed, "link", link.from * 1000 + link.to, link.link);
  }
}

void draw_disks(std::uint64_t seed, Scenario& scenario) {
  const DiskSpec undrawn = scenario.disk;
  draw(seed, "disk", 0, scenario.disk);
  for (auto& [node, disk] : scenario.disks) {
    inherit(disk.sync, undrawn.sync, scenario.disk.sync);
    inherit(disk.spikes, undrawn.spikes, scenario.disk.spikes);
    inherit(disk.spike, undrawn.spike, scenario.disk.spike);
    draw(seed, "disk.node", node, disk);
  }
}

}  // namespace

Scenario drawn(Scenario scenario, std::uint64_t seed) {
  scenario.seed = seed;
  draw(seed, "cluster", 0, scenario.cluster);
  // Two ranges that overlap must not draw what Raft refuses.
  ClusterSpec& cluster = scenario.cluster;
  const Duration tick = Duration::milliseconds(1);
  cluster.election_timeout_min =
      std::max(cluster.election_timeout_min.value(), cluster.heartbeat_interval.value() + tick);
  cluster.election_timeout_max =
      std::max(cluster.election_timeout_max.value(), cluster.election_timeout_min.value() + tick);
  draw_links(seed, scenario);
  draw_disks(seed, scenario);
  // Each node's clock is its own, also where all are said to be alike.
  for (std::uint32_t node = 0; node < cluster.nodes.value() + cluster.spares.value(); ++node) {
    const auto own = scenario.clocks.find(node);
    ClockSpec clock = own == scenario.clocks.end() ? scenario.clock : own->second;
    draw(seed, "clock", node, clock);
    if (!(clock == scenario.clock)) scenario.clocks[node] = clock;
  }
  if (!scenario.clock.drift_ppm.is_drawn() || !scenario.clock.offset.is_drawn()) {
    scenario.clock = ClockSpec();
  }
  for (std::size_t i = 0; i < scenario.clients.size(); ++i) {
    draw(seed, "clients", i, scenario.clients[i]);
  }
  for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
    draw(seed, "step", i, scenario.steps[i]);
    Drawer(seed, hash64(as_bytes("step.time"), i)).field("time", scenario.steps[i].time);
  }
  return scenario;
}

}  // namespace vesper::sim
