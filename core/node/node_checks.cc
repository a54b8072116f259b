// How a node finds out that its state is not what it should be, and what it does then. Two looks,
// both in the background: at check points the nodes compare (consistency.h), and between them each
// walks over its own memory.
//
// A node that was outvoted leaves a note on its disk: its snapshots may hold the wrong state too,
// and started anew it would serve it again until the next check point. One whose memory differs
// from what was applied leaves none: its disk was written from what was applied, each snapshot's
// header holds the hash of that, and one that was made from bad memory does not load.
#include "core/node/divergence_note.h"
#include "core/node/node_impl.h"

namespace vesper::node {

namespace {

// A slice of the walk costs some 20 microseconds, so this takes about 0.2 % of a core; a million
// small pairs are seen in 40 seconds.
constexpr Duration kScrubPause = Duration::milliseconds(10);

}  // namespace

void NodeImpl::check_state(Instant now) {
  if (config_.check_interval == Duration()) return;
  if (const auto mine = consistency_.take_to_send()) {
    for (const raft::Member& member : raft_->configuration().members()) {
      if (member.id != config_.id) send_frame(member.id, *mine);
    }
  }
  for (const Consistency::Difference& differs : consistency_.take_differences()) {
    ++differences_;
    emit(NodeEvent::Kind::kDiffers, "n" + std::to_string(differs.node.value()) + " at entry " +
                                        std::to_string(differs.theirs.index.value()));
    send_frame(differs.node, differs.ours);
  }
  if (const auto index = consistency_.outvoted_at()) {
    return stop_diverged("its state after entry " + std::to_string(index->value()) +
                             " differs from that of a majority",
                         true);
  }
  if (now >= next_scrub_) {
    next_scrub_ = now + kScrubPause;
    if (!machine_.scrub(config_.scrub_pairs, limits::kScrubBytes).value_or(true)) {
      return stop_diverged("its memory does not hold what was applied", false);
    }
  }
  propose_check_point(now);
}

// A lost one is no loss: a difference lasts, and the next check point shows it as well. Where
// nothing was applied since the last one, the log needs no other.
void NodeImpl::propose_check_point(Instant now) {
  if (!raft_->is_leader() || now < next_check_point_) return;
  next_check_point_ = now + config_.check_interval;
  if (applied_ == consistency_.last()) return;
  if (wal_->pending_bytes() > config_.unwritten_bytes_max) return;
  scratch_.clear();
  kv::encode_check_point(scratch_);
  if (!wal_->has_room(storage::Wal::Use::kClientWrite, scratch_.size())) return;
  [[maybe_unused]] const auto proposed = raft_->propose(scratch_);
}

void NodeImpl::stop_diverged(const std::string& why, bool leaves_note) {
  if (leaves_note) {
    environment_.disk.submit(
        {storage::DiskLane::kBackground,
         kSnapshotTickets,  // before all of the snapshots' own; nobody waits for it
         write_divergence_note(why)});
  }
  stop({ErrorCode::kDiverged, leaves_note ? divergence_advice(why) : why + "; start it anew"});
  waiters_.fail_all();
}

}  // namespace vesper::node
