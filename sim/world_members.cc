// The operator of a simulated cluster: somebody who brings the voters to what a step wants, one
// request at a time, by the same requests that a real operator makes, and starts the machines that
// come. Whatever is in the way (no leader, another change, a learner that lags), it tries again.
#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "sim/world_impl.h"

namespace vesper::sim {

namespace {

constexpr Duration kOperatorPause = Duration::milliseconds(50);
// Then it gives up: what it wants may be impossible for ever.
constexpr Duration kOperatorPatience = Duration::seconds(20);

bool has(const std::vector<NodeId>& nodes, NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

}  // namespace

void WorldImpl::want_members(std::vector<NodeId> voters) {
  std::string what = "members";
  for (const NodeId node : voters) what += fmt::format(" n{}", node.value());
  fault(what);
  wanted = {.voters = std::move(voters), .until = now + kOperatorPatience};
  queue.push({.at = now, .generation = ++operator_generation, .kind = EventKind::kOperator});
}

void WorldImpl::on_operator(const Event& event) {
  if (event.generation != operator_generation || now >= wanted.until) return;
  start_spares();
  if (go_on_with_members()) return;
  queue.push(
      {.at = now + kOperatorPause, .generation = event.generation, .kind = EventKind::kOperator});
}

// A machine is started once the cluster has given it its id.
void WorldImpl::start_spares() {
  for (const raft::Member& each : members_now.members()) {
    Member& spare = member(each.id);
    if (each.id.value() < config.nodes || spare.life > 0) continue;
    fault(fmt::format("start n{}", each.id.value()));
    start_node(spare);
  }
}

// The next request, if one can be made. True: there is nothing more to do.
bool WorldImpl::go_on_with_members() {
  Member* const leader = leading_member();
  if (leader == nullptr) return false;
  const raft::Configurations& known = *leader->node->configurations();
  const raft::Configuration& latest = known.latest();
  if (latest.is_joint() || known.latest_index() > leader->standing.commit) return false;
  // Whoever was removed never comes back.
  std::erase_if(wanted.voters, [&](NodeId node) {
    return latest.find(node) == nullptr && node < latest.next_id();
  });
  if (wanted.voters.empty()) return true;

  node::Request request;
  std::string address;
  for (const NodeId node : wanted.voters) {
    if (latest.find(node) != nullptr) continue;
    if (latest.next_id().value() >= members.size()) return true;
    request.kind = node::RequestKind::kAddMember;
    address = fmt::format("n{}", latest.next_id().value());
    request.address = address;
    ask_as_operator(*leader, request);
    return false;
  }
  for (const raft::Member& each : latest.members()) {
    const bool is_wanted = has(wanted.voters, each.id);
    if (!is_wanted) request.change.remove.push_back(each.id);
    if (is_wanted && each.standing == raft::Standing::kLearner) {
      request.change.promote.push_back(each.id);
    }
  }
  if (request.change.remove.empty() && request.change.promote.empty()) {
    ++counts.changes;
    return true;
  }
  request.kind = node::RequestKind::kChangeMembers;
  ask_as_operator(*leader, request);
  return false;
}

// It stands beside the node: no way there and back, and no operation of the history.
void WorldImpl::ask_as_operator(Member& asked, const node::Request& request) {
  const RequestId id(kOfOperator | ++operator_requests);
  if (request.kind == node::RequestKind::kTransfer) transfer_requests.insert(id);
  observers.tell<&WorldObserver::on_request_taken>(now, asked.id, id);
  asked.node->on_request(id, request);
  after_input(asked);
}

// Who the members are, by what any node knows to be committed.
void WorldImpl::note_members(const Member& seen) {
  const node::Node::Standing& standing = seen.standing;
  if (standing.configuration == Index() || standing.commit <= members_known_to) return;
  members_known_to = standing.commit;
  const raft::Configuration& committed = seen.node->configurations()->at(standing.commit);
  if (committed == members_now) return;
  members_now = committed;
  ++members_version;
}

// It is asked after every event, and seldom another.
Member* WorldImpl::leading_member() {
  if (!leader_now) leader_now = find_leading_member();
  return *leader_now;
}

Member* WorldImpl::find_leading_member() const {
  Member* leader = nullptr;
  for (const auto& each : members) {
    if (each->node == nullptr || each->is_paused || each->has_stopped) continue;
    if (each->standing.role != node::Role::kLeader) continue;
    if (leader == nullptr || each->standing.term > leader->standing.term) leader = each.get();
  }
  return leader;
}

}  // namespace vesper::sim
