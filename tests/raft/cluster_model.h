// A whole cluster of bare Raft objects over a network and disks that do only what a schedule says:
// which message arrives, is lost or comes twice, whose time passes, whose write completes, who
// crashes and what its disk had kept by then, who takes a snapshot, and when a piece of one is read
// or stored. After every action the model checks Raft's safety
// properties from outside; the first that breaks is remembered. Faults are deliberate lies of the
// model's own disk: they show that the checks can fail.
#pragma once

#include <cstdint>
#include <deque>
#include <iosfwd>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/raft/raft.h"

namespace vesper::raft::testing {

enum class Move : std::uint8_t {
  kCalm,       // `n` + 1 rounds: every write completes, every message arrives in order
  kDeliver,    // message `n` (of those under way, counted round) arrives
  kDisk,       // the node's `n` + 1 oldest writes complete
  kTick,       // the node's next deadline fires
  kPass,       // `n` tenths of a second pass for everyone, unnoticed
  kPropose,    // a client's command
  kRead,       // a client's linearizable read
  kDrop,       // message `n` is lost
  kDuplicate,  // message `n` arrives, and stays under way
  kCrash,      // the node stops; of its unfinished writes the first `n` had reached the disk
  kRestart,    // it comes back from its disk
  kPartition,  // nodes part by the bits of `n`
  kHeal,       // and meet again
  kTransfer,   // the node is asked to hand over to node `n` - 1; 0: to whom it chooses
  kCompact,    // the node takes a snapshot and drops what it stands for, but the last `n`
  kPiece,      // the node's oldest read or write of a snapshot's piece is done, or it restores
};

struct Action {
  Move move = Move::kCalm;
  std::uint8_t node = 0;
  std::uint16_t n = 0;
};
std::ostream& operator<<(std::ostream& out, const Action& action);
using Schedule = std::vector<Action>;

struct Faults {
  bool forgets_vote = false;     // a restarted node has its term and log, but not its vote
  bool replies_early = false;    // what should wait for the disk leaves at once
  bool loses_synced = false;     // a crash takes the last completed write along
  bool skips_barrier = false;    // send_now is asked for as if the hard state were on disk
  bool serves_any_read = false;  // a node answers reads at its own commit index
};

// How often a run came where a test must come.
struct Reached {
  std::uint64_t elections = 0;
  std::uint64_t commits = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t reads = 0;  // granted by a leader to itself
  std::uint64_t follower_reads = 0;
  std::uint64_t truncations = 0;
  std::uint64_t restarts = 0;
  std::uint64_t leader_crashes = 0;
  std::uint64_t writes_lost = 0;
  std::uint64_t step_downs = 0;
  std::uint64_t recoveries = 0;
  std::uint64_t transfers = 0;        // begun
  std::uint64_t transfers_heard = 0;  // elections that began by one
  std::uint64_t transfers_won = 0;    // leaders elected by one
  std::uint64_t compactions = 0;
  std::uint64_t pieces = 0;             // stored by followers
  std::uint64_t resumed = 0;            // from another leader than the one before
  std::uint64_t restores = 0;           // of a snapshot that took the log's place
  std::uint64_t kept_suffixes = 0;      // and of one that the log agreed with
  std::uint64_t joined_at_restart = 0;  // a crash came before the log gave way
};

class ClusterModel {
 public:
  ClusterModel(std::uint32_t nodes, Faults faults);

  void act(const Action& action);
  // Everyone comes back, all is healed, and time passes evenly: a new command must be committed
  // everywhere.
  void recover();
  const std::optional<std::string>& violation() const { return violation_; }
  const Reached& reached() const { return reached_; }

