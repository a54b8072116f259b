// The report of a search: each mark is reached where it happened, as often as it happened, and
// nowhere else.
#include "sim/coverage.h"

#include <doctest/doctest.h>

#include <string>

#include "sim/scenario/parser.h"
#include "sim/scenario/runner.h"

namespace vesper::sim {
namespace {

Marks marks_of(const std::string& text) {
  const auto scenario = parse_scenario("version = 1\nname = \"m\"\nseed = 5\n" + text, "m");
  REQUIRE_MESSAGE(scenario.ok(), (scenario.ok() ? std::string() : scenario.error().message));
  const RunResult result = run_scenario(scenario.value(), {.seed = 5, .observers = {}});
  CHECK_MESSAGE(result.passed, result.violation << ": " << result.detail);
  return result.marks;
}

constexpr const char* kCalm = R"(
duration = "5s"
[cluster]
nodes = 3
[[clients]]
count = 2
keys = 4
rate = "40/s"
put = 1.0
)";

}  // namespace

TEST_CASE("a calm run reaches nothing but its election") {
  const Marks marks = marks_of(kCalm);
  CHECK(marks[Mark::kLeader] == 1);
  CHECK(marks[Mark::kElection] >= 1);
  for (const Mark mark :
       {Mark::kCrash, Mark::kRestart, Mark::kPause, Mark::kPartition, Mark::kCut, Mark::kFrameLost,
        Mark::kSnapshotMade, Mark::kSnapshotInstalled, Mark::kTransferStarted, Mark::kRetry,
        Mark::kClockDrift, Mark::kLeaderChangeUnderLoad, Mark::kLeaseRead, Mark::kFollowerRead}) {
    CAPTURE(kMarkNames[static_cast<std::size_t>(mark)]);
    CHECK(marks[mark] == 0);
  }
}

TEST_CASE("faults are counted one by one") {
  const Marks marks = marks_of(std::string(kCalm) + R"(
[[step]]
at = "1s"
do = "crash"
node = "leader"
as = "old"
[[step]]
at = "2s"
do = "restart"
node = "old"
[[step]]
at = "2500ms"
do = "pause"
node = "n0"
[[step]]
at = "2600ms"
do = "resume"
node = "n0"
[[step]]
at = "3s"
do = "partition"
groups = [["n0"], ["rest"]]
[[step]]
at = "3100ms"
do = "heal"
[[step]]
at = "4s"
do = "transfer"
)");
  CHECK(marks[Mark::kCrash] == 1);
  CHECK(marks[Mark::kRestart] == 1);
  CHECK(marks[Mark::kAllDown] == 0);
  CHECK(marks[Mark::kPause] == 1);
  CHECK(marks[Mark::kPartition] == 1);
  CHECK(marks[Mark::kFrameLost] > 0);
  CHECK(marks[Mark::kLeader] >= 3);
  CHECK(marks[Mark::kTransferStarted] == 1);
  CHECK(marks[Mark::kTransferDone] == 1);
}

TEST_CASE("snapshots, sessions and reads of each kind are seen") {
  const Marks marks = marks_of(R"(
duration = "12s"
[cluster]
nodes = 3
snapshot_entries = 20
trailing_entries = 0
lease_reads = true
[[clients]]
count = 4
keys = 4
rate = "60/s"
put = 0.5
sessions = true
twice = 0.3
follower_reads = 0.5
[[step]]
at = "2s"
do = "crash"
node = "follower[0]"
as = "away"
[[step]]
at = "8s"
do = "restart"
node = "away"
)");
  for (const Mark mark : {Mark::kSnapshotMade, Mark::kSnapshotPieceSent, Mark::kSnapshotInstalled,
                          Mark::kLogCut, Mark::kWholeLogCut, Mark::kRestartFromSnapshot,
                          Mark::kRetry, Mark::kRepeated, Mark::kFollowerRead, Mark::kLeaseRead}) {
    CAPTURE(kMarkNames[static_cast<std::size_t>(mark)]);
    CHECK(marks[mark] > 0);
  }
  CHECK(marks[Mark::kCrash] == 1);
}

TEST_CASE("the report adds runs up, and names what none reached") {
  Marks one;
  one.hit(Mark::kCrash, 3);
  one.hit(Mark::kPause);
  Marks other;
  other.hit(Mark::kCrash);
  Coverage coverage;
  coverage.add(one);
  coverage.add(other);
  coverage.add(Marks());

  const std::string report = coverage.report();
  CHECK(report.find("\ncrash                                      2   66.6 %           4\n") !=
        std::string::npos);
  CHECK(report.find("\npause                                      1   33.3 %           1\n") !=
        std::string::npos);
  const std::size_t never = report.find("\nnever happened: cluster formed, restart, ");
  CHECK(never != std::string::npos);
  CHECK(report.find("crash", never) == std::string::npos);
  const std::string json = coverage.json();
  CHECK(json.starts_with("{\"runs\": 3, \"reached\": {\"crash\": {\"runs\": 2, \"times\": 4}"));
  CHECK(json.find("\"never_reached\": [\"cluster formed\"") != std::string::npos);
}

}  // namespace vesper::sim
