#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_jobs.h"
#include "apps/vesper_sim_shrink.h"
#include "core/base/hash.h"
#include "sim/coverage.h"
#include "sim/scenario/hunt.h"

namespace vesper::app {

namespace {

struct Seeds {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
  std::uint64_t count() const { return last - first + 1; }
};

std::optional<std::uint64_t> parse_seed(const std::string& text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

std::optional<Seeds> parse_seeds(const std::string& text) {
  constexpr std::uint64_t kMost = 100'000'000;
  const std::size_t dots = text.find("..");
  const std::string first = text.substr(0, dots);
  const auto low = parse_seed(first);
  const auto high = dots == std::string::npos ? low : parse_seed(text.substr(dots + 2));
  if (!low || !high || *high < *low || *high - *low >= kMost) return std::nullopt;
  return Seeds{.first = *low, .last = *high};
}

// More failed seeds than anyone would replay are counted and not named.
constexpr std::size_t kFailedSeedsNamed = 100;
// Nor are more shrunk, which takes many runs each.
constexpr std::size_t kShrunkMost = 10;

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t failures = 0;
  std::uint64_t events = 0;
  std::uint64_t faults = 0;
  std::uint64_t operations = 0;
  sim::Coverage coverage;
  std::uint64_t hash = 0;  // over the runs' hashes, in the order of the seeds
  double simulated = 0;
  std::vector<std::uint64_t> failed_seeds;  // the first of them

  void add(const sim::RunResult& result) {
    ++seeds;
    if (!result.passed && failures++ < kFailedSeedsNamed) failed_seeds.push_back(result.seed);
    events += result.counts.events;
    faults += result.counts.faults;
    operations += result.counts.operations;
    coverage.add(result.marks);
    hash = mix64(hash, result.hash);
    simulated += static_cast<double>(result.at.nanoseconds()) * 1e-9;
  }
};

std::string last_line(const Totals& totals, double wall, bool json) {
  const auto seeds = static_cast<double>(totals.seeds == 0 ? 1 : totals.seeds);
  const double rate = wall > 0 ? static_cast<double>(totals.events) / wall : 0;
  const double faults = static_cast<double>(totals.faults) / seeds;
  const double operations = static_cast<double>(totals.operations) / seeds;
  if (json) {
    return fmt::format(
        "{{\"seeds\": {}, \"failures\": {}, \"failed_seeds\": [{}], \"events\": {}, "
        "\"events_per_second\": {:.0f}, "
        "\"simulated_mean\": {:.1f}, \"faults_mean\": {:.1f}, \"operations_mean\": {:.1f}, "
        "\"wall\": {:.1f}, \"hash\": \"{:016x}\", \"coverage\": {}}}",
        totals.seeds, totals.failures, fmt::join(totals.failed_seeds, ", "), totals.events, rate,
        totals.simulated / seeds, faults, operations, wall, totals.hash, totals.coverage.json());
  }
  return fmt::format(
      "seeds={} failures={} events={} events/s={:.0f} wall={:.1f}s mean: simulated={:.1f}s "
      "faults={:.1f} operations={:.1f} hash={:016x}",
      totals.seeds, totals.failures, totals.events, rate, wall, totals.simulated / seeds, faults,
      operations, totals.hash);
}

class Hunt {
 public:
  Hunt(const HuntCommand& command, Seeds seeds, std::vector<sim::Scenario> scenarios)
      : command_(command), seeds_(seeds), scenarios_(std::move(scenarios)) {}

  int run() {
    const std::size_t groups = scenarios_.empty() ? 1 : scenarios_.size();
    items_ = groups * seeds_.count();
    start_ = wall_seconds();
    run_jobs(
        {.items = items_, .processes = command_.jobs},
        [this](std::size_t item, LastEvent& last) { return run_item(item, last); },
        [this](std::size_t item, const sim::RunResult& result) { return take(item, result); });
    if (shows_progress()) fmt::print(stderr, "\r{:78}\r", "");
    if (command_.shrink) shrink_failed();
    if (!command_.json) fmt::print("{}", totals_.coverage.report());
    fmt::print("{}\n", last_line(totals_, wall_seconds() - start_, command_.json));
    if (totals_.failures > 0) return kExitViolation;
    if (totals_.seeds == items_) return kExitPassed;
    fmt::print(stderr, "hunt: {} of {} seeds did not run: no process could be started for them\n",
               items_ - totals_.seeds, items_);
    return kExitBadInput;
  }

