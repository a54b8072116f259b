#include "sim/explore/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/raft/codec.h"

namespace vesper::sim::explore {

namespace {

constexpr Duration kHeartbeatInterval = Duration::nanoseconds(1);
constexpr Duration kElectionTimeout = Duration::seconds(1);

raft::RaftConfig config_of(const Bounds& bounds, NodeId id) {
  raft::RaftConfig config;
  config.id = id;
  config.configuration =
      raft::Configuration::of_founders(std::vector<Incarnation>(bounds.nodes, Incarnation()));
  config.heartbeat_interval = kHeartbeatInterval;
  config.election_timeout_min = kElectionTimeout;
  config.election_timeout_max = kElectionTimeout * 2;
  config.append_entries_max = bounds.append_entries_max;
  return config;
}

// A pre-vote and its granted reply speak of a future term that nobody has entered.
bool bears_own_term(const raft::MessageBody& body) {
  if (std::holds_alternative<raft::PreVoteRequest>(body)) return false;
  const auto* reply = std::get_if<raft::PreVoteReply>(&body);
  return reply == nullptr || !reply->granted;
}

// One input's work at one machine.
class Turn {
 public:
  Turn(const Bounds& bounds, const Machine& before)
      : bounds_(bounds), before_(before), machine_(before) {}

  std::optional<Stepped> run(const Input& input);

 private:
  std::optional<Stepped> result() {
    return Stepped{std::move(*machine_), std::move(sent_), elected_, std::move(finding_)};
  }
  bool take(const Input& input);
  bool campaign();
  bool step_down();
  void drain();
  void absorb();
  void hold(raft::Message message);
  void send(const raft::Message& message);
  void complete_write();
  bool write_records(std::size_t count);
  void write_record(const PendingWrite& write, std::size_t record);
  bool crash(std::size_t kept);
  void restart();

  void report(const char* invariant, std::string detail) {
    if (!finding_) finding_ = Finding{invariant, std::move(detail)};
  }
  void check_sent(const raft::Message& message);
  void check_life();
  void write_hard_state(const raft::HardState& hard_state);

  Machine& machine() { return *machine_; }
  raft::Raft& raft() { return machine_->raft; }
  std::uint32_t id() { return raft().config().id.value(); }

