#include "sim/check/logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "core/base/hash.h"

namespace vesper::sim {

ShadowLog::Cell ShadowLog::next_cell(const raft::Entry& entry) const {
  const std::uint64_t before = at(last()).rolling;
  const std::uint64_t content = static_cast<std::uint64_t>(entry.kind()) << 32 | entry.checksum();
  return {entry.term(), mix64(mix64(before, entry.term().value()), content)};
}

// --- Lives ---

// The log as the node read it; what a snapshot stands for is filled in from what is committed.
ShadowLog LogChecker::found_log(const node::NodeView& view, const raft::Log* log) {
  ShadowLog found;
  if (log == nullptr) return found;
  if (log->base().index >= settled() && log->base().index > Index()) {
    if (!is_committed(view, log->base())) return found;
  }
  found.assign(committed_, log->base().index);
  for (Index index = log->first_index(); index <= log->last_index(); index = index.next()) {
    const ShadowLog::Cell cell = cell_of(found, log->at(index));
    match(view, index, cell);
    extend(found, cell);
  }
  return found;
}

// Of settled entries nothing is known but the last, from which the account goes on.
ShadowLog::Cell LogChecker::cell_of(const ShadowLog& log, const raft::Entry& entry) const {
  if (entry.index() < settled()) return {};
  const ShadowLog::Cell last_settled = committed_.at(settled());
  const bool is_it = entry.index() == settled() && entry.term() == last_settled.term;
  return is_it ? last_settled : log.next_cell(entry);
}

void LogChecker::extend(ShadowLog& log, ShadowLog::Cell cell) const {
  const Index index = log.last().next();
  if (index <= settled()) return log.begin_at(index, cell);
  log.push(cell);
}

bool LogChecker::is_committed(const node::NodeView& view, LogPosition last) {
  const auto old = snapshots_.find(last.index);
  const bool is_old = old != snapshots_.end() && old->second == last.term;
  const bool is_held = settled() <= last.index && last.index <= committed_.last() &&
                       committed_.at(last.index).term == last.term;
  if (is_held || is_old) return true;
  violations_.report(
      "snapshot-committed",
      fmt::format("n{} has a snapshot to entry {} of term {}, which is not committed",
                  view.id.value(), last.index.value(), last.term.value()));
  return false;
}

void LogChecker::on_recovered(const node::NodeView& view, const raft::Log* log) {
  Node& node = nodes_[view.id.value()];
  ShadowLog found = found_log(view, log);
  if (violations_.first()) return;
  const Recovered recovered{found, {view.term, view.vote}, view.snapshot, view.doubt.has_value()};
  const std::optional<Path> path = path_to(node, recovered);
  // The first life of a preset directory starts from what nobody has seen written.
  if (std::exchange(node.has_lived, true) && !path) {
    violations_.report(
        "durable-log",
        fmt::format("n{} restarts with {} entries, a snapshot to {} and term {}; durable were {} "
                    "entries, a snapshot to {} and term {}, and no later write leaves this",
                    view.id.value(), found.last().value(), view.snapshot.value(), view.term.value(),
                    node.disk.last().value(), node.snapshot.value(),
                    node.disk_hard_state.term.value()));
  }
  for (std::size_t i = path ? path->writes : 0; i < node.pending.size(); ++i) {
    if (node.pending[i].hard_state) node.torn.push_back(*node.pending[i].hard_state);
  }
  if (view.doubt) node.lost.push_back({.log = std::move(node.disk), .snapshot = node.snapshot});
  node.memory = found;
  if (view.is_end_unmarked && path && !view.doubt) {
    keep_unsafe(node, *path);
  } else {
    node.disk = std::move(found);
    node.disk_hard_state = {view.term, view.vote};
    node.pending.clear();
    node.pending_cells.clear();
  }
  node.flight_ticket = 0;
  node.is_damaged = false;
  node.commit = view.commit;
  note_snapshot(node, view.snapshot);
}

// Nobody knows of a founder's directory but the nodes.
bool LogChecker::is_same(const raft::Configuration& a, const raft::Configuration& b) {
  return std::equal(a.members().begin(), a.members().end(), b.members().begin(), b.members().end(),
                    [](const raft::Member& one, const raft::Member& other) {
                      return one.id == other.id && one.standing == other.standing;
                    });
}

// A snapshot that holds a configuration from behind its end would keep it in force when that entry
// is truncated.
void LogChecker::on_members_recovered(const node::NodeView& view,
                                      const raft::Configurations* found) {
  if (found == nullptr) return;
  const Node& node = nodes_[view.id.value()];
  for (const Index index : {view.snapshot, node.memory.last()}) {
    if (index < settled()) continue;
    if (is_same(found->at(index), *memberships_.in_force(node.memory, index).configuration))
      continue;
    violations_.report("membership",
                       fmt::format("n{} starts with other members at entry {} than its log says",
                                   view.id.value(), index.value()));
  }
}

// The writes that were found are durable once the log says so of its first one.
void LogChecker::keep_unsafe(Node& node, const Path& path) {
  node.pending.resize(path.writes);
  std::uint64_t cells = 0;
  for (PendingWrite& write : node.pending) {
    write.id = WriteId(1);
    cells += write.cells;
  }
  if (!node.pending.empty()) {
    PendingWrite& last = node.pending.back();
    cells -= last.cells - path.cells;
    last.cells = path.cells;
    if (!path.has_truncated) last.truncate_from.reset();
    if (!path.has_restarted) last.restart_after.reset();
  }
  node.pending_cells.resize(cells);
}

// Some of the writes that were not known to be durable may have become so: each state that they
// pass through is possible, record by record, in their order. A log that does not hold the
// snapshot's last entry gives way to it. Damage may take any of the log, but neither term nor vote.
std::optional<LogChecker::Path> LogChecker::path_to(const Node& node,
                                                    const Recovered& found) const {
  if (found.snapshot < node.snapshot && !found.is_in_doubt && !node.is_damaged) return std::nullopt;
  ShadowLog state = node.disk;
  raft::HardState hard_state = node.disk_hard_state;
  const auto is_found = [&] {
    if (hard_state != found.hard_state) return false;
    if (found.is_in_doubt) return true;
    const bool gives_way = found.snapshot > Index() && !holds_committed(state, found.snapshot);
    if (gives_way) return found.log.last() == found.snapshot;
    return state.last() == found.log.last() &&
           state.at(state.last()) == found.log.at(found.log.last());
  };
  Path path;
  const bool is_torn =
      std::find(node.torn.begin(), node.torn.end(), found.hard_state) != node.torn.end();
  if (is_found() || (found.is_in_doubt && is_torn)) return path;
  std::size_t next_cell = 0;
  for (const PendingWrite& write : node.pending) {
    path = {.writes = path.writes + 1, .cells = 0, .has_truncated = false, .has_restarted = false};
    if (write.hard_state) hard_state = *write.hard_state;
    if (is_found()) return path;
    if (write.restart_after) state.assign(committed_, *write.restart_after);
    path.has_restarted = true;
    if (is_found()) return path;
    if (write.truncate_from) state.truncate_from(*write.truncate_from);
    path.has_truncated = true;
    if (is_found()) return path;
    for (; path.cells < write.cells;) {
      extend(state, node.pending_cells[next_cell++]);
      ++path.cells;
      if (is_found()) return path;
    }
  }
  return std::nullopt;
}

void LogChecker::on_restored(const node::NodeView& view, LogPosition last) {
  Node& node = nodes_[view.id.value()];
  if (!is_committed(view, last)) return;
  note_snapshot(node, last.index);
  if (!holds_committed(node.memory, last.index)) node.memory.assign(committed_, last.index);
}

void LogChecker::on_snapshot(const node::NodeView& view) {
  if (view.snapshot > committed_.last()) {
    violations_.report(
        "snapshot-committed",
        fmt::format("n{} has a snapshot to entry {}, and only {} are committed", view.id.value(),
                    view.snapshot.value(), committed_.last().value()));
    return;
  }
  note_snapshot(nodes_[view.id.value()], view.snapshot);
}

void LogChecker::note_snapshot(Node& node, Index last) {
  node.snapshot = last;
  if (settled() <= last && last <= committed_.last()) snapshots_[last] = committed_.at(last).term;
}

// --- Writes ---

void LogChecker::on_ready(const node::NodeView& view, const raft::Ready& ready) {
  Node& node = nodes_[view.id.value()];
  if (!view.doubt) node.lost.clear();
  if (ready.truncate_from) {
    if (view.role == node::Role::kLeader) {
      violations_.report(
          "leader-append-only",
          fmt::format("n{}, leader of term {}, removes its entries from {} on", view.id.value(),
                      view.term.value(), ready.truncate_from->value()));
    }
    node.memory.truncate_from(*ready.truncate_from);
  }
  for (const raft::Entry& entry : ready.entries) append(node, view, entry);
  if (ready.write != WriteId()) {
    std::optional<Index> restart_after;
    if (ready.restart_after) restart_after = ready.restart_after->index;
    node.pending.push_back({.id = ready.write,
                            .hard_state = ready.hard_state,
                            .restart_after = restart_after,
                            .truncate_from = ready.truncate_from,
                            .cells = ready.entries.size()});
  }
  on_commit(node, view);
}

void LogChecker::append(Node& node, const node::NodeView& view, const raft::Entry& entry) {
  if (entry.index() != node.memory.last().next()) {
    violations_.report("log-matching",
                       fmt::format("n{} writes entry {} after entry {}", view.id.value(),
                                   entry.index().value(), node.memory.last().value()));
    return;
  }
  const ShadowLog::Cell cell = cell_of(node.memory, entry);
  match(view, entry.index(), cell);
  if (entry.kind() == raft::EntryKind::kConfiguration) on_configuration(node, view, entry);
  extend(node.memory, cell);
  node.pending_cells.push_back(cell);
}

void LogChecker::on_configuration(const Node& node, const node::NodeView& view,
                                  const raft::Entry& entry) {
  const auto decoded = raft::Configuration::decode(entry.payload());
  const bool leads = view.role == node::Role::kLeader && entry.term() == view.term;
  const auto before = memberships_.in_force(node.memory, entry.index().previous());
  const char* wrong = nullptr;
  if (!decoded.ok()) {
    wrong = "is none";
  } else if (leads && !before.configuration->may_precede(decoded.value())) {
    wrong = "is no single step from the one before";
  } else if (leads && before.index > view.commit) {
    wrong = "follows one that is not committed";
  } else if (leads && (view.commit == Index() || node.memory.at(view.commit).term != view.term)) {
    wrong = "comes before an entry of the leader's term is committed";
  }
  if (wrong != nullptr) {
    violations_.report("membership",
                       fmt::format("n{}'s configuration at entry {} of term {} {}", view.id.value(),
                                   entry.index().value(), entry.term().value(), wrong));
    return;
  }
  memberships_.add(entry.position(), decoded.value());
}

void LogChecker::match(const node::NodeView& view, Index index, ShadowLog::Cell cell) {
  if (index <= settled()) return;
  // Indexes come without gaps in every log, so the first log to reach one is the longest so far.
  if (index > cells_.last()) return cells_.push(cell);
  const ShadowLog::Cell first = cells_.at(index);
  if (first == cell) return;
  const auto known =
      first.term == cell.term
          ? std::pair(true, first.rolling)
          : std::pair(false,
                      other_cells_.try_emplace({index, cell.term}, cell.rolling).first->second);
  if (known.second == cell.rolling) return;
  violations_.report("log-matching",
                     fmt::format("n{}'s entry {} of term {} ends another log than elsewhere",
                                 view.id.value(), index.value(), cell.term.value()));
}

void LogChecker::on_log_submitted(NodeId node_id, std::uint64_t ticket, WriteId last) {
  Node& node = nodes_[node_id.value()];
  node.flight_ticket = ticket;
  node.flight_last = last;
}

void LogChecker::on_log_durable(NodeId node_id, std::uint64_t ticket) {
  Node& node = nodes_[node_id.value()];
  if (node.flight_ticket == 0 || node.flight_ticket != ticket) return;  // an identity's
  node.flight_ticket = 0;
  node.torn.clear();
  while (!node.pending.empty() && node.pending.front().id <= node.flight_last) {
    const PendingWrite& write = node.pending.front();
    if (write.hard_state) node.disk_hard_state = *write.hard_state;
    if (write.restart_after) node.disk.assign(committed_, *write.restart_after);
    if (write.truncate_from) node.disk.truncate_from(*write.truncate_from);
    for (std::uint64_t i = 0; i < write.cells; ++i) {
      extend(node.disk, node.pending_cells.front());
      node.pending_cells.pop_front();
    }
    node.pending.pop_front();
  }
}

// --- Commitment ---

void LogChecker::on_commit(Node& node, const node::NodeView& view) {
  if (view.commit < node.commit || view.commit > node.memory.last()) {
    violations_.report(
        "commit-monotonic",
        fmt::format("n{}'s commit index goes from {} to {}, its log ends at {}", view.id.value(),
                    node.commit.value(), view.commit.value(), node.memory.last().value()));
    return;
  }
  const bool is_news = view.commit > node.commit;
  node.commit = view.commit;
  if (is_news) on_commit_moved(node, view);
}

// By the log's own entries, or by a snapshot that stands for them; a log that does not hold the
// snapshot's last entry is worth nothing.
bool LogChecker::is_in(const Copy& copy, const ShadowLog& log, Index index) const {
  if (index <= copy.snapshot) return index == Index() || holds_committed(log, index);
  return (copy.snapshot == Index() || holds_committed(copy.log, copy.snapshot)) &&
         copy.log.agrees_with(log, index);
}

bool LogChecker::was_on_disk(const Node& node, const ShadowLog& log, Index index) const {
  const auto was_in = [&](const Node::Lost& lost) {
    return is_in({.log = lost.log, .snapshot = lost.snapshot}, log, index);
  };
  return is_on_disk(node, log, index) || std::any_of(node.lost.begin(), node.lost.end(), was_in) ||
         std::any_of(node.wiped.begin(), node.wiped.end(), was_in);
}

void LogChecker::on_wipe(NodeId id) {
  Node& node = nodes_[id.value()];
  std::vector<Node::Lost> wiped = std::move(node.wiped);
  wiped.push_back({.log = std::move(node.disk), .snapshot = node.snapshot});
  for (Node::Lost& lost : node.lost) wiped.push_back(std::move(lost));
  node = {};
  node.wiped = std::move(wiped);
}

// Of this very entry, or of one that it is before, it was judged already when the first node took
// it for committed: copies never become fewer, and whoever has the later one has it.
bool LogChecker::is_known_committed(const ShadowLog& log, Index index) const {
  return settled() <= index && index <= committed_.last() && committed_.at(index) == log.at(index);
}

// Whoever takes an entry for committed, leader or not (a leader may step down in the very turn):
// the copies on disks never become fewer, and the leader of its term has committed as much.
void LogChecker::on_commit_moved(const Node& node, const node::NodeView& view) {
  const auto has_it = [&](NodeId id) {
    return was_on_disk(nodes_[id.value()], node.memory, view.commit);
  };
  // By reference: a function that holds what this one does would be allocated each time.
  if (!is_known_committed(node.memory, view.commit) &&
      !memberships_.may_commit(node.memory, view.commit, std::cref(has_it))) {
    const auto copies = std::count_if(nodes_.begin(), nodes_.end(), [&](const Node& each) {
      return was_on_disk(each, node.memory, view.commit);
    });
    violations_.report(
        "commit-durable",
        fmt::format("n{} commits entry {} in term {}, which is on {} disks of {}", view.id.value(),
                    view.commit.value(), view.term.value(), copies, nodes_.size()));
  }
  for (Index index = committed_.last().next(); index <= view.commit; index = index.next()) {
    committed_.push(node.memory.at(index));
  }
  if (view.commit < settled()) return;
  const CommitMark mark{view.term, view.commit, node.memory.at(view.commit)};
  const auto at =
      std::lower_bound(commits_.begin(), commits_.end(), view.term,
                       [](const CommitMark& each, Term term) { return each.term < term; });
  if (at != commits_.end() && at->term == view.term) {
    if (at->index < mark.index) *at = mark;
  } else {
    commits_.insert(at, mark);
  }
}

// --- What is settled ---

// The oldest snapshot that any node's disk is known to hold. Nothing is known where damage may have
// taken it, and a founder that has not lived yet starts from what nobody has seen.
Index LogChecker::all_have_snapshots_to() const {
  Index oldest = committed_.last();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const Node& node = nodes_[i];
    const bool is_unknown = node.is_damaged || !node.lost.empty() || !node.wiped.empty();
    if (is_unknown || (i < founders_ && !node.has_lived)) return settled();
    if (node.has_lived) oldest = std::min(oldest, node.snapshot);
  }
  return oldest;
}

