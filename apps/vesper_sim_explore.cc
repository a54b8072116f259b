#include "apps/vesper_sim_explore.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <map>
#include <string>
#include <string_view>

#include "apps/vesper_sim_commands.h"
#include "sim/explore/to_scenario.h"

namespace vesper::app {

namespace {

namespace explore = sim::explore;

constexpr double kSecondsBetweenLines = 10;

// Of this process: on a busy machine it says more than the wall's.
double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

void print_coverage(const explore::Coverage& coverage, double seconds) {
  const double cpu = cpu_seconds();
  fmt::print(
      "states={} transitions={} expanded={} depth={} under_way_max={} machines={} messages={} "
      "memory_mb={} seconds={:.1f} cpu_seconds={:.1f} states_per_cpu_second={:.0f}\n",
      coverage.states, coverage.transitions, coverage.expanded, coverage.depth,
      coverage.network_max, coverage.machines, coverage.messages, coverage.bytes >> 20, seconds,
      cpu, static_cast<double>(coverage.states) / std::max(cpu, 0.001));
  std::fflush(stdout);
}

// Writes the path as a scenario, and plays it with whole nodes.
int write_path(explore::Explorer& explorer, const std::string& file) {
  const explore::Path& path = *explorer.violation();
  const Result<sim::Scenario> scenario = explore::to_scenario(explorer.system(), path);
  if (!scenario.ok()) {
    fmt::print(stderr, "{}: not written: {}\n", file, scenario.error().message);
    return kExitBadInput;
  }
  if (!write_scenario(file, scenario.value())) {
    fmt::print(stderr, "{}: cannot be written\n", file);
    return kExitBadInput;
  }
  const sim::RunResult result =
      sim::run_scenario(scenario.value(), {.seed = scenario.value().seed, .observers = {}});
  if (result.passed) {
    fmt::print(
        "replay: vesper-sim run {} passes: whole nodes do not go this way (they write Readys "
        "together, and their elections need pre-votes: try --pre-votes at-once)\n",
        file);
  } else {
    fmt::print("{}\nreplay: vesper-sim run {}\n", fail_line(scenario.value().name, result), file);
  }
  return kExitViolation;
}

int report_violation(explore::Explorer& explorer, const std::string& file) {
  const explore::Path& path = *explorer.violation();
  std::size_t number = 0;
  for (const std::string& line : explorer.describe(path)) {
    fmt::print("{:4} {}\n", ++number, line);
  }
  fmt::print("FAIL explore violation={} steps={}: {}\n", path.finding.invariant,
             path.actions.size(), path.finding.detail);
  return file.empty() ? kExitViolation : write_path(explorer, file);
}

}  // namespace

CLI::App* add_explore_command(CLI::App& app, ExploreCommand& command) {
  CLI::App* added = app.add_subcommand(
      "explore", "Visits every state that a small cluster can come to, within bounds");
  explore::Bounds& bounds = command.bounds;
  added->add_option("--nodes", bounds.nodes, "Nodes")
      ->capture_default_str()
      ->check(CLI::Range(1U, explore::kNodesMax));
  const auto add_bound = [&](const char* name, std::uint32_t& bound, const char* what) {
    added->add_option(name, bound, what)->capture_default_str()->check(CLI::Range(0, 60));
  };
  add_bound("--terms", bounds.terms, "Elections that begin; so no term goes above it");
  add_bound("--entries", bounds.entries, "Commands that clients propose");
  add_bound("--crashes", bounds.crashes,
            "Crashes, before any write or within one, each with its restart");
  add_bound("--losses", bounds.losses,
            "Lost messages, with --order link; with --order any all losses are covered");
  add_bound("--duplicates", bounds.duplicates, "Messages that arrive twice");
  add_bound("--heartbeats", bounds.heartbeats, "Rounds of heartbeats");
  add_bound("--step-downs", bounds.step_downs, "Leaders that give up, for they hear no majority");
  added
      ->add_option("--order", bounds.order,
                   "any: messages overtake each other; link: each link keeps its order, as TCP")
      ->transform(CLI::CheckedTransformer(std::map<std::string, explore::Order>{
          {"any", explore::Order::kAny}, {"link", explore::Order::kLink}}))
      ->default_str("link");
  added
      ->add_option("--pre-votes", bounds.pre_votes,
                   "free: elections begin as if pre-votes were granted, which covers all orders "
                   "of theirs; at-once: where a majority would grant them at that moment; "
                   "messages: they are explored like other messages")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, explore::PreVotes>{{"free", explore::PreVotes::kFree},
                                                   {"at-once", explore::PreVotes::kAtOnce},
                                                   {"messages", explore::PreVotes::kMessages}}))
      ->default_str("free");
  added
      ->add_option("--disks", bounds.disks,
                   "slow: anything may come between a write and its end; prompt: only a crash")
      ->transform(CLI::CheckedTransformer(std::map<std::string, explore::Disks>{
          {"slow", explore::Disks::kSlow}, {"prompt", explore::Disks::kPrompt}}))
      ->default_str("slow");
  added->add_option("--append-entries-max", bounds.append_entries_max, "In one AppendRequest")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  added->add_flag("!--no-symmetry", bounds.symmetry, "Takes renamed states for different ones");
  added->add_flag("!--keep-dead", bounds.drops_dead, "Keeps messages that can do nothing any more");
  added->add_flag_callback(
      "--dfs", [&command] { command.strategy = explore::Strategy::kDepthFirst; },
      "Depth first; else breadth first, and a violation has the fewest steps");
  added->add_option("--out", command.file, "A file for the scenario of a violation");
  added->add_option("--time-limit", command.seconds_max, "Seconds")->capture_default_str();
  added->add_option("--memory-limit", command.megabytes_max, "MB")->capture_default_str();
  added->footer(
      "Explored are elections, replication and restarts of bare Raft with its disk, one input a "
      "turn, in whatever time. Not explored: snapshots, reads and leases, changes of members, "
      "transfers, damage, and inputs that share a turn.");
  return added;
}

int explore_command(const ExploreCommand& command) {
  explore::Explorer explorer(command.bounds, command.strategy);
  const double start = wall_seconds();
  double next_line = kSecondsBetweenLines;
  const char* limit = "none";
  explorer.run([&](const explore::Coverage& coverage) {
    const double seconds = wall_seconds() - start;
    if (seconds >= next_line) {
      print_coverage(coverage, seconds);
      next_line = seconds + kSecondsBetweenLines;
    }
    if (seconds >= command.seconds_max) limit = "time";
    if (coverage.bytes >> 20 >= command.megabytes_max) limit = "memory";
    return std::string_view(limit) == "none";
  });
  print_coverage(explorer.coverage(), wall_seconds() - start);
  if (explorer.violation()) return report_violation(explorer, command.file);
  if (explorer.coverage().exhausted) {
    fmt::print("PASS explore: the space is exhausted\n");
  } else {
    fmt::print("PASS explore: NOT exhausted, stopped by its {} limit\n", limit);
  }
  return kExitPassed;
}

}  // namespace vesper::app
