#include "sim/scenario/shrink.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/scenario/parser.h"
#include "sim/scenario/serializer.h"
#include "sim/scenario/shrink_frames.h"
#include "sim/scenario/shrink_settings.h"
#include "sim/scenario/shrink_steps.h"

namespace vesper::sim {

namespace {

// One after the other they need each other's room; more rounds have never taken anything away.
constexpr int kRounds = 8;
// What goes shifts everything that is drawn after it, so that a race is lost which was won before:
// a scenario that stays long is tried with so many seeds beside its own.
constexpr std::uint64_t kOtherSeeds = 8;
constexpr std::size_t kLong = 8;  // steps

struct Candidate {
  Scenario scenario;
  std::string removed;
};

// What reads back as something else is no file that anybody could replay.
bool is_a_file(const Scenario& scenario) {
  const Result<Scenario> read = parse_scenario(serialize_scenario(scenario), "candidate");
  return read.ok() && read.value() == scenario;
}

class Shrinker {
 public:
  Shrinker(Scenario scenario, const Failure& failure, const FindFailed& find_failed)
      : find_failed_(find_failed), failure_(failure) {
    shrunk_.scenario = std::move(scenario);
  }

  Shrunk run() {
    take_away();
    if (shrunk_.scenario.steps.size() > kLong) {
      other_seeds_ = kOtherSeeds;
      take_away();
      other_seeds_ = 0;
    }
    // Without the frames that do not matter, some of the steps that lost frames do not either.
    if (lose_frames()) {
      take_away();
      lose_frames();
      deliver_what_is_not_sent();
    }
    return std::move(shrunk_);
  }

 private:
  // Adopts the first candidate that fails. True: there is one.
  bool try_all(std::vector<Candidate> candidates) {
    std::erase_if(candidates, [](const Candidate& each) { return !is_a_file(each.scenario); });
    if (candidates.empty()) return false;
    std::vector<Scenario> scenarios;
    for (const Candidate& each : candidates) scenarios.push_back(each.scenario);
    if (adopt_first(scenarios, candidates)) return true;
    if (other_seeds_ == 0) return false;
    scenarios.clear();
    for (const Candidate& each : candidates) {
      for (std::uint64_t i = 1; i <= other_seeds_; ++i) {
        scenarios.push_back(each.scenario);
        scenarios.back().seed += i;
      }
    }
    return adopt_first(scenarios, candidates);
  }

  // Of scenarios that come as many to each candidate.
  bool adopt_first(std::vector<Scenario>& scenarios, std::vector<Candidate>& candidates) {
    const auto failed = find_failed_(scenarios);
    shrunk_.tried += failed ? failed->index + 1 : scenarios.size();
    if (!failed) return false;
    const std::size_t each = scenarios.size() / candidates.size();
    shrunk_.scenario = std::move(scenarios[failed->index]);
    shrunk_.removed.push_back(std::move(candidates[failed->index / each].removed));
    failure_.at = failed->at;
    deliveries_ = failed->deliveries;
    return true;
  }

  void take_away() {
    for (int round = 0; round < kRounds; ++round) {
      const Scenario before = shrunk_.scenario;
      cut_time();
      remove_chains();
      remove_steps();
      // What goes away moves the places of what follows: each time the list is made anew.
      while (simplify(fewer_machines(shrunk_.scenario))) {
      }
      while (simplify(less_load(shrunk_.scenario))) {
      }
      while (simplify(usual_settings())) {
      }
      round_times();
      if (shrunk_.scenario == before) break;
    }
  }

  bool simplify(const std::vector<Simplification>& ways) {
    std::vector<Candidate> candidates;
    for (const Simplification& way : ways) {
      Candidate candidate{shrunk_.scenario, way.what};
      way.apply(candidate.scenario);
      // A direction that only loses frames of its own is else as all the others.
      for (LinkOverride& link : candidate.scenario.links) {
        if (link.link == shrunk_.scenario.network) link.link = candidate.scenario.network;
      }
      if (!(candidate.scenario == shrunk_.scenario)) candidates.push_back(std::move(candidate));
    }
    return try_all(std::move(candidates));
  }

  // Nothing after the violation matters; what breaks at the end breaks at an earlier one perhaps.
  void cut_time() {
    const Duration duration = shrunk_.scenario.duration;
    const std::int64_t at_ms = (failure_.at - Instant()).nanoseconds() / 1'000'000;
    const Duration half = failure_.may_come_earlier ? duration / 2 : duration;
    for (const Duration shorter : {Duration::milliseconds(at_ms + 1), half}) {
      if (shorter >= duration || shorter < Duration::milliseconds(1)) continue;
      Candidate candidate{shrunk_.scenario, "the time after the violation"};
      candidate.scenario.duration = shorter;
      if (try_all({std::move(candidate)})) return;
    }
  }

