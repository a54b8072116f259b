// What the fault budget counts as spent, when it is kept, and which stops it takes for explained.
#include "sim/scenario/budget.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/sim/three_nodes.h"

namespace vesper::sim {
namespace {

// Three nodes that have run for a while and have entries.
struct Bench {
  FaultBudget budget{3};
  World world;

  Bench() : world(three_nodes(), {&budget}) {
    world.start();
    world.run_until(Instant() + Duration::seconds(4));
    REQUIRE(has_connected_majority(world));
  }
  void strike(std::uint32_t node) {
    world.crash(NodeId(node));
    world.damage(NodeId(node), DamagePart::kFirstRecord);
  }
  void run(std::int64_t seconds) { world.run_until(world.now() + Duration::seconds(seconds)); }
};

TEST_CASE("a struck node is spent until it is repaired, and the others are a majority") {
  Bench bench;
  CHECK(bench.budget.is_kept(bench.world));
  CHECK(bench.budget.must_work(bench.world));

  bench.strike(0);

  CHECK(bench.budget.is_spent(NodeId(0)));
  CHECK(bench.budget.is_kept(bench.world));
  CHECK(bench.budget.must_work(bench.world));
  bench.world.restart(NodeId(0));
  CHECK(bench.world.view(NodeId(0)).doubt.has_value());
  CHECK(bench.budget.is_spent(NodeId(0)));
  bench.run(5);
  CHECK_FALSE(bench.budget.is_spent(NodeId(0)));
  CHECK_FALSE(bench.budget.violation());
}

TEST_CASE("with a majority struck the budget is left, and the cluster may stop") {
  Bench bench;
  bench.strike(0);
  bench.budget.observe(bench.world);
  CHECK(bench.budget.times_left() == 0);

  bench.strike(1);
  bench.budget.observe(bench.world);

  CHECK(bench.budget.times_left() == 1);
  CHECK_FALSE(bench.budget.is_kept(bench.world));
  CHECK_FALSE(bench.budget.must_work(bench.world));
}

TEST_CASE("a wiped node is spent for good; one that is cut off explains that nothing works") {
  Bench bench;
  bench.world.wipe(NodeId(2));
  CHECK(bench.budget.is_spent(NodeId(2)));
  CHECK(bench.budget.must_work(bench.world));

  bench.world.cut(NodeId(0), NodeId(1));

  CHECK(bench.budget.is_kept(bench.world));
  CHECK_FALSE(bench.budget.must_work(bench.world));
}

TEST_CASE("a node may stop over an error only if its disk gave it one in this life") {
  const Error error{ErrorCode::kIo, "sync x: input/output error"};
  FaultBudget explained(1);
  explained.on_start(Instant(), NodeId(0), 1);
  explained.on_disk_error(Instant(), NodeId(0), "sync");
  explained.on_stopped(Instant(), NodeId(0), error);
  CHECK_FALSE(explained.violation());

  explained.on_start(Instant(), NodeId(0), 2);
  explained.on_stopped(Instant(), NodeId(0), error);
  REQUIRE(explained.violation());
  CHECK(explained.violation()->invariant == "explained-stop");
}

TEST_CASE("a node that refuses its damaged directory is spent") {
  FaultBudget budget(1);
  budget.on_stopped(Instant(), NodeId(0), {ErrorCode::kCorruption, "damage"});
  CHECK(budget.is_spent(NodeId(0)));
  budget.on_start(Instant(), NodeId(0), 2);
  CHECK_FALSE(budget.is_spent(NodeId(0)));
}

}  // namespace
}  // namespace vesper::sim
