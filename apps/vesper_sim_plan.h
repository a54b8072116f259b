// The runs of a hunt, by number from 0: the seeds of its first scenario, then those of the next. A
// shard is every N-th seed of each scenario: so whatever the scenarios and the range, shards take
// about as long as each other, and a seed says by itself which shard it belongs to. hunt runs a
// plan; a shard's file and merge name one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/vesper_sim_jobs.h"
#include "core/base/result.h"
#include "sim/scenario/scenario.h"

namespace vesper::app {

struct Seeds {
  std::uint64_t first = 0;
  std::uint64_t last = 0;  // at most; below first: none
  std::uint64_t step = 1;
  std::uint64_t count() const { return last < first ? 0 : (last - first) / step + 1; }
};
// "A..B", or one seed.
std::optional<Seeds> parse_seeds(const std::string& text);

// Seed s belongs to shard s mod count.
struct Shard {
  std::uint64_t index = 0;
  std::uint64_t count = 1;
};
inline constexpr std::uint64_t kShardsMost = 100'000;
// "I/N" with I < N <= kShardsMost.
std::optional<Shard> parse_shard(const std::string& text);

// What a scenario is called, and what stands in it.
struct NamedScenario {
  std::string name;
  std::uint64_t hash = 0;
  bool operator==(const NamedScenario&) const = default;
};

class HuntPlan {
 public:
  // Reads the scenarios; none: a random one for each seed.
  static Result<HuntPlan> make(const std::vector<std::string>& scenarios, Seeds seeds);
  // Of which only the names are known: it has no scenario_of.
  HuntPlan(std::vector<NamedScenario> names, Seeds seeds)
      : seeds_(seeds), names_(std::move(names)) {}

  HuntPlan part(Shard shard) const;

  std::size_t size() const { return groups() * seeds_.count(); }
  const Seeds& seeds() const { return seeds_; }
  const std::vector<NamedScenario>& scenarios() const { return names_; }

  std::uint64_t seed_of(std::size_t run) const {
    return seeds_.first + run % seeds_.count() * seeds_.step;
  }
  std::string name_of(std::size_t run) const;
  sim::Scenario scenario_of(std::size_t run) const;
  // The line that a failure prints.
  std::string replay_of(std::size_t run) const;
  // The number that run `run` of the part has in this plan. Requires: part is a part of this.
  std::size_t number_of(const HuntPlan& part, std::size_t run) const;

 private:
  std::size_t groups() const { return names_.empty() ? 1 : names_.size(); }
  std::size_t group_of(std::size_t run) const { return run / seeds_.count(); }

  Seeds seeds_;
  std::vector<NamedScenario> names_;
  std::vector<sim::Scenario> scenarios_;
};

// For run_jobs: the plan's runs from `first` on. The plan must outlive it.
RunItem runner_of(const HuntPlan& plan, std::size_t first = 0);

}  // namespace vesper::app
