// How a leader hands over: an operator's request waits here until another node leads, or until the
// bound after which this one serves again.
#include "core/base/names.h"
#include "core/node/node_impl.h"

namespace vesper::node {

void NodeImpl::transfer(RequestId id, const Request& request) {
  const Instant now = environment_.clock.now();
  // One that was begun before, and whose leader was elected again since, is still waited for.
  if (waiters_.has_transfer() && !raft_->transfer_target()) {
    waiters_.end_transfer({.outcome = Outcome::kUnknown});
  }
  if (const Status begun = raft_->transfer(now, request.target); !begun.ok()) {
    return waiters_.answer(id, {.outcome = Outcome::kImpossible,
                                .leader = {},
                                .value = SharedBytes::copy_of(as_bytes(begun.error().message))});
  }
  waiters_.add_transfer(id, now + config_.request_timeout);
  emit(NodeEvent::Kind::kTransfer, "to " + name_of(*raft_->transfer_target()));
}

void NodeImpl::follow_transfer() {
  if (!waiters_.has_transfer() || raft_->transfer_target()) return;
  if (raft_->is_leader()) {
    // A TimeoutNow may still be under way.
    emit(NodeEvent::Kind::kTransfer, "did not come about in time");
    return waiters_.end_transfer({.outcome = Outcome::kUnknown});
  }
  if (const std::optional<NodeId> leader = raft_->leader()) {
    waiters_.end_transfer({.outcome = Outcome::kSuccess, .leader = leader, .value = {}});
  }
}

}  // namespace vesper::node
