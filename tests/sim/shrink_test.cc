// Making a scenario small, where the test says what fails instead of running anything.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "sim/scenario/shrink.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

#include "sim/scenario/parser.h"
#include "sim/scenario/serializer.h"
#include "sim/scenario/shrink_frames.h"
#include "sim/scenario/shrink_steps.h"

namespace vesper::sim {
namespace {

using Fails = std::function<bool(const Scenario&)>;

// As if so many frames were sent in each of three directions, and none in the others.
struct Sent {
  Direction direction;
  std::uint64_t frames;
};
constexpr Sent kSent[] = {{{0, 1}, 20}, {{2, 0}, 5}, {{2, 1}, 3}};

std::uint64_t arrivals(const Scenario& scenario) {
  std::uint64_t count = 0;
  for (const Sent& sent : kSent) {
    const Arriving left = arriving(scenario, sent.direction);
    count += left.has_end() ? static_cast<std::uint64_t>(std::count_if(
                                  left.numbers.begin(), left.numbers.end(),
                                  [&](std::uint64_t number) { return number <= sent.frames; }))
                            : sent.frames;
  }
  return count;
}

FindFailed first_of(Fails fails) {
  return [fails](const std::vector<Scenario>& candidates) -> std::optional<FailedCandidate> {
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (fails(candidates[i])) {
        return FailedCandidate{.index = i, .at = Instant(), .deliveries = arrivals(candidates[i])};
      }
    }
    return std::nullopt;
  };
}

Step note(const std::string& name, Trigger trigger, std::int64_t ms) {
  Step step;
  step.name = name;
  step.trigger = trigger;
  step.time = Duration::milliseconds(ms);
  return step;
}

std::set<std::string> names_of(const Scenario& scenario) {
  std::set<std::string> names;
  for (const Step& step : scenario.steps) names.insert(step.name);
  return names;
}

bool has_all(const Scenario& scenario, const std::set<std::string>& wanted) {
  const std::set<std::string> names = names_of(scenario);
  return std::includes(names.begin(), names.end(), wanted.begin(), wanted.end());
}

// Forty steps, each third with two that follow it; a noisy world.
Scenario large() {
  Scenario scenario;
  scenario.name = "large";
  scenario.duration = Duration::seconds(60);
  scenario.cluster.spares = 3;
  scenario.cluster.snapshot_entries = 5;
  scenario.network.drop = Parts{10'000};
  scenario.clients.resize(2);
  scenario.clients[0].count = 8;
  scenario.clients[1].sessions = true;
  for (int i = 0; i < 40; ++i) {
    const bool follows = i % 3 != 0;
    scenario.steps.push_back(note("s" + std::to_string(i), follows ? Trigger::kAfter : Trigger::kAt,
                                  follows ? 7 : 1'000 * i + 3));
  }
  return scenario;
}

TEST_CASE("what the failure needs is left, and all else is gone or as usual") {
  const Scenario before = large();
  const std::set<std::string> needed = {"s7", "s8", "s30"};
  const Shrunk shrunk = shrink_scenario(
      before, {.at = Instant() + Duration::seconds(50)}, first_of([&](const Scenario& s) {
        const bool has_crowd =
            std::any_of(s.clients.begin(), s.clients.end(),
                        [](const ClientsSpec& each) { return each.count.value() >= 3; });
        return has_all(s, needed) && s.cluster.nodes.value() >= 3 && has_crowd;
      }));
  CHECK(names_of(shrunk.scenario) == needed);
  CHECK(shrunk.scenario.cluster.nodes.value() == 3);
  CHECK(shrunk.scenario.cluster.spares.value() == 0);
  REQUIRE(shrunk.scenario.clients.size() == 1);
  CHECK(shrunk.scenario.clients[0].count.value() == 4);  // by halves
  CHECK(shrunk.scenario.network.drop.value() == Parts{});
  CHECK(shrunk.scenario.cluster.snapshot_entries == ClusterSpec().snapshot_entries);
  CHECK(shrunk.scenario.duration < Duration::seconds(1));
  CHECK_FALSE(shrunk.removed.empty());
  CHECK(shrunk.tried < 500);

  const auto read = parse_scenario(serialize_scenario(shrunk.scenario), "small");
  REQUIRE(read.ok());
  CHECK(read.value() == shrunk.scenario);
}

TEST_CASE("where nothing smaller fails, the scenario is left as it is") {
  const Scenario before = large();
  const Shrunk shrunk = shrink_scenario(before, {.at = Instant() + Duration::seconds(60)},
                                        first_of([](const Scenario&) { return false; }));
  CHECK(shrunk.scenario == before);
  CHECK(shrunk.removed.empty());
}

TEST_CASE("a run that waits in vain for something is not cut before the end of its patience") {
  Scenario before = large();
  const Shrunk shrunk = shrink_scenario(
      before, {.at = Instant() + Duration::seconds(40), .may_come_earlier = false},
      [&](const std::vector<Scenario>& candidates) {
        return std::optional(FailedCandidate{.index = candidates.size() - 1,
                                             .at = Instant() + Duration::seconds(40),
                                             .deliveries = 0});
      });
  CHECK(shrunk.scenario.duration == Duration::milliseconds(40'001));
  // Nor does it lose what it may be waiting for.
  CHECK(shrunk.scenario.links.empty());
}

bool arrives(const Scenario& scenario, const Direction& direction, std::uint64_t frame) {
  const Arriving left = arriving(scenario, direction);
  return !left.has_end() ||
         std::find(left.numbers.begin(), left.numbers.end(), frame) != left.numbers.end();
}

TEST_CASE("of the frames between nodes only those arrive that the failure needs") {
  Scenario before = large();
  before.cluster.nodes = 3;
  before.links.push_back(
      {.from = 0, .to = 1, .link = before.network, .lose = {{5, 5}, {900, 1'000}}});
  const Shrunk shrunk = shrink_scenario(
      before, {.at = Instant() + Duration::seconds(50)}, first_of([&](const Scenario& s) {
        return s.cluster.nodes.value() == 3 && arrives(s, {0, 1}, 3) && arrives(s, {0, 1}, 17) &&
               arrives(s, {2, 0}, 1);
      }));
  CHECK(arriving(shrunk.scenario, {0, 1}).numbers == std::vector<std::uint64_t>{3, 17});
  CHECK(arriving(shrunk.scenario, {2, 0}).numbers == std::vector<std::uint64_t>{1});
  CHECK(arriving(shrunk.scenario, {2, 1}).has_end());
  CHECK(arriving(shrunk.scenario, {2, 1}).numbers.empty());
  // In the others nothing is sent, which needs no word.
  CHECK(shrunk.scenario.links.size() == 3);
  const auto read = parse_scenario(serialize_scenario(shrunk.scenario), "small");
  REQUIRE(read.ok());
  CHECK(read.value() == shrunk.scenario);
}

TEST_CASE("a direction whose frames all matter loses none") {
  const Shrunk shrunk = shrink_scenario(
      large(), {.at = Instant() + Duration::seconds(50)}, first_of([&](const Scenario& s) {
        return s.cluster.nodes.value() >= 2 && !arriving(s, {0, 1}).has_end();
      }));
  CHECK_FALSE(arriving(shrunk.scenario, {0, 1}).has_end());
  CHECK(shrunk.scenario.cluster.nodes.value() == 2);
}

TEST_CASE("a scenario that stays long is tried with other seeds too") {
  const Scenario before = large();
  const Shrunk shrunk = shrink_scenario(
      before, {.at = Instant() + Duration::seconds(50)}, first_of([&](const Scenario& s) {
        // The race is lost by this seed once any step is gone, and won by another.
        const bool is_whole = s.steps.size() == before.steps.size();
        return has_all(s, {"s12"}) && (is_whole || s.seed == before.seed + 5);
      }));
  CHECK(names_of(shrunk.scenario) == std::set<std::string>{"s12"});
  CHECK(shrunk.scenario.seed == before.seed + 5);
}

TEST_CASE("a step that followed one that goes keeps its time") {
  const std::vector<Step> steps = {note("a", Trigger::kAt, 100), note("b", Trigger::kAfter, 20),
                                   note("c", Trigger::kAfter, 3), note("d", Trigger::kAt, 500)};
  REQUIRE(chains_of(steps) == std::vector<StepSpan>{{0, 3}, {3, 4}});

  const auto first = without(steps, {0, 1});
  REQUIRE(first.size() == 3);
  CHECK(first[0] == note("b", Trigger::kAt, 120));
  CHECK(first[1] == steps[2]);

  const auto middle = without(steps, {1, 2});
  REQUIRE(middle.size() == 3);
  CHECK(middle[1] == note("c", Trigger::kAfter, 23));

  const auto both = without(steps, {0, 2});
  REQUIRE(both.size() == 2);
  CHECK(both[0] == note("c", Trigger::kAt, 123));
  CHECK(without(steps, {0, 3}) == std::vector<Step>{steps[3]});
}

TEST_CASE("a step that followed one without a time waits for what that one waited for no more") {
  std::vector<Step> steps = {note("a", Trigger::kAt, 100), note("b", Trigger::kOnMessage, 0),
                             note("c", Trigger::kAfter, 3)};
  const auto left = without(steps, {1, 2});
  REQUIRE(left.size() == 2);
  CHECK(left[1] == steps[2]);  // after "a" now
}

TEST_CASE("times are rounded to the nearest unit, those that are times") {
  const std::vector<Step> steps = {note("a", Trigger::kAt, 1'499),
                                   note("b", Trigger::kAfter, 1'500), note("c", Trigger::kWhen, 0)};
  const auto left = rounded(steps, Duration::seconds(1));
  CHECK(left[0].time.value() == Duration::seconds(1));
  CHECK(left[1].time.value() == Duration::seconds(2));
  CHECK(left[2] == steps[2]);
}

}  // namespace
}  // namespace vesper::sim
