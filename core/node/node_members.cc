// Who takes part, as a node sees it: an operator's changes, a newcomer that says Hello, messages of
// those that are members no more. The rules themselves are Raft's (core/raft/membership.cc).
//
// How a node joins. An operator adds a learner at an address; the cluster gives it an id that
// nobody had before. The new node starts with that id and an empty directory, and says Hello under
// its incarnation, which the leader writes into the configuration: from then on the id is that
// directory's alone, so that a wiped disk never comes back under it. Once that is committed the
// node is told what the cluster is, and takes entries like every follower.
#include <algorithm>
#include <string>
#include <utility>

#include "core/base/names.h"
#include "core/node/node_impl.h"

namespace vesper::node {

namespace {

// Of a node's Hello interval: how long a learner without a leader waits from one to the next.
constexpr std::int64_t kLearnerHelloIntervals = 10;

std::string described(const raft::Configuration& configuration) {
  std::string text;
  for (const raft::Member& member : configuration.members()) {
    if (!text.empty()) text += ", ";
    text += name_of(member.id);
    if (member.standing == raft::Standing::kVoter) continue;
    text += std::string(" (") + raft::standing_name(member.standing) + ")";
  }
  return text;
}

}  // namespace

// --- An operator's requests ---

void NodeImpl::list_members(RequestId id) {
  auto seen = std::make_shared<MembersView>();
  seen->configuration = raft_->configuration();
  seen->index = raft_->configurations().latest_index();
  seen->is_committed = seen->index <= raft_->commit();
  seen->last = raft_->log().last_index();
  if (const auto* leader = std::get_if<raft::Leader>(&raft_->role())) {
    for (const raft::Progress& each : leader->progress) seen->matches.push_back(each.match());
  }
  waiters_.answer(id, {.outcome = Outcome::kSuccess, .leader = raft_->leader(), .members = seen});
}

void NodeImpl::change_members(RequestId id, const Request& request) {
  const Instant now = environment_.clock.now();
  const NodeId next = raft_->configuration().next_id();
  const bool adds = request.kind == RequestKind::kAddMember;
  const auto begun = adds ? raft_->add_learner(now, request.address, config_.addresses)
                          : raft_->change_members(now, request.change, config_.addresses);
  if (!begun.ok()) {
    return waiters_.answer(id, {.outcome = Outcome::kImpossible,
                                .value = SharedBytes::copy_of(as_bytes(begun.error().message)),
                                .is_for_now = begun.error().code == ErrorCode::kUnavailable});
  }
  // One that this node began as an earlier leader cannot be followed beside this one.
  if (waiters_.has_change()) waiters_.end_change({.outcome = Outcome::kUnknown});
  change_ = {.begins = begun.value(), .added = adds ? std::optional(next) : std::nullopt};
  waiters_.add_change(id, now + config_.request_timeout);
}

// It is over when what the joint configuration leads to is committed.
void NodeImpl::follow_change() {
  if (!waiters_.has_change()) return;
  if (!raft_->log().contains(change_.begins)) {
    // Another leader's entry took its place. Until that is committed it may yet come back.
    if (raft_->commit() >= change_.begins.index) {
      waiters_.end_change({.outcome = Outcome::kRejected});
    }
    return;
  }
  const Index latest = raft_->configurations().latest_index();
  if (change_.begins.index > raft_->commit() || latest > raft_->commit()) return;
  if (raft_->configuration().is_joint()) return;
  waiters_.end_change({.outcome = Outcome::kSuccess, .member = change_.added});
}

// --- The configuration in force ---

void NodeImpl::follow_configuration() {
  const Index index = raft_->configurations().latest_index();
  // Below the log's base the term is of no matter: nothing there is ever replaced.
  const Index base = raft_->log().base().index;
  const bool is_same_index = members_.position && members_.position->index == index;
  if (is_same_index && index <= base) return;
  const LogPosition position{index >= base ? raft_->log().term_at(index) : Term(), index};
  if (is_same_index && members_.position->term == position.term) return;
  const raft::Configuration& configuration = raft_->configuration();
  members_ = {.position = position,
              .is_joint = configuration.is_joint(),
              .is_voter = configuration.is_voter(config_.id),
              .count = static_cast<std::uint32_t>(configuration.members().size())};
  environment_.network.meet(configuration);
  environment_.observer.on_configuration(view(), index, configuration);
  if (index > Index(0)) emit(NodeEvent::Kind::kMembers, described(configuration));
}

// A node that a committed configuration removed has nothing more to do. (One that has not yet seen
// the entry that adds it has an id that is not given out there.)
void NodeImpl::stop_if_removed() {
  if (phase_ == Phase::kStopped) return;
  judged_commit_ = raft_->commit();
  const raft::Configuration& members = committed_members();
  if (members.find(config_.id) != nullptr || config_.id >= members.next_id()) return;
  stop({ErrorCode::kRemoved,
        name_of(config_.id) +
            " was removed from the cluster; its data directory is of no more use"});
}

// --- Others ---

// Whether this Raft message is of somebody that has no part in the cluster (any more).
bool NodeImpl::is_foreign(const Frame& frame) {
  const raft::Member* member = raft_->configuration().find(frame.from);
  if (member != nullptr) {
    if (member->incarnation == Incarnation() || member->incarnation == frame.incarnation) {
      return false;
    }
    ignore("a message of another incarnation of " + name_of(frame.from));
    return true;
  }
  const raft::Configuration& members = committed_members();
  // It may be a leader that this log does not know of yet.
  if (members.find(frame.from) != nullptr || frame.from >= members.next_id()) return false;
  refuse(frame.from, Refusal::Reason::kRemoved);
  return true;
}

// A Hello from a node that is up and empty, or from a learner that hears no leader.
void NodeImpl::on_newcomer(const Frame& frame) {
  const raft::Configuration& members = committed_members();
  const raft::Member* member = members.find(frame.from);
  if (member == nullptr) {
    if (frame.from < members.next_id()) refuse(frame.from, Refusal::Reason::kRemoved);
    return;
  }
  const bool is_founder = frame.from.value() < identity_.founders.size();
  if (is_founder || member->incarnation == frame.incarnation) {
    if (frame.cluster == ClusterId()) tell_formed_.push_back(frame.from);
    return;
  }
  if (member->incarnation != Incarnation()) {
    return refuse(frame.from, Refusal::Reason::kOtherDirectory);
  }
  // It says so again and again: whatever stands in the way now will not for ever.
  if (raft_->is_leader() && frame.incarnation != Incarnation()) {
    static_cast<void>(
        raft_->set_incarnation(environment_.clock.now(), frame.from, frame.incarnation).ok());
  }
}

void NodeImpl::refuse(NodeId to, Refusal::Reason reason) {
  refusals_.push_back({to, reason});
}

void NodeImpl::send_refusals() {
  for (const auto& [to, reason] : std::exchange(refusals_, {})) send_frame(to, Refusal{reason});
}

void NodeImpl::on_refusal(const Frame& frame, const Refusal& refusal) {
  if (identity_.formed() && frame.cluster != identity_.cluster) return on_other_cluster(frame);
  const std::string says = name_of(frame.from) + " says that ";
  if (refusal.reason == Refusal::Reason::kRemoved) {
    return stop({ErrorCode::kRemoved, says + name_of(config_.id) +
                                          " was removed from the cluster; ids are not used again"});
  }
  stop({ErrorCode::kMismatch,
        says + name_of(config_.id) +
            " is another data directory: an empty one cannot take its place. Remove the member and "
            "add a new one (vesperctl member replace)"});
}

// A voter that hears no leader campaigns, and is told if it was removed; a learner only listens.
void NodeImpl::say_hello_as_learner(Instant now) {
  if (members_.is_voter || raft_->leader() || now < next_hello_) return;
  next_hello_ = now + config_.hello_interval * kLearnerHelloIntervals;
  for (const raft::Member& member : raft_->configuration().members()) {
    if (member.id != config_.id) send_hello(member.id);
  }
}

}  // namespace vesper::node
