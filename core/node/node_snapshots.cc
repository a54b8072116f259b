// What a node does about snapshots in its turns: its own, which are made and kept, and a leader's,
// whose pieces come in and take the place of the state once they are whole.
#include <string>
#include <utility>

#include "core/node/node_impl.h"

namespace vesper::node {

void NodeImpl::keep_snapshots(Instant now) {
  const Index before = snapshots_.newest().last.index;
  snapshots_.turn(now, *raft_, machine_);
  wal_->compact(raft_->log().base().index);
  intake_.give_up(applied_);
  intake_.turn();
  if (reported_snapshot_ == before) return;
  reported_snapshot_ = before;
  emit(NodeEvent::Kind::kSnapshot, "to " + std::to_string(before.value()));
}

void NodeImpl::take_chunk(const raft::ChunkReceived& chunk) {
  const Status taken = intake_.take(chunk, identity_.cluster);
  if (taken.ok()) return;
  raft_->chunk_refused(chunk.snapshot);
  ignore("a piece of the snapshot to " + std::to_string(chunk.snapshot.last.index.value()) + ": " +
         taken.error().message);
}

// Right after a Ready was carried out, as Raft::restore requires.
void NodeImpl::restore() {
  auto whole = intake_.take_whole();
  if (!whole) return;
  if (!raft_->restore(environment_.clock.now(), whole->id, whole->configuration)) {
    snapshots_.discard(whole->id);
    intake_.retire(std::move(whole->machine));
    return;
  }
  intake_.retire(std::exchange(machine_, std::move(whole->machine)));
  applied_ = whole->id.last.index;
  ++restored_;
  snapshots_.on_installed(whole->id, whole->log_bytes);
  waiters_.on_restored(applied_);
  environment_.observer.on_restored(view(), whole->id.last, machine_.state_hash());
}

}  // namespace vesper::node
