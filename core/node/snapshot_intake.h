// The snapshot that a follower takes in from its leader, a piece at a time: each piece is verified,
// written to a file of its own and loaded into a state machine of its own, so that neither the last
// piece nor the change-over takes long, however large the store. Node owns it, hands it what Raft
// received, and puts the state machine in place of its own once all is durable.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/kv/state_machine.h"
#include "core/node/snapshot_loader.h"
#include "core/node/snapshots.h"
#include "core/raft/raft.h"
#include "core/storage/disk.h"
#include "core/storage/snapshot_format.h"

namespace vesper::node {

class SnapshotIntake {
 public:
  SnapshotIntake(storage::Disk& disk, kv::SessionBounds sessions)
      : disk_(&disk), sessions_(sessions) {}

  // Errors: kCorruption, kMismatch: this piece is not of the snapshot that it claims to be, or does
  // not follow what is here of it. What was taken in is dropped, and Raft has to be told.
  Status take(const raft::ChunkReceived& chunk, ClusterId cluster);
  // The completion of a batch from kIntakeTickets on.
  Status on_disk_done(const storage::DiskDone& done, Instant now, raft::Raft& raft);

  // The log has reached this index by itself: what comes in up to there is of no more use.
  void give_up(Index reached);

  // A snapshot that is durable as a whole and loaded.
  struct Whole {
    raft::SnapshotId id;
    std::uint64_t log_bytes = 0;
    raft::Configuration configuration;
    kv::StateMachine machine;
  };
  bool has_whole() const { return !complete_.empty() && complete_.front().is_durable; }
  std::optional<Whole> take_whole();

  // A state that was replaced: its memory is given back a little in each turn.
  void retire(kv::StateMachine machine) { retired_.push_back(std::move(machine)); }
  void turn();
  bool has_more() const { return !retired_.empty(); }
  // Whether a turn has nothing to do: nothing comes in, nothing is left of what came in.
  bool is_idle() const { return !incoming_ && !has_leftover_ && retired_.empty(); }

  // Whether the disk had no room for the piece that came last; the leader sends it again.
  bool was_refused() const { return was_refused_; }

 private:
  struct Incoming {
    raft::SnapshotId id;
    SnapshotLoader loader;
    std::uint64_t ticket = 0;    // of the batch under way
    std::uint64_t unsynced = 0;  // bytes written since the last sync
  };
  // All of one came in; its last batch, which names the file, is under way.
  struct Complete {
    Incoming incoming;
    bool is_durable = false;
  };

  void begin(const raft::SnapshotId& id, ClusterId cluster);
  Status load(const raft::ChunkReceived& chunk);
  void write(const raft::ChunkReceived& chunk);
  void drop();
  void on_refused(std::uint64_t ticket, raft::Raft& raft);

  storage::Disk* disk_;
  kv::SessionBounds sessions_;
  std::uint64_t last_ticket_ = kIntakeTickets;
  std::optional<Incoming> incoming_;
  // What every turn asks for, together with whether one comes in.
  bool was_refused_ = false;
  bool has_leftover_ = false;  // of what was refused
  std::vector<kv::StateMachine> retired_;
  std::deque<Complete> complete_;  // oldest first
};

}  // namespace vesper::node
