// The snapshots of one node: when one is due, making it while requests go on, keeping the files
// that are needed, reading pieces for followers. It owns the files and works through the disk's
// background lane; it holds no state of Raft or of the state machine, which Node lends it. What
// comes in from a leader is in snapshot_intake.h.
//
// When: at the first entry that takes the log across a multiple of SnapshotOptions::entries, or its
// bytes across one of SnapshotOptions::bytes, counted from the log's beginning; so that all nodes
// take theirs at the same entries and the files are the same. A point is passed over while another
// snapshot is being made, or while the log has not yet grown by the size of the last one. One that
// the disk had no room for is given up, and made anew of the state as it is when there may be room:
// a full disk needs it most, for only then the log can be cut.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/base/result.h"
#include "core/kv/state_machine.h"
#include "core/node/snapshot_options.h"
#include "core/node/snapshot_writer.h"
#include "core/raft/raft.h"
#include "core/storage/disk.h"
#include "core/storage/snapshot_format.h"

namespace vesper::node {

// Whose completion it is: the log numbers its batches upwards from 1.
inline constexpr std::uint64_t kSnapshotTickets = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kIntakeTickets = std::uint64_t{1} << 63;

// What is written of a snapshot before it is synced: less at once is easier on the log's own syncs.
inline constexpr std::uint64_t kSnapshotSyncBytes = 4 * 1024 * 1024;

// How long a snapshot stays after a piece of it was read for an operator, who reads the next.
inline constexpr Duration kPartKept = Duration::seconds(10);

class Snapshots {
 public:
  Snapshots(storage::Disk& disk, const SnapshotOptions& options, kv::SessionBounds sessions)
      : disk_(&disk), options_(options), sessions_(sessions) {
    VESPER_CHECK(options_.entries > 0 && options_.bytes > 0);
    VESPER_CHECK(options_.chunk_bytes > 0 && options_.chunk_bytes <= limits::kSnapshotChunkBytes);
    VESPER_CHECK(options_.chunk_bytes % storage::kSnapshotBlockBytes == 0);
  }

  // Reads the newest snapshot into the state machine, and the members of its time. Blocking;
  // start-up only, once.
  // Ensures: newest() is what it holds; {0, 0} and nothing if there is no snapshot.
  // Errors: kCorruption, kMismatch (name file and place), kIo.
  Status recover(ClusterId cluster, kv::StateMachine& machine, raft::Configuration& configuration);

  const raft::SnapshotId& newest() const { return files_.empty() ? kNoSnapshot : files_.back().id; }
  // Of all entries applied since the log began.
  std::uint64_t log_bytes() const { return log_bytes_; }
  // The names of all that recover found.
  std::vector<std::string> files_found() const { return found_; }

  // The entry was applied to the state machine.
  void on_applied(const raft::Entry& entry, const raft::Raft& raft, kv::StateMachine& machine);
  // A snapshot that came in is durable, and the state machine stands at its end.
  void on_installed(const raft::SnapshotId& id, std::uint64_t log_bytes);
  // One that is durable and of no use.
  void discard(const raft::SnapshotId& id);
  void read(const raft::ChunkWanted& wanted);
  // The completion of a batch from kSnapshotTickets on.
  Status on_disk_done(storage::DiskDone done, Instant now, raft::Raft& raft);

  // --- For operators ---
  // One is to be made that stands for this entry at least, which was applied.
  void want(Index last) { wanted_ = std::max(wanted_, last); }
  // Begins to read a piece of the snapshot that ends there; it is kept for a while. False: it is
  // not here, or has no such piece.
  bool read_part(RequestId request, Index last, std::uint64_t offset, Instant now);
  struct Part {
    RequestId request;
    SharedBytes bytes;
  };
  // What was read and verified since.
  bool has_parts() const { return !parts_read_.empty(); }
  std::vector<Part> take_parts() { return std::exchange(parts_read_, {}); }

  // Whether the disk had no room for the one that should have been made.
  bool was_refused() const { return was_refused_; }
  // There may be room again: the next turn begins one of the state as it is then.
  void try_again() { tries_again_ = was_refused_; }

  // A turn's share of the work: the next piece of a snapshot, entries that the newest one stands
  // for, files that are no longer needed.
  void turn(Instant now, raft::Raft& raft, kv::StateMachine& machine);
  // Whether a turn has nothing to do: there is no snapshot, none is being made, none is wanted.
  bool is_idle() const {
    return files_.empty() && !making_ && leftovers_.empty() && !ends_capture_ && !tries_again_ &&
           wanted_ == Index(0);
  }
  // Whether a turn is due at once.
  bool has_more(const raft::Raft& raft) const {
    return !files_.empty() && cut(raft) > raft.log().base().index;
  }
  // The log may be cut up to here.
  Index cut(const raft::Raft& raft) const;

 private:
  static constexpr raft::SnapshotId kNoSnapshot = {};

  struct File {
    raft::SnapshotId id;
    std::uint64_t log_bytes = 0;
    Instant kept_until;  // a part of it was read lately
  };
  // One that is being made.
  struct Making {
    const storage::SnapshotHeader& header() const { return writer.header(); }

    SnapshotWriter writer;
    std::uint64_t written = 0;   // submitted
    std::uint64_t unsynced = 0;  // of it, since the last sync
    bool is_closing = false;     // its last batch is under way
  };

  bool is_due(std::uint64_t entries, std::uint64_t bytes) const;
  void begin(LogPosition last, const raft::Configuration& configuration, kv::StateMachine& machine);
  void go_on(const raft::Raft& raft, kv::StateMachine& machine);
  void finish();
  void add(File file);
  void give_up_making();
  Status take_part(const storage::DiskDone& done);
  void remove_unused(Instant now, const raft::Raft& raft);
  Index trail_of(const raft::SnapshotId& id, const raft::Raft& raft) const;
  std::uint64_t submit(std::vector<storage::DiskOp> ops);

  storage::Disk* disk_;
  SnapshotOptions options_;
  kv::SessionBounds sessions_;
  ClusterId cluster_;
  std::vector<std::string> found_;              // at start
  std::optional<std::uint64_t> making_ticket_;  // its batch under way
  std::map<std::uint64_t, raft::ChunkWanted> reads_;
  struct PartWanted {
    RequestId request;
    raft::SnapshotId snapshot;
  };
  std::map<std::uint64_t, PartWanted> parts_wanted_;
  std::uint64_t last_ticket_ = kSnapshotTickets;
  std::optional<Index> trail_;  // where the entries begin that stay before the newest
  std::optional<Making> making_;
  // What every turn asks for, and each entry changes, together with whether one is being made.
  bool was_refused_ = false;
  bool tries_again_ = false;
  bool ends_capture_ = false;  // of one that was given up
  Index wanted_;
  std::uint64_t log_bytes_ = 0;
  LogPosition applied_;                 // in this life, or {0, 0}
  std::vector<std::string> leftovers_;  // files of an earlier life, to be removed
  std::vector<Part> parts_read_;
  std::deque<File> files_;  // durable, oldest first
};

}  // namespace vesper::node
