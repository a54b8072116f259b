#include "sim/scenario/checks.h"

#include <algorithm>

#include "core/raft/quorum.h"
#include "sim/check/linearizability.h"

namespace vesper::sim {

namespace {

bool is_well(const World& world, NodeId node) {
  // A node in doubt does not vote.
  return world.is_up(node) && !world.is_paused(node) && !world.has_stopped(node) &&
         !world.view(node).doubt;
}

ProgressChecker::Bounds bounds_of(const Scenario& scenario) {
  constexpr std::int64_t kMillion = 1'000'000;
  const ClusterSpec& cluster = scenario.cluster;
  const Duration election = cluster.election_timeout_max.value();
  std::int64_t slowest = 0;
  for (const auto& [node, clock] : scenario.clocks) {
    slowest = std::min(slowest, clock.drift_ppm.value().ppm);
  }
  // A slow clock shows the limit later; a turn may come a little after it.
  const Duration request = cluster.request_timeout.value() / (kMillion + slowest) * kMillion;
  return {.elect = election * 10 + Duration::seconds(2),
          .answer = election * 10 + cluster.request_timeout.value() * 4 + Duration::seconds(2),
          .request = request + cluster.turn_delay_max.value() * 2 + Duration::milliseconds(100)};
}

// A crowd that asks for this kind once in a while promises no steady successes.
bool asks_steadily(const ClientsSpec& clients, Parts share) {
  constexpr std::uint64_t kLeast = 2;  // a second
  return clients.rate.value().per_kilosecond / 1'000 * share.per_million >= kLeast * 1'000'000;
}

// Whether nodes from `next` on complete `taken`, who all reach each other, to a majority.
bool can_take_majority(const World& world, NodeId next, std::vector<NodeId>& taken) {
  const std::uint32_t nodes = world.config().nodes;
  const std::size_t needed = raft::majority_of(nodes);
  if (taken.size() >= needed) return true;
  if (taken.size() + (nodes - next.value()) < needed) return false;
  const NodeId after(next.value() + 1);
  const bool reaches_all =
      is_well(world, next) && std::all_of(taken.begin(), taken.end(), [&](NodeId other) {
        return world.is_connected(next, other);
      });
  if (reaches_all) {
    taken.push_back(next);
    if (can_take_majority(world, after, taken)) return true;
    taken.pop_back();
  }
  return can_take_majority(world, after, taken);
}

}  // namespace

bool has_connected_majority(const World& world) {
  std::vector<NodeId> taken;
  return can_take_majority(world, NodeId(0), taken);
}

Checks::Checks(const Scenario& scenario)
    : scenario_(scenario),
      safety_(scenario.cluster.nodes.value()),
      progress_(scenario.cluster.nodes.value(), bounds_of(scenario)) {
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
  if (!is_majority_known_) {
    has_majority_ = has_connected_majority(world);
    is_majority_known_ = true;
  }
  if (disturbed || !scenario_.at_end.progress) undisturbed_since_ = world.now();
  progress_.observe(world.now(),
                    {.has_majority = has_majority_ && undisturbed_since_ != world.now(),
                     .has_leader = world.leader().has_value(),
                     .last_fault_at = std::max(world.last_fault_at(), undisturbed_since_),
                     .puts = {world.counts().put_successes, is_asked_to_put_},
                     .gets = {world.counts().get_successes, is_asked_to_get_}});
}

const Violation* Checks::violation() const {
  if (safety_.violation()) return &*safety_.violation();
  if (progress_.violation()) return &*progress_.violation();
  return nullptr;
}

std::optional<Violation> Checks::at_end(const World& world) const {
  if (!scenario_.at_end.linearizable) return std::nullopt;
  std::vector<WitnessPut> order;
  for (const AppliedChecker::AppliedPut& put : safety_.applied().order()) {
    order.push_back({.key = put.key, .value = put.value});
  }
  const Linearizability judged = check_by_witness(history_.history(), order);
  if (judged.ok()) return std::nullopt;
  return Violation{.invariant = "linearizability",
                   .detail = judged.detail,
                   .at = world.now(),
                   .event = world.counts().events};
}

Duration Checks::progress_bound() const {
  const ProgressChecker::Bounds bounds = bounds_of(scenario_);
  return bounds.elect + bounds.answer;
}

}  // namespace vesper::sim
