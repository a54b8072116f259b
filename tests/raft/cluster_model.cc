#include "tests/raft/cluster_model.h"

#include <algorithm>
#include <ostream>

namespace vesper::raft::testing {

namespace {

constexpr std::size_t kNetworkMessages = 300;
constexpr std::size_t kRecoveryRounds = 300;  // of 50 ms

const char* name_of(Move move) {
  switch (move) {
    case Move::kCalm:
      return "calm";
    case Move::kDeliver:
      return "deliver";
    case Move::kDisk:
      return "disk";
    case Move::kTick:
      return "tick";
    case Move::kPass:
      return "pass";
    case Move::kPropose:
      return "propose";
    case Move::kRead:
      return "read";
    case Move::kDrop:
      return "drop";
    case Move::kDuplicate:
      return "duplicate";
    case Move::kCrash:
      return "crash";
    case Move::kRestart:
      return "restart";
    case Move::kPartition:
      return "partition";
    case Move::kHeal:
      return "heal";
    case Move::kTransfer:
      return "transfer";
    case Move::kCompact:
      return "compact";
    case Move::kPiece:
      return "piece";
  }
  VESPER_UNREACHABLE();
}

RaftConfig config_of(std::uint32_t id, std::size_t nodes, std::uint64_t life) {
  RaftConfig config;
  config.id = NodeId(id);
  config.configuration = Configuration::of_founders(std::vector<Incarnation>(nodes));
  // Small bounds, so that short schedules fill them.
  config.append_entries_max = 2;
  config.inflight_appends_max = 3;
  config.uncommitted_bytes_max = 96;
  config.waiting_reads_max = 4;
  config.random = Random(life);
  return config;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Action& action) {
  return out << name_of(action.move) << "(node " << int(action.node) << ", " << action.n << ")";
}

ClusterModel::ClusterModel(std::uint32_t nodes, Faults faults) : faults_(faults), nodes_(nodes) {
  for (std::uint32_t id = 0; id < nodes; ++id) restart(id);
  reached_ = {};
}

void ClusterModel::require(bool holds, const char* invariant, std::uint32_t id) {
  if (holds || violation_) return;
  violation_ = std::string(invariant) + " (node " + std::to_string(id) + ")";
}

// --- What a schedule can do ---

void ClusterModel::act(const Action& action) {
  const auto id = static_cast<std::uint32_t>(action.node % nodes_.size());
  Node& node = nodes_[id];
  switch (action.move) {
    case Move::kCalm:
      for (int i = 0; i <= action.n % 4; ++i) calm_round();
      break;
    case Move::kDeliver:
      deliver(action.n, false);
      break;
    case Move::kDuplicate:
      deliver(action.n, true);
      break;
    case Move::kDrop:
      if (!network_.empty()) network_.erase(network_.begin() + action.n % long(network_.size()));
      break;
    case Move::kDisk:
      for (int i = 0; i <= action.n % 3 && !node.writes.empty(); ++i) complete_write(id);
      break;
    case Move::kTick:
      if (!node.raft) break;
      node.now = std::max(node.now, node.raft->next_deadline());
      node.raft->tick(node.now);
      break;
    case Move::kPass:
      for (Node& each : nodes_) each.now = each.now + Duration::milliseconds(100) * (action.n % 8);
      break;
    case Move::kPropose:
      propose(node);
      break;
    case Move::kRead:
      read(node);
      break;
    case Move::kCrash:
      crash(id, action.n);
      break;
    case Move::kRestart:
      if (!node.raft) restart(id);
      break;
    case Move::kPartition:
      partition_ = action.n;
      break;
    case Move::kHeal:
      partition_ = 0;
      break;
    case Move::kTransfer:
      transfer(node, action.n % (nodes_.size() + 1));
      break;
    case Move::kCompact:
      compact(id, action.n % 4);
      break;
    case Move::kPiece:
      finish_piece(id, action.n % 16 == 0);
      break;
  }
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) drain(i);
}

void ClusterModel::calm_round() {
  for (std::uint32_t id = 0; id < nodes_.size(); ++id) {
    while (!nodes_[id].writes.empty()) complete_write(id);
    while (!nodes_[id].pieces.empty() && !nodes_[id].whole) finish_piece(id, false);
    nodes_[id].restores_now = true;
    drain(id);
  }
  for (std::size_t left = network_.size(); left > 0 && !network_.empty(); --left) deliver(0, false);
}

void ClusterModel::deliver(std::size_t at, bool keep) {
  if (network_.empty()) return;
  at %= network_.size();
  const Message message = network_[at];
  if (!keep) network_.erase(network_.begin() + long(at));
  const std::uint32_t from = message.from.value();
  const std::uint32_t to = message.to.value();
  if (((partition_ >> from) & 1) != ((partition_ >> to) & 1)) return;
  Node& node = nodes_[to];
  if (!node.raft) return;
  node.raft->step(node.now, message);
  drain(to);
}

void ClusterModel::propose(Node& node) {
  if (!node.raft) return;
  const std::string command = "c" + std::to_string(++counter_);
  const auto position = node.raft->propose(as_bytes(command));
  require(!position.ok() || !node.raft->transfer_target(), "who hands over takes no proposal", 0);
  if (position.ok()) node.proposals[position.value().index] = position.value().term;
}

void ClusterModel::read(Node& node) {
  if (!node.raft) return;
  const RequestId request(++counter_);
  const Index acknowledged = acknowledged_.empty() ? Index() : acknowledged_.rbegin()->first;
  if (faults_.serves_any_read) {
    node.reads[request] = acknowledged;
    grant(node, {request, node.raft->commit()});
  } else if (node.raft->read_index(request).ok()) {
    node.reads[request] = acknowledged;
  } else if (node.raft->ask_read_index(node.now, request).ok()) {
    node.reads[request] = acknowledged;
    node.asked.insert(request);
  }
}

void ClusterModel::transfer(Node& node, std::size_t target) {
  if (!node.raft) return;
  std::optional<NodeId> to;
  if (target > 0) to = NodeId(static_cast<std::uint32_t>(target - 1));
  if (node.raft->transfer(node.now, to).ok()) ++reached_.transfers;
}

void ClusterModel::complete_write(std::uint32_t id) {
  Node& node = nodes_[id];
  Write write = std::move(node.writes.front());
  node.writes.pop_front();
  node.disk_before = node.disk;
  write_to(node.disk, write);
  if (write.truncate_from) check_acknowledged_from(*write.truncate_from);
  if (node.raft && write.id != WriteId()) node.raft->persisted(node.now, write.id);
  for (const Message& message : write.messages) send(id, message);
}

void ClusterModel::write_to(Disk& disk, const Write& write) {
  if (write.hard_state) disk.hard_state = *write.hard_state;
  if (write.restart_after) replace_log(disk, *write.restart_after);
  if (write.truncate_from) {
    require(write.truncate_from->value() <= disk.log.size(), "a truncation has something to cut",
            0);
    require(*write.truncate_from > disk.begin, "a truncation cuts nothing that is committed", 0);
    disk.log.resize(std::min<std::size_t>(disk.log.size(), write.truncate_from->value() - 1));
  }
  for (const Entry& entry : write.entries) {
    require(entry.index().value() == disk.log.size() + 1, "writes leave no gap in the log", 0);
    disk.log.push_back(entry);
  }
}

void ClusterModel::crash(std::uint32_t id, std::size_t kept) {
  Node& node = nodes_[id];
  if (!node.raft) return;
  if (node.raft->is_leader()) ++reached_.leader_crashes;
  if (faults_.loses_synced) {
    node.disk = node.disk_before;
  } else {
    kept %= node.writes.size() + 1;
    for (std::size_t i = 0; i < kept; ++i) write_to(node.disk, node.writes[i]);
    reached_.writes_lost += node.writes.size() - kept;
  }
  node.writes.clear();
  node.raft.reset();
  node.reads.clear();
  node.asked.clear();
  node.proposals.clear();
  node.pieces.clear();
  node.incoming.reset();
  node.whole.reset();
  node.restores_now = false;
  check_acknowledged_from(Index(1));
}

void ClusterModel::restart(std::uint32_t id) {
  Node& node = nodes_[id];
  if (faults_.forgets_vote) node.disk.hard_state.vote.reset();
  ++node.life;
  ++reached_.restarts;
  join_snapshot(node.disk);
  const std::vector<Entry>& log = node.disk.log;
  const auto begin = static_cast<std::ptrdiff_t>(node.disk.begin.value());
  const LogPosition base = begin == 0 ? LogPosition() : log[std::size_t(begin) - 1].position();
  node.newest = node.disk.snapshot;
  node.raft.emplace(config_of(id, nodes_.size(), node.life), node.disk.hard_state,
                    Log(base, {log.begin() + begin, log.end()}), node.now, node.newest);
  node.applied = node.commit = node.newest.last.index;
  node.led = Term();
}

void ClusterModel::recover() {
  partition_ = 0;
  for (std::uint32_t id = 0; id < nodes_.size(); ++id) {
    if (!nodes_[id].raft) restart(id);
  }
  std::optional<LogPosition> probe;
  for (std::size_t round = 0; round < kRecoveryRounds && !violation_; ++round) {
    for (Node& node : nodes_) {
      node.now = node.now + Duration::milliseconds(50);
      node.raft->tick(node.now);
    }
    for (int i = 0; i < 6; ++i) calm_round();
    for (Node& node : nodes_) {
      if (probe || !node.raft->is_leader()) continue;
      const auto position = node.raft->propose(as_bytes("last"));
      if (position.ok()) probe = position.value();
    }
    if (probe && everyone_applied(probe->index)) {
      ++reached_.recoveries;
      return;
    }
    // A leader of an older term may have taken it: ask the next.
    if (round % 20 == 19) probe.reset();
  }
  require(false, "progress: a healed cluster commits a new command", 0);
}

bool ClusterModel::everyone_applied(Index index) const {
  return std::all_of(nodes_.begin(), nodes_.end(),
                     [index](const Node& node) { return node.applied >= index; });
}

// --- What leaves a node ---

void ClusterModel::drain(std::uint32_t id) {
  Node& node = nodes_[id];
  do {
    while (node.raft && !violation_ && node.raft->collect(ready_)) absorb(id, ready_);
  } while (node.raft && !violation_ && restore_whole(id));
  if (node.raft) check_state(id);
}

void ClusterModel::absorb(std::uint32_t id, const Ready& ready) {
  Node& node = nodes_[id];
  check_entries(node, ready);
  for (const Message& message : ready.send_now) {
    const bool barred = std::any_of(node.writes.begin(), node.writes.end(),
                                    [](const Write& write) { return bool(write.hard_state); });
    require(!barred && !ready.hard_state, "hard state is a barrier for send_now", id);
    send(id, message);
  }

  Write write{ready.write,         ready.hard_state, ready.restart_after,
              ready.truncate_from, ready.entries,    {}};
  if (ready.truncate_from) ++reached_.truncations;
  for (const Message& message : ready.send_after_durable) {
    if (faults_.replies_early || (node.writes.empty() && ready.write == WriteId())) {
      send(id, message);
    } else {
      write.messages.push_back(message);
    }
  }
  if (write.id != WriteId() || !write.messages.empty()) node.writes.push_back(std::move(write));
  // Raft is told that its term is on disk while it is not: what waited leaves.
  if (faults_.skips_barrier && ready.hard_state) node.raft->persisted(node.now, ready.write);

  for (const Entry& entry : ready.committed) apply(id, entry);
  for (const ChunkWanted& wanted : ready.chunks_wanted) {
    node.pieces.push_back({wanted, wanted.snapshot, 0});
  }
  for (const ChunkReceived& chunk : ready.chunks_received) on_chunk(id, chunk);
  for (const GrantedRead& granted : ready.reads) grant(node, granted);
  for (const RequestId lost : ready.lost_reads) node.reads.erase(lost);
}

void ClusterModel::send(std::uint32_t id, const Message& message) {
  check_sent(id, message);
  if (network_.size() >= kNetworkMessages) network_.erase(network_.begin());
  network_.push_back(message);
}

void ClusterModel::apply(std::uint32_t id, const Entry& entry) {
  Node& node = nodes_[id];
  require(entry.index() == node.applied.next(), "entries are applied in order, each once", id);
  node.applied = entry.index();
  const auto [at, is_first] = applied_.emplace(entry.index(), entry.checksum());
  if (is_first) applied_entries_.push_back(entry);
  require(is_first || at->second == entry.checksum(), "State Machine Safety", id);

  const auto waiting = node.proposals.find(entry.index());
  if (waiting == node.proposals.end()) return;
  if (waiting->second == entry.term()) {
    ++reached_.acknowledged;
    acknowledged_.emplace(entry.index(), entry.position());
    check_acknowledged_from(entry.index());
  }
  node.proposals.erase(waiting);
}

void ClusterModel::grant(Node& node, const GrantedRead& read) {
  const auto id = static_cast<std::uint32_t>(&node - nodes_.data());
  const auto asked = node.reads.find(read.request);
  require(asked != node.reads.end(), "a read is granted once", id);
  if (asked == node.reads.end()) return;
  require(read.index >= asked->second, "a read sees what was acknowledged before it came", id);
  node.reads.erase(asked);
  ++(node.asked.erase(read.request) > 0 ? reached_.follower_reads : reached_.reads);
}

}  // namespace vesper::raft::testing
