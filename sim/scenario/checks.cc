#include "sim/scenario/checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/raft/quorum.h"
#include "sim/check/linearizability.h"

namespace vesper::sim {

namespace {

bool is_well(const World& world, NodeId node) {
  // A node in doubt does not vote.
  return world.is_up(node) && !world.is_paused(node) && !world.has_stopped(node) &&
         !world.is_wiped(node) && !world.view(node).doubt;
}

// Whether a follower may be sent a single entry a round trip. That may be less than what is asked
// for: then all puts come too late, and no client comes to its next get.
bool may_be_swamped(const Scenario& scenario) {
  constexpr std::uint64_t kCommandBytes = 64;  // of an entry, beside the value
  std::uint64_t value_bytes = 0;
  for (const ClientsSpec& clients : scenario.clients) {
    value_bytes = std::max(value_bytes, clients.value_bytes.value());
  }
  const ClusterSpec& cluster = scenario.cluster;
  const bool is_one_a_message =
      cluster.append_entries_max.value() == 1 ||
      cluster.append_bytes_max.value() < 2 * (kCommandBytes + value_bytes);
  return is_one_a_message && cluster.inflight_appends_max.value() == 1;
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

// Voters of whom more than half must work.
struct Majority {
  std::vector<NodeId> voters;
  std::size_t taken = 0;
  std::size_t left = 0;  // not yet judged
  bool has(NodeId node) const { return std::binary_search(voters.begin(), voters.end(), node); }
  std::size_t needed() const { return raft::majority_of(voters.size()); }
};

// Of every configuration that is in force somewhere: whoever leads by it needs it.
std::vector<Majority> majorities_of(const World& world) {
  std::vector<Majority> majorities;
  for (const raft::Configuration& configuration : world.configurations_in_force()) {
    Majority before;
    Majority after;
    for (const raft::Member& member : configuration.members()) {
      if (raft::is_old_voter(member.standing)) before.voters.push_back(member.id);
      if (raft::is_new_voter(member.standing)) after.voters.push_back(member.id);
    }
    for (Majority* each : {&before, &after}) {
      each->left = each->voters.size();
      majorities.push_back(*each);
    }
  }
  return majorities;
}

// Whether nodes from `next` on complete `taken`, who all reach each other, to all majorities.
bool can_take(const World& world, NodeId next, std::vector<NodeId>& taken,
              std::vector<Majority> majorities) {
  const auto is_there = [](const Majority& each) { return each.taken >= each.needed(); };
  if (std::all_of(majorities.begin(), majorities.end(), is_there)) return true;
  const auto is_lost = [](const Majority& each) { return each.taken + each.left < each.needed(); };
  if (std::any_of(majorities.begin(), majorities.end(), is_lost)) return false;
  const NodeId after(next.value() + 1);
  bool counts = false;
  for (Majority& each : majorities) {
    if (!each.has(next)) continue;
    counts = true;
    --each.left;
  }
  const bool reaches_all =
      counts && is_well(world, next) && std::all_of(taken.begin(), taken.end(), [&](NodeId other) {
        return world.is_connected(next, other);
      });
  if (reaches_all) {
    taken.push_back(next);
    std::vector<Majority> with = majorities;
    for (Majority& each : with) each.taken += each.has(next) ? 1U : 0U;
    if (can_take(world, after, taken, std::move(with))) return true;
    taken.pop_back();
  }
  return can_take(world, after, taken, std::move(majorities));
}

}  // namespace

bool has_connected_majority(const World& world) {
  std::vector<NodeId> taken;
  return can_take(world, NodeId(0), taken, majorities_of(world));
}

Checks::Checks(const Scenario& scenario)
    : scenario_(scenario),
      safety_(scenario.cluster.nodes.value(), scenario.cluster.spares.value()),
      progress_(scenario.cluster.nodes.value() + scenario.cluster.spares.value(),
                bounds_of(scenario)) {
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
    is_majority_known_ = true;
    members_version_ = world.members_version();
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
  if (auto unnoticed = unnoticed_alteration(world)) return unnoticed;
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

// Once nothing is in its way, a check point comes within an interval of an election, and is
// compared with the next at the latest.
std::optional<Violation> Checks::unnoticed_alteration(const World& world) const {
  const Duration interval = scenario_.cluster.check_interval.value();
  if (interval == Duration()) return std::nullopt;
  const Duration bound = bounds_of(scenario_).elect + interval * 3;
  for (std::uint32_t i = 0; i < world.config().nodes; ++i) {
    const auto altered = safety_.applied().altered().unnoticed(NodeId(i));
    if (!altered || !is_well(world, NodeId(i))) continue;
    if (world.now() - std::max({*altered, world.last_fault_at(), undisturbed_since_}) < bound)
      continue;
    return Violation{.invariant = "consistency",
                     .detail = fmt::format("n{} was altered at {} ms and runs on", i,
                                           (*altered - Instant()).nanoseconds() / 1'000'000),
                     .at = world.now(),
                     .event = world.counts().events};
  }
  return std::nullopt;
}

Duration Checks::progress_bound() const {
  const ProgressChecker::Bounds bounds = bounds_of(scenario_);
  return bounds.elect + bounds.answer;
}

}  // namespace vesper::sim
