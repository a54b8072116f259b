// Node's inside, for the .cc files of core/node only: node.cc has the turn of a running node,
// node_view.cc what it shows of itself, node_forming.cc what comes before Raft starts,
// node_transfer.cc how a leader hands over, node_members.cc who takes part, node_disk_space.cc what
// is different while the disk is full, node_disk_hang.cc while it does nothing, node_backup.cc what
// it does for a backup, node_checks.cc how a wrong state is found, node_doubt.cc how a node starts
// from a damaged disk, node_snapshots.cc what it does about snapshots.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/state_machine.h"
#include "core/node/consistency.h"
#include "core/node/formation.h"
#include "core/node/node.h"
#include "core/node/snapshot_intake.h"
#include "core/node/snapshots.h"
#include "core/node/waiters.h"
#include "core/node/wire.h"
#include "core/raft/raft.h"

namespace vesper::node {

class NodeImpl {
 public:
  NodeImpl(NodeConfig config, Environment environment);

  Status open();
  void on_message(const SharedBytes& bytes);
  void on_request(RequestId id, const Request& request);
  void on_disk_done(storage::DiskDone done);
  void run_turn();
  Instant next_deadline() const;
  const NodeView& view() const {
    look();
    return view_;
  }
  void look() const;
  Node::Standing standing() const;
  void look_at_machine() const;
  bool stopped() const { return phase_ == Phase::kStopped; }
  const Error& stop_reason() const { return stop_reason_; }
  const SharedBytes* peek(std::string_view key) const { return machine_.store().get(key); }
  kv::StateMachine& machine() { return machine_; }
  const raft::Log* log() const { return raft_ ? &raft_->log() : nullptr; }
  const raft::Configurations* configurations() const {
    return raft_ ? &raft_->configurations() : nullptr;
  }

 private:
  // node.cc: a running node
  Status start_raft();
  void propose(RequestId id, const Request& request);
  void get(RequestId id, const Request& request);
  void refuse_proposal(RequestId id, const Error& why);
  void on_raft_message(Frame& frame);
  void run_raft_turn(Instant now);
  void carry_out();
  void send(const raft::Message& message);
  void hold(raft::Message message);
  void send_held();
  void flush_log(Instant now);
  void apply(const raft::Entry& entry);
  void give_answers();

  // node_view.cc: what it tells
  void report_changes();
  void stop(Error error);
  void emit(NodeEvent::Kind kind, std::string detail);

  // node_snapshots.cc: its own and a leader's
  void take_chunk(const raft::ChunkReceived& chunk);
  bool has_snapshot_work() const { return !snapshots_.is_idle() || !intake_.is_idle(); }
  void keep_snapshots(Instant now);
  void restore();

  // node_backup.cc: snapshots for operators
  void read_snapshot_part(RequestId id, const Request& request);
  void serve_snapshots();
  // node_checks.cc: whether the state is what it should be
  void check_state(Instant now);
  void propose_check_point(Instant now);
  void stop_diverged(const std::string& why, bool leaves_note);

  // node_doubt.cc: after damage
  Result<storage::RecoveredLog> recover_log(raft::Configuration& configuration);
  bool is_alone(raft::Configuration configuration, const std::vector<raft::Entry>& entries) const;
  void report_doubt();
  void follow_doubt();

  // node_transfer.cc: leadership transfer
  void transfer(RequestId id, const Request& request);
  void follow_transfer();

  // node_members.cc: who takes part
  void list_members(RequestId id);
  void change_members(RequestId id, const Request& request);
  void follow_change();
  void follow_configuration();
  const raft::Configuration& committed_members() const {
    return raft_->configurations().at(raft_->commit());
  }
  bool is_foreign(const Frame& frame);
  void on_newcomer(const Frame& frame);
  void on_refusal(const Frame& frame, const Refusal& refusal);
  void refuse(NodeId to, Refusal::Reason reason);
  void send_refusals();
  void say_hello_as_learner(Instant now);
  void stop_if_removed();

  // node_disk_space.cc: a full disk
  bool is_disk_full() const {
    return wal_->is_full() || snapshots_.was_refused() || intake_.was_refused();
  }
  bool is_short_of_room() const;
  bool takes(raft::Message& message);  // requires: the log's room is limited
  void refuse_for_room(RequestId id);
  void keep_room(Instant now);
  void hand_over_for_room(Instant now);
  Instant room_deadline() const;

