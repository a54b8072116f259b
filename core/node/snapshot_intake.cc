#include "core/node/snapshot_intake.h"

#include <algorithm>
#include <utility>

namespace vesper::node {

Status SnapshotIntake::take(const raft::ChunkReceived& chunk, ClusterId cluster) {
  if (chunk.offset == 0) begin(chunk.snapshot, cluster);
  if (!incoming_ || incoming_->id != chunk.snapshot || incoming_->loader.fed() != chunk.offset) {
    return Error{ErrorCode::kMismatch, "what comes before it is not here"};
  }
  if (Status loaded = load(chunk); !loaded.ok()) {
    drop();
    return loaded;
  }
  write(chunk);
  return {};
}

void SnapshotIntake::begin(const raft::SnapshotId& id, ClusterId cluster) {
  drop();
  incoming_.emplace(Incoming{.id = id, .loader = SnapshotLoader(id.bytes, cluster, sessions_)});
}

void SnapshotIntake::drop() {
  if (incoming_) retire(incoming_->loader.take_machine());
  incoming_.reset();
}

Status SnapshotIntake::load(const raft::ChunkReceived& chunk) {
  SnapshotLoader& loader = incoming_->loader;
  VESPER_TRY(loader.feed(chunk.bytes.view()));
  if (loader.header().last != chunk.snapshot.last) {
    return Error{ErrorCode::kMismatch, "at offset 0: the header is of another snapshot"};
  }
  if (!loader.is_complete()) return {};
  if (loader.id() != chunk.snapshot) {
    return Error{ErrorCode::kCorruption, "the pieces are not of one snapshot"};
  }
  return loader.finish();
}

void SnapshotIntake::write(const raft::ChunkReceived& chunk) {
  Incoming& incoming = *incoming_;
  std::vector<storage::DiskOp> ops;
  if (chunk.offset == 0) {
    has_leftover_ = false;  // creating the file replaces it
    ops.emplace_back(storage::CreateFile{
        .name = storage::kIncomingTemporary, .size = chunk.snapshot.bytes, .is_written = false});
  }
  const ByteView bytes = chunk.bytes.view();
  ops.emplace_back(storage::WriteFile{storage::kIncomingTemporary, chunk.offset,
                                      std::vector<std::byte>(bytes.begin(), bytes.end())});
  incoming.unsynced += bytes.size();
  const bool is_last = incoming.loader.is_complete();
  if (is_last || incoming.unsynced >= kSnapshotSyncBytes) {
    incoming.unsynced = 0;
    ops.emplace_back(storage::SyncFile{storage::kIncomingTemporary});
  }
  if (is_last) {
    ops.emplace_back(storage::RenameFile{storage::kIncomingTemporary,
                                         storage::snapshot_name(chunk.snapshot.last.index)});
    ops.emplace_back(storage::SyncDirectory{});
  }
  incoming.ticket = ++last_ticket_;
  disk_->submit({storage::DiskLane::kBackground, incoming.ticket, std::move(ops)});
  // Whatever comes in next, the file of this one is there and has to be dealt with.
  if (is_last) {
    complete_.push_back({std::move(incoming), false});
    incoming_.reset();
  }
}

Status SnapshotIntake::on_disk_done(const storage::DiskDone& done, Instant now, raft::Raft& raft) {
  if (!done.status.ok()) {
    if (done.status.error().code != ErrorCode::kNoSpace) return done.status.error();
    on_refused(done.batch.ticket, raft);
    return {};
  }
  was_refused_ = false;
  // Neither may be there: a snapshot that gave way to another was still being written.
  for (Complete& each : complete_) {
    if (each.incoming.ticket == done.batch.ticket) each.is_durable = true;
  }
  if (incoming_ && incoming_->ticket == done.batch.ticket) {
    raft.chunk_stored(now, incoming_->id, incoming_->loader.fed());
  }
  return {};
}

// As if the piece had been lost, with all before it: what is here of the file only takes room,
// unless it has been begun anew for another snapshot.
void SnapshotIntake::on_refused(std::uint64_t ticket, raft::Raft& raft) {
  was_refused_ = true;
  if (incoming_ && incoming_->ticket == ticket) {
    raft.chunk_refused(incoming_->id);
    drop();
  }
  has_leftover_ = !incoming_;
  const auto is_it = [&](const Complete& each) { return each.incoming.ticket == ticket; };
  const auto whole = std::find_if(complete_.begin(), complete_.end(), is_it);
  if (whole == complete_.end()) return;
  raft.chunk_refused(whole->incoming.id);
  retire(whole->incoming.loader.take_machine());
  complete_.erase(whole);
}

void SnapshotIntake::give_up(Index reached) {
  if (incoming_ && incoming_->id.last.index <= reached) drop();
}

std::optional<SnapshotIntake::Whole> SnapshotIntake::take_whole() {
  if (!has_whole()) return std::nullopt;
  Incoming& incoming = complete_.front().incoming;
  Whole whole{incoming.id, incoming.loader.header().log_bytes, incoming.loader.take_configuration(),
              incoming.loader.take_machine()};
  complete_.pop_front();
  return whole;
}

void SnapshotIntake::turn() {
  if (std::exchange(has_leftover_, false)) {
    disk_->submit({storage::DiskLane::kBackground,
                   ++last_ticket_,
                   {storage::RemoveFile{storage::kIncomingTemporary}}});
  }
  if (retired_.empty()) return;
  if (!retired_.back().discard(limits::kDiscardedPairsATurn)) retired_.pop_back();
}

}  // namespace vesper::node
