// The simulated world: that it is the same every time, that each fault does what its name says and
// no more, and that time and draws are where they should be.
#include "sim/world.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "sim/clock.h"
#include "sim/links.h"
#include "tests/core/properties.h"

namespace vesper::sim {
namespace {

using testing::holds;

constexpr Duration kSecond = Duration::seconds(1);

// What the tests look at afterwards.
struct Told final : WorldObserver {
  using Delivery = std::tuple<Instant, NodeId, NodeId>;  // from, to
  std::vector<Delivery> deliveries;
  std::vector<std::pair<NodeId, std::string>> stops;
  std::map<std::uint64_t, node::Answer> answers;  // by operation
  Instant first_invoke = Instant::never();

  void on_deliver(Instant at, NodeId from, NodeId to, ByteView) override {
    deliveries.emplace_back(at, from, to);
  }
  void on_stopped(Instant, NodeId node, const Error& reason) override {
    stops.emplace_back(node, reason.message);
  }
  void on_invoke(Instant at, const Operation&) override {
    first_invoke = std::min(first_invoke, at);
  }
  void on_answer(Instant, OperationId id, const node::Answer& answer) override {
    answers[id.value()] = answer;
  }
};

WorldConfig config_of(std::uint64_t seed) {
  WorldConfig config;
  config.seed = seed;
  config.nodes = 3;
  config.node.wal.segment_bytes = 64 * 1024;
  config.preformed = true;
  return config;
}

// Three nodes that have a leader.
struct Cluster {
  Told told;
  World world;