 private:
  std::uint64_t seed_of(std::size_t item) const { return seeds_.first + item % seeds_.count(); }
  sim::Scenario scenario_of(std::size_t item) const {
    if (scenarios_.empty()) return sim::hunt_scenario(seed_of(item));
    return sim::drawn(scenarios_[item / seeds_.count()], seed_of(item));
  }

  std::string name_of(std::size_t item) const {
    return scenarios_.empty() ? "hunt" : command_.scenarios[item / seeds_.count()];
  }

  sim::RunResult run_item(std::size_t item, LastEvent& last) const {
    return sim::run_scenario(scenario_of(item), {.seed = seed_of(item), .observers = {&last}});
  }

  bool take(std::size_t item, sim::RunResult result) {
    result.seed = seed_of(item);
    totals_.add(result);
    if (!result.passed) report(item, result);
    if (!result.passed && failed_items_.size() < kShrunkMost) failed_items_.push_back(item);
    if (shows_progress() && (totals_.seeds % 8 == 0 || totals_.seeds == items_)) show_progress();
    return result.passed || !command_.stop_at_first;
  }

  void report(std::size_t item, const sim::RunResult& result) {
    if (shows_progress()) fmt::print(stderr, "\r{:78}\r", "");
    const std::uint64_t seed = result.seed;
    const std::string name = name_of(item);
    fmt::print("{}\n", fail_line(name, result));
    if (scenarios_.empty()) {
      fmt::print("replay: vesper-sim hunt --seeds {}..{}\n", seed, seed);
    } else {
      fmt::print("replay: vesper-sim run {} --seed {}\n", name, seed);
    }
    if (!command_.write_failures.empty()) write_failure(item, result);
    std::fflush(stdout);
  }

  void write_failure(std::size_t item, const sim::RunResult& result) {
    sim::Scenario scenario = scenario_of(item);
    scenario.description += fmt::format(" Found: {}: {}", result.violation, result.detail);
    std::error_code error;
    std::filesystem::create_directories(command_.write_failures, error);
    const std::string path =
        fmt::format("{}/{}_{}.toml", command_.write_failures, slug(scenario.name), result.seed);
    if (write_scenario(path, scenario)) {
      fmt::print("scenario: {}\n", path);
    } else {
      fmt::print(stderr, "{}: cannot be written\n", path);
    }
  }

  void shrink_failed() const {
    for (const std::size_t item : failed_items_) {
      const std::uint64_t seed = seed_of(item);
      const sim::Scenario scenario = scenario_of(item);
      const std::string file = small_file_of(scenario);
      const std::string& folder = command_.write_failures;
      const int status =
          shrink_and_write({.scenario = scenario,
                            .name = name_of(item),
                            .processes = command_.jobs,
                            .file = folder.empty() ? file : fmt::format("{}/{}", folder, file)});
      if (status == kExitBadInput) fmt::print(stderr, "seed {} was not made small\n", seed);
    }
  }

  static bool shows_progress() { return isatty(STDERR_FILENO) == 1; }

  void show_progress() const {
    constexpr std::size_t kWidth = 30;
    const std::size_t filled = totals_.seeds * kWidth / items_;
    fmt::print(stderr, "\r[{}{}] {}/{} seeds, {} failed, {:.0f} s", std::string(filled, '#'),
               std::string(kWidth - filled, '.'), totals_.seeds, items_, totals_.failures,
               wall_seconds() - start_);
  }

  const HuntCommand& command_;
  Seeds seeds_;
  std::vector<sim::Scenario> scenarios_;
  std::size_t items_ = 0;
  double start_ = 0;
  Totals totals_;
  std::vector<std::size_t> failed_items_;  // the first of them
};

}  // namespace

int hunt_command(const HuntCommand& command) {
  const std::optional<Seeds> seeds = parse_seeds(command.seeds);
  if (!seeds) {
    fmt::print(stderr, "--seeds: expected A..B with A <= B, not \"{}\"\n", command.seeds);
    return kExitBadInput;
  }
  std::vector<sim::Scenario> scenarios;
  for (const std::string& name : command.scenarios) {
    Result<sim::Scenario> loaded = load_scenario(name);
    if (!loaded.ok()) {
      fmt::print(stderr, "{}\n", loaded.error().message);
      return kExitBadInput;
    }
    scenarios.push_back(std::move(loaded.value()));
  }
  return Hunt(command, *seeds, std::move(scenarios)).run();
}

}  // namespace vesper::app