bool LogChecker::settle() {
  const Index to = all_have_snapshots_to();
  if (to <= settled()) return false;
  // A snapshot may be durable before the log that it came from; that is awaited.
  const auto holds_it = [&](const Node& node) {
    return !node.has_lived || (holds_committed(node.memory, to) && holds_committed(node.disk, to));
  };
  if (!std::all_of(nodes_.begin(), nodes_.end(), holds_it)) return false;
  for (Node& node : nodes_) {
    if (!node.has_lived) continue;
    node.memory.forget_before(to);
    node.disk.forget_before(to);
  }
  memberships_.settle(committed_, to);
  committed_.forget_before(to);
  cells_.forget_before(to);
  other_cells_.erase(other_cells_.begin(), other_cells_.lower_bound({to.next(), Term()}));
  // Every log holds what these say; the latest stays, for those who have none.
  const auto is_news = [&](const CommitMark& mark) { return mark.index >= to; };
  const auto kept = std::find_if(commits_.begin(), commits_.end(), is_news);
  commits_.erase(commits_.begin(), std::min(kept, std::prev(commits_.end())));
  return true;
}

// --- Elections and acknowledgements ---

void LogChecker::on_new_leader(const node::NodeView& view) {
  const Node& node = nodes_[view.id.value()];
  const auto is_voter_at = [&](Index index) {
    return memberships_.in_force(node.memory, index).configuration->is_voter(view.id);
  };
  if (!is_voter_at(node.memory.last()) && !is_voter_at(view.commit)) {
    violations_.report("membership", fmt::format("n{} leads term {}, and is no voter of its log",
                                                 view.id.value(), view.term.value()));
    return;
  }
  for (const CommitMark& mark : commits_) {
    if (mark.term >= view.term) break;
    if (mark.index < node.memory.base()) continue;  // settled, so every log holds it
    if (mark.index <= node.memory.last() && node.memory.at(mark.index) == mark.cell) continue;
    violations_.report(
        "leader-completeness",
        fmt::format("n{} leads term {} without entry {}, committed in term {}", view.id.value(),
                    view.term.value(), mark.index.value(), mark.term.value()));
    return;
  }
}

void LogChecker::on_send(const node::NodeView& view, const raft::Message& message) {
  const auto* reply = std::get_if<raft::AppendReply>(&message.body);
  if (reply == nullptr || !reply->accepted) return;
  const Node& node = nodes_[view.id.value()];
  if (is_on_disk(node, node.memory, reply->match)) return;
  violations_.report("durable-acknowledgement",
                     fmt::format("n{} acknowledges entries up to {}, durable are {}",
                                 view.id.value(), reply->match.value(), node.disk.last().value()));
}

}  // namespace vesper::sim
