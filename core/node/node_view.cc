// What a node shows of itself, and what it tells its observer.
#include <string>
#include <utility>

#include "core/node/node_impl.h"

namespace vesper::node {

namespace {

Role role_of(const raft::RoleState& role) {
  if (std::holds_alternative<raft::Leader>(role)) return Role::kLeader;
  const auto* candidate = std::get_if<raft::Candidate>(&role);
  if (candidate == nullptr) return Role::kFollower;
  return candidate->pre_vote ? Role::kPreCandidate : Role::kCandidate;
}

}  // namespace

const char* role_name(Role role) {
  switch (role) {
    case Role::kFollower:
      return "follower";
    case Role::kPreCandidate:
      return "pre-candidate";
    case Role::kCandidate:
      return "candidate";
    case Role::kLeader:
      return "leader";
  }
  VESPER_UNREACHABLE();
}

void NodeImpl::look() const {
  NodeView& view = view_;
  if (!raft_) view = {};
  view.id = config_.id;
  view.phase = phase_;
  view.cluster = identity_.cluster;
  view.incarnation = identity_.incarnation;
  if (!raft_) return;
  view.role = role_of(raft_->role());
  view.term = raft_->term();
  view.vote = raft_->hard_state().vote;
  view.leader = raft_->leader();
  view.commit = raft_->commit();
  view.base = raft_->log().base().index;
  view.last = raft_->log().last_index();
  view.snapshot = snapshots_.newest().last.index;
  view.snapshot_bytes = snapshots_.newest().bytes;
  view.durable = raft_->durable();
  view.is_end_unmarked = is_end_unmarked_;
  view.configuration = raft_->configurations().latest_index();
  view.is_joint = members_.is_joint;
  view.is_voter = members_.is_voter;
  view.members = members_.count;
  if (doubt_) {
    view.doubt = DoubtView{doubt_->hard_state.term, doubt_->first, doubt_->last, doubt_->where};
  } else if (view.doubt) {
    view.doubt.reset();
  }
  view.torn_tails = torn_tails_;
  view.restored = restored_;
  view.lease_reads = lease_reads_;
  view.follower_reads = follower_reads_;
  view.disk_full = is_disk_full();
  view.log_room = wal_->room();
  view.differences = differences_;
  look_at_machine();
}

Node::Standing NodeImpl::standing() const {
  if (!raft_) return {};
  return {.role = role_of(raft_->role()),
          .term = raft_->term(),
          .commit = raft_->commit(),
          .last = raft_->log().last_index(),
          .durable = raft_->durable(),
          .configuration = raft_->configurations().latest_index()};
}

// What applying an entry changes.
void NodeImpl::look_at_machine() const {
  NodeView& view = view_;
  view.applied = applied_;
  view.state_hash = machine_.state_hash();
  view.keys = machine_.store().size();
  view.sessions = machine_.sessions().size();
  view.checks = consistency_.agreed();
}

void NodeImpl::report_changes() {
  const Reported current{role_of(raft_->role()), raft_->term(), raft_->leader()};
  if (current == reported_) return;
  reported_ = current;
  emit(NodeEvent::Kind::kRole, "");
}

void NodeImpl::stop(Error error) {
  stop_reason_ = std::move(error);
  phase_ = Phase::kStopped;
  held_.clear();
  emit(NodeEvent::Kind::kStopped, stop_reason_.message);
}

void NodeImpl::emit(NodeEvent::Kind kind, std::string detail) {
  environment_.observer.on_event({kind, view(), std::move(detail)});
}

}  // namespace vesper::node
