// Node's inside, for the .cc files of core/node only: node.cc has the turn of a running node,
// node_forming.cc what comes before Raft starts, node_transfer.cc how a leader hands over,
// node_doubt.cc how a node starts from a damaged disk.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/kv/state_machine.h"
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
  NodeView view() const;
  bool stopped() const { return phase_ == Phase::kStopped; }
  const Error& stop_reason() const { return stop_reason_; }
  const SharedBytes* peek(std::string_view key) const { return machine_.store().get(key); }
  const raft::Log* log() const { return raft_ ? &raft_->log() : nullptr; }

 private:
  // node.cc: a running node
  Status start_raft();
  void propose(RequestId id, const Request& request);
  void get(RequestId id, const Request& request);
  void refuse_proposal(RequestId id, const Error& why);
  void on_raft_message(const Frame& frame);
  void run_raft_turn(Instant now);
  void carry_out();
  void send(const raft::Message& message);
  void hold(raft::Message message);
  void send_held();
  void flush_log();
  void apply(const raft::Entry& entry);
  void take_chunk(const raft::ChunkReceived& chunk);
  void keep_snapshots();
  void restore();
  void give_answers();
  void report_changes();
  void stop(Error error);
  void emit(NodeEvent::Kind kind, std::string detail);

  // node_doubt.cc: after damage
  Result<storage::RecoveredLog> recover_log();
  void report_doubt();
  void follow_doubt();

  // node_transfer.cc: leadership transfer
  void transfer(RequestId id, const Request& request);
  void follow_transfer();

  // node_forming.cc: before Raft starts, and telling others that it has
  void run_forming_turn(Instant now);
  void say_hello(Instant now);
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
  // What a role change is judged by: only changes make a line in the log.
  struct Reported {
    Role role = Role::kFollower;
    Term term;
    std::optional<NodeId> leader;
    bool operator==(const Reported&) const = default;
  };

  const NodeConfig config_;
  Environment environment_;
  Phase phase_ = Phase::kForming;
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
  std::vector<ClusterId> other_clusters_;  // by node id: the other cluster that it says it is of
  std::vector<NodeId> tell_formed_;        // to be answered with Form in this turn
  std::optional<Instant> last_ignored_;
  std::uint64_t ignored_ = 0;

  // Running.
  std::optional<storage::Wal> wal_;
  std::optional<raft::Raft> raft_;
  std::optional<storage::Doubt> doubt_;  // until what was lost is here again
  kv::StateMachine machine_;
  Snapshots snapshots_;
  SnapshotIntake intake_;
  Index applied_;
  raft::Ready ready_;
  std::deque<Held> held_;
  WriteId last_write_;
  WriteId durable_write_;
  std::uint64_t torn_tails_ = 0;  // cut when this life began
  std::uint64_t restored_ = 0;    // snapshots taken in since then
  std::uint64_t lease_reads_ = 0;
  std::uint64_t follower_reads_ = 0;
  std::uint64_t observed_ticket_ = 0;
  bool has_observed_ticket_ = false;
  Waiters waiters_;
  Reported reported_;
  Index reported_snapshot_;
  std::vector<std::byte> scratch_;
};

}  // namespace vesper::node
