#include "sim/explore/state.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/raft/quorum.h"

namespace vesper::sim::explore {

namespace {

// The most records of one turn's writes that a crash is tried after.
constexpr std::uint8_t kRecordsMax = Move::kNoCrash - 1;

bool is_same_link(const MessageFacts& a, const MessageFacts& b) {
  return a.from == b.from && a.to == b.to;
}

}  // namespace

std::uint64_t Action::packed() const {
  return std::uint64_t{move.argument} << 32 | std::uint64_t{node} << 16 |
         std::uint64_t{keeps} << 15 | std::uint64_t{loses} << 14 | std::uint64_t{move.kept} << 8 |
         static_cast<std::uint64_t>(move.kind);
}

Action Action::unpacked(std::uint64_t bits) {
  return {.move = {.kind = static_cast<InputKind>(bits & 0xff),
                   .kept = static_cast<std::uint8_t>(bits >> 8 & 0x1f),
                   .argument = static_cast<std::uint32_t>(bits >> 32)},
          .node = static_cast<std::uint8_t>(bits >> 16 & 0xff),
          .keeps = (bits >> 15 & 1) != 0,
          .loses = (bits >> 14 & 1) != 0};
}

State System::first() {
  State state;
  for (std::uint32_t id = 0; id < bounds_.nodes; ++id) {
    state.machines[id] = catalog_.add(first_machine(bounds_, NodeId(id)));
  }
  return state;
}

// --- What may happen ---

void System::actions(const State& state, std::vector<Action>& out) {
  out.clear();
  for (std::uint8_t node = 0; node < bounds_.nodes; ++node) machine_actions(state, node, out);
  message_actions(state, out);
}

void System::machine_actions(const State& state, std::uint8_t node, std::vector<Action>& out) {
  const MachineFacts facts = catalog_.facts(state.machines[node]);
  const Spent& spent = state.spent;
  const auto add = [&](InputKind kind, std::uint32_t argument = 0) {
    add_with_crashes(state, {.move = {.kind = kind, .argument = argument}, .node = node}, out);
  };
  if (facts.has_writes) add(InputKind::kDisk);
  if (spent.terms < bounds_.terms && may_campaign(state, node)) add(InputKind::kElection);
  if (facts.leads) {
    if (spent.entries < bounds_.entries) add(InputKind::kPropose, spent.entries + 1U);
    if (spent.heartbeats < bounds_.heartbeats) add(InputKind::kHeartbeat);
    if (spent.step_downs < bounds_.step_downs) add(InputKind::kStepDown);
  }
  if (spent.crashes >= bounds_.crashes) return;
  for (std::uint8_t kept = 0; kept < facts.crash_points; ++kept) {
    out.push_back({.move = {.kind = InputKind::kCrash, .kept = kept}, .node = node});
  }
}

void System::message_actions(const State& state, std::vector<Action>& out) {
  const auto& network = state.network;
  for (std::size_t at = 0; at < network.size(); ++at) {
    if (is_behind_another(state, at)) continue;
    Action action{.move = {.kind = InputKind::kMessage, .argument = network[at]}};
    action.node = catalog_.message_facts(network[at]).to;
    add_with_crashes(state, action, out);
    if (state.spent.duplicates < bounds_.duplicates) {
      action.keeps = true;
      out.push_back(action);
      action.keeps = false;
    }
    if (bounds_.order == Order::kLink && state.spent.losses < bounds_.losses) {
      action.loses = true;
      out.push_back(action);
    }
  }
}

// A prompt disk completes what an input makes it write, unless the node crashes first, after each
// number of records.
void System::add_with_crashes(const State& state, const Action& action, std::vector<Action>& out) {
  out.push_back(action);
  if (bounds_.disks != Disks::kPrompt || state.spent.crashes >= bounds_.crashes) return;
  Action crashing = action;
  for (std::uint8_t kept = 0; kept < kRecordsMax; ++kept) {
    crashing.move.kept = kept;
    if (catalog_.step(state.machines[action.node], crashing.move) == nullptr) break;
    out.push_back(crashing);
  }
}

// An equal message that is under way too, or, where links keep their order, any message before.
bool System::is_behind_another(const State& state, std::size_t at) const {
  const MessageId id = state.network[at];
  for (std::size_t before = 0; before < at; ++before) {
    const MessageId other = state.network[before];
    if (other == id) return true;
    if (bounds_.order == Order::kLink &&
        is_same_link(catalog_.message_facts(other), catalog_.message_facts(id))) {
      return true;
    }
  }
  return false;
}

bool System::may_campaign(const State& state, std::uint32_t node) {
  if (catalog_.facts(state.machines[node]).leads) return false;
  if (bounds_.pre_votes != PreVotes::kAtOnce) return true;
  const raft::Raft& raft = catalog_.machine(state.machines[node]).raft;
  std::size_t granted = 1;
  for (std::uint32_t other = 0; other < bounds_.nodes; ++other) {
    if (other == node) continue;
    const MessageId request = catalog_.add({.from = NodeId(node),
                                            .to = NodeId(other),
                                            .term = raft.term().next(),
                                            .body = raft::PreVoteRequest{raft.log().last()}});
    // A leader ignores it.
    if (catalog_.facts(state.machines[other]).leads) continue;
    const Outcome* outcome =
        catalog_.step(state.machines[other], {.kind = InputKind::kMessage, .argument = request});
    for (const MessageId sent : outcome->sent) {
      const auto* reply = std::get_if<raft::PreVoteReply>(&catalog_.message(sent).body);
      if (reply != nullptr && reply->granted) ++granted;
    }
  }
  return granted >= raft::majority_of(bounds_.nodes);
}

// --- What comes of it ---

void System::spend(const Action& action, Spent& spent) const {
  const InputKind kind = action.move.kind;
  if (kind == InputKind::kElection) ++spent.terms;
  if (kind == InputKind::kPropose) ++spent.entries;
  if (kind == InputKind::kHeartbeat) ++spent.heartbeats;
  if (kind == InputKind::kStepDown) ++spent.step_downs;
  if (action.move.kept != Move::kNoCrash) ++spent.crashes;
  if (action.keeps) ++spent.duplicates;
  if (action.loses) ++spent.losses;
}

bool System::apply(const State& from, const Action& action, State& to,
                   std::optional<Finding>& finding) {
  const Outcome* outcome = nullptr;
  if (!action.loses) {
    outcome = catalog_.step(from.machines[action.node], action.move);
    if (outcome == nullptr) return false;
    const bool is_idle = outcome->machine == from.machines[action.node] && outcome->sent.empty() &&
                         outcome->finding == 0;
    const bool frees_link =
        action.move.kind == InputKind::kMessage && bounds_.order == Order::kLink && !action.keeps;
    if (is_idle && !frees_link) return false;
  }
  to = from;
  spend(action, to.spent);
  if (action.move.kind == InputKind::kMessage && !action.keeps) {
    to.network.erase(std::find(to.network.begin(), to.network.end(), action.move.argument));
  }
  if (outcome == nullptr) return true;

  to.machines[action.node] = outcome->machine;
  to.network.insert(to.network.end(), outcome->sent.begin(), outcome->sent.end());
  if (bounds_.drops_dead) {
    std::erase_if(to.network, [&](MessageId message) { return is_dead(to, message); });
  }
  if (outcome->finding != 0) finding = catalog_.finding(*outcome);
  if (outcome->is_judged) {
    Ledger ledger = ledgers_.ledger(from.ledger);
    auto broken = judge(catalog_, std::span(to.machines.data(), bounds_.nodes), action.node,
                        outcome->elected, ledger);
    if (!finding) finding = std::move(broken);
    to.ledger = ledgers_.add(ledger);
  }
  return true;
}

bool System::is_dead(const State& state, MessageId id) const {
  const MessageFacts& message = catalog_.message_facts(id);
  if (!message.is_reply) return false;
  const MachineFacts& receiver = catalog_.facts(state.machines[message.to]);
  if (message.term != receiver.durable_term) return message.term < receiver.durable_term;
  if (receiver.term != receiver.durable_term) return true;
  return !receiver.asks_votes && (message.is_vote || !receiver.leads);
}

// --- Names ---

// Of each message, how many are before it on its link; zeros where that does not matter.
const std::vector<std::uint8_t>& System::places_on_links(const State& state) {
  places_.assign(state.network.size(), 0);
  if (bounds_.order != Order::kLink) return places_;
  for (std::size_t at = 0; at < state.network.size(); ++at) {
    const MessageFacts& facts = catalog_.message_facts(state.network[at]);
    for (std::size_t before = 0; before < at; ++before) {
      if (is_same_link(catalog_.message_facts(state.network[before]), facts)) ++places_[at];
    }
  }
  return places_;
}

// Sums, so that the order of sending between links leaves no trace.
std::uint64_t System::hash(const State& state) {
  const Spent& spent = state.spent;
  std::uint64_t common =
      mix64(ledgers_.hash(state.ledger),
            std::uint64_t{spent.terms} << 48 | std::uint64_t{spent.entries} << 40 |
                std::uint64_t{spent.crashes} << 32 | std::uint64_t{spent.losses} << 24 |
                std::uint64_t{spent.duplicates} << 16 | std::uint64_t{spent.heartbeats} << 8 |
                spent.step_downs);
  std::uint64_t least = UINT64_MAX;
  const std::vector<std::uint8_t>& places = places_on_links(state);
  for (std::size_t renaming = 0; renaming < catalog_.renamings(); ++renaming) {
    std::uint64_t sum = common;
    for (std::uint32_t node = 0; node < bounds_.nodes; ++node) {
      sum += catalog_.hashes(state.machines[node])[renaming];
    }
    for (std::size_t at = 0; at < state.network.size(); ++at) {
      const std::uint64_t hash = catalog_.message_hashes(state.network[at])[renaming];
      sum += places[at] == 0 ? hash : mix64(places[at], hash);
    }
    least = std::min(least, sum);
  }
  return mix64(4, least);
}

std::vector<MessageId> System::sent_by(const State& before, const Action& action) {
  if (action.loses) return {};
  const Outcome* outcome = catalog_.step(before.machines[action.node], action.move);
  return outcome == nullptr ? std::vector<MessageId>{} : outcome->sent;
}

std::string System::describe(const State& before, const Action& action) const {
  const Move& move = action.move;
  std::string text;
  switch (move.kind) {
    case InputKind::kMessage: {
      const raft::Message& message = catalog_.message(move.argument);
      text = fmt::format("{} of term {} from n{} {} n{}", raft::message_name(message.body),
                         message.term.value(), message.from.value(),
                         action.loses ? "is lost on its way to" : "arrives at", action.node);
      if (action.keeps) text += ", and will again";
      break;
    }
    case InputKind::kDisk:
      text = fmt::format("n{}'s oldest write completes", action.node);
      break;
    case InputKind::kElection:
      text = fmt::format("n{} begins an election", action.node);
      break;
    case InputKind::kHeartbeat:
      text = fmt::format("n{} sends heartbeats", action.node);
      break;
    case InputKind::kStepDown:
      text = fmt::format("n{} steps down, for it hears no majority", action.node);
      break;
    case InputKind::kPropose:
      text = fmt::format("n{} proposes command {}", action.node, move.argument);
      break;
    case InputKind::kCrash:
      text = fmt::format("n{} crashes and restarts", action.node);
      break;
  }
  if (move.kept == Move::kNoCrash) return text;
  const bool has_writes = bounds_.disks == Disks::kPrompt
                              ? move.kind != InputKind::kCrash
                              : catalog_.facts(before.machines[action.node]).has_writes;
  if (move.kind != InputKind::kCrash) text += "; it crashes and restarts";
  return has_writes ? text + fmt::format(", {} records of its writes were on disk", move.kept)
                    : text;
}

}  // namespace vesper::sim::explore
