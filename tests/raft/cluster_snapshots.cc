// The part of Node that ClusterModel plays for snapshots: it takes them, reads and stores their
// pieces, and puts a whole one in place of the log. A piece is one byte, which the snapshot's
// position and the offset decide; what a snapshot stands for are the entries that were applied.
#include <algorithm>
#include <utility>

#include "tests/raft/cluster_model.h"

namespace vesper::raft::testing {

namespace {

SnapshotId snapshot_at(LogPosition last) {
  const std::uint64_t bytes = 1 + last.index.value() % 3;
  const std::uint64_t name = last.term.value() * 1000 + last.index.value();
  return {.last = last, .bytes = bytes, .checksum = static_cast<std::uint32_t>(name)};
}

std::byte byte_at(const SnapshotId& snapshot, std::uint64_t offset) {
  return static_cast<std::byte>((snapshot.checksum * 7 + offset) & 0xff);
}

bool holds(const std::vector<Entry>& log, LogPosition position) {
  const std::uint64_t at = position.index.value();
  return at <= log.size() && log[at - 1].position() == position;
}

}  // namespace

void ClusterModel::compact(std::uint32_t id, std::uint64_t keep) {
  Node& node = nodes_[id];
  if (!node.raft) return;
  Raft& raft = *node.raft;
  const Index last = std::min(node.applied, raft.durable());
  if (last > node.newest.last.index) {
    node.newest = snapshot_at({raft.log().term_at(last), last});
    keep_snapshot(id, node.newest);
  }
  const Index end = node.newest.last.index;
  if (end == Index() || violation_) return;
  const Index to = std::max(raft.log().base().index,
                            Index(end.value() - std::min<std::uint64_t>(end.value(), keep)));
  raft.compact(node.newest, to);
  // The log on disk is cut where the one in memory is, or later.
  if (to <= Index(node.disk.log.size())) node.disk.begin = std::max(node.disk.begin, to);
  ++reached_.compactions;
}

// It is durable: the newest is what a restart begins with.
void ClusterModel::keep_snapshot(std::uint32_t id, const SnapshotId& snapshot) {
  Disk& disk = nodes_[id].disk;
  require(snapshot.last.term <= disk.hard_state.term, "a snapshot's term is on disk", id);
  const std::uint64_t last = snapshot.last.index.value();
  require(last <= applied_entries_.size() && applied_entries_[last - 1].position() == snapshot.last,
          "a snapshot stands for what was applied", id);
  if (snapshot.last.index > disk.snapshot.last.index) disk.snapshot = snapshot;
}

void ClusterModel::finish_piece(std::uint32_t id, bool is_refused) {
  Node& node = nodes_[id];
  node.restores_now = node.whole.has_value();
  if (!node.raft || node.pieces.empty() || node.whole) return;
  const Piece piece = std::move(node.pieces.front());
  node.pieces.pop_front();
  const SnapshotId& snapshot = piece.snapshot;
  if (piece.wanted) {
    // An older one is kept only while it is sent.
    if (snapshot != node.newest && !node.raft->sends_snapshot(snapshot)) return;
    const std::byte byte = byte_at(snapshot, piece.wanted->offset);
    node.raft->chunk_read(node.now, *piece.wanted, SharedBytes::copy_of({&byte, 1}));
    return;
  }
  const bool is_current =
      node.incoming && node.incoming->snapshot == snapshot && node.incoming->next == piece.next;
  if (is_current && is_refused && piece.next < snapshot.bytes) {
    node.incoming.reset();
    node.raft->chunk_refused(snapshot);
    return;
  }
  ++reached_.pieces;
  if (piece.next == snapshot.bytes) keep_snapshot(id, snapshot);
  if (!is_current) return;
  if (piece.next == snapshot.bytes) {
    node.whole = snapshot;
  } else {
    node.raft->chunk_stored(node.now, snapshot, piece.next);
  }
}

void ClusterModel::on_chunk(std::uint32_t id, const ChunkReceived& chunk) {
  Node& node = nodes_[id];
  if (chunk.offset == 0) {
    node.incoming = Incoming{chunk.snapshot, 0, node.raft->leader()};
    node.whole.reset();
  }
  const bool is_next = node.incoming && node.incoming->snapshot == chunk.snapshot &&
                       node.incoming->next == chunk.offset;
  require(is_next, "a snapshot's pieces come in order, none of another between them", id);
  if (!is_next) return;
  require(chunk.bytes.size() == 1 && chunk.offset < chunk.snapshot.bytes &&
              chunk.bytes.view()[0] == byte_at(chunk.snapshot, chunk.offset),
          "a piece is what stands there", id);
  Incoming& incoming = *node.incoming;
  if (incoming.leader != node.raft->leader()) ++reached_.resumed;
  incoming.leader = node.raft->leader();
  ++incoming.next;
  node.pieces.push_back({std::nullopt, chunk.snapshot, incoming.next});
}

// Right after a collect, as Raft::restore requires. True: there is more to collect.
bool ClusterModel::restore_whole(std::uint32_t id) {
  Node& node = nodes_[id];
  const bool is_due = std::exchange(node.restores_now, false);
  if (!node.whole || !is_due) return false;
  const SnapshotId snapshot = *node.whole;
  const LogPosition last = snapshot.last;
  node.whole.reset();
  node.incoming.reset();
  const bool agreed = node.raft->log().contains(last);
  const Index last_index = node.raft->log().last_index();
  if (!node.raft->restore(node.now, snapshot, node.raft->configuration())) {
    require(node.raft->commit() >= last.index || node.raft->is_leader(),
            "only an older snapshot is of no use", id);
    return true;
  }
  ++(agreed ? reached_.kept_suffixes : reached_.restores);
  require(last.index > node.applied, "a snapshot never takes the state back", id);
  require(node.raft->log().base() == last, "the log goes on after the snapshot", id);
  require(node.raft->log().last_index() == (agreed ? last_index : last.index),
          "a suffix is kept only where index and term agree", id);
  node.newest = snapshot;
  node.applied = last.index;
  node.commit = last.index;
  node.proposals.erase(node.proposals.begin(), node.proposals.upper_bound(last.index));
  return true;
}

// A start: the log gives way to a snapshot that it does not hold.
void ClusterModel::join_snapshot(Disk& disk) {
  const LogPosition last = disk.snapshot.last;
  if (last.index == Index() || holds(disk.log, last)) return;
  ++reached_.joined_at_restart;
  replace_log(disk, last);
}

void ClusterModel::replace_log(Disk& disk, LogPosition last) {
  const auto count = static_cast<std::ptrdiff_t>(last.index.value());
  disk.log.assign(applied_entries_.begin(), applied_entries_.begin() + count);
  disk.begin = last.index;
}

}  // namespace vesper::raft::testing
