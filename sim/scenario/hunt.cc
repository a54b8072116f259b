#include "sim/scenario/hunt.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/random.h"
#include "sim/scenario/hunt_chain.h"
#include "sim/scenario/hunt_damage.h"
#include "sim/scenario/hunt_disks.h"
#include "sim/scenario/hunt_faults.h"
#include "sim/scenario/hunt_full_disks.h"
#include "sim/scenario/hunt_links.h"

namespace vesper::sim {

namespace {

Duration us(std::uint64_t count) {
  return Duration::microseconds(static_cast<std::int64_t>(count));
}

RandomStream stream(std::uint64_t seed, std::uint64_t concern) {
  return {Random(seed), {.purpose = Purpose::kHunt, .a = concern, .b = 0}};
}

// What the draws of one concern are keyed by; new ones go to the end.
enum Concern : std::uint64_t {
  kCluster = 1,
  kNetwork = 2,
  kDisk = 3,
  kClock = 4,
  kClients = 5,
  kFaults = 6,
  kTransfers = 7,
  kSessions = 8,
  kSnapshots = 9,
  kReads = 10,
  kDamage = 11,
  kFull = 12,
  kAlter = 13,
  kMembers = 14,
  kLinkSettings = 15,
  kLinks = 16,
  kDiskFaults = 21,
  kClockFaults = 22,
};

template <std::size_t N>
std::uint64_t one_of(RandomStream& draws, const std::array<std::uint64_t, N>& choices) {
  return choices[draws.below(N)];
}

ClusterSpec draw_cluster(RandomStream draws) {
  ClusterSpec cluster;
  constexpr std::array<std::uint64_t, 20> kSizes = {3, 3, 3, 3, 3, 3, 3, 3, 3, 5,
                                                    5, 5, 5, 5, 5, 5, 7, 4, 2, 1};
  cluster.nodes = one_of(draws, kSizes);
  const Duration heartbeat = ms(draws.between(40, 150));
  cluster.heartbeat_interval = heartbeat;
  const Duration low = heartbeat * static_cast<std::int64_t>(draws.between(3, 8));
  cluster.election_timeout_min = low;
  // A narrow range makes candidates meet.
  const std::uint64_t width =
      draws.chance_ppm(300'000) ? draws.between(3, 10) : draws.between(40, 150);
  cluster.election_timeout_max = low + low * static_cast<std::int64_t>(width) / 100 + ms(1);
  cluster.request_timeout = low * 2;
  if (draws.chance_ppm(600'000)) {
    cluster.append_entries_max = one_of(draws, std::array<std::uint64_t, 4>{1, 2, 4, 16});
    cluster.append_bytes_max = one_of(draws, std::array<std::uint64_t, 3>{200, 1024, 1024 * 1024});
    cluster.inflight_appends_max = one_of(draws, std::array<std::uint64_t, 4>{1, 2, 4, 64});
    cluster.uncommitted_bytes_max =
        one_of(draws, std::array<std::uint64_t, 3>{1024, 16 * 1024, 32 * 1024 * 1024});
  }
  cluster.segment_bytes =
      one_of(draws, std::array<std::uint64_t, 3>{16 * 1024, 64 * 1024, 256 * 1024});
  if (draws.chance_ppm(400'000)) cluster.turn_delay_max = us(draws.between(10, 4000));
  cluster.preformed = draws.chance_ppm(700'000);
  return cluster;
}

// Every few entries, in most seeds: what is compacted, sent and installed in the middle of it all.
void draw_snapshots(RandomStream draws, ClusterSpec& cluster) {
  if (!draws.chance_ppm(700'000)) return;
  cluster.snapshot_entries = one_of(draws, std::array<std::uint64_t, 4>{5, 20, 60, 200});
  if (draws.chance_ppm(300'000)) cluster.snapshot_bytes = draws.between(300, 20'000);
  cluster.snapshot_chunk_bytes =
      one_of(draws, std::array<std::uint64_t, 4>{512, 512, 2048, 256 * 1024});
  cluster.trailing_entries = one_of(draws, std::array<std::uint64_t, 4>{0, 0, 3, 30});
}

LinkSpec draw_network(RandomStream draws, Duration heartbeat) {
  LinkSpec network;
  const Duration least = us(draws.between(50, 2000));
  const bool slow = draws.chance_ppm(250'000);
  const Duration mean = slow ? heartbeat * static_cast<std::int64_t>(draws.between(20, 80)) / 100
                             : least + us(draws.between(50, 5000));
  network.delay = {.distribution = Distribution::kExponential,
                   .min = least,
                   .mean = std::max(least, mean),
                   .max = {}};
  if (draws.chance_ppm(400'000)) network.drop = Parts{draws.between(1'000, 60'000)};
  if (draws.chance_ppm(400'000)) network.duplicate = Parts{draws.between(1'000, 100'000)};
  return network;
}

DiskSpec draw_disk(RandomStream draws) {
  DiskSpec disk;
  const Duration least = us(draws.between(20, 1000));
  const bool slow = draws.chance_ppm(300'000);
  disk.sync = {.distribution = Distribution::kExponential,
               .min = least,
               .mean = least + us(slow ? draws.between(5'000, 30'000) : draws.between(50, 4'000)),
               .max = {}};
  constexpr std::array<CrashLoss, 6> kLosses = {CrashLoss::kLoseRandom, CrashLoss::kLoseRandom,
                                                CrashLoss::kLoseAll,    CrashLoss::kLoseAll,
                                                CrashLoss::kTear,       CrashLoss::kKeep};
  disk.on_crash = kLosses[draws.below(kLosses.size())];
  return disk;
}

void draw_clocks(RandomStream draws, Scenario& scenario) {
  if (!draws.chance_ppm(500'000)) return;
  const std::uint64_t most = draws.chance_ppm(300'000) ? 50'000 : 500;
  for (std::uint32_t node = 0; node < scenario.cluster.nodes.value(); ++node) {
    ClockSpec clock;
    clock.drift_ppm = Drift{static_cast<std::int64_t>(draws.below(2 * most + 1)) -
                            static_cast<std::int64_t>(most)};
    clock.offset = ms(draws.below(3'600'000));
    scenario.clocks[node] = clock;
  }
}

ClientsSpec draw_clients(RandomStream draws) {
  ClientsSpec clients;
  clients.count = draws.between(3, 10);
  clients.keys = draws.between(1, 8);
  clients.rate = Rate{draws.between(18'000, 45'000)};
  clients.put = Parts{draws.between(250'000, 800'000)};
  clients.value_bytes = draws.chance_ppm(200'000) ? draws.between(200, 1000) : draws.between(8, 64);
  clients.timeout = ms(draws.between(300, 3000));
  clients.stray = Parts{one_of(draws, std::array<std::uint64_t, 3>{20'000, 150'000, 500'000})};
  return clients;
}

// Half of the seeds have clients that try again, often with so few sessions or numbers kept that
// these run out.
void draw_sessions(RandomStream draws, Scenario& scenario) {
  if (!draws.chance_ppm(500'000)) return;
  ClientsSpec& clients = scenario.clients.front();
  clients.sessions = true;
  clients.twice = Parts{one_of(draws, std::array<std::uint64_t, 3>{0, 50'000, 300'000})};
  const std::uint64_t count = clients.count.value();
  if (draws.chance_ppm(400'000)) {
    scenario.cluster.sessions_max = draws.between(std::max<std::uint64_t>(count / 2, 1), count);
  }
  if (draws.chance_ppm(400'000)) scenario.cluster.session_numbers_max = draws.between(1, 4);
}

// Follower reads in some seeds, and leases in some, whose bound holds for the clocks drawn.
void draw_reads(RandomStream draws, Scenario& scenario) {
  if (draws.chance_ppm(400'000)) {
    scenario.clients.front().follower_reads = Parts{draws.between(50'000, 700'000)};
  }
  if (!draws.chance_ppm(400'000)) return;
  scenario.cluster.lease_reads = true;
  std::int64_t most = 0;
  for (const auto& [node, clock] : scenario.clocks) {
    const std::int64_t drift = clock.drift_ppm.value().ppm;
    most = std::max({most, drift, -drift});
  }
  scenario.cluster.lease_drift_ppm = static_cast<std::uint64_t>(most) + draws.below(2'000);
}

// Nodes that compare their states, in half of the seeds; and in some of these one node whose memory
// is damaged, under a key that no client reads. But not where members come and go: a newcomer takes
// its state from the leader, right or wrong, and of two voters neither is a majority.
void draw_checks(RandomStream draws, FaultWindow window, Scenario& scenario) {
  if (!draws.chance_ppm(500'000)) return;
  scenario.cluster.check_interval = ms(draws.between(200, 2'000));
  // A walk of a few keys that takes many turns, so that commands change what it has passed.
  scenario.cluster.scrub_pairs = one_of(draws, std::array<std::uint64_t, 3>{1, 2, 256});
  if (scenario.cluster.nodes.value() < 3 || scenario.cluster.spares.value() > 0) return;
  if (!draws.chance_ppm(500'000)) return;
  draw_hunt_alteration(draws, window, scenario);
}

}  // namespace

Scenario hunt_scenario(std::uint64_t seed) {
  Scenario scenario;
  scenario.name = fmt::format("hunt {}", seed);
  scenario.description = "Drawn at random: every invariant holds, and the cluster recovers.";
  scenario.seed = seed;
  scenario.cluster = draw_cluster(stream(seed, kCluster));
  draw_snapshots(stream(seed, kSnapshots), scenario.cluster);
  scenario.network =
      draw_network(stream(seed, kNetwork), scenario.cluster.heartbeat_interval.value());
  scenario.disk = draw_disk(stream(seed, kDisk));
  draw_clocks(stream(seed, kClock), scenario);
  scenario.clients.push_back(draw_clients(stream(seed, kClients)));
  draw_sessions(stream(seed, kSessions), scenario);
  draw_reads(stream(seed, kReads), scenario);
  RandomStream faults = stream(seed, kFaults);
  scenario.duration = ms(faults.between(64'000, 72'000));
  const Duration calm_at = scenario.duration - Duration::seconds(12);
  const FaultWindow window{.from = Duration::seconds(1), .to = calm_at};
  draw_hunt_faults(faults, window, scenario);
  draw_hunt_transfers(stream(seed, kTransfers), window, scenario);
  draw_hunt_damage(stream(seed, kDamage), window, scenario);
  draw_hunt_members(stream(seed, kMembers), window, scenario);
  draw_checks(stream(seed, kAlter), window, scenario);
  draw_hunt_full_disks(stream(seed, kFull), window, scenario);
  draw_hunt_link_settings(stream(seed, kLinkSettings), scenario);
  draw_hunt_links(stream(seed, kLinks), window, scenario);
  draw_hunt_disks(stream(seed, kDiskFaults), window, scenario);
  draw_hunt_clocks(stream(seed, kClockFaults), window, scenario);

  Step calm;
  calm.time = calm_at;
  calm.action = Action::kCalm;
  scenario.steps.push_back(calm);
  Step quiet;
  quiet.trigger = Trigger::kAfter;
  quiet.action = Action::kNetwork;
  quiet.drop = Parts{0};
  quieten_links(scenario, quiet);
  scenario.steps.push_back(quiet);
  return scenario;
}

}  // namespace vesper::sim
