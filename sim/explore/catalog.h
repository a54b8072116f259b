// Every machine and every message that an exploration has met, each kept once and named by a small
// number, and what each input made of each machine. Millions of states of a cluster share a few
// thousand machines, so Raft itself runs only when a machine meets an input for the first time; the
// rest is looking up. Machines and messages that give the same bytes are one: by their whole bytes,
// not by a hash.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/explore/id_table.h"
#include "sim/explore/machine.h"

namespace vesper::sim::explore {

using MachineId = std::uint32_t;
using MessageId = std::uint32_t;

// One way to rename the nodes.
using Renaming = std::vector<NodeId>;

// What is asked of every machine and message of every state, close together.
struct MachineFacts {
  Term term;
  Term durable_term;
  bool asks_votes = false;
  bool leads = false;
  bool has_writes = false;
  std::uint8_t crash_points = 0;
};
struct MessageFacts {
  Term term;
  std::uint8_t from = 0;
  std::uint8_t to = 0;
  bool is_vote = false;   // a VoteReply
  bool is_reply = false;  // or another one that only a leader heeds
};

// What one input makes of one machine.
struct Outcome {
  MachineId machine = 0;
  std::vector<MessageId> sent;
  Term elected;  // 0: none
  // Whether a log, in memory or on disk, a commit index or a leader is another one than before: if
  // not, no invariant over the whole cluster can have changed.
  bool is_judged = false;
  std::uint32_t finding = 0;  // see Catalog::finding; 0: none
};

// An input as the catalog names it.
struct Move {
  InputKind kind = InputKind::kMessage;
  std::uint8_t kept = kNoCrash;  // as Input::kept
  std::uint32_t argument = 0;    // kMessage: its id; kPropose: the command's number
  static constexpr std::uint8_t kNoCrash = 31;
  bool operator==(const Move&) const = default;
};

class Catalog {
 public:
  explicit Catalog(const Bounds& bounds);

  MachineId add(Machine machine);
  MessageId add(const raft::Message& message);
  const Machine& machine(MachineId id) const { return machines_[id]; }
  const raft::Message& message(MessageId id) const { return messages_[id]; }
  const MachineFacts& facts(MachineId id) const { return machine_facts_[id]; }
  const MessageFacts& message_facts(MessageId id) const { return message_facts_[id]; }
  // Of its bytes, a hash for each renaming.
  const std::uint64_t* hashes(MachineId id) const {
    return machine_hashes_.data() + id * renamings_.size();
  }
  const std::uint64_t* message_hashes(MessageId id) const {
    return message_hashes_.data() + id * renamings_.size();
  }
  std::size_t machines() const { return machines_.size(); }
  std::size_t messages() const { return messages_.size(); }
  std::size_t renamings() const { return renamings_.size(); }

  // nullptr: the machine cannot take this input. Holds until the next call.
  const Outcome* step(MachineId machine, const Move& move);
  // Requires: outcome.finding is not 0.
  const Finding& finding(const Outcome& outcome) const { return findings_[outcome.finding - 1]; }

 private:
  template <class Value>
  void add_hashes(const Value& value, std::vector<std::uint64_t>& hashes);
  Outcome keep(MachineId before, Stepped stepped);

  const Bounds& bounds_;
  std::vector<Renaming> renamings_;  // the first renames nothing
  std::deque<Machine> machines_;
  std::deque<raft::Message> messages_;
  std::vector<MachineFacts> machine_facts_;
  std::vector<MessageFacts> message_facts_;
  std::vector<std::uint64_t> machine_hashes_;
  std::vector<std::uint64_t> message_hashes_;
  std::vector<std::optional<Outcome>> outcomes_;
  std::vector<Finding> findings_;
  std::map<std::vector<std::byte>, std::uint32_t> machine_ids_;
  std::map<std::vector<std::byte>, std::uint32_t> message_ids_;
  IdTable outcome_ids_;  // by machine and move
  std::vector<std::byte> scratch_;
};

}  // namespace vesper::sim::explore
