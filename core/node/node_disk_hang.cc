// A leader whose disk hangs: what it wrote is neither done nor failed. Its heartbeats go on, so
// that nobody deposes it, and the others commit without it, until what it has not written reaches
// its bound and it refuses every put for good (as in hashicorp/raft issue 503). So it hands over to
// whoever is furthest ahead. Where everybody's disk hangs nobody can take over, for a vote is
// written too; the leader goes on, and asks again later.
#include "core/node/node_impl.h"

namespace vesper::node {

namespace {

// In maximum election timeouts: a disk that is merely slow needs no other leader, and a transfer
// holds up the clients for a moment.
constexpr std::int64_t kPatience = 4;

}  // namespace

// Leader only. Its heartbeats give it turns enough: it needs no deadline for this.
void NodeImpl::hand_over_if_disk_hangs(Instant now) {
  if (!wal_->in_flight()) return;
  const Duration patience = config_.raft.election_timeout_max * kPatience;
  if (now - observed_at_ < patience || now < hand_over_at_) return;
  hand_over_at_ = now + patience;
  if (!raft_->transfer(now, std::nullopt).ok()) return;
  emit(NodeEvent::Kind::kTransfer,
       "to n" + std::to_string(raft_->transfer_target()->value()) + ", for this node's disk hangs");
}

}  // namespace vesper::node
