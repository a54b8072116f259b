#include "sim/scenario/checks.h"

#include <algorithm>

#include "core/raft/quorum.h"
#include "sim/check/linearizability.h"

namespace vesper::sim {

namespace {

bool is_well(const World& world, NodeId node) {
  return world.is_up(node) && !world.is_paused(node) && !world.has_stopped(node);
}

ProgressChecker::Bounds bounds_of(const ClusterSpec& cluster) {
  const Duration election = cluster.election_timeout_max.value();
  return {.elect = election * 30 + Duration::seconds(2),
          .answer = election * 10 + cluster.request_timeout.value() * 4 + Duration::seconds(2),
          .request = cluster.request_timeout.value() * 2 + election * 2 + Duration::seconds(1)};
}

}  // namespace

bool has_connected_majority(const World& world) {
  const std::uint32_t nodes = world.config().nodes;
  for (std::uint32_t first = 0; first < nodes; ++first) {
    // Whoever reaches all who were taken before; starting from each node in turn.
    std::vector<NodeId> taken;
    for (std::uint32_t i = 0; i < nodes; ++i) {
      const NodeId node((first + i) % nodes);
      if (!is_well(world, node)) continue;
      const bool reaches_all = std::all_of(taken.begin(), taken.end(), [&](NodeId other) {
        return world.is_connected(node, other);
      });
      if (reaches_all) taken.push_back(node);
    }
    if (taken.size() >= raft::majority_of(nodes)) return true;
  }
  return false;
}

Checks::Checks(const Scenario& scenario)
    : scenario_(scenario),
      safety_(scenario.cluster.nodes.value()),
      progress_(scenario.cluster.nodes.value(), bounds_of(scenario.cluster)) {
  // A crowd that asks once in a while promises no steady successes.
  for (const ClientsSpec& clients : scenario.clients) {
    is_asked_ = is_asked_ || clients.rate.value() >= Rate{5'000};
  }
  for (const Step& step : scenario.steps) is_asked_ = is_asked_ && !step.rate;
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
                     .successes = world.counts().successes,
                     .is_asked = is_asked_});
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
  const ProgressChecker::Bounds bounds = bounds_of(scenario_.cluster);
  return bounds.elect + bounds.answer;
}

}  // namespace vesper::sim
