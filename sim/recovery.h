// How long a cluster took to be well again once its faults were over: of one run (Recovery), seen
// by RecoveryWatch, and of all runs of a search (Recoveries), in whole hundredths of the run's own
// longest election timeout, rounded up. Nothing is decided by it. The runner calls the one,
// vesper-sim hunt and merge the other.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sim/world.h"

namespace vesper::sim {

// From the last fault of the run, or the end of one, until somebody led, something more was
// committed, and a client was answered with success. Nothing: not within the run's time, or the run
// had no fault.
struct Recovery {
  static constexpr std::size_t kSteps = 3;
  static constexpr std::array<std::string_view, kSteps> kNames = {"leader", "commit", "answer"};
  std::array<std::optional<std::uint64_t>, kSteps> after;
  bool operator==(const Recovery&) const = default;
};

class RecoveryWatch {
 public:
  explicit RecoveryWatch(Duration election_timeout) : election_timeout_(election_timeout) {}

  // Call it after each event, until the clients stop.
  void observe(const World& world, bool has_leader) {
    if (is_over_ && world.last_fault_at() == since_) return;
    look(world, has_leader);
  }
  const Recovery& recovery() const { return recovery_; }

 private:
  void look(const World& world, bool has_leader);

  const Duration election_timeout_;
  Recovery recovery_;
  Instant since_;
  bool is_over_ = true;          // there was no fault yet, or all is well again
  std::uint64_t successes_ = 0;  // of clients until then
  Index commit_;                 // the highest of any node then
};

class Recoveries {
 public:
  void add(const Recovery& run);

  // A line a step: of how many runs, and the percentiles.
  std::string report() const;
  // {"leader": {"runs": N, "p50": X, "p90": X, "p99": X, "max": X}, "commit": ..., "answer": ...}
  std::string json() const;
  // So many in a hundred runs took no longer. Requires: 0 < percent <= 100. Nothing: of no run.
  std::optional<std::uint64_t> percentile(std::size_t step, std::uint64_t percent) const;

 private:
  struct Step {
    std::uint64_t runs = 0;
    std::map<std::uint64_t, std::uint64_t> times;  // hundredths to runs
  };
  std::array<Step, Recovery::kSteps> steps_;
};

}  // namespace vesper::sim
