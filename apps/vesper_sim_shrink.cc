#include "apps/vesper_sim_shrink.h"

#include <fmt/format.h>

#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_jobs.h"
#include "sim/scenario/hunt.h"
#include "sim/scenario/shrink.h"

namespace vesper::app {

namespace {

// Of what a scenario itself says, each is a rule of its own; the details of an invariant name
// nodes and numbers, which may well be others in a smaller run.
bool is_own_rule(const sim::RunResult& result) {
  return result.violation == "expectation" || result.violation == "step" ||
         result.violation == "final";
}
bool is_same(const sim::RunResult& a, const sim::RunResult& b) {
  return a.violation == b.violation && (!is_own_rule(a) || a.detail == b.detail);
}

// Each in a process of its own. The results, in order; fewer if `go_on` says no to one.
std::vector<sim::RunResult> run_all(const std::vector<sim::Scenario>& scenarios,
                                    std::size_t processes,
                                    const std::function<bool(const sim::RunResult&)>& go_on) {
  std::vector<sim::RunResult> results;
  run_jobs(
      {.items = scenarios.size(), .processes = processes},
      [&](std::size_t item, LastEvent& last) {
        const sim::Scenario& scenario = scenarios[item];
        return sim::run_scenario(scenario, {.seed = scenario.seed, .observers = {&last}});
      },
      [&](std::size_t item, const sim::RunResult& result) {
        results.push_back(result);
        results.back().seed = scenarios[item].seed;
        return go_on(result);
      });
  return results;
}

std::size_t clients_of(const sim::Scenario& scenario) {
  std::size_t count = 0;
  for (const sim::ClientsSpec& clients : scenario.clients) count += clients.count.value();
  return count;
}

std::string size_of(const sim::Scenario& scenario) {
  const std::int64_t ms = scenario.duration.nanoseconds() / 1'000'000;
  return fmt::format("steps={} nodes={} clients={} duration={}.{:03}s", scenario.steps.size(),
                     scenario.cluster.nodes.value() + scenario.cluster.spares.value(),
                     clients_of(scenario), ms / 1000, ms % 1000);
}

std::string deliveries_of(const sim::RunResult& result) {
  return fmt::format(" deliveries={}", result.counts.deliveries);
}

void print_removed(const std::vector<std::string>& removed) {
  std::map<std::string, std::size_t> times;
  for (const std::string& what : removed) ++times[what];
  for (const auto& [what, count] : times) {
    fmt::print("without {}{}\n", what, count > 1 ? fmt::format(" ({} times)", count) : "");
  }
}

}  // namespace

std::string small_file_of(const sim::Scenario& scenario) {
  return fmt::format("{}_{}_small.toml", slug(scenario.name), scenario.seed);
}

int shrink_and_write(const ShrinkJob& job) {
  const double start = wall_seconds();
  const auto always = [](const sim::RunResult&) { return true; };
  const std::vector<sim::RunResult> first = run_all({job.scenario}, 1, always);
  if (first.empty() || first.front().passed) {
    fmt::print(stderr, "{} with seed {} passes: there is nothing to shrink\n", job.name,
               job.scenario.seed);
    return kExitBadInput;
  }
  const sim::RunResult& wanted = first.front();
  const sim::FindFailed find =
      [&](const std::vector<sim::Scenario>& candidates) -> std::optional<sim::FailedCandidate> {
    const auto is_time_left = [&] { return wall_seconds() - start < job.seconds; };
    if (!is_time_left()) return std::nullopt;
    const auto results = run_all(candidates, job.processes, [&](const sim::RunResult& result) {
      return !is_same(result, wanted) && is_time_left();
    });
    if (results.empty() || !is_same(results.back(), wanted)) return std::nullopt;
    return sim::FailedCandidate{.index = results.size() - 1,
                                .at = results.back().at,
                                .deliveries = results.back().counts.deliveries};
  };
  sim::Shrunk shrunk = sim::shrink_scenario(
      job.scenario, {.at = wanted.at, .may_come_earlier = !is_own_rule(wanted)}, find);
  sim::Scenario& small = shrunk.scenario;
  const std::vector<sim::RunResult> twice = run_all({small, small}, job.processes, always);
  if (twice.size() != 2 || !is_same(twice[0], wanted) || !is_same(twice[1], wanted) ||
      twice[0].hash != twice[1].hash || twice[0].event != twice[1].event) {
    fmt::print(stderr,
               "two runs of the same scenario differ: the simulation is not deterministic\n");
    return kExitBadInput;
  }
  small.description = fmt::format("Made small from {} with seed {}. Breaks {}: {}", job.name,
                                  job.scenario.seed, twice[0].violation, twice[0].detail);
  if (!write_scenario(job.file, small)) {
    fmt::print(stderr, "{}: cannot be written\n", job.file);
    return kExitBadInput;
  }
  print_removed(shrunk.removed);
  fmt::print("before: {}{}\nafter:  {}{} (of {} smaller ones tried, in {:.1f} s)\n",
             size_of(job.scenario), deliveries_of(wanted), size_of(small), deliveries_of(twice[0]),
             shrunk.tried, wall_seconds() - start);
  fmt::print("{}\nreplay: vesper-sim run {}\n", fail_line(small.name, twice[0]), job.file);
  return kExitViolation;
}

int shrink_command(const ShrinkCommand& command) {
  ShrinkJob job{.scenario = {},
                .name = "hunt",
                .processes = command.jobs,
                .file = command.file,
                .seconds = static_cast<double>(command.seconds)};
  if (command.scenario.empty()) {
    if (!command.seed) {
      fmt::print(stderr, "nothing to shrink: name a scenario, or with --seed one of hunt's\n");
      return kExitBadInput;
    }
    job.scenario = sim::hunt_scenario(*command.seed);
  } else {
    const Result<sim::Scenario> loaded = load_scenario(command.scenario);
    if (!loaded.ok()) {
      fmt::print(stderr, "{}\n", loaded.error().message);
      return kExitBadInput;
    }
    job.name = command.scenario;
    job.scenario = sim::drawn(loaded.value(), command.seed.value_or(loaded.value().seed));
  }
  if (job.file.empty()) job.file = small_file_of(job.scenario);
  return shrink_and_write(job);
}

}  // namespace vesper::app
