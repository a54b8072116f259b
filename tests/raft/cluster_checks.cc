// The invariants of ClusterModel: paper figure 3, and what DESIGN calls the contract of durability.
#include <algorithm>

#include "core/raft/quorum.h"
#include "tests/raft/cluster_model.h"

namespace vesper::raft::testing {

namespace {

bool holds(const std::vector<Entry>& log, LogPosition position) {
  const std::uint64_t at = position.index.value();
  return at >= 1 && at <= log.size() && log[at - 1].position() == position;
}

}  // namespace

// A message leaves only when the disk stands behind what it says.
void ClusterModel::check_sent(std::uint32_t id, const Message& message) {
  const Node& node = nodes_[id];
  const bool is_pre_vote = std::holds_alternative<PreVoteRequest>(message.body) ||
                           std::holds_alternative<PreVoteReply>(message.body);
  require(is_pre_vote || message.term <= node.disk.hard_state.term,
          "a message bears a term that is on disk", id);
  if (const auto* reply = std::get_if<AppendReply>(&message.body); reply && reply->accepted) {
    // A later leader may have cut the log since: then the reply is of an older term.
    const bool is_old = message.term < node.disk.hard_state.term;
    require(is_old || reply->match.value() <= node.disk.log.size() ||
                reply->match <= node.disk.snapshot.last.index,
            "an acknowledged entry is on disk", id);
  }
  check_transfer(id, message);
  std::optional<NodeId> vote;
  if (const auto* reply = std::get_if<VoteReply>(&message.body); reply && reply->granted) {
    vote = message.to;
  } else if (std::holds_alternative<VoteRequest>(message.body)) {
    vote = NodeId(id);
  }
  if (!vote) return;
  const auto [at, is_first] = votes_.emplace(std::pair(id, message.term), *vote);
  require(is_first || at->second == *vote, "one vote a term", id);
}

// Dissertation section 3.10: the target holds the whole log when it is told, and nobody else may
// campaign in spite of a live leader.
void ClusterModel::check_transfer(std::uint32_t id, const Message& message) {
  if (std::holds_alternative<TimeoutNow>(message.body)) {
    const Node& target = nodes_[message.to.value()];
    const Index last = nodes_[id].raft->log().last_index();
    require(target.disk.hard_state.term > message.term || target.disk.log.size() >= last.value(),
            "a transfer's target holds its leader's log", id);
    told_[{message.to.value(), message.term}] = last;
  }
  const auto* vote = std::get_if<VoteRequest>(&message.body);
  if (vote == nullptr || !vote->by_transfer) return;
  require(told_.contains({id, message.term.previous()}),
          "only whom its leader told campaigns by transfer", id);
  if (marked_.emplace(message.term, id).second) ++reached_.transfers_heard;
}

// Log Matching: an index and a term name one content and one predecessor, in every log.
void ClusterModel::check_entries(const Node& node, const Ready& ready) {
  const auto id = static_cast<std::uint32_t>(&node - nodes_.data());
  for (const Entry& entry : ready.entries) {
    const Index previous = entry.index().previous();
    const Content content{entry.checksum(), node.raft->log().term_at(previous)};
    const auto [at, is_first] = contents_.emplace(entry.position(), content);
    require(is_first || at->second == content, "Log Matching", id);
  }
}

void ClusterModel::check_state(std::uint32_t id) {
  Node& node = nodes_[id];
  const Raft& raft = *node.raft;
  require(raft.commit() >= node.commit, "the commit index never goes back", id);
  require(raft.commit() <= raft.log().last_index(), "what is committed is in the log", id);
  check_durable(node);
  check_leader(id);
  if (raft.commit() > node.commit) record_commits(id);
  node.commit = raft.commit();
}

void ClusterModel::check_durable(const Node& node) {
  const auto id = static_cast<std::uint32_t>(&node - nodes_.data());
  if (faults_.skips_barrier) return;
  const Index durable = node.raft->durable();
  if (durable <= node.disk.snapshot.last.index) return;  // by the snapshot
  const LogPosition position{node.raft->log().term_at(durable), durable};
  // A truncation that is still on its way to the disk has already lowered the durable index.
  require(holds(node.disk.log, position), "what Raft takes for durable is on disk", id);
}

void ClusterModel::check_leader(std::uint32_t id) {
  Node& node = nodes_[id];
  const Raft& raft = *node.raft;
  if (!raft.is_leader()) {
    if (node.led != Term()) ++reached_.step_downs;
    node.led = Term();
    return;
  }
  if (node.led != raft.term()) {
    if (node.led != Term()) ++reached_.step_downs;
    check_new_leader(id);
  } else {
    require(raft.log().last_index() >= node.led_last, "Leader Append-Only", id);
  }
  node.led = raft.term();
  node.led_last = raft.log().last_index();
}

void ClusterModel::check_new_leader(std::uint32_t id) {
  const Node& node = nodes_[id];
  ++reached_.elections;
  const std::pair self(id, node.life);
  const auto [at, is_first] = leaders_.emplace(node.raft->term(), self);
  require(is_first || at->second == self, "Election Safety", id);
  const auto marked = marked_.find(node.raft->term());
  if (marked != marked_.end() && marked->second == id) ++reached_.transfers_won;
  for (const auto& [index, committed] : committed_) {
    if (committed.by >= node.raft->term()) continue;
    require(node.raft->log().contains(committed.position), "Leader Completeness", id);
  }
}

void ClusterModel::record_commits(std::uint32_t id) {
  const Node& node = nodes_[id];
  for (Index index = node.commit.next(); index <= node.raft->commit(); index = index.next()) {
    const LogPosition position{node.raft->log().term_at(index), index};
    const auto [at, is_first] = committed_.emplace(index, Committed{position, node.raft->term()});
    require(at->second.position == position, "one entry is committed at an index", id);
    if (!is_first) continue;
    ++reached_.commits;
    require(node.raft->is_leader(), "a leader is the first to commit", id);
    require(copies_of(position) >= majority_of(nodes_.size()),
            "a committed entry is on a majority's disks", id);
  }
}

std::size_t ClusterModel::copies_of(LogPosition position) const {
  return static_cast<std::size_t>(
      std::count_if(nodes_.begin(), nodes_.end(),
                    [position](const Node& node) { return holds(node.disk.log, position); }));
}

void ClusterModel::check_acknowledged_from(Index from) {
  for (auto at = acknowledged_.lower_bound(from); at != acknowledged_.end(); ++at) {
    require(copies_of(at->second) >= majority_of(nodes_.size()),
            "an acknowledged command stays on a majority's disks", 0);
  }
}

}  // namespace vesper::raft::testing
