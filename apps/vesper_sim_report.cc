#include "apps/vesper_sim_report.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_shrink.h"
#include "core/base/hash.h"

namespace vesper::app {

namespace {

// More failed seeds than anyone would replay are counted and not named.
constexpr std::size_t kFailedSeedsNamed = 100;
// Nor are more shrunk, which takes many runs each.
constexpr std::size_t kShrunkMost = 10;
// Of runs that a fault keeps from working, so many are named.
constexpr std::size_t kStuckRunsNamed = 20;
static_assert(kShrunkMost <= kFailedSeedsNamed);

}  // namespace

// --- Progress ---

Progress::Progress(std::uint64_t runs)
    : runs_(runs), is_shown_(isatty(STDERR_FILENO) == 1), start_(wall_seconds()) {}

void Progress::show(std::uint64_t done, std::uint64_t failed) const {
  if (!is_shown_ || (done % 8 != 0 && done != runs_)) return;
  constexpr std::size_t kWidth = 30;
  const std::size_t filled = done * kWidth / runs_;
  fmt::print(stderr, "\r[{}{}] {}/{} seeds, {} failed, {:.0f} s", std::string(filled, '#'),
             std::string(kWidth - filled, '.'), done, runs_, failed, wall_seconds() - start_);
}

void Progress::clear() const {
  if (is_shown_) fmt::print(stderr, "\r{:78}\r", "");
}

// --- The report ---

void HuntReport::take(std::size_t run, const sim::RunResult& result) {
  count(run, result);
  add_hash(result.hash);
  if (!result.passed) add_failure(run, result);
}

void HuntReport::count(std::size_t run, const sim::RunResult& result) {
  ++runs_;
  if (!result.passed) ++failures_;
  events_ += result.counts.events;
  faults_ += result.counts.faults;
  operations_ += result.counts.operations;
  simulated_us_ += static_cast<std::uint64_t>(result.at.nanoseconds() / 1000);
  coverage_.add(result.marks);
  matrix_.add(result.outcomes);
  recoveries_.add(result.recovery);
  if (result.stuck.empty()) return;
  ++stuck_;
  stuck_runs_.emplace(run, result.stuck);
  if (stuck_runs_.size() > kStuckRunsNamed) stuck_runs_.erase(std::prev(stuck_runs_.end()));
}

void HuntReport::add_hash(std::uint64_t hash) {
  hash_ = mix64(hash_, hash);
}

void HuntReport::add_failure(std::size_t run, const sim::RunResult& result) {
  if (failed_runs_.size() < kFailedSeedsNamed) failed_runs_.push_back(run);
  progress_.clear();
  fmt::print("{}\nreplay: {}\n", fail_line(plan_.name_of(run), result), plan_.replay_of(run));
  if (!options_.write_failures.empty()) write_failure(run, result);
  std::fflush(stdout);
}

void HuntReport::write_failure(std::size_t run, const sim::RunResult& result) const {
  sim::Scenario scenario = plan_.scenario_of(run);
  scenario.description += fmt::format(" Found: {}: {}", result.violation, result.detail);
  std::error_code error;
  std::filesystem::create_directories(options_.write_failures, error);
  const std::string path =
      fmt::format("{}/{}_{}.toml", options_.write_failures, slug(scenario.name), result.seed);
  if (write_scenario(path, scenario)) {
    fmt::print("scenario: {}\n", path);
  } else {
    fmt::print(stderr, "{}: cannot be written\n", path);
  }
}

void HuntReport::shrink_failed() const {
  const std::size_t count = std::min(failed_runs_.size(), kShrunkMost);
  for (std::size_t i = 0; i < count; ++i) {
    const sim::Scenario scenario = plan_.scenario_of(failed_runs_[i]);
    const std::string file = small_file_of(scenario);
    const std::string& folder = options_.write_failures;
    const int status =
        shrink_and_write({.scenario = scenario,
                          .name = plan_.name_of(failed_runs_[i]),
                          .processes = options_.jobs,
                          .file = folder.empty() ? file : fmt::format("{}/{}", folder, file)});
    if (status == kExitBadInput) {
      fmt::print(stderr, "seed {} was not made small\n", plan_.seed_of(failed_runs_[i]));
    }
  }
}

std::string HuntReport::stuck_report() const {
  std::string text;
  for (const auto& [run, why] : stuck_runs_) {
    text +=
        fmt::format("stuck scenario={} seed={}: {}\n", plan_.name_of(run), plan_.seed_of(run), why);
  }
  if (stuck_ > stuck_runs_.size()) text += fmt::format("stuck: {} runs in all\n", stuck_);
  return text;
}

std::string HuntReport::stuck_json() const {
  std::vector<std::string> named;
  for (const auto& [run, why] : stuck_runs_) {
    named.push_back(fmt::format("{{\"scenario\": {}, \"seed\": {}, \"why\": {}}}",
                                json_text(plan_.name_of(run)), plan_.seed_of(run), json_text(why)));
  }
  return fmt::format("{{\"runs\": {}, \"first\": [{}]}}", stuck_, fmt::join(named, ", "));
}

std::string HuntReport::last_line(double wall) const {
  const auto runs = static_cast<double>(runs_ == 0 ? 1 : runs_);
  const double rate = wall > 0 ? static_cast<double>(events_) / wall : 0;
  const double faults = static_cast<double>(faults_) / runs;
  const double operations = static_cast<double>(operations_) / runs;
  const double simulated = static_cast<double>(simulated_us_) * 1e-6 / runs;
  if (options_.json) {
    std::vector<std::uint64_t> seeds;
    for (const std::size_t run : failed_runs_) seeds.push_back(plan_.seed_of(run));
    return fmt::format(
        "{{\"seeds\": {}, \"failures\": {}, \"failed_seeds\": [{}], \"events\": {}, "
        "\"events_per_second\": {:.0f}, "
        "\"simulated_mean\": {:.1f}, \"faults_mean\": {:.1f}, \"operations_mean\": {:.1f}, "
        "\"wall\": {:.1f}, \"hash\": \"{:016x}\", \"recovery\": {}, \"stuck\": {}, "
        "\"coverage\": {}{}}}",
        runs_, failures_, fmt::join(seeds, ", "), events_, rate, simulated, faults, operations,
        wall, hash_, recoveries_.json(), stuck_json(), coverage_.json(),
        options_.matrix ? ", \"matrix\": " + matrix_.json() : std::string());
  }
  return fmt::format(
      "seeds={} failures={} events={} events/s={:.0f} wall={:.1f}s mean: simulated={:.1f}s "
      "faults={:.1f} operations={:.1f} hash={:016x}",
      runs_, failures_, events_, rate, wall, simulated, faults, operations, hash_);
}

int HuntReport::finish(double wall) {
  progress_.clear();
  if (options_.shrink) shrink_failed();
  if (!options_.json) fmt::print("{}", coverage_.report());
  if (!options_.json && options_.matrix) fmt::print("{}", matrix_.report());
  if (!options_.json) fmt::print("{}{}", recoveries_.report(), stuck_report());
  fmt::print("{}\n", last_line(wall));
  const bool is_belied = options_.matrix && !matrix_.belied_cells().empty();
  return failures_ > 0 || is_belied ? kExitViolation : kExitPassed;
}

}  // namespace vesper::app
