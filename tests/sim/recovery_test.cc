// How long a cluster takes to be well again: what is measured, and what many runs of it say.
#include "sim/recovery.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/sim/three_nodes.h"

namespace vesper::sim {
namespace {

Recovery recovery_of(const std::string& steps) {
  const RunResult result = run_text(kThreeNodes + steps);
  CHECK_MESSAGE(result.passed, result.violation << ": " << result.detail);
  return result.recovery;
}

Recovery all_after(std::uint64_t hundredths) {
  return {.after = {hundredths, hundredths, hundredths}};
}

TEST_CASE("a run without a fault recovers from nothing") {
  CHECK(recovery_of("") == Recovery());
}

TEST_CASE("a cluster that lost its leader takes an election, and commits and answers after it") {
  const auto [leader, commit, answer] =
      recovery_of(step_at("5s", "do = \"crash\"\nnode = \"leader\"")).after;

  // No sooner than the shortest timeout, and not much later than the longest.
  REQUIRE(leader);
  CHECK(*leader >= 40);
  CHECK(*leader <= 250);
  REQUIRE(commit);
  CHECK(*commit >= *leader);
  REQUIRE(answer);
  CHECK(*answer >= *leader);
}

TEST_CASE("a leader that stays is no time at all, and it counts from the last fault") {
  const auto [leader, commit, answer] =
      recovery_of(step_at("4s", "do = \"crash\"\nnode = \"leader\"\nas = \"x\"") +
                  step_at("8s", "do = \"restart\"\nnode = \"x\""))
          .after;

  REQUIRE(leader);
  CHECK(*leader <= 2);  // the next event
  REQUIRE(commit);
  CHECK(*commit <= 20);
  REQUIRE(answer);
  CHECK(*answer <= 20);
}

TEST_CASE("a cluster that never comes back has no times") {
  const Recovery none = recovery_of(step_at("4s", "do = \"crash\"\nnode = [\"n0\", \"n1\"]"));
  CHECK_FALSE(none.after[1]);
}

TEST_CASE("percentiles are of the runs that have a time, each the least that enough took at most") {
  Recoveries recoveries;
  for (std::uint64_t time = 1; time <= 200; ++time) recoveries.add(all_after(time));
  recoveries.add(Recovery());

  CHECK(recoveries.percentile(0, 50) == 100);
  CHECK(recoveries.percentile(0, 90) == 180);
  CHECK(recoveries.percentile(0, 99) == 198);
  CHECK(recoveries.percentile(0, 100) == 200);
  CHECK(recoveries.json().starts_with(
      "{\"leader\": {\"runs\": 200, \"p50\": 1.00, \"p90\": 1.80, \"p99\": 1.98, \"max\": 2.00}"));
  CHECK(Recoveries().percentile(0, 50) == std::nullopt);
  CHECK(Recoveries().json().find("\"p50\": null") != std::string::npos);
  CHECK(Recoveries().report().find(" - ") != std::string::npos);
}

TEST_CASE("a single run is every percentile of itself") {
  Recoveries recoveries;
  recoveries.add(all_after(7));
  for (const std::uint64_t percent : {1U, 50U, 99U, 100U}) {
    CHECK(recoveries.percentile(2, percent) == 7);
  }
}

}  // namespace
}  // namespace vesper::sim
