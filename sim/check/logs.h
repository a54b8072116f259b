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
// A snapshot takes entries out of a node's log and not out of the account that is kept here.
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
      : nodes_(founders + spares), memberships_(founders), violations_(violations) {}

  // A life begins: `log` is what the node read from its disk; nullptr if it has none yet.
  void on_recovered(const node::NodeView& view, const raft::Log* log);
  void on_ready(const node::NodeView& view, const raft::Ready& ready);
  void on_restored(const node::NodeView& view, LogPosition last);
  // Nothing is left on its disk.
  void on_wipe(NodeId node);
  void on_new_leader(const node::NodeView& view);
  void on_send(const node::NodeView& view, const raft::Message& message);
  void on_log_submitted(NodeId node, std::uint64_t ticket, WriteId last);
  void on_log_durable(NodeId node, std::uint64_t ticket);

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
  // What was on a disk before it was wiped: what was committed by it is no less committed.
  struct Lost {
    ShadowLog disk;
    Index snapshot;
  };
  struct Node {
    std::vector<Lost> lost;
    ShadowLog memory;
    ShadowLog disk;
    raft::HardState disk_hard_state;
    std::deque<PendingWrite> pending;
    std::deque<ShadowLog::Cell> pending_cells;
    std::uint64_t flight_ticket = 0;  // 0: none
    WriteId flight_last;
    Index commit;
    Index snapshot;  // durable here
    bool has_lived = false;
  };
  // The commit index that was reached in this term.
  struct CommitMark {
    Term term;
    Index index;
    ShadowLog::Cell cell;
  };

  // Whether the log holds what is committed there.
  bool holds_committed(const ShadowLog& log, Index index) const {
    return index <= log.last() && log.at(index) == committed_[index.value() - 1];
  }
  bool is_on_disk(const ShadowLog& disk, Index snapshot, const ShadowLog& log, Index index) const;
  bool is_on_disk(const Node& node, const ShadowLog& log, Index index) const {
    return is_on_disk(node.disk, node.snapshot, log, index);
  }
  bool was_on_disk(const Node& node, const ShadowLog& log, Index index) const;
  bool is_committed(const node::NodeView& view, LogPosition last);
  ShadowLog found_log(const node::NodeView& view, const raft::Log* log);
  void append(Node& node, const node::NodeView& view, const raft::Entry& entry);
  void on_configuration(const Node& node, const node::NodeView& view, const raft::Entry& entry);
  void match(const node::NodeView& view, Index index, ShadowLog::Cell cell);
  void on_commit(Node& node, const node::NodeView& view);
  void on_commit_moved(const Node& node, const node::NodeView& view);
  struct Recovered {
    const ShadowLog& log;
    raft::HardState hard_state;
    Index snapshot;
  };
  bool is_possible(const Node& node, const Recovered& found) const;

  std::vector<Node> nodes_;
  Memberships memberships_;
  // For log matching: the first cell seen at each index, and those of other terms.
  std::deque<ShadowLog::Cell> cells_;
  std::map<std::pair<Index, Term>, std::uint64_t> other_cells_;
  std::deque<ShadowLog::Cell> committed_;  // by index: what some node took for committed
  std::vector<CommitMark> commits_;        // one a term, by rising term
  Violations& violations_;
};

}  // namespace vesper::sim
