// A state of a whole cluster, its hash, and what can happen next. The explorer owns one System and
// many States.
//
// What is left out, and why nothing is lost by it. All invariants speak of machines and of the past
// (ledger.h), never of what is under way; and of two states with equal machines, the one with more
// messages under way can do all that the other one can.
//   - A loss, with Order::kAny: the state without the message can do no more than the one with it.
//   - An arrival that changes nothing and is answered by nothing, with Order::kAny: the same.
//   - A crash that keeps whole writes, with Order::kAny: they complete first and it comes then, and
//     more messages are under way, and the ledger holds no less (crash_points in machine.h).
//   - A node that stays away after a crash: it does nothing for a while. What would have come to it
//     meanwhile is lost, or comes later.
//   - Dead messages: a reply to a candidate or a leader that is one no more, and whose disk holds
//     that term or a later one. Raft::step drops it or its handler finds no such role, now and
//     after every restart, for a term is led or campaigned for once. So states that differ only in
//     dead messages are equal, and they are dropped (drops_dead).
//   - Names: nodes differ only in their ids, and Raft orders nothing by them that matters: states
//     that are equal once the nodes are renamed can do the same under those names (symmetry). The
//     hash is the least over all ways to rename.
// Machines that take no step at the same moment commute; that needs no argument here, for a state
// that two orders lead to is visited once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/explore/catalog.h"
#include "sim/explore/ledger.h"

namespace vesper::sim::explore {

// How much of the bounds is used up.
struct Spent {
  std::uint8_t terms = 0;
  std::uint8_t entries = 0;
  std::uint8_t crashes = 0;
  std::uint8_t losses = 0;
  std::uint8_t duplicates = 0;
  std::uint8_t heartbeats = 0;
  std::uint8_t step_downs = 0;
};

struct State {
  std::array<MachineId, kNodesMax> machines{};
  Ledgers::Id ledger = Ledgers::kEmpty;
  Spent spent;
  // By order of sending.
  std::vector<MessageId> network;
};

struct Action {
  Move move;
  std::uint8_t node = 0;
  bool keeps = false;  // the message arrives, and stays under way
  bool loses = false;  // the message is lost

  std::uint64_t packed() const;
  static Action unpacked(std::uint64_t bits);
};

class System {
 public:
  explicit System(const Bounds& bounds) : bounds_(bounds), catalog_(bounds_) {}
  System(const System&) = delete;
  System& operator=(const System&) = delete;

  const Bounds& bounds() const { return bounds_; }
  const Catalog& catalog() const { return catalog_; }
  const Ledgers& ledgers() const { return ledgers_; }

  State first();
  // All that may happen next; some of it may turn out to be nothing.
  void actions(const State& state, std::vector<Action>& out);
  // False: nothing new comes of it. Otherwise `to` is the state after it; a finding is what it
  // broke.
  bool apply(const State& from, const Action& action, State& to, std::optional<Finding>& finding);
  std::uint64_t hash(const State& state);

  std::string describe(const State& before, const Action& action) const;
  // The messages that leave by it, whatever becomes of them.
  std::vector<MessageId> sent_by(const State& before, const Action& action);

 private:
  void machine_actions(const State& state, std::uint8_t node, std::vector<Action>& out);
  void message_actions(const State& state, std::vector<Action>& out);
  void add_with_crashes(const State& state, const Action& action, std::vector<Action>& out);
  bool may_campaign(const State& state, std::uint32_t node);
  bool is_behind_another(const State& state, std::size_t at) const;
  void spend(const Action& action, Spent& spent) const;
  const std::vector<std::uint8_t>& places_on_links(const State& state);
  bool is_dead(const State& state, MessageId message) const;

  const Bounds bounds_;
  Catalog catalog_;
  Ledgers ledgers_;
  std::vector<std::uint8_t> places_;
};

}  // namespace vesper::sim::explore
