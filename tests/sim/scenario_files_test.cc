// Every scenario of the folder passes, gives the same hash twice, reads back from what it is
// written as, and can fail: each of its expectations, made wrong, is noticed.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "sim/scenario/parser.h"
#include "sim/scenario/runner.h"
#include "sim/scenario/serializer.h"

namespace vesper::sim {
namespace {

std::vector<std::string> files() {
  std::vector<std::string> files;
  const char* folder = std::getenv("VESPER_SCENARIOS");
  REQUIRE_MESSAGE(folder != nullptr, "VESPER_SCENARIOS names the folder of scenarios");
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Scenario load(const std::string& file) {
  std::ifstream in(file);
  std::ostringstream text;
  text << in.rdbuf();
  auto parsed = parse_scenario(text.str(), file);
  REQUIRE_MESSAGE(parsed.ok(), (parsed.ok() ? std::string() : parsed.error().message));
  return parsed.value();
}

RunResult run(const Scenario& scenario) {
  return run_scenario(scenario, {.seed = scenario.seed, .observers = {}});
}

// The file's own run, made once for all the cases that compare with it.
const RunResult& own_run(const std::string& file) {
  static std::map<std::string, RunResult> runs;
  const auto found = runs.find(file);
  return found != runs.end() ? found->second : runs.emplace(file, run(load(file))).first->second;
}

// Under sanitizers all variants would take too long: then every VESPER_SCENARIO_STEP-th is run.
std::uint64_t step() {
  const char* given = std::getenv("VESPER_SCENARIO_STEP");
  return given == nullptr ? 1 : std::max(std::strtoull(given, nullptr, 10), 1ULL);
}

Condition condition(const std::string& text) {
  auto parsed = Condition::parse(text);
  REQUIRE_MESSAGE(parsed.ok(), (parsed.ok() ? text : parsed.error().message));
  return parsed.value();
}

TEST_CASE("every scenario passes, with the same hash twice") {
  const std::vector<std::string> all = files();
  CHECK(all.size() >= 24);
  for (const std::string& file : all) {
    CAPTURE(file);

    const RunResult& first = own_run(file);
    const RunResult second = run(load(file));

    CHECK_MESSAGE(first.passed, first.violation << ": " << first.detail);
    CHECK(first.hash == second.hash);
    CHECK(first.counts.events == second.counts.events);
    CHECK(first.counts.events > 100);
  }
}

TEST_CASE("every scenario written back is the same, and runs the same") {
  for (const std::string& file : files()) {
    CAPTURE(file);
    const Scenario scenario = load(file);

    const auto again = parse_scenario(serialize_scenario(scenario), "again");

    REQUIRE_MESSAGE(again.ok(), (again.ok() ? std::string() : again.error().message));
    CHECK(again.value() == scenario);
    CHECK(run(again.value()).hash == own_run(file).hash);
  }
}

TEST_CASE("every scenario says what it expects, for people and as conditions") {
  for (const std::string& file : files()) {
    CAPTURE(file);
    const Scenario scenario = load(file);

    CHECK(scenario.description.find("Expected: ") != std::string::npos);
    CHECK(!scenario.expectations.empty());
  }
}

// What holds always is denied; what comes at some time is asked to come with an impossible
// addition.
Condition made_wrong(const Expectation& expect) {
  const std::string text = "(" + expect.that.text() + ")";
  const bool lasting =
      expect.kind == Expectation::Kind::kAlways || expect.kind == Expectation::Kind::kNever;
  return condition(lasting ? "not " + text : text + " and running > 64");
}

// All variants of a scenario that must fail, each with the invariant that it must fail by.
std::vector<std::pair<Scenario, std::string>> made_wrong(const Scenario& scenario) {
  std::vector<std::pair<Scenario, std::string>> variants;
  for (std::size_t i = 0; i < scenario.expectations.size(); ++i) {
    variants.emplace_back(scenario, "expectation");
    variants.back().first.expectations[i].that = made_wrong(scenario.expectations[i]);
  }
  for (const auto& [key, value] : scenario.at_end.values) {
    variants.emplace_back(scenario, "final");
    variants.back().first.at_end.values[key] = value + " ";
  }
  if (scenario.at_end.that) {
    variants.emplace_back(scenario, "final");
    variants.back().first.at_end.that = condition("not (" + scenario.at_end.that->text() + ")");
  }
  return variants;
}

TEST_CASE("every expectation of every scenario, made wrong, fails its run") {
  std::size_t variants = 0;
  std::size_t failed = 0;
  for (const std::string& file : files()) {
    for (const auto& variant : made_wrong(load(file))) {
      CAPTURE(file);
      CAPTURE(variants);
      if (variants++ % step() != 0) continue;
      CHECK(run(variant.first).violation == variant.second);
      ++failed;
    }
  }
  CHECK(failed >= 40);
  std::cout << "scenario expectations made wrong, each noticed: " << failed << "\n";
}

TEST_CASE("another seed runs another way, and holds its invariants too") {
  for (const std::string& file : files()) {
    CAPTURE(file);
    Scenario scenario = load(file);
    // Expectations may be timed to the file's own seed; the invariants are not.
    scenario.expectations.clear();
    scenario.at_end.that.reset();
    for (Step& one : scenario.steps) one.optional = true;
    for (std::uint64_t seed = 101; seed <= 104; seed += step()) {
      CAPTURE(seed);
      scenario.seed = seed;

      const RunResult result = run(scenario);

      CHECK_MESSAGE((result.passed || result.violation == "final"),
                    result.violation << ": " << result.detail);
      CHECK(result.hash != own_run(file).hash);
    }
  }
}

TEST_CASE("leases are safe up to the drift that they trust, and not far beyond it") {
  const char* folder = std::getenv("VESPER_SCENARIOS");
  REQUIRE(folder != nullptr);
  const auto stale_reads = [&](std::int64_t drift_ppm) {
    Scenario scenario = load(std::string(folder) + "/lease_reads.toml");
    REQUIRE(scenario.cluster.lease_drift_ppm.value() == 50'000);
    scenario.clock.drift_ppm = Drift{drift_ppm};
    scenario.clocks.at(0).drift_ppm = Drift{-drift_ppm};
    int found = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      const RunResult result = run_scenario(scenario, {.seed = seed, .observers = {}});
      CHECK((result.passed || result.violation == "linearizability"));
      found += result.passed ? 0 : 1;
    }
    return found;
  };

  CHECK(stale_reads(0) == 0);
  CHECK(stale_reads(50'000) == 0);
  CHECK(stale_reads(200'000) > 0);
}

}  // namespace
}  // namespace vesper::sim
