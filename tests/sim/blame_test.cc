// When a cluster that cannot work is excused, by whose fault, and when it is not.
#include "sim/scenario/blame.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/sim/three_nodes.h"

namespace vesper::sim {
namespace {

// Three nodes that have run for four seconds, and what a ledger that was there knows.
struct Bench {
  FaultLedger faults{3};
  World world;

  Bench() : world(three_nodes(), {&faults}) {
    world.start();
    run(4);
    REQUIRE_FALSE(blame().is_stuck);
  }
  void run(std::int64_t seconds) { world.run_until(world.now() + Duration::seconds(seconds)); }
  Blame blame() const { return find_blame(world, faults); }
  bool says(const std::string& text) const { return blame().text.find(text) != std::string::npos; }
};

TEST_CASE("a majority that works is to blame for nothing, whoever is missing") {
  Bench bench;
  bench.world.crash(NodeId(2));

  CHECK_FALSE(bench.blame().is_stuck);
  CHECK(bench.blame().text.empty());
}

TEST_CASE("each node that is missing is named, with its fault and since when") {
  Bench bench;
  bench.world.crash(NodeId(0));
  bench.run(1);
  bench.world.pause(NodeId(1));

  CHECK(bench.blame().is_stuck);
  CHECK(bench.blame().is_proved);
  CHECK(bench.blame().text ==
        "needs 2 of {n0, n1, n2}; n0: it is down since 4.000 s, and was not started again; "
        "n1: it is paused since 5.000 s");
  bench.world.resume(NodeId(1));
  CHECK_FALSE(bench.blame().is_stuck);
}

TEST_CASE("a disk that hangs, is full, or is wiped keeps its node away") {
  Bench bench;
  bench.world.stall_disk(NodeId(0), storage::DiskLane::kLog);
  bench.world.wipe(NodeId(1));
  CHECK(bench.blame().is_proved);
  CHECK(bench.says("n0: its disk is stalled since 4.000 s"));
  CHECK(bench.says("n1: its disk was wiped, since 4.000 s"));

  bench.world.mend_disk(NodeId(0));
  CHECK_FALSE(bench.blame().is_stuck);
  bench.world.set_disk_room(NodeId(0), SimDisk::Room{.bytes = 0, .is_in_place = true});
  bench.run(5);
  CHECK(bench.says("n0: its disk is full since 4.000 s"));
  CHECK(bench.blame().is_proved);
}

TEST_CASE("a disk on which only snapshots hang excuses nobody") {
  Bench bench;
  bench.world.crash(NodeId(1));
  bench.world.stall_disk(NodeId(0), storage::DiskLane::kBackground);
  CHECK_FALSE(bench.blame().is_stuck);
}

TEST_CASE("a log in doubt is excused by the damage that was done to it") {
  Bench bench;
  for (const NodeId node : {NodeId(0), NodeId(1)}) {
    bench.world.crash(node);
    bench.world.damage(node, DamagePart::kFirstRecord);
    bench.world.restart(node);
  }
  CHECK(bench.blame().is_proved);
  CHECK(bench.says("n1: its log is in doubt until a leader of a term above "));
  CHECK(bench.says("; its disk was damaged, since 4.000 s"));
}

TEST_CASE("a node that stopped with no fault of its disk excuses nobody") {
  Bench bench;
  bench.world.refuse(NodeId(0), {.operation = DiskOperation::kSync, .lasts = true});
  bench.run(1);
  bench.world.crash(NodeId(1));
  REQUIRE(bench.world.has_stopped(NodeId(0)));
  CHECK(bench.blame().is_proved);
  CHECK(bench.says("n0: it stopped itself, since 4."));

  // The same of a node whose disk has given no error.
  bench.faults.on_start(bench.world.now(), NodeId(0), 1);
  bench.faults.on_stopped(bench.world.now(), NodeId(0), {ErrorCode::kIo, "tired"});

  CHECK(bench.blame().is_stuck);
  CHECK_FALSE(bench.blame().is_proved);
  CHECK(bench.says("n0: it stopped itself, since 5.000 s: tired (no fault explains it)"));
}

TEST_CASE("nodes that work and do not hear each other are parted by the network") {
  Bench bench;
  bench.world.crash(NodeId(0));
  bench.run(1);
  bench.world.cut(NodeId(1), NodeId(2));

  CHECK(bench.blame().is_proved);
  CHECK(bench.says("; n1 and n2 do not hear each other, since 5.000 s"));
}

TEST_CASE("a run whose faults leave a majority must work, though they never end") {
  const RunResult result =
      run_text(std::string(kThreeNodes) +
               step_at("3s", "do = \"disk-stall\"\nnode = \"n0\"\nlane = \"log\""));
  CHECK_MESSAGE(result.passed, result.violation << ": " << result.detail);
  CHECK(result.stuck.empty());
}

TEST_CASE("a run whose faults leave none passes, and says by whose fault it is stuck") {
  const RunResult result =
      run_text(std::string(kThreeNodes) +
               step_at("3s", "do = \"disk-stall\"\nnode = [\"n0\", \"n1\"]\nlane = \"log\""));
  CHECK_MESSAGE(result.passed, result.violation << ": " << result.detail);
  CHECK(result.stuck ==
        "needs 2 of {n0, n1, n2}; n0: its disk is stalled since 3.000 s; "
        "n1: its disk is stalled since 3.000 s");
}

TEST_CASE("a clock that stands still excuses nobody") {
  const RunResult result =
      run_text(std::string(kThreeNodes) +
               step_at("3s", "do = \"clock\"\nnode = \"all\"\nstands_still = true") +
               step_at("4s", "do = \"crash\"\nnode = \"leader\""));
  CHECK(result.violation == "progress");
  CHECK(result.stuck.empty());
}

}  // namespace
}  // namespace vesper::sim
