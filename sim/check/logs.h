// The logs of all nodes, in memory and on disk, each entry as its term and a rolling hash of
// everything up to it; so that two logs are compared at an index in constant time, however long
// they are.
//   log-matching            two logs with an entry of the same index and term are identical up to
//                           it
//   leader-append-only      a leader never overwrites or removes entries of its own log in its term
//   leader-completeness     a new leader's log holds every entry committed in a term before its own
//   commit-monotonic        in one life the commit index never goes back, nor beyond the log
//   commit-durable          what a node takes for committed is on the disks of a majority, by a
//                           configuration that may count it
//   durable-acknowledgement what an AppendReply acknowledges was on disk when it left
//   durable-log             a restart finds on disk what was durable, and nothing that was never
//                           written
//   snapshot-committed      a snapshot stands for committed entries only
//   membership              a leader appends a configuration only one step from the one before,
//                           which is committed, and once an entry of its own term is; who is
//                           elected is a voter by the latest or the committed one
// What damage takes from a disk still counts as a copy until the node's doubt is over: it may have
// been acknowledged, and no vote can overlook it, for the node gives none.
// A snapshot takes entries out of a node's log and not out of the account that is kept here, until
// every node has one: then no node can go back before the oldest of these, and what lies there is
// settled and forgotten, so that the account does not grow with the run. A log that holds a settled
// index is taken to hold what was committed there.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/node/environment.h"
#include "core/raft/log.h"
#include "core/raft/ready.h"
#include "sim/check/memberships.h"
#include "sim/check/shadow_log.h"
#include "sim/check/violation.h"

namespace vesper::sim {

class LogChecker {
 public:
  // `spares` machines may join the `founders`; their ids follow.
  LogChecker(std::size_t founders, std::size_t spares, Violations& violations)
      : founders_(founders),
        nodes_(founders + spares),
        memberships_(founders),
        violations_(violations) {}

  // A life begins: `log` is what the node read from its disk; nullptr if it has none yet.
  void on_recovered(const node::NodeView& view, const raft::Log* log);
  // After that: what the node takes for the members at its snapshot's end, and now. nullptr: it is
  // of no cluster yet.
  void on_members_recovered(const node::NodeView& view, const raft::Configurations* found);
  void on_ready(const node::NodeView& view, const raft::Ready& ready);
  void on_restored(const node::NodeView& view, LogPosition last);
  // It has made one, and it is durable.
  void on_snapshot(const node::NodeView& view);
  // Nothing is left on its disk.
  void on_wipe(NodeId node);
  // It may lack a snapshot whose entries its log still holds, all of them.
  void on_damage(NodeId node) { nodes_[node.value()].is_damaged = true; }
  void on_new_leader(const node::NodeView& view);
  void on_send(const node::NodeView& view, const raft::Message& message);
  void on_log_submitted(NodeId node, std::uint64_t ticket, WriteId last);
  void on_log_durable(NodeId node, std::uint64_t ticket);
  // Forgets what is settled by now. True: more is than was before.
  bool settle();
  Index settled() const { return committed_.base(); }
  // Of the longest log that any node has had.
  Index newest() const { return cells_.last(); }
  // Entries that it keeps an account of.
  std::uint64_t kept() const { return newest().value() - settled().value(); }

  // What is known to be on the node's disk.
  const raft::HardState& durable_hard_state(NodeId node) const {
    return nodes_[node.value()].disk_hard_state;
  }

 private:
  // A write that was handed out and is not known to be durable.
  struct PendingWrite {
    WriteId id;
    std::optional<raft::HardState> hard_state;
    std::optional<Index> restart_after;
    std::optional<Index> truncate_from;
    std::uint64_t cells = 0;  // of pending_cells
  };
  struct Node {
    ShadowLog memory;
    ShadowLog disk;
    raft::HardState disk_hard_state;
    std::deque<PendingWrite> pending;
    std::deque<ShadowLog::Cell> pending_cells;
    std::uint64_t flight_ticket = 0;  // 0: none
    WriteId flight_last;
    // Of writes that an earlier life did not end. Until this one has cut the torn tail, a damage
    // before it can leave their marks as the last that is known.
    std::vector<raft::HardState> torn;
    Index commit;
    Index snapshot;  // durable here
    bool has_lived = false;
    bool is_damaged = false;  // since it was recovered last
    // What was durable when damage was found, while the node is in doubt.
    struct Lost {
      ShadowLog log;
      Index snapshot;
    };
    std::vector<Lost> lost;
    // What was durable when the disk was wiped: what was committed by it is no less committed.
    std::vector<Lost> wiped;
  };
  // The commit index that was reached in this term.
  struct CommitMark {
    Term term;
    Index index;
    ShadowLog::Cell cell;
  };

  // Whether the log holds what is committed there.
  bool holds_committed(const ShadowLog& log, Index index) const {
    return log.agrees_with(committed_, index);
  }
  bool is_known_committed(const ShadowLog& log, Index index) const;
  bool is_on_disk(const Node& node, const ShadowLog& log, Index index) const {
    return is_in({.log = node.disk, .snapshot = node.snapshot}, log, index);
  }
  struct Copy {
    const ShadowLog& log;
    Index snapshot;
  };
  bool is_in(const Copy& copy, const ShadowLog& log, Index index) const;
  bool was_on_disk(const Node& node, const ShadowLog& log, Index index) const;
  bool is_committed(const node::NodeView& view, LogPosition last);
  ShadowLog found_log(const node::NodeView& view, const raft::Log* log);
  ShadowLog::Cell cell_of(const ShadowLog& log, const raft::Entry& entry) const;
  void extend(ShadowLog& log, ShadowLog::Cell cell) const;
  void note_snapshot(Node& node, Index last);
  Index all_have_snapshots_to() const;
  void append(Node& node, const node::NodeView& view, const raft::Entry& entry);
  void on_configuration(const Node& node, const node::NodeView& view, const raft::Entry& entry);
  void match(const node::NodeView& view, Index index, ShadowLog::Cell cell);
  void on_commit(Node& node, const node::NodeView& view);
  void on_commit_moved(const Node& node, const node::NodeView& view);
  struct Recovered {
    const ShadowLog& log;
    raft::HardState hard_state;
    Index snapshot;
    bool is_in_doubt = false;
  };
  // What leads from a node's disk as it was known to what was found there: of the pending writes,
  // and of the cells of the last of them.
  struct Path {
    std::size_t writes = 0;
    std::uint64_t cells = 0;
    bool has_truncated = true;
    bool has_restarted = true;
  };
  std::optional<Path> path_to(const Node& node, const Recovered& found) const;
  void keep_unsafe(Node& node, const Path& path);
  static bool is_same(const raft::Configuration& a, const raft::Configuration& b);

  std::size_t founders_;
  std::vector<Node> nodes_;
  Memberships memberships_;
  // For log matching: the first cell seen at each index, and those of other terms.
  ShadowLog cells_;
  std::map<std::pair<Index, Term>, std::uint64_t> other_cells_;
  ShadowLog committed_;              // what some node took for committed
  std::vector<CommitMark> commits_;  // one a term, by rising term
  std::map<Index, Term> snapshots_;  // to where each went that a node has had
  Violations& violations_;
};

}  // namespace vesper::sim
