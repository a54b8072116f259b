#include "sim/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace vesper::sim {

namespace {

constexpr std::array<std::uint64_t, 4> kPercents = {50, 90, 99, 100};
constexpr std::array<std::string_view, 4> kPercentNames = {"p50", "p90", "p99", "max"};
constexpr std::array<std::string_view, Recovery::kSteps> kWhat = {
    "somebody leads", "the next entry is committed", "a client is answered"};

std::string in_timeouts(std::uint64_t hundredths) {
  return fmt::format("{}.{:02}", hundredths / 100, hundredths % 100);
}

Index highest_commit(const World& world) {
  Index highest;
  for (std::uint32_t node = 0; node < world.config().all_nodes(); ++node) {
    if (world.is_up(NodeId(node))) highest = std::max(highest, world.view(NodeId(node)).commit);
  }
  return highest;
}

}  // namespace

void RecoveryWatch::look(const World& world, bool has_leader) {
  if (world.last_fault_at() != since_) {
    since_ = world.last_fault_at();
    recovery_ = {};
    successes_ = world.counts().successes;
    commit_ = highest_commit(world);
  }
  const std::int64_t timeout = election_timeout_.nanoseconds();
  const auto took = static_cast<std::uint64_t>(
      ((world.now() - since_).nanoseconds() * 100 + timeout - 1) / timeout);
  auto& [leader, commit, answer] = recovery_.after;
  if (!leader && has_leader) leader = took;
  if (!commit && has_leader && world.view(*world.leader()).commit > commit_) commit = took;
  if (!answer && world.counts().successes > successes_) answer = took;
  is_over_ = leader && commit && answer;
}

void Recoveries::add(const Recovery& run) {
  for (std::size_t i = 0; i < Recovery::kSteps; ++i) {
    if (!run.after[i]) continue;
    ++steps_[i].runs;
    ++steps_[i].times[*run.after[i]];
  }
}

std::optional<std::uint64_t> Recoveries::percentile(std::size_t step, std::uint64_t percent) const {
  const Step& of = steps_[step];
  std::uint64_t left = (of.runs * percent + 99) / 100;
  for (const auto& [time, runs] : of.times) {
    if (runs >= left) return time;
    left -= runs;
  }
  return std::nullopt;
}

std::string Recoveries::report() const {
  std::string text =
      fmt::format("{:<40}{:>8}", "election timeouts after the faults until", "seeds");
  for (const std::string_view name : kPercentNames) text += fmt::format("{:>10}", name);
  text += '\n';
  for (std::size_t i = 0; i < Recovery::kSteps; ++i) {
    text += fmt::format("{:<40}{:>8}", kWhat[i], steps_[i].runs);
    for (const std::uint64_t percent : kPercents) {
      const std::optional<std::uint64_t> time = percentile(i, percent);
      text += fmt::format("{:>10}", time ? in_timeouts(*time) : "-");
    }
    text += '\n';
  }
  return text;
}

std::string Recoveries::json() const {
  std::vector<std::string> steps;
  for (std::size_t i = 0; i < Recovery::kSteps; ++i) {
    std::string text = fmt::format("\"{}\": {{\"runs\": {}", Recovery::kNames[i], steps_[i].runs);
    for (std::size_t p = 0; p < kPercents.size(); ++p) {
      const std::optional<std::uint64_t> time = percentile(i, kPercents[p]);
      text += fmt::format(", \"{}\": {}", kPercentNames[p], time ? in_timeouts(*time) : "null");
    }
    steps.push_back(text + "}");
  }
  return fmt::format("{{{}}}", fmt::join(steps, ", "));
}

}  // namespace vesper::sim
