#include "sim/scenario/checks.h"

#include <fmt/format.h>

#include <algorithm>

namespace vesper::sim {

namespace {

ProgressChecker::Bounds bounds_of(const Scenario& scenario) {
  constexpr std::int64_t kMillion = 1'000'000;
  const ClusterSpec& cluster = scenario.cluster;
  const Duration election = cluster.election_timeout_max.value();
  std::int64_t slowest = 0;
  for (const auto& [node, clock] : scenario.clocks) {
    slowest = std::min(slowest, clock.drift_ppm.value().ppm);
  }
  for (const Step& step : scenario.steps) {
    if (step.drift_ppm) slowest = std::min(slowest, step.drift_ppm->value().ppm);
  }
  // A slow clock shows the limit later; a turn may come a little after it.
  const Duration request = cluster.request_timeout.value() / (kMillion + slowest) * kMillion;
  return {.elect = election * 10 + Duration::seconds(2),
          .answer = election * 10 + cluster.request_timeout.value() * 4 + Duration::seconds(2),
          .request = request + cluster.turn_delay_max.value() * 2 + Duration::milliseconds(100)};
}

// A crowd that asks for this kind once in a while promises no steady successes; nor does one whose
// requests are lost, and who then asks anybody at random, former members too.
bool asks_steadily(const ClientsSpec& clients, Parts share) {
  constexpr std::uint64_t kLeast = 2;  // a second
  const bool is_heard = clients.lose_requests.value().per_million == 0 &&
                        clients.lose_answers.value().per_million == 0;
  if (!is_heard) return false;
  return clients.rate.value().per_kilosecond / 1'000 * share.per_million >= kLeast * 1'000'000;
}

}  // namespace

Checks::Checks(const Scenario& scenario)
    : scenario_(scenario),
      safety_(scenario.cluster.nodes.value(), scenario.cluster.spares.value()),
      progress_(scenario.cluster.nodes.value() + scenario.cluster.spares.value(),
                bounds_of(scenario)),
      budget_(scenario.cluster.nodes.value() + scenario.cluster.spares.value()) {
  if (may_be_swamped(scenario)) return;
  const bool is_steady = std::none_of(scenario.steps.begin(), scenario.steps.end(),
                                      [](const Step& step) { return step.rate.has_value(); });
  for (const ClientsSpec& clients : scenario.clients) {
    const Parts puts = clients.put.value();
    const Parts gets{1'000'000 - puts.per_million};
    is_asked_to_put_ = is_asked_to_put_ || (is_steady && asks_steadily(clients, puts));
    is_asked_to_get_ = is_asked_to_get_ || (is_steady && asks_steadily(clients, gets));
  }
}

void Checks::observe(const World& world, bool disturbed) {
  if (!is_majority_known_ || members_version_ != world.members_version()) {
    has_majority_ = has_connected_majority(world);
    budget_.observe(world);
    is_majority_known_ = true;
    members_version_ = world.members_version();
  }
  if (disturbed || !scenario_.at_end.progress) undisturbed_since_ = world.now();
  has_leader_ = world.leader().has_value();
  progress_.observe(world.now(),
                    {.has_majority = has_majority_ && undisturbed_since_ != world.now(),
                     .has_leader = has_leader_,
                     .last_fault_at = std::max(world.last_fault_at(), undisturbed_since_),
                     .puts = {world.counts().put_successes, is_asked_to_put_},
                     .gets = {world.counts().get_successes, is_asked_to_get_}});
}

std::optional<Violation> Checks::at_end(const World& world) const {
  if (auto unnoticed = unnoticed_alteration(world)) return unnoticed;
  if (!scenario_.at_end.linearizable) return std::nullopt;
  const Linearizability judged = history_.judged();
  if (judged.ok()) return std::nullopt;
  return Violation{.invariant = "linearizability", .detail = judged.detail, .at = world.now()};
}

// Once nothing is in its way, a check point comes within an interval of an election, and is
// compared with the next at the latest.
std::optional<Violation> Checks::unnoticed_alteration(const World& world) const {
  const Duration interval = scenario_.cluster.check_interval.value();
  if (interval == Duration()) return std::nullopt;
  const Duration bound = bounds_of(scenario_).elect + interval * 3;
  for (std::uint32_t i = 0; i < world.config().nodes; ++i) {
    const auto altered = safety_.applied().altered().unnoticed(NodeId(i));
    if (!altered || !can_vote(world, NodeId(i))) continue;
    if (world.now() - std::max({*altered, world.last_fault_at(), undisturbed_since_}) < bound)
      continue;
    return Violation{.invariant = "consistency",
                     .detail = fmt::format("n{} was altered at {} ms and runs on", i,
                                           (*altered - Instant()).nanoseconds() / 1'000'000),
                     .at = world.now()};
  }
  return std::nullopt;
}

Duration Checks::progress_bound() const {
  const ProgressChecker::Bounds bounds = bounds_of(scenario_);
  return bounds.elect + bounds.answer;
}

}  // namespace vesper::sim
