// What a cluster did about a fault: each outcome is seen where it came about, what cannot be is
// seen nowhere, and the matrix adds runs up.
#include "sim/outcomes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "sim/outcome_matrix.h"
#include "sim/scenario/parser.h"
#include "sim/scenario/runner.h"

namespace vesper::sim {
namespace {

Outcomes outcomes_of_run(const std::string& text) {
  const auto scenario = parse_scenario("version = 1\nname = \"o\"\nseed = 5\n" + text, "o");
  REQUIRE_MESSAGE(scenario.ok(), (scenario.ok() ? std::string() : scenario.error().message));
  const RunResult result = run_scenario(scenario.value(), {.seed = 5, .observers = {}});
  CHECK_MESSAGE(result.passed, result.violation << ": " << result.detail);
  return result.outcomes;
}

std::uint64_t count(const Outcomes& outcomes, Fault fault, Outcome outcome) {
  return outcomes[fault].outcomes[static_cast<std::size_t>(outcome)];
}

constexpr const char* kClients = R"(
[[clients]]
count = 3
keys = 4
rate = "60/s"
)";
constexpr const char* kCalm = R"(
duration = "12s"
[cluster]
nodes = 3
preformed = true
)";

std::string calm(const std::string& rest = "") {
  return std::string(kCalm) + kClients + rest;
}

// A step at 4 s, when the cluster has long been led.
std::string step(const std::string& what, const char* at = "4s") {
  return "[[step]]\nat = \"" + std::string(at) + "\"\n" + what + "\n";
}

std::uint64_t all_seen(const Outcomes& outcomes) {
  std::uint64_t sum = 0;
  for (const Outcomes::Row& row : outcomes.rows) sum += row.times;
  return sum;
}

}  // namespace

TEST_CASE("a calm run injects nothing") {
  const Outcomes outcomes = outcomes_of_run(calm());
  CHECK(all_seen(outcomes) == outcomes[Fault::kReorder].times);
}

TEST_CASE("a follower that dies and comes back is one episode, and the node catches up") {
  const Outcomes outcomes =
      outcomes_of_run(calm(step("do = \"crash\"\nnode = \"follower[0]\"\nas = \"x\"") +
                           step("do = \"restart\"\nnode = \"x\"", "6s")));

  const Outcomes::Row& row = outcomes[Fault::kCrash];
  CHECK(row.times == 1);
  CHECK(row.episodes == 1);
  CHECK(count(outcomes, Fault::kCrash, Outcome::kRepaired) == 1);
  CHECK(row.alone[static_cast<std::size_t>(Outcome::kRepaired)] == 1);
  CHECK(count(outcomes, Fault::kCrash, Outcome::kStopped) == 0);
  CHECK(outcomes[Fault::kCrashOfSeveral].times == 0);
}

TEST_CASE("a follower whose disk is slow for a while is masked: clients notice nothing") {
  const Outcomes outcomes = outcomes_of_run(
      calm("[network]\ndelay = { distribution = \"constant\", min = \"1ms\" }\n" +
           step("do = \"disk\"\nnode = \"follower[0]\"\nsync = { distribution = \"constant\", min "
                "= \"15ms\" }\nas = \"x\"") +
           step("do = \"disk\"\nnode = \"x\"\nsync = { distribution = \"exponential\", min = "
                "\"300us\", mean = \"1ms\" }",
                "5s")));

  CHECK(outcomes[Fault::kDiskSlow].times == 1);
  CHECK(outcomes[Fault::kDiskSlow].episodes == 1);
  CHECK(count(outcomes, Fault::kDiskSlow, Outcome::kMasked) == 1);
}

TEST_CASE("a leader whose sync fails stops, says so, and another leads") {
  const Outcomes outcomes =
      outcomes_of_run(calm(step("do = \"fail-sync\"\nnode = \"leader\"\nas = \"x\"") +
                           step("do = \"crash\"\nnode = \"x\"", "8s") +
                           step("do = \"restart\"\nnode = \"x\"", "8100ms")));

  CHECK(outcomes[Fault::kSyncError].times == 1);
  CHECK(count(outcomes, Fault::kSyncError, Outcome::kStopped) == 1);
  CHECK(count(outcomes, Fault::kSyncError, Outcome::kRepaired) == 1);
  CHECK(count(outcomes, Fault::kSyncError, Outcome::kMasked) == 0);
}

TEST_CASE("without a majority the cluster is stopped, and refuses what it is asked") {
  const Outcomes outcomes =
      outcomes_of_run(calm(step("do = \"partition\"\ngroups = [[\"n0\"], [\"n1\"], [\"n2\"]]") +
                           step("do = \"heal\"", "7s")));

  CHECK(outcomes[Fault::kPartition].times == 1);
  CHECK(count(outcomes, Fault::kPartition, Outcome::kStopped) == 1);
  CHECK(count(outcomes, Fault::kPartition, Outcome::kRefused) == 1);
}