  explicit Cluster(const WorldConfig& config = config_of(1)) : world(config, {&told}) {
    world.start();
  }
  void run(Duration time) { world.run_until(world.now() + time); }
  NodeId elected() {
    for (int i = 0; i < 100 && !world.leader(); ++i) run(Duration::milliseconds(100));
    REQUIRE(world.leader().has_value());
    return *world.leader();
  }
  static NodeId after(NodeId node) { return NodeId((node.value() + 1) % 3); }
  std::optional<node::Outcome> outcome(OperationId id) const {
    const auto found = told.answers.find(id.value());
    return found == told.answers.end() ? std::nullopt : std::optional(found->second.outcome);
  }
  std::optional<node::Outcome> put(NodeId node, std::string_view value) {
    const OperationId id = world.put(node, "k", value, kSecond);
    run(kSecond);
    return outcome(id);
  }
  std::string get(NodeId node) {
    const OperationId id = world.get(node, "k", kSecond);
    run(kSecond);
    return outcome(id) == node::Outcome::kSuccess
               ? std::string(told.answers.at(id.value()).value.text())
               : "no value";
  }
  std::size_t deliveries(NodeId from, NodeId to) const {
    return static_cast<std::size_t>(std::count_if(
        told.deliveries.begin(), told.deliveries.end(),
        [&](const auto& each) { return std::get<1>(each) == from && std::get<2>(each) == to; }));
  }
};

// --- The same every time ---

std::uint64_t hash_of_troubled_run(std::uint64_t seed) {
  WorldConfig config = config_of(seed);
  config.clients = {{.count = 3}};
  config.network.drop_ppm = 10'000;
  config.network.duplicate_ppm = 10'000;
  config.clocks[NodeId(1)] = {.offset = kSecond, .drift_ppm = 300};
  Cluster cluster(config);
  cluster.run(kSecond * 2);
  cluster.world.partition({{NodeId(0)}, {NodeId(1), NodeId(2)}});
  cluster.run(kSecond);
  cluster.world.heal();
  cluster.world.crash(NodeId(2));
  cluster.run(kSecond);
  cluster.world.restart(NodeId(2));
  cluster.run(kSecond);
  CHECK(cluster.world.counts().successes > 100);
  return cluster.world.hash();
}

TEST_CASE("the same seed and calls give the same hash, another seed gives another") {
  const std::uint64_t first = hash_of_troubled_run(1);

  CHECK(hash_of_troubled_run(1) == first);
  CHECK(hash_of_troubled_run(2) != first);
}

TEST_CASE("one run has the same hash with every compiler") {
  // Whatever changes what nodes do or the world draws changes this figure, and every stored seed
  // with it.
  CHECK(hash_of_troubled_run(20261123) == 3143978700770269569ULL);
}

TEST_CASE("a call that changes something changes the hash, and counts as a fault") {
  Cluster with;
  Cluster without;
  for (Cluster* each : {&with, &without}) each->run(kSecond);
  CHECK(with.world.hash() == without.world.hash());

  with.world.heal();
  with.world.release_held();
  with.world.mend(NodeId(0), NodeId(1));
  with.world.set_network(with.world.config().network);
  with.world.set_disk(NodeId(0), with.world.config().disk);
  CHECK(with.world.hash() == without.world.hash());
  CHECK(with.world.counts().faults == 0);
  with.world.cut(NodeId(0), NodeId(1));

  CHECK(with.world.hash() != without.world.hash());
  CHECK(with.world.counts().faults == 1);
}

TEST_CASE("idle time costs no events") {
  Cluster cluster;
  cluster.elected();
  for (std::uint32_t id = 0; id < 3; ++id) cluster.world.crash(NodeId(id));
  cluster.run(kSecond * 10);
  const std::uint64_t events = cluster.world.counts().events;
  CHECK(events > 0);
  CHECK(cluster.world.next_at() == Instant::never());

  cluster.run(kSecond * 1'000'000);

  CHECK(cluster.world.counts().events == events);
}

TEST_CASE("clients change nothing about the nodes before they act") {
  WorldConfig config = config_of(3);
  Cluster alone(config);
  config.clients = {{.count = 5, .rate_per_kilosecond = 100}};
  Cluster crowded(config);
  for (Cluster* each : {&alone, &crowded}) each->run(kSecond * 100);

  const Instant until = crowded.told.first_invoke;
  REQUIRE(until < crowded.world.now());
  const auto before = [until](const Told& told) {
    std::vector<Told::Delivery> early;
    for (const auto& each : told.deliveries) {
      if (std::get<0>(each) < until) early.push_back(each);
    }
    return early;
  };

  CHECK(before(alone.told).size() > 50);
  CHECK(before(alone.told) == before(crowded.told));
}

TEST_CASE("one link's draws do not depend on the others'") {
  CHECK(holds("a link's arrivals are the same whatever the other links carried", [] {
    WorldConfig config = config_of(*rc::gen::arbitrary<std::uint64_t>());
    config.network.drop_ppm = 200'000;
    config.network.duplicate_ppm = 200'000;
    Links quiet(config);
    Links busy(config);
    for (int i = 0; i < 20; ++i) {
      const int others = *rc::gen::inRange(0, 4);
      for (int other = 0; other < others; ++other) {
        const auto from = *rc::gen::inRange<std::uint32_t>(0, 3);
        const NodeId to((from + 1) % 3);
        if (NodeId(from) != NodeId(0)) busy.draw(Instant(), NodeId(from), to);
      }
      const Links::Arrivals expected = quiet.draw(Instant(), NodeId(0), NodeId(1));
      const Links::Arrivals drawn = busy.draw(Instant(), NodeId(0), NodeId(1));
      RC_ASSERT(drawn.copies == expected.copies);
      RC_ASSERT(drawn.after == expected.after);
    }
  }));
}

// --- Clocks ---

std::int64_t any_between(std::int64_t low, std::int64_t high) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange<std::int64_t>(low, high + 1));
}