  void remove_chains() {
    remove_by([](const Scenario& s) { return chains_of(s.steps); }, "that belong together");
  }
  void remove_steps() {
    remove_by([](const Scenario& s) { return single_steps_of(s.steps); }, "alone");
  }

  // Halves first, then quarters, down to one: what is not needed mostly stands together.
  void remove_by(const std::function<std::vector<StepSpan>(const Scenario&)>& spans_of,
                 const std::string& how) {
    std::size_t size = std::max<std::size_t>(spans_of(shrunk_.scenario).size(), 1);
    while (size > 0) {
      const std::vector<StepSpan> spans = spans_of(shrunk_.scenario);
      std::vector<Candidate> candidates;
      for (std::size_t begin = 0; begin < spans.size(); begin += size) {
        const std::size_t end = std::min(begin + size, spans.size());
        Candidate candidate{shrunk_.scenario, {}};
        candidate.scenario.steps =
            without(shrunk_.scenario.steps, {spans[begin].begin, spans[end - 1].end});
        candidate.removed =
            fmt::format("{} steps {}", spans[end - 1].end - spans[begin].begin, how);
        candidates.push_back(std::move(candidate));
      }
      if (!try_all(std::move(candidates))) size /= 2;
    }
  }

  // Only the frames that the failure needs arrive. True: there are fewer now.
  bool lose_frames() {
    // What waits in vain would wait in vain for what is lost.
    if (!failure_.may_come_earlier) return false;
    bool any = false;
    for (const Direction& direction : directions_of(shrunk_.scenario)) {
      any |= lose_last_frames(direction);
      any |= lose_single_frames(direction);
    }
    return any;
  }

  // All from some number on, the lowest that will do.
  bool lose_last_frames(const Direction& direction) {
    if (arriving(shrunk_.scenario, direction).has_end()) return false;
    if (!try_arriving(direction, shortest_first())) return false;
    std::uint64_t end = arriving(shrunk_.scenario, direction).end;
    std::uint64_t too_low = end / 2 + 1;  // as shortest_first() has them
    while (too_low + 1 < end) {
      const std::uint64_t middle = too_low + (end - too_low) / 2;
      (try_arriving(direction, {first_frames(middle)}) ? end : too_low) = middle;
    }
    return true;
  }

  bool lose_single_frames(const Direction& direction) {
    const auto numbers = [&] { return arriving(shrunk_.scenario, direction).numbers; };
    const std::size_t before = numbers().size();
    std::size_t size = before;
    while (size > 0 && !numbers().empty()) {
      const auto fewer = without_stretches(arriving(shrunk_.scenario, direction), size);
      if (!try_arriving(direction, fewer)) size /= 2;
    }
    return numbers().size() < before;
  }

  // A direction in which nothing is sent anyway need not be told to lose it.
  void deliver_what_is_not_sent() {
    for (const Direction& direction : directions_of(shrunk_.scenario)) {
      const Scenario whole = without_losses(shrunk_.scenario, direction);
      if (whole == shrunk_.scenario || !is_a_file(whole)) continue;
      const auto failed = find_failed_({whole});
      ++shrunk_.tried;
      if (failed && failed->deliveries <= deliveries_) shrunk_.scenario = whole;
    }
  }

  bool try_arriving(const Direction& direction, const std::vector<Arriving>& all) {
    std::vector<Candidate> candidates;
    const std::string what = fmt::format("frames from n{} to n{}", direction.from, direction.to);
    for (const Arriving& each : all) {
      candidates.push_back({with_arriving(shrunk_.scenario, direction, each), what});
    }
    return try_all(std::move(candidates));
  }

  // Times that a reader can keep in mind.
  void round_times() {
    for (const Duration unit : {Duration::seconds(1), Duration::milliseconds(100),
                                Duration::milliseconds(10), Duration::milliseconds(1)}) {
      Candidate candidate{shrunk_.scenario, "the fractions of times"};
      candidate.scenario.steps = rounded(shrunk_.scenario.steps, unit);
      if (candidate.scenario == shrunk_.scenario) return;
      if (try_all({std::move(candidate)})) return;
    }
  }

  const FindFailed& find_failed_;
  Failure failure_;
  std::uint64_t other_seeds_ = 0;
  std::uint64_t deliveries_ = 0;  // of the last one adopted
  Shrunk shrunk_;
};

}  // namespace

Shrunk shrink_scenario(Scenario scenario, const Failure& failure, const FindFailed& find_failed) {
  return Shrinker(std::move(scenario), failure, find_failed).run();
}

}  // namespace vesper::sim
