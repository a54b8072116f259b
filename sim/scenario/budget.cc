#include "sim/scenario/budget.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/raft/quorum.h"

namespace vesper::sim {

namespace {

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

// Whether nodes of these, from `next` on, complete `taken`, who all reach each other, to all
// majorities.
bool can_take(const World& world, const std::vector<NodeId>& working, NodeId next,
              std::vector<NodeId>& taken, std::vector<Majority> majorities) {
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
  const bool reaches_all = counts && std::binary_search(working.begin(), working.end(), next) &&
                           std::all_of(taken.begin(), taken.end(), [&](NodeId other) {
                             return world.is_connected(next, other);
                           });
  if (reaches_all) {
    taken.push_back(next);
    std::vector<Majority> with = majorities;
    for (Majority& each : with) each.taken += each.has(next) ? 1U : 0U;
    if (can_take(world, working, after, taken, std::move(with))) return true;
    taken.pop_back();
  }
  return can_take(world, working, after, taken, std::move(majorities));
}

}  // namespace

bool takes_part(const World& world, NodeId node) {
  return world.is_up(node) && !world.is_paused(node) && !world.has_stopped(node) &&
         !world.is_wiped(node);
}

bool can_vote(const World& world, NodeId node) {
  return takes_part(world, node) && !world.view(node).doubt;
}

bool has_connected_majority(const World& world) {
  std::vector<NodeId> working;
  for (std::uint32_t i = 0; i < world.config().all_nodes(); ++i) {
    if (can_vote(world, NodeId(i))) working.emplace_back(i);
  }
  return are_connected_majority(world, working);
}

bool are_connected_majority(const World& world, const std::vector<NodeId>& working) {
  std::vector<NodeId> taken;
  return can_take(world, working, NodeId(0), taken, majorities_of(world));
}

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

// --- The budget ---

bool FaultBudget::is_spent(NodeId id) const {
  const Node& node = nodes_[id.value()];
  return node.is_struck || node.is_in_doubt || node.has_refused || node.is_wiped;
}

bool FaultBudget::is_kept(const World& world) const {
  for (const Majority& each : majorities_of(world)) {
    const auto whole = std::count_if(each.voters.begin(), each.voters.end(),
                                     [&](NodeId node) { return !is_spent(node); });
    if (static_cast<std::size_t>(whole) < each.needed()) return false;
  }
  return true;
}

bool FaultBudget::must_work(const World& world) const {
  if (!is_kept(world)) return false;
  std::vector<NodeId> whole;
  for (const Majority& each : majorities_of(world)) {
    for (const NodeId node : each.voters) {
      if (!is_spent(node)) whole.push_back(node);
    }
  }
  // What its disk refuses stops a node until it is started again; an altered one is out.
  const auto runs = [&](NodeId node) { return takes_part(world, node); };
  if (!std::all_of(whole.begin(), whole.end(), runs)) return false;
  return std::all_of(whole.begin(), whole.end(), [&](NodeId a) {
    return std::all_of(whole.begin(), whole.end(),
                       [&](NodeId b) { return a == b || world.is_connected(a, b); });
  });
}

void FaultBudget::observe(const World& world) {
  const bool is_kept_now = is_kept(world);
  if (was_kept_ && !is_kept_now) ++times_left_;
  was_kept_ = is_kept_now;
}

void FaultBudget::on_start(Instant at, NodeId node, std::uint64_t /*life*/) {
  violations_.set_now(at);
  nodes_[node.value()].had_error = false;
  nodes_[node.value()].has_refused = false;
}

void FaultBudget::on_opened(Instant /*at*/, const node::Node& opened) {
  const node::NodeView view = opened.view();
  Node& node = nodes_[view.id.value()];
  node.is_struck = false;
  node.is_in_doubt = view.doubt.has_value();
}

void FaultBudget::on_stopped(Instant at, NodeId id, const Error& reason) {
  violations_.set_now(at);
  Node& node = nodes_[id.value()];
  node.has_refused = reason.code == ErrorCode::kCorruption;
  if (reason.code != ErrorCode::kIo || node.had_error) return;
  violations_.report("explained-stop", fmt::format("n{} stops, and its disk gave no error: {}",
                                                   id.value(), reason.message));
}

void FaultBudget::on_wipe(Instant /*at*/, NodeId node) {
  nodes_[node.value()].is_wiped = true;
}

void FaultBudget::on_damage(Instant /*at*/, NodeId node) {
  nodes_[node.value()].is_struck = true;
}

void FaultBudget::on_disk_error(Instant /*at*/, NodeId node, std::string_view /*operation*/) {
  nodes_[node.value()].had_error = true;
}

void FaultBudget::on_node_event(Instant /*at*/, const node::NodeEvent& event) {
  if (event.kind != node::NodeEvent::Kind::kDoubt) return;
  nodes_[event.view.id.value()].is_in_doubt = event.view.doubt.has_value();
}

}  // namespace vesper::sim