  // node_disk_hang.cc: a disk that does nothing
  void hand_over_if_disk_hangs(Instant now);

  // node_forming.cc: before Raft starts, and telling others that it has
  Status check_identity() const;
  bool is_joining() const { return config_.cluster_size == 0; }
  void run_forming_turn(Instant now);
  void say_hello(Instant now);
  void send_hello(NodeId to);
  void send_frame(NodeId to, FrameBody body);
  void decide_to_form(Instant now);
  void form(ClusterId cluster, std::vector<Incarnation> founders, std::string how);
  void submit_identity();
  void begin_running(Instant now);
  void on_identity_written(const Status& status);
  void on_hello(const Frame& frame, const Hello& hello);
  void on_form(const Frame& frame, const Form& form);
  void on_other_cluster(const Frame& frame);
  void tell_formed(NodeId to);
  void ignore(std::string why);
  std::uint64_t draw_identity();

  // A message that waits for the writes up to `write` to be durable.
  struct Held {
    WriteId write;
    raft::Message message;
  };

  const NodeConfig config_;
  Environment environment_;
  Error stop_reason_;

  // Forming.
  storage::Identity identity_;
  std::optional<Formation> formation_;
  std::optional<storage::Identity> identity_to_write_;
  std::optional<storage::Identity> identity_in_flight_;
  std::string formed_how_;
  bool identity_is_stored_ = false;
  std::uint64_t identity_ticket_ = 0;
  std::uint64_t identity_draws_ = 0;
  Instant next_hello_;
  std::vector<NodeId> reported_missing_;
  std::optional<Instant> last_ignored_;
  std::uint64_t ignored_ = 0;

  // Running.
  kv::StateMachine machine_;
  Snapshots snapshots_;
  SnapshotIntake intake_;
  Consistency consistency_;
  Instant next_check_point_;
  Instant next_scrub_;
  Index reported_snapshot_;
  // A change of the members that a request waits for.
  struct Change {
    LogPosition begins;
    std::optional<NodeId> added;
  };
  Change change_;
  Instant hand_over_at_;          // for a disk that is full, or hangs
  std::size_t hand_over_to_ = 0;  // a place in the configuration
  std::optional<storage::Wal> wal_;
  std::optional<raft::Raft> raft_;
  std::optional<storage::Doubt> doubt_;  // until what was lost is here again

  // What every turn looks at stands together. In a simulation a turn of this node comes after turns
  // of all others: each line of memory less is one less that has left the first cache meanwhile.
  Phase phase_ = Phase::kForming;
  bool is_end_unmarked_ = false;
  bool has_observed_ticket_ = false;
  bool refused_for_room_ = false;       // while the disk is full
  std::optional<Instant> try_room_at_;  // none: the disk is not full
  std::optional<Index> judged_commit_;  // whether its configuration removed this node is known
  Index applied_;
  WriteId last_write_;
  WriteId durable_write_;
  std::uint64_t observed_ticket_ = 0;
  Instant observed_at_;  // when that batch was submitted
  // What a role change is judged by: only changes make a line in the log.
  struct Reported {
    Role role = Role::kFollower;
    Term term;
    std::optional<NodeId> leader;
    bool operator==(const Reported&) const = default;
  };
  Reported reported_;
  // The configuration in force, as it was last told.
  struct Members {
    std::optional<LogPosition> position;
    bool is_joint = false;
    bool is_voter = false;
    std::uint32_t count = 0;
  };
  Members members_;
  std::map<NodeId, ClusterId> other_clusters_;  // the other cluster that each says it is of
  std::vector<NodeId> tell_formed_;             // to be answered with Form in this turn
  std::vector<std::pair<NodeId, Refusal::Reason>> refusals_;  // to be sent in this turn
  Waiters waiters_;
  std::deque<Held> held_;
  std::vector<std::byte> scratch_;
  raft::Ready ready_;
  std::uint64_t torn_tails_ = 0;  // cut when this life began
  std::uint64_t restored_ = 0;    // snapshots taken in since then
  std::uint64_t lease_reads_ = 0;
  std::uint64_t follower_reads_ = 0;
  std::uint64_t differences_ = 0;
  mutable NodeView view_;  // what view() filled in last: whoever watches is shown it at every step
};

}  // namespace vesper::node
