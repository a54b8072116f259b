#include "sim/check/logs.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/base/hash.h"

namespace vesper::sim {

ShadowLog::Cell ShadowLog::next_cell(const raft::Entry& entry) const {
  const std::uint64_t before = at(last()).rolling;
  const std::uint64_t content = static_cast<std::uint64_t>(entry.kind()) << 32 | entry.checksum();
  return {entry.term(), mix64(mix64(before, entry.term().value()), content)};
}

// --- Lives ---

void LogChecker::on_recovered(const node::NodeView& view, const raft::Log* log) {
  Node& node = nodes_[view.id.value()];
  ShadowLog found;
  for (Index index(1); log != nullptr && index <= log->last_index(); index = index.next()) {
    const ShadowLog::Cell cell = found.next_cell(log->at(index));
    match(view, index, cell);
    found.push(cell);
  }
  // The first life of a preset directory starts from what nobody has seen written.
  if (std::exchange(node.has_lived, true) && !is_possible(node, {found, {view.term, view.vote}})) {
    violations_.report(
        "durable-log",
        fmt::format("n{} restarts with {} entries in term {}; durable were {} entries and term {}, "
                    "and no later write leaves this",
                    view.id.value(), found.last().value(), view.term.value(),
                    node.disk.last().value(), node.disk_hard_state.term.value()));
  }
  node.memory = found;
  node.disk = std::move(found);
  node.disk_hard_state = {view.term, view.vote};
  node.pending.clear();
  node.pending_cells.clear();
  node.flight_ticket = 0;
  node.commit = Index();
}

// Some of the writes that were not known to be durable may have become so: each state that they
// pass through is possible, record by record, in their order.
bool LogChecker::is_possible(const Node& node, const Recovered& found) const {
  ShadowLog state = node.disk;
  raft::HardState hard_state = node.disk_hard_state;
  const auto is_found = [&] {
    return hard_state == found.hard_state && state.last() == found.log.last() &&
           state.at(state.last()) == found.log.at(found.log.last());
  };
  if (is_found()) return true;
  std::size_t next_cell = 0;
  for (const PendingWrite& write : node.pending) {
    if (write.hard_state) hard_state = *write.hard_state;
    if (is_found()) return true;
    if (write.truncate_from) state.truncate_from(*write.truncate_from);
    if (is_found()) return true;
    for (std::uint64_t i = 0; i < write.cells; ++i) {
      state.push(node.pending_cells[next_cell++]);
      if (is_found()) return true;
    }
  }
  return false;
}

// --- Writes ---

void LogChecker::on_ready(const node::NodeView& view, const raft::Ready& ready) {
  Node& node = nodes_[view.id.value()];
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
    node.pending.push_back({.id = ready.write,
                            .hard_state = ready.hard_state,
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
  const ShadowLog::Cell cell = node.memory.next_cell(entry);
  match(view, entry.index(), cell);
  node.memory.push(cell);
  node.pending_cells.push_back(cell);
}

void LogChecker::match(const node::NodeView& view, Index index, ShadowLog::Cell cell) {
  if (index > Index(cells_.size())) {
    // Indexes come without gaps in every log, so the first log to reach one is the longest so far.
    cells_.push_back(cell);
    return;
  }
  const ShadowLog::Cell& first = cells_[index.value() - 1];
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
  while (!node.pending.empty() && node.pending.front().id <= node.flight_last) {
    const PendingWrite& write = node.pending.front();
    if (write.hard_state) node.disk_hard_state = *write.hard_state;
    if (write.truncate_from) node.disk.truncate_from(*write.truncate_from);
    for (std::uint64_t i = 0; i < write.cells; ++i) {
      node.disk.push(node.pending_cells.front());
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

// Whoever takes an entry for committed, leader or not (a leader may step down in the very turn):
// the copies on disks never become fewer, and the leader of its term has committed as much.
void LogChecker::on_commit_moved(const Node& node, const node::NodeView& view) {
  std::size_t copies = 0;
  for (const Node& each : nodes_) {
    if (each.disk.agrees_with(node.memory, view.commit)) ++copies;
  }
  if (2 * copies <= nodes_.size()) {
    violations_.report(
        "commit-durable",
        fmt::format("n{} commits entry {} in term {}, which is on {} disks of {}", view.id.value(),
                    view.commit.value(), view.term.value(), copies, nodes_.size()));
  }
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

void LogChecker::on_new_leader(const node::NodeView& view) {
  const Node& node = nodes_[view.id.value()];
  for (const CommitMark& mark : commits_) {
    if (mark.term >= view.term) break;
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
  if (node.disk.agrees_with(node.memory, reply->match)) return;
  violations_.report("durable-acknowledgement",
                     fmt::format("n{} acknowledges entries up to {}, durable are {}",
                                 view.id.value(), reply->match.value(), node.disk.last().value()));
}

}  // namespace vesper::sim
