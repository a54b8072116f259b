#include "apps/vesper_sim_plan.h"

#include <fmt/format.h>

#include <utility>

#include "apps/vesper_sim_commands.h"
#include "core/base/hash.h"
#include "sim/scenario/hunt.h"
#include "sim/scenario/runner.h"
#include "sim/scenario/serializer.h"

namespace vesper::app {

namespace {

std::optional<std::uint64_t> parse_number(const std::string& text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

}  // namespace

std::optional<Seeds> parse_seeds(const std::string& text) {
  constexpr std::uint64_t kMost = 100'000'000;
  const std::size_t dots = text.find("..");
  const std::string first = text.substr(0, dots);
  const auto low = parse_number(first);
  const auto high = dots == std::string::npos ? low : parse_number(text.substr(dots + 2));
  if (!low || !high || *high < *low || *high - *low >= kMost) return std::nullopt;
  return Seeds{.first = *low, .last = *high};
}

std::optional<Shard> parse_shard(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto index = parse_number(text.substr(0, slash));
  const auto count = parse_number(text.substr(slash + 1));
  if (!index || !count || *index >= *count || *count > kShardsMost) return std::nullopt;
  return Shard{.index = *index, .count = *count};
}

Result<HuntPlan> HuntPlan::make(const std::vector<std::string>& scenarios, Seeds seeds) {
  HuntPlan plan({}, seeds);
  for (const std::string& name : scenarios) {
    Result<sim::Scenario> loaded = load_scenario(name);
    if (!loaded.ok()) return loaded.error();
    const std::string text = sim::serialize_scenario(loaded.value());
    plan.names_.push_back({.name = name, .hash = hash64(as_bytes(text))});
    plan.scenarios_.push_back(std::move(loaded.value()));
  }
  return plan;
}

HuntPlan HuntPlan::part(Shard shard) const {
  HuntPlan part = *this;
  const std::uint64_t ahead =
      (shard.index + shard.count - seeds_.first % shard.count) % shard.count;
  part.seeds_.first = seeds_.first + ahead;
  part.seeds_.step = shard.count;
  return part;
}

std::string HuntPlan::name_of(std::size_t run) const {
  return names_.empty() ? "hunt" : names_[group_of(run)].name;
}

sim::Scenario HuntPlan::scenario_of(std::size_t run) const {
  if (names_.empty()) return sim::hunt_scenario(seed_of(run));
  return sim::drawn(scenarios_[group_of(run)], seed_of(run));
}

std::string HuntPlan::replay_of(std::size_t run) const {
  const std::uint64_t seed = seed_of(run);
  if (names_.empty()) return fmt::format("vesper-sim hunt --seeds {}..{}", seed, seed);
  return fmt::format("vesper-sim run {} --seed {}", name_of(run), seed);
}

std::size_t HuntPlan::number_of(const HuntPlan& part, std::size_t run) const {
  return part.group_of(run) * seeds_.count() + (part.seed_of(run) - seeds_.first);
}

RunItem runner_of(const HuntPlan& plan, std::size_t first) {
  return [&plan, first](std::size_t item, LastEvent& last) {
    const std::size_t run = first + item;
    return sim::run_scenario(plan.scenario_of(run),
                             {.seed = plan.seed_of(run), .observers = {&last}});
  };
}

}  // namespace vesper::app