TEST_CASE("a deadline becomes the first instant of the world at which the clock shows it") {
  CHECK(holds("world_at(local) is the least instant whose local_at reaches local",
              [] {
                const Instant world;
                const ClockConfig config{.offset = Duration::nanoseconds(any_between(
                                             -1'000'000'000'000'000, 1'000'000'000'000'000)),
                                         .drift_ppm = any_between(-500'000, 500'000)};
                const SimClock clock(world, config);
                const Instant local =
                    clock.now() + Duration::nanoseconds(any_between(-1'000, 1'000'000'000'000));

                const Instant due = clock.world_at(local);

                const Duration tick = Duration::nanoseconds(1);
                RC_ASSERT(due >= Instant());
                RC_ASSERT(clock.local_at(due) >= local);
                RC_ASSERT(due == Instant() || clock.local_at(due - tick) < local);
                RC_ASSERT(clock.local_at(due + tick) >= clock.local_at(due));
                RC_ASSERT(clock.world_at(Instant::never()) == Instant::never());
              },
              {.cases_factor = 20}));
}

TEST_CASE("a clock runs as fast as its drift says") {
  Instant world;
  const SimClock fast(world, {.drift_ppm = 500'000});
  const SimClock slow(world, {.offset = kSecond, .drift_ppm = -250'000});
  CHECK(slow.now() - fast.now() == kSecond);
  const Instant fast_start = fast.now();
  const Instant slow_start = slow.now();

  world = world + kSecond * 8;

  CHECK(fast.now() - fast_start == kSecond * 12);
  CHECK(slow.now() - slow_start == kSecond * 6);
}

// --- The network's faults ---

TEST_CASE("a leader alone in its partition is replaced by the majority, and gives way on healing") {
  Cluster cluster;
  const NodeId old_leader = cluster.elected();
  const NodeId follower = Cluster::after(old_leader);

  // A node that no group names is alone.
  cluster.world.partition({{follower, Cluster::after(follower)}});
  CHECK_FALSE(cluster.world.is_connected(old_leader, follower));
  CHECK(cluster.world.is_connected(follower, Cluster::after(follower)));
  CHECK(cluster.put(old_leader, "\"lost\"") != node::Outcome::kSuccess);
  cluster.run(kSecond * 3);
  const NodeId new_leader = cluster.elected();
  CHECK(new_leader != old_leader);
  CHECK(cluster.put(new_leader, "\"kept\"") == node::Outcome::kSuccess);

  cluster.world.heal();
  cluster.run(kSecond * 3);
  CHECK(cluster.get(cluster.elected()) == "\"kept\"");
  for (std::uint32_t id = 0; id < 3; ++id) {
    CHECK(cluster.world.view(NodeId(id)).state_hash == cluster.world.view(NodeId(0)).state_hash);
    CHECK(cluster.world.view(NodeId(id)).commit == cluster.world.view(NodeId(0)).commit);
  }
}

TEST_CASE("a one-way cut loses that direction only, until it is mended") {
  Cluster cluster;
  const NodeId from = cluster.elected();
  const NodeId to = Cluster::after(from);
  const auto both = [&] {
    return std::pair(cluster.deliveries(from, to), cluster.deliveries(to, from));
  };
  const auto before = both();

  cluster.world.cut(from, to);
  cluster.run(kSecond * 3);
  const auto during = both();
  CHECK(during.first == before.first);
  CHECK(during.second > before.second);
  CHECK_FALSE(cluster.world.is_connected(from, to));

  cluster.world.mend(from, to);
  cluster.run(kSecond * 3);
  CHECK(both().first > during.first);
  CHECK(cluster.world.is_connected(from, to));
}

// --- Processes ---

TEST_CASE("a paused leader is replaced, and follows when it resumes") {
  Cluster cluster;
  const NodeId old_leader = cluster.elected();

  cluster.world.pause(old_leader);
  CHECK(cluster.world.is_paused(old_leader));
  CHECK_FALSE(cluster.world.leader().has_value());
  const Term frozen = cluster.world.view(old_leader).term;
  const NodeId new_leader = cluster.elected();
  CHECK(new_leader != old_leader);
  CHECK(cluster.world.view(old_leader).term == frozen);
  CHECK(cluster.world.view(old_leader).role == node::Role::kLeader);

  cluster.world.resume(old_leader);
  cluster.run(kSecond);
  CHECK(cluster.world.view(old_leader).role == node::Role::kFollower);
  CHECK(cluster.world.view(old_leader).term > frozen);
}

TEST_CASE("what was acknowledged outlives the crash of all nodes, whatever their disks lose") {
  for (const CrashLoss loss :
       {CrashLoss::kKeep, CrashLoss::kLoseAll, CrashLoss::kLoseRandom, CrashLoss::kTear}) {
    Cluster cluster;
    REQUIRE(cluster.put(cluster.elected(), "\"kept\"") == node::Outcome::kSuccess);

    for (std::uint32_t id = 0; id < 3; ++id) cluster.world.crash(NodeId(id), loss);
    CHECK_FALSE(cluster.world.is_up(NodeId(0)));
    CHECK_FALSE(cluster.world.leader().has_value());
    cluster.run(kSecond);
    for (std::uint32_t id = 0; id < 3; ++id) cluster.world.restart(NodeId(id));

    CHECK(cluster.get(cluster.elected()) == "\"kept\"");
    CHECK(cluster.told.stops.empty());
  }
}

TEST_CASE("a cluster forms only when all of its nodes are up") {
  WorldConfig config = config_of(1);
  config.preformed = false;
  Cluster cluster(config);
  cluster.world.crash(NodeId(2));

  cluster.run(kSecond * 30);
  CHECK_FALSE(cluster.world.leader().has_value());
  CHECK(cluster.world.view(NodeId(0)).phase == node::Phase::kForming);
  CHECK(cluster.world.view(NodeId(1)).phase == node::Phase::kForming);

  cluster.world.restart(NodeId(2));
  CHECK(cluster.put(cluster.elected(), "1") == node::Outcome::kSuccess);
  for (std::uint32_t id = 0; id < 3; ++id) {
    CHECK(cluster.world.view(NodeId(id)).phase == node::Phase::kRunning);
  }
}

// --- Disks ---

TEST_CASE("a node whose log is damaged comes back in doubt, says where, and is repaired") {
  Cluster cluster;
  const NodeId leader = cluster.elected();
  const NodeId damaged = Cluster::after(leader);
  for (int i = 0; i < 3; ++i) REQUIRE(cluster.put(leader, "1") == node::Outcome::kSuccess);
  cluster.world.crash(damaged, CrashLoss::kKeep);
  std::string segment;
  for (const storage::FileInfo& file : cluster.world.files(damaged)) {
    if (segment.empty() && file.name.starts_with("segment-")) segment = file.name;
  }
  REQUIRE_FALSE(segment.empty());

  // Within the first group behind the two header sectors; others follow it.
  cluster.world.flip_bit(damaged, segment, 2 * storage::kSectorBytes + 40, 3);
  cluster.world.restart(damaged);

  CHECK_FALSE(cluster.world.has_stopped(damaged));
  REQUIRE(cluster.world.view(damaged).doubt.has_value());
  CHECK(cluster.world.view(damaged).doubt->first == Index(1));
  CHECK(cluster.world.view(damaged).doubt->where.starts_with(segment + " at offset 1024: "));
  cluster.run(kSecond * 3);
  CHECK_FALSE(cluster.world.view(damaged).doubt.has_value());
  CHECK(cluster.put(cluster.elected(), "2") == node::Outcome::kSuccess);
  cluster.run(kSecond);
  CHECK(cluster.world.view(damaged).state_hash == cluster.world.view(cluster.elected()).state_hash);
}

TEST_CASE("a failed sync stops its node, which may be started again; the others go on") {
  Cluster cluster;
  const NodeId leader = cluster.elected();

  cluster.world.refuse(leader, {.operation = DiskOperation::kSync, .lasts = false});
  CHECK(cluster.put(leader, "1") != node::Outcome::kSuccess);

  CHECK(cluster.world.has_stopped(leader));
  REQUIRE(cluster.told.stops.size() == 1);
  CHECK(cluster.told.stops[0].first == leader);
  CHECK(cluster.told.stops[0].second.find("sync segment-") != std::string::npos);
  const NodeId next = cluster.elected();
  CHECK(next != leader);
  CHECK(cluster.put(next, "2") == node::Outcome::kSuccess);

  cluster.world.crash(leader);
  cluster.world.restart(leader);
  cluster.run(kSecond * 2);
  CHECK_FALSE(cluster.world.has_stopped(leader));
  CHECK(cluster.world.view(leader).state_hash == cluster.world.view(next).state_hash);
}

// --- Single messages ---

TEST_CASE("an interceptor holds frames back until they are released") {
  struct HoldAll final : Interceptor {
    int held = 0;
    Fate on_frame(const node::Frame&) override {
      ++held;
      return {.kind = Fate::Kind::kHold, .delay = {}};
    }
  };
  Cluster cluster;
  cluster.elected();
  cluster.run(kSecond);
  HoldAll hold;

  cluster.world.intercept(&hold);
  cluster.run(Duration::milliseconds(200));  // for what is under way to arrive
  const std::uint64_t before = cluster.world.counts().deliveries;
  cluster.run(kSecond);
  CHECK(hold.held > 0);
  CHECK(cluster.world.counts().deliveries == before);

  cluster.world.intercept(nullptr);
  cluster.world.release_held();
  cluster.run(Duration::milliseconds(100));
  CHECK(cluster.world.counts().deliveries >= before + static_cast<std::uint64_t>(hold.held));
}

}  // namespace
}  // namespace vesper::sim