TEST_CASE("a wiped node that comes back is refused, and only where it is wiped") {
  const Outcomes outcomes = outcomes_of_run(
      calm(step("do = \"wipe\"\nnode = \"n1\"") + step("do = \"restart\"\nnode = \"n1\"", "5s")));

  CHECK(outcomes[Fault::kWiped].times == 1);
  CHECK(count(outcomes, Fault::kWiped, Outcome::kRefused) >= 1);
  CHECK(count(outcomes, Fault::kWiped, Outcome::kRepaired) == 0);
  CHECK(outcomes[Fault::kLogRot].times == 0);
}

TEST_CASE("corrupted frames are refused, each one") {
  const Outcomes outcomes = outcomes_of_run(calm("[network]\ncorrupt = 0.02\n"));

  const Outcomes::Row& row = outcomes[Fault::kCorrupt];
  CHECK(row.times > 20);
  CHECK(row.episodes > 0);
  CHECK(count(outcomes, Fault::kCorrupt, Outcome::kRefused) == row.episodes);
}

// The counterpart of "cannot": with the one fault and nothing else, from when the cluster is led,
// nothing is seen that the table denies, and nothing that no fault explains.
TEST_CASE("what the table says that a fault cannot bring about it does not, alone") {
  struct {
    const char* why;
    Fault fault;
    const char* text;
  } const rows[] = {
      {"offsets", Fault::kClockOffset,
       "[clock.n0]\noffset = \"900s\"\n[clock.n1]\noffset = \"7s\"\n"},
      {"drift", Fault::kClockDrift, "[clock.n0]\ndrift_ppm = 20000\n"},
      {"repeated frames", Fault::kDuplicate, "[network]\nduplicate = 0.5\n"},
      {"overtaken frames", Fault::kReorder,
       "[network]\ndelay = { distribution = \"uniform\", min = \"1ms\", max = \"20ms\" }\n"},
      {"replayed frames", Fault::kReplay, "[network]\nreplay = 0.2\n"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const Outcomes outcomes = outcomes_of_run(calm(row.text));

    CHECK(outcomes[row.fault].times > 0);
    OutcomeMatrix matrix;
    matrix.add(outcomes);
    CHECK(matrix.belied_cells() == std::vector<std::string>());
    CHECK(outcomes.without_fault[static_cast<std::size_t>(Outcome::kStopped)] == 0);
  }
}

TEST_CASE("outcomes come back from their numbers, and nothing comes of other numbers") {
  Outcomes outcomes;
  outcomes[Fault::kCut] = {.times = 3, .episodes = 2, .outcomes = {1, 1, 0, 2}, .alone = {0, 1}};
  outcomes[Fault::kCrashLoop].times = 7;
  outcomes.without_fault = {0, 4, 5, 6};

  const std::vector<std::uint64_t> numbers = numbers_of(outcomes);

  CHECK(outcomes_of(numbers) == outcomes);
  CHECK(outcomes_of({}) == Outcomes());
  CHECK_FALSE(outcomes_of(std::span(numbers).first(numbers.size() - 1)));
  std::vector<std::uint64_t> other = numbers;
  other[0] = kFaultKinds + 1;
  CHECK_FALSE(outcomes_of(other));
}

TEST_CASE("the matrix adds runs up, names empty cells, and those that cannot be and are") {
  Outcomes run;
  run[Fault::kPartition] = {.times = 2, .episodes = 2, .outcomes = {1, 1, 1, 1}, .alone = {0, 1}};
  OutcomeMatrix matrix;
  matrix.add(run);
  matrix.add(run);
  matrix.add(Outcomes());

  const std::string report = matrix.report();
  CHECK_MESSAGE(
      report.find("\npartition " + std::string(29, ' ') + "4     2        4        2" +
                  "           2 (2)           2 (0)           2 (0)\n") != std::string::npos,
      report);
  CHECK(
      matrix.json().starts_with("{\"faults\": {\"partition\": {\"times\": 4, \"runs\": 2, "
                                "\"episodes\": 4, \"masked\": 2, \"repaired\": 2, "
                                "\"repaired_alone\": 2, "));
  CHECK(matrix.empty_cells().front() == "one direction cut: masked");
  CHECK(matrix.belied_cells().empty());

  Outcomes impossible;
  impossible[Fault::kClockOffset].outcomes[static_cast<std::size_t>(Outcome::kStopped)] = 1;
  matrix.add(impossible);

  CHECK(matrix.belied_cells() == std::vector<std::string>{"clock offset: stopped"});
  CHECK(matrix.report().find("cells that cannot be and are: clock offset: stopped\n") !=
        std::string::npos);
}

}  // namespace vesper::sim
