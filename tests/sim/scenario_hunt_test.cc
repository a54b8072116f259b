// The random search: what it draws is a scenario like any other, strong enough, and the same
// however many processes run it.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "apps/vesper_sim_jobs.h"
#include "sim/coverage.h"
#include "sim/outcome_matrix.h"
#include "sim/scenario/hunt.h"
#include "sim/scenario/parser.h"
#include "sim/scenario/serializer.h"

namespace vesper::sim {
namespace {

constexpr std::uint64_t kSeeds = 60;

RunResult run_seed(std::uint64_t seed) {
  return run_scenario(hunt_scenario(seed), {.seed = seed, .observers = {}});
}

std::map<std::size_t, RunResult> run_in(std::size_t processes, std::size_t items) {
  std::map<std::size_t, RunResult> results;
  app::run_jobs(
      {.items = items, .processes = processes},
      [](std::size_t item, app::LastEvent&) { return run_seed(item + 1); },
      [&](std::size_t item, const RunResult& result) {
        results.emplace(item, result);
        return true;
      });
  return results;
}

TEST_CASE("what a seed draws is concrete, and reads back as the same from its file") {
  std::set<std::uint64_t> sizes;
  std::set<Action> actions;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    const Scenario scenario = hunt_scenario(seed);
    sizes.insert(scenario.cluster.nodes.value());
    for (const Step& step : scenario.steps) actions.insert(step.action);

    const auto again = parse_scenario(serialize_scenario(scenario), "again");

    REQUIRE_MESSAGE(again.ok(), (again.ok() ? std::string() : again.error().message));
    CHECK(again.value() == scenario);
    CHECK(drawn(scenario, seed) == scenario);
  }
  CHECK(sizes == std::set<std::uint64_t>{1, 2, 3, 4, 5, 7});
  CHECK(actions.size() >= 15);
}

TEST_CASE("seeds pass, and reach on average a minute, ten faults and 500 operations") {
  std::int64_t simulated = 0;
  std::uint64_t faults = 0;
  std::uint64_t operations = 0;
  std::uint64_t events = 0;
  std::set<std::uint64_t> hashes;
  std::uint64_t seeds_with_retries = 0;
  std::uint64_t seeds_with_repeats = 0;
  std::uint64_t seeds_with_refusals = 0;
  Coverage coverage;
  OutcomeMatrix matrix;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    CAPTURE(seed);

    const RunResult result = run_seed(seed);

    CHECK_MESSAGE(result.passed, result.violation << ": " << result.detail);
    simulated += result.at.nanoseconds();
    faults += result.counts.faults;
    operations += result.counts.operations;
    events += result.counts.events;
    hashes.insert(result.hash);
    coverage.add(result.marks);
    matrix.add(result.outcomes);
    seeds_with_retries += result.counts.retries > 0 ? 1 : 0;
    seeds_with_repeats += result.counts.repeated > 0 ? 1 : 0;
    seeds_with_refusals += result.counts.refused > 0 ? 1 : 0;
  }
  MESSAGE("of " << kSeeds << " seeds " << seeds_with_retries << " retry, " << seeds_with_repeats
                << " get a first answer again, " << seeds_with_refusals << " meet a refusal");
  MESSAGE(coverage.report());
  MESSAGE(matrix.report());
  // All of them take a thousand seeds; sim_command's test goes through as many as it is told.
  CHECK(matrix.empty_cells().size() <= 30);
  CHECK(matrix.belied_cells() == std::vector<std::string>());
  CHECK(seeds_with_retries >= kSeeds / 4);
  CHECK(seeds_with_repeats >= kSeeds / 5);
  CHECK(seeds_with_refusals >= kSeeds / 10);
  CHECK(simulated / static_cast<std::int64_t>(kSeeds) >= 60'000'000'000);
  CHECK(faults / kSeeds >= 10);
  CHECK(operations / kSeeds >= 500);
  // Two thousand seeds must stay affordable.
  CHECK(events / kSeeds <= 100'000);
  CHECK(hashes.size() == kSeeds);
}

TEST_CASE("a failing seed's file fails in the same way at the same event") {
  Scenario scenario = hunt_scenario(7);
  scenario.expectations.push_back({.kind = Expectation::Kind::kNever,
                                   .within = {},
                                   .that = Condition::parse("operations >= 300").value(),
                                   .after = {},
                                   .until = {}});
  const RunResult first = run_scenario(scenario, {.seed = 7, .observers = {}});
  const Scenario again = parse_scenario(serialize_scenario(scenario), "again").value();

  const RunResult second = run_scenario(again, {.seed = again.seed, .observers = {}});

  CHECK(first.violation == "expectation");
  CHECK(second.violation == first.violation);
  CHECK(second.event == first.event);
  CHECK(second.hash == first.hash);
}

TEST_CASE("the number of processes changes no result") {
  const auto one = run_in(1, 12);
  const auto three = run_in(3, 12);

  REQUIRE(one.size() == 12);
  REQUIRE(three.size() == 12);
  for (std::size_t item = 0; item < 12; ++item) {
    CHECK(one.at(item).hash == three.at(item).hash);
    CHECK(one.at(item).counts.events == three.at(item).counts.events);
    CHECK(one.at(item).passed == three.at(item).passed);
    CHECK(one.at(item).marks.times() == three.at(item).marks.times());
    CHECK(one.at(item).outcomes == three.at(item).outcomes);
  }
}

TEST_CASE("a run that aborts is one failed run, and the others go on") {
  std::map<std::size_t, RunResult> results;
  app::run_jobs(
      {.items = 5, .processes = 2},
      [](std::size_t item, app::LastEvent& last) {
        last.on_event_end(Instant() + Duration::seconds(3), 17);
        if (item == 2) VESPER_UNREACHABLE();
        RunResult result;
        result.passed = true;
        return result;
      },
      [&](std::size_t item, const RunResult& result) {
        results.emplace(item, result);
        return true;
      });

  REQUIRE(results.size() == 5);
  for (const std::size_t item : {0U, 1U, 3U, 4U}) CHECK(results.at(item).passed);
  CHECK(!results.at(2).passed);
  CHECK(results.at(2).violation == "check");
  CHECK(results.at(2).event == 17);
}

}  // namespace
}  // namespace vesper::sim