 private:
  // A write in the queue of a disk, with the messages that wait for it and all before it.
  struct Write {
    WriteId id;
    std::optional<HardState> hard_state;
    std::optional<LogPosition> restart_after;
    std::optional<Index> truncate_from;
    std::vector<Entry> entries;
    std::vector<Message> messages;
  };
  struct Disk {
    HardState hard_state;
    // All entries since index 1; a node reads only those after `begin` back.
    std::vector<Entry> log;
    Index begin;
    SnapshotId snapshot;  // the newest
  };
  // Work of the disk's other lane: a piece that is wanted is read, or one that came is stored.
  struct Piece {
    std::optional<ChunkWanted> wanted;
    SnapshotId snapshot;
    std::uint64_t next = 0;  // once it is stored
  };
  struct Incoming {
    SnapshotId snapshot;
    std::uint64_t next = 0;
    std::optional<NodeId> leader;  // that sent the last piece
  };
  struct Node {
    std::optional<Raft> raft;
    std::uint64_t life = 0;
    Instant now = Instant::from_nanoseconds(1'000'000'000);
    Disk disk;
    Disk disk_before;  // before the last completed write: what a lying disk falls back to
    std::deque<Write> writes;
    Index applied;
    Index commit;
    Term led;  // the term it leads, as last seen; 0 when it does not
    Index led_last;
    std::map<RequestId, Index> reads;  // what was acknowledged when each read came
    std::set<RequestId> asked;         // of them, those that its leader was asked about
    std::map<Index, Term> proposals;   // its clients' commands that wait
    SnapshotId newest;                 // snapshot that it knows to be durable
    std::deque<Piece> pieces;
    std::optional<Incoming> incoming;
    std::optional<SnapshotId> whole;  // durable, to be restored
    bool restores_now = false;        // after the next collect
  };
  struct Content {
    std::uint32_t checksum = 0;
    Term previous;
    bool operator==(const Content&) const = default;
  };

  void calm_round();
  void deliver(std::size_t at, bool keep);
  void propose(Node& node);
  void read(Node& node);
  void transfer(Node& node, std::size_t target);
  void complete_write(std::uint32_t id);
  void write_to(Disk& disk, const Write& write);
  void crash(std::uint32_t id, std::size_t kept);
  void restart(std::uint32_t id);
  bool everyone_applied(Index index) const;

  // cluster_snapshots.cc
  void compact(std::uint32_t id, std::uint64_t keep);
  void finish_piece(std::uint32_t id, bool is_refused);
  void on_chunk(std::uint32_t id, const ChunkReceived& chunk);
  bool restore_whole(std::uint32_t id);
  void keep_snapshot(std::uint32_t id, const SnapshotId& snapshot);
  void join_snapshot(Disk& disk);
  void replace_log(Disk& disk, LogPosition last);

  void drain(std::uint32_t id);
  void absorb(std::uint32_t id, const Ready& ready);
  void send(std::uint32_t id, const Message& message);
  void check_sent(std::uint32_t id, const Message& message);
  void check_transfer(std::uint32_t id, const Message& message);
  void check_entries(const Node& node, const Ready& ready);
  void apply(std::uint32_t id, const Entry& entry);
  void grant(Node& node, const GrantedRead& read);
  void check_state(std::uint32_t id);
  void check_leader(std::uint32_t id);
  void check_new_leader(std::uint32_t id);
  void check_durable(const Node& node);
  void record_commits(std::uint32_t id);
  void check_acknowledged_from(Index from);
  std::size_t copies_of(LogPosition position) const;
  void require(bool holds, const char* invariant, std::uint32_t id);

  Faults faults_;
  std::vector<Node> nodes_;
  std::vector<Message> network_;
  std::uint32_t partition_ = 0;
  std::uint64_t counter_ = 0;
  Ready ready_;
  std::optional<std::string> violation_;
  Reached reached_;

  std::map<Term, std::pair<std::uint32_t, std::uint64_t>> leaders_;  // node and life
  std::map<std::pair<std::uint32_t, Term>, NodeId> votes_;
  std::map<std::pair<std::uint32_t, Term>, Index> told_;  // by TimeoutNow; the leader's last entry
  std::map<Term, std::uint32_t> marked_;                  // who campaigns by transfer
  std::map<LogPosition, Content> contents_;
  struct Committed {
    LogPosition position;
    Term by;
  };
  std::map<Index, Committed> committed_;
  std::vector<Entry> applied_entries_;  // the first to be applied at each index
  std::map<Index, std::uint32_t> applied_;
  std::map<Index, LogPosition> acknowledged_;
};

}  // namespace vesper::raft::testing