  const Bounds& bounds_;
  const Machine& before_;
  // Raft can be copied and not assigned, for its configuration never changes.
  std::optional<Machine> machine_;
  std::vector<raft::Message> sent_;
  std::optional<Term> elected_;
  std::optional<Finding> finding_;
  bool hears_pre_votes_ = false;  // and answers them itself
  raft::Ready ready_;
};

std::optional<Stepped> Turn::run(const Input& input) {
  machine().now = machine().now + (raft().is_leader() ? kHeartbeatInterval : kElectionTimeout);
  if (input.kind == InputKind::kCrash) {
    if (!crash(*input.kept)) return std::nullopt;
    return result();
  }
  if (!take(input)) return std::nullopt;
  drain();
  check_life();
  if (input.kept) {
    if (machine().writes.empty() || !write_records(*input.kept)) return std::nullopt;
    restart();
  } else if (bounds_.disks == Disks::kPrompt) {
    while (!machine().writes.empty()) complete_write();
    check_life();
  }
  return result();
}

bool Turn::take(const Input& input) {
  switch (input.kind) {
    case InputKind::kMessage:
      raft().step(machine().now, *input.message);
      return true;
    case InputKind::kDisk:
      if (machine().writes.empty()) return false;
      complete_write();
      return true;
    case InputKind::kElection:
      return campaign();
    case InputKind::kHeartbeat:
      if (!raft().is_leader()) return false;
      machine().now = std::max(machine().now, raft().next_deadline());
      raft().tick(machine().now);
      return true;
    case InputKind::kStepDown:
      return step_down();
    case InputKind::kPropose: {
      const std::string command = fmt::format("c{}", input.number);
      return raft().propose(as_bytes(command)).ok();
    }
    case InputKind::kCrash:
      break;
  }
  VESPER_UNREACHABLE();
}

// The pre-vote's requests leave only when the hard state is durable; so nobody's election begins
// before.
bool Turn::campaign() {
  const auto changes_hard_state = [](const PendingWrite& write) {
    return write.hard_state.has_value();
  };
  if (raft().is_leader() ||
      std::any_of(machine().writes.begin(), machine().writes.end(), changes_hard_state)) {
    return false;
  }
  machine().now = std::max(machine().now, raft().next_deadline());
  raft().tick(machine().now);
  if (bounds_.pre_votes == PreVotes::kMessages) return true;
  hears_pre_votes_ = true;
  drain();
  hears_pre_votes_ = false;
  return true;
}

bool Turn::step_down() {
  if (!raft().is_leader() || bounds_.nodes == 1) return false;
  machine().now = machine().now + kElectionTimeout * 2;
  raft().tick(machine().now);
  VESPER_CHECK(!raft().is_leader());
  return true;
}

// --- What leaves a node ---

void Turn::drain() {
  while (raft().collect(ready_)) absorb();
  const raft::Raft& before = before_.raft;
  const bool led_before = before.is_leader() && before.term() == raft().term();
  if (raft().is_leader() && !led_before) elected_ = raft().term();
}

void Turn::absorb() {
  if (ready_.write != WriteId()) {
    machine().writes.push_back({.id = ready_.write,
                                .hard_state = ready_.hard_state,
                                .truncate_from = ready_.truncate_from,
                                .entries = ready_.entries,
                                .messages = {}});
  }
  std::vector<raft::Message> pre_votes;
  for (const raft::Message& message : ready_.send_now) {
    if (hears_pre_votes_) {
      pre_votes.push_back(message);
    } else {
      send(message);
    }
  }
  for (raft::Message& message : ready_.send_after_durable) hold(std::move(message));
  for (const raft::Message& message : pre_votes) {
    raft().step(machine().now, {.from = message.to,
                                .to = message.from,
                                .term = message.term,
                                .body = raft::PreVoteReply{true}});
  }
}

// As NodeImpl::hold.
void Turn::hold(raft::Message message) {
  if (machine().writes.empty() || bounds_.lies.acknowledges_all) return send(message);
  std::vector<raft::Message>& held = machine().writes.back().messages;
  if (!held.empty() && held.back().to == message.to && held.back().term == message.term) {
    auto* before = std::get_if<raft::AppendReply>(&held.back().body);
    const auto* reply = std::get_if<raft::AppendReply>(&message.body);
    if (before != nullptr && reply != nullptr && before->accepted && reply->accepted) {
      before->match = std::max(before->match, reply->match);
      return;
    }
  }
  held.push_back(std::move(message));
}

void Turn::send(const raft::Message& message) {
  check_sent(message);
  sent_.push_back(message);
}

// --- The disk ---

void Turn::complete_write() {
  const PendingWrite write = std::move(machine().writes.front());
  machine().writes.erase(machine().writes.begin());
  for (std::size_t i = 0; i < write.records(); ++i) write_record(write, i);
  raft().persisted(machine().now, write.id);
  // As NodeImpl::send_held: what belongs to a term that the node has left promises nothing.
  for (const raft::Message& message : write.messages) {
    if (message.term == raft().term()) send(message);
  }
  drain();
}

void Turn::write_record(const PendingWrite& write, std::size_t record) {
  if (write.hard_state && record-- == 0) return write_hard_state(*write.hard_state);
  std::vector<raft::Entry>& log = machine().disk.log;
  if (write.truncate_from && record-- == 0) {
    VESPER_CHECK(write.truncate_from->value() <= log.size());
    log.resize(write.truncate_from->value() - 1);
    return;
  }
  VESPER_CHECK(write.entries[record].index() == Index(log.size()).next());
  log.push_back(write.entries[record]);
}

void Turn::write_hard_state(const raft::HardState& hard_state) {
  raft::HardState& known = machine().disk.hard_state;
  if (hard_state.term < known.term) {
    report("term-monotonic", fmt::format("n{}'s disk goes from term {} back to {}", id(),
                                         known.term.value(), hard_state.term.value()));
  } else if (hard_state.term == known.term && known.vote && hard_state.vote != known.vote) {
    report("vote-once",
           fmt::format("n{} changes its vote within term {}", id(), hard_state.term.value()));
  }
  known = hard_state;
}

// Completes writes, and of the one that the crash interrupts only so many records reach the disk.
// A write that is whole by then may still be one whose messages never left: where links keep their
// order that is another run than one where they did. False: no write is interrupted there.
bool Turn::write_records(std::size_t count) {
  const std::size_t silent = bounds_.order == Order::kLink ? 1 : 0;
  while (!machine().writes.empty()) {
    const PendingWrite write = machine().writes.front();
    if (count < write.records() + silent) {
      for (std::size_t i = 0; i < count; ++i) write_record(write, i);
      return true;
    }
    count -= write.records() + silent;
    complete_write();
  }
  return false;
}

bool Turn::crash(std::size_t kept) {
  if (kept >= crash_points(bounds_, machine())) return false;
  for (const PendingWrite& write : std::exchange(machine().writes, {})) {
    const std::size_t records = std::min(kept, write.records());
    for (std::size_t i = 0; i < records; ++i) write_record(write, i);
    kept -= records;
  }
  restart();
  return true;
}

// It comes back at once. One that stays away longer is one that does nothing, and to which nothing
// comes, for a while.
void Turn::restart() {
  Disk disk = std::move(machine().disk);
  if (bounds_.lies.forgets_vote) disk.hard_state.vote.reset();
  if (bounds_.lies.loses_synced && !disk.log.empty()) disk.log.pop_back();
  raft::Raft fresh(config_of(bounds_, raft().config().id), disk.hard_state, raft::Log(disk.log),
                   machine().now);
  machine_.emplace(Machine{std::move(fresh), machine().now, std::move(disk), {}});
}

// --- What can be seen at one node ---

void Turn::check_sent(const raft::Message& message) {
  const Disk& disk = machine().disk;
  if (bears_own_term(message.body) && message.term > disk.hard_state.term) {
    report("hard-state-durable", fmt::format("n{} sends {} of term {}, on its disk is term {}",
                                             id(), raft::message_name(message.body),
                                             message.term.value(), disk.hard_state.term.value()));
  }
  std::optional<NodeId> vote;
  if (const auto* reply = std::get_if<raft::VoteReply>(&message.body); reply && reply->granted) {
    vote = message.to;
  } else if (std::holds_alternative<raft::VoteRequest>(message.body)) {
    vote = message.from;
  }
  if (vote && disk.hard_state.term == message.term && disk.hard_state.vote != vote) {
    if (disk.hard_state.vote) {
      report("vote-once",
             fmt::format("n{} votes for n{} and n{} in term {}", id(),
                         disk.hard_state.vote->value(), vote->value(), message.term.value()));
    } else {
      report("hard-state-durable", fmt::format("n{}'s vote for n{} in term {} is not on its disk",
                                               id(), vote->value(), message.term.value()));
    }
  }
  const auto* reply = std::get_if<raft::AppendReply>(&message.body);
  if (reply == nullptr || !reply->accepted) return;
  const std::uint64_t match = reply->match.value();
  const bool is_on_disk =
      match <= disk.log.size() && match <= raft().log().last_index().value() &&
      (match == 0 || disk.log[match - 1].position() == raft().log().at(reply->match).position());
  if (!is_on_disk) {
    report("durable-acknowledgement", fmt::format("n{} acknowledges entries up to {}, durable are "
                                                  "{}",
                                                  id(), match, disk.log.size()));
  }
}

// What never changes backwards within one life.
void Turn::check_life() {
  const raft::Raft& before = before_.raft;
  const raft::Raft& now = raft();
  if (now.commit() < before.commit() || now.commit() > now.log().last_index()) {
    report(
        "commit-monotonic",
        fmt::format("n{}'s commit index goes from {} to {}, its log ends at {}", id(),
                    before.commit().value(), now.commit().value(), now.log().last_index().value()));
  }
  if (now.term() < before.term()) {
    report("term-monotonic", fmt::format("n{} goes from term {} back to {}", id(),
                                         before.term().value(), now.term().value()));
  } else if (now.term() == before.term() && before.hard_state().vote &&
             now.hard_state().vote != before.hard_state().vote) {
    report("vote-once",
           fmt::format("n{} changes its vote within term {}", id(), now.term().value()));
  }
  const bool leads_on = before.is_leader() && now.is_leader() && before.term() == now.term();
  if (leads_on && !now.log().contains(before.log().last())) {
    report("leader-append-only",
           fmt::format("n{}, leader of term {}, has lost its entry {}", id(), now.term().value(),
                       before.log().last_index().value()));
  }
}

}  // namespace

Machine first_machine(const Bounds& bounds, NodeId id) {
  const Instant start = Instant::from_nanoseconds(0);
  return {raft::Raft(config_of(bounds, id), {}, {}, start), start, {}, {}};
}

std::optional<Stepped> step(const Bounds& bounds, const Machine& before, const Input& input) {
  return Turn(bounds, before).run(input);
}

std::size_t crash_points(const Bounds& bounds, const Machine& machine) {
  if (machine.writes.empty()) return 1;
  if (bounds.order == Order::kAny) return std::max<std::size_t>(machine.writes[0].records(), 1);
  std::size_t records = 0;
  for (const PendingWrite& write : machine.writes) records += write.records();
  return records + 1;
}

// --- Bytes ---

void encode(const raft::Message& message, std::span<const NodeId> names,
            std::vector<std::byte>& out) {
  ByteWriter writer(out);
  writer.u32(names[message.from.value()].value());
  writer.u32(names[message.to.value()].value());
  raft::encode_message(message, out);
}

void encode(const Machine& machine, std::span<const NodeId> names, std::vector<std::byte>& out) {
  machine.raft.encode_state(names, out);
  ByteWriter writer(out);
  const auto hard_state = [&](const raft::HardState& state) {
    writer.u64(state.term.value());
    writer.u32(state.vote ? names[state.vote->value()].value() : UINT32_MAX);
  };
  const auto entries = [&](const std::vector<raft::Entry>& log) {
    writer.u32(static_cast<std::uint32_t>(log.size()));
    for (const raft::Entry& entry : log) {
      writer.u64(entry.term().value());
      writer.u32(entry.checksum());
    }
  };
  hard_state(machine.disk.hard_state);
  entries(machine.disk.log);
  writer.u32(static_cast<std::uint32_t>(machine.writes.size()));
  for (const PendingWrite& write : machine.writes) {
    writer.u8(write.hard_state ? 1 : 0);
    if (write.hard_state) hard_state(*write.hard_state);
    writer.u64(write.truncate_from.value_or(Index()).value());
    entries(write.entries);
    std::vector<raft::Message> held = write.messages;
    const auto is_before = [&](const raft::Message& a, const raft::Message& b) {
      return names[a.to.value()] < names[b.to.value()];
    };
    std::stable_sort(held.begin(), held.end(), is_before);
    writer.u32(static_cast<std::uint32_t>(held.size()));
    for (const raft::Message& message : held) encode(message, names, out);
  }
}

}  // namespace vesper::sim::explore
