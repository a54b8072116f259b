// Nodes in a simulated world at their edges: crashes in the middle of forming, a long backlog to
// apply, a leader whose disk hangs.
#include <doctest/doctest.h>

#include <map>

#include "sim/world.h"

namespace vesper::sim {
namespace {

constexpr Duration kSecond = Duration::seconds(1);

WorldConfig config_of(std::uint64_t seed, std::uint32_t nodes) {
  WorldConfig config;
  config.seed = seed;
  config.nodes = nodes;
  config.node.wal.segment_bytes = 64 * 1024;
  return config;
}

void run(World& world, Duration time) {
  world.run_until(world.now() + time);
}

TEST_CASE("a crash at any moment of forming leaves a directory that opens") {
  for (const std::uint32_t nodes : {1U, 3U}) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
      CAPTURE(nodes);
      CAPTURE(seed);
      World world(config_of(seed, nodes), {});
      world.start();
      run(world,
          Duration::microseconds(static_cast<std::int64_t>(seed) * (nodes == 1 ? 50 : 1500)));
      for (std::uint32_t id = 0; id < nodes; ++id) world.crash(NodeId(id));
      for (std::uint32_t id = 0; id < nodes; ++id) world.restart(NodeId(id));

      run(world, kSecond * 10);

      for (std::uint32_t id = 0; id < nodes; ++id) REQUIRE_FALSE(world.has_stopped(NodeId(id)));
      REQUIRE(world.leader().has_value());
    }
  }
}

TEST_CASE("a long backlog of committed entries is applied in turns, and its leader leads on") {
  struct Turns final : WorldObserver {
    std::map<NodeId, std::uint64_t> in_event;
    std::uint64_t most = 0;
    void on_applied(Instant, const node::NodeView& view, const raft::Entry&,
                    const node::Applied&) override {
      most = std::max(most, ++in_event[view.id]);
    }
    void on_event_end(Instant, std::uint64_t) override { in_event.clear(); }
  } turns;
  constexpr std::size_t kEntries = 3 * limits::kCommittedEntries;
  WorldConfig config = config_of(1, 3);
  config.node.wal.segment_bytes = 4 * 1024 * 1024;
  for (std::uint32_t id = 0; id < 3; ++id) {
    config.presets[NodeId(id)] = {.hard_state = {Term(1), {}},
                                  .entry_terms = std::vector<Term>(kEntries, Term(1))};
  }
  World world(config, {&turns});
  world.start();

  run(world, kSecond * 5);

  CHECK(turns.most <= limits::kCommittedEntries);
  REQUIRE(world.leader().has_value());
  for (std::uint32_t id = 0; id < 3; ++id) {
    CHECK(world.view(NodeId(id)).applied == Index(kEntries + 1));
    CHECK(world.view(NodeId(id)).term == Term(2));
  }
}

TEST_CASE(
    "a leader whose disk hangs while the others commit refuses puts before it is full of them") {
  struct Outcomes final : WorldObserver {
    std::map<node::Outcome, int> of;
    void on_answer(Instant, OperationId, const node::Answer& answer) override {
      ++of[answer.outcome];
    }
  } outcomes;
  WorldConfig config = config_of(1, 3);
  config.preformed = true;
  config.node.unwritten_bytes_max = 4 * 1024;
  World world(config, {&outcomes});
  world.start();
  run(world, kSecond * 3);
  REQUIRE(world.leader().has_value());
  const NodeId leader = *world.leader();
  const DiskConfig usual = config.disk;
  DiskConfig hung = usual;
  hung.sync.min = hung.sync.mean = kSecond * 3600;
  world.set_disk(leader, hung);

  for (int i = 0; i < 200; ++i) {
    world.put(leader, "k", "\"" + std::to_string(i) + std::string(100, '.') + '"', kSecond);
    run(world, Duration::milliseconds(10));
  }

  CHECK(world.leader() == leader);
  CHECK(outcomes.of[node::Outcome::kSuccess] > 20);
  CHECK(outcomes.of[node::Outcome::kOverloaded] > 100);
}

}  // namespace
}  // namespace vesper::sim
