// What a node does for a backup: it makes a snapshot when it is asked to, of a state that holds all
// that any client had been told of before, and hands out its pieces. An operator's, not a client's:
// any node will do, and it goes on serving meanwhile.
#include "core/node/node_impl.h"

namespace vesper::node {

void NodeImpl::read_snapshot_part(RequestId id, const Request& request) {
  const Instant now = environment_.clock.now();
  if (waiters_.size() >= config_.waiting_requests_max) {
    return waiters_.answer(id, {.outcome = Outcome::kOverloaded});
  }
  if (!snapshots_.read_part(id, request.snapshot, request.offset, now)) {
    return waiters_.answer(id, {.outcome = Outcome::kAbsent});
  }
  waiters_.add_part(id, now + config_.request_timeout);
}

// Who asked for a snapshot waited as a read does, so what is applied now is recent enough.
void NodeImpl::serve_snapshots() {
  if (waiters_.take_snapshot_wanted()) snapshots_.want(applied_);
  if (!snapshots_.has_parts()) return;
  for (Snapshots::Part& part : snapshots_.take_parts()) {
    waiters_.end_part(part.request,
                      {.outcome = Outcome::kSuccess, .leader = {}, .value = std::move(part.bytes)});
  }
}

}  // namespace vesper::node
