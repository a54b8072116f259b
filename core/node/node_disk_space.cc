// A node whose disk is full. It goes on: it leads or follows, votes and reads. It takes nothing
// that the log does not hold the room for (core/storage/wal_space.cc), tries again now and then
// what the disk refused, and takes everything again once that succeeds.
//
// A leader that has to refuse client writes, while others may have room, hands over: to each of
// the others in turn, for it does not know who has. A node that is short of room too does not take
// over, so where nobody has room nothing changes hands; the leader serves its reads, and asks
// again.
#include "core/node/node_impl.h"

namespace vesper::node {

namespace {

using Use = storage::Wal::Use;

Use use_of(const raft::Entry& entry) {
  return entry.kind() == raft::EntryKind::kCommand ? Use::kEntry : Use::kProtocolEntry;
}

}  // namespace

bool NodeImpl::is_short_of_room() const {
  return wal_->is_full() && (refused_for_room_ || !wal_->has_room(Use::kClientWrite, 0));
}

// A smaller one might still be taken; this one is for a node that has room.
void NodeImpl::refuse_for_room(RequestId id) {
  refused_for_room_ = wal_->is_full();
  waiters_.answer(id, {.outcome = refused_for_room_ ? Outcome::kDiskFull : Outcome::kOverloaded});
}

// What it does not take is lost to it, as a network may lose it. Entries are taken as far as there
// is room; those that it has need none.
bool NodeImpl::takes(raft::Message& message) {
  if (std::holds_alternative<raft::TimeoutNow>(message.body)) return !is_short_of_room();
  auto* request = std::get_if<raft::AppendRequest>(&message.body);
  if (request == nullptr || request->entries.empty()) return true;
  std::size_t taken = 0;
  for (const raft::Entry& entry : request->entries) {
    const std::size_t bytes = entry.record().size();
    const bool is_here =
        entry.index() <= raft_->log().base().index || raft_->log().contains(entry.position());
    if (!is_here && !wal_->has_room(use_of(entry), bytes)) break;
    if (!is_here) wal_->promise(bytes);
    ++taken;
  }
  request->entries.resize(taken);
  return taken > 0;
}

void NodeImpl::keep_room(Instant now) {
  const bool is_full = is_disk_full();
  if (is_full != try_room_at_.has_value()) {
    const std::string room = std::to_string(wal_->room());
    emit(NodeEvent::Kind::kDisk,
         is_full ? "is full: the log can write " + room + " bytes more" : "has room again");
    try_room_at_.reset();
    if (is_full) try_room_at_ = now + config_.raft.election_timeout_max;
  }
  refused_for_room_ = refused_for_room_ && wal_->is_full();
  if (!is_full) return;
  if (now >= *try_room_at_) {
    wal_->try_again();
    snapshots_.try_again();
    try_room_at_ = now + config_.raft.election_timeout_max;
  }
  hand_over_for_room(now);
}

void NodeImpl::hand_over_for_room(Instant now) {
  if (!raft_->is_leader() || !is_short_of_room() || now < hand_over_at_) return;
  hand_over_at_ = now + config_.raft.election_timeout_max;
  const std::vector<raft::Member>& members = raft_->configuration().members();
  for (std::size_t i = 0; i < members.size(); ++i) {
    hand_over_to_ = (hand_over_to_ + 1) % members.size();
    const NodeId target = members[hand_over_to_].id;
    if (target == config_.id || !raft_->transfer(now, target).ok()) continue;
    emit(NodeEvent::Kind::kTransfer,
         "to n" + std::to_string(target.value()) + ", for this node's disk is full");
    return;
  }
}

Instant NodeImpl::room_deadline() const {
  if (!try_room_at_) return Instant::never();
  const bool hands_over = raft_->is_leader() && is_short_of_room();
  return hands_over ? std::min(*try_room_at_, hand_over_at_) : *try_room_at_;
}

}  // namespace vesper::node
