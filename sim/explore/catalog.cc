#include "sim/explore/catalog.h"

#include <algorithm>
#include <utility>

#include "core/raft/codec.h"

namespace vesper::sim::explore {

namespace {

// Without symmetry: the one that renames nothing.
std::vector<Renaming> renamings_of(const Bounds& bounds) {
  Renaming renaming;
  for (std::uint32_t id = 0; id < bounds.nodes; ++id) renaming.push_back(NodeId(id));
  std::vector<Renaming> all{renaming};
  if (!bounds.symmetry) return all;
  while (std::next_permutation(renaming.begin(), renaming.end())) all.push_back(renaming);
  return all;
}

MachineFacts facts_of(const Bounds& bounds, const Machine& machine) {
  const auto* candidate = std::get_if<raft::Candidate>(&machine.raft.role());
  return {.term = machine.raft.term(),
          .durable_term = machine.disk.hard_state.term,
          .asks_votes = candidate != nullptr && !candidate->pre_vote,
          .leads = machine.raft.is_leader(),
          .has_writes = !machine.writes.empty(),
          .crash_points = static_cast<std::uint8_t>(crash_points(bounds, machine))};
}

MessageFacts facts_of(const raft::Message& message) {
  const bool is_vote = std::holds_alternative<raft::VoteReply>(message.body);
  return {.term = message.term,
          .from = static_cast<std::uint8_t>(message.from.value()),
          .to = static_cast<std::uint8_t>(message.to.value()),
          .is_vote = is_vote,
          .is_reply = is_vote || std::holds_alternative<raft::AppendReply>(message.body) ||
                      std::holds_alternative<raft::HeartbeatReply>(message.body)};
}

// As the network carries it.
raft::Message through_codec(const raft::Message& message) {
  std::vector<std::byte> bytes;
  raft::encode_message(message, bytes);
  Result<raft::Message> decoded = raft::decode_message(SharedBytes::copy_of(bytes));
  VESPER_CHECK(decoded.ok());
  decoded.value().from = message.from;
  decoded.value().to = message.to;
  return std::move(decoded.value());
}

bool is_same_entry(const raft::Entry& a, const raft::Entry& b) {
  return a.position() == b.position() && a.checksum() == b.checksum();
}

bool is_same_log(const raft::Log& a, const raft::Log& b) {
  if (a.last() != b.last()) return false;
  for (Index index = a.first_index(); index <= a.last_index(); index = index.next()) {
    if (!is_same_entry(a.at(index), b.at(index))) return false;
  }
  return true;
}

bool must_be_judged(const Machine& before, const Stepped& after) {
  const std::vector<raft::Entry>& was = before.disk.log;
  const std::vector<raft::Entry>& is = after.machine.disk.log;
  return after.elected || before.raft.commit() != after.machine.raft.commit() ||
         !std::equal(was.begin(), was.end(), is.begin(), is.end(), is_same_entry) ||
         !is_same_log(before.raft.log(), after.machine.raft.log());
}

}  // namespace

Catalog::Catalog(const Bounds& bounds) : bounds_(bounds), renamings_(renamings_of(bounds)) {}

template <class Value>
void Catalog::add_hashes(const Value& value, std::vector<std::uint64_t>& hashes) {
  for (const Renaming& renaming : renamings_) {
    scratch_.clear();
    encode(value, renaming, scratch_);
    hashes.push_back(hash64(scratch_));
  }
}

MachineId Catalog::add(Machine machine) {
  scratch_.clear();
  encode(machine, renamings_[0], scratch_);
  const auto next = static_cast<MachineId>(machines_.size());
  const auto [at, is_new] = machine_ids_.try_emplace(scratch_, next);
  if (!is_new) return at->second;
  add_hashes(machine, machine_hashes_);
  machine_facts_.push_back(facts_of(bounds_, machine));
  machines_.push_back(std::move(machine));
  return next;
}

MessageId Catalog::add(const raft::Message& message) {
  scratch_.clear();
  encode(message, renamings_[0], scratch_);
  const auto next = static_cast<MessageId>(messages_.size());
  const auto [at, is_new] = message_ids_.try_emplace(scratch_, next);
  if (!is_new) return at->second;
  add_hashes(message, message_hashes_);
  message_facts_.push_back(facts_of(message));
  messages_.push_back(through_codec(message));
  return next;
}

Outcome Catalog::keep(MachineId before, Stepped stepped) {
  Outcome outcome;
  for (const raft::Message& message : stepped.sent) outcome.sent.push_back(add(message));
  outcome.elected = stepped.elected.value_or(Term());
  outcome.is_judged = must_be_judged(machines_[before], stepped);
  if (stepped.finding) {
    findings_.push_back(std::move(*stepped.finding));
    outcome.finding = static_cast<std::uint32_t>(findings_.size());
  }
  outcome.machine = add(std::move(stepped.machine));
  return outcome;
}

const Outcome* Catalog::step(MachineId machine, const Move& move) {
  VESPER_CHECK(move.argument < (1U << 24) && move.kept <= Move::kNoCrash);
  const std::uint64_t key = std::uint64_t{machine} << 32 | std::uint64_t{move.argument} << 8 |
                            std::uint64_t{move.kept} << 3 | static_cast<std::uint64_t>(move.kind);
  const auto next = static_cast<std::uint32_t>(outcomes_.size());
  const std::uint32_t known = outcome_ids_.find_or_add(key, next);
  if (known == next) {
    Input input{.kind = move.kind, .message = nullptr, .number = move.argument, .kept = {}};
    if (move.kind == InputKind::kMessage) input.message = &messages_[move.argument];
    if (move.kept != Move::kNoCrash) input.kept = move.kept;
    std::optional<Stepped> stepped = explore::step(bounds_, machines_[machine], input);
    outcomes_.emplace_back();
    if (stepped) outcomes_.back() = keep(machine, std::move(*stepped));
  }
  return outcomes_[known] ? &*outcomes_[known] : nullptr;
}

}  // namespace vesper::sim::explore
