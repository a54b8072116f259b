// One node as the exploration sees it: the production Raft, what its disk holds, the writes on
// their way there with the messages that wait for them. A value: an input makes a new one. It
// drives Raft as core/node/node.cc does, one turn an input, and checks what can be seen at one node
// alone. Catalog keeps the machines and the answers, so that each is worked out once.
//
// There is no time here: timers fire when the exploration says so. Each input first moves the
// node's own clock so far that every comparison with an earlier reading comes out the same way,
// whatever came before:
//   - at a follower or candidate by the minimum election timeout: it never ignores a vote request
//     because it heard a leader lately. (That it does is the same as a request that is lost.)
//   - at a leader by one heartbeat interval, which is 1 ns: it may always ask for lost appends
//     again, and it hears from its quorum as lately as check-quorum wants, until it is told to step
//     down.
// So times decide nothing, and two machines that differ in them alone are one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/raft/raft.h"
#include "sim/check/violation.h"
#include "sim/explore/bounds.h"

namespace vesper::sim::explore {

// On its way to the disk.
struct PendingWrite {
  WriteId id;
  std::optional<raft::HardState> hard_state;
  std::optional<Index> truncate_from;
  std::vector<raft::Entry> entries;
  std::vector<raft::Message> messages;  // that wait for it and all before it

  // What a crash can tell apart, in the order in which it reaches the disk.
  std::size_t records() const {
    return std::size_t{hard_state.has_value()} + std::size_t{truncate_from.has_value()} +
           entries.size();
  }
};

struct Disk {
  raft::HardState hard_state;
  std::vector<raft::Entry> log;  // from index 1
};

struct Machine {
  raft::Raft raft;
  Instant now;
  Disk disk;
  std::vector<PendingWrite> writes;
};

enum class InputKind : std::uint8_t {
  kMessage,
  kDisk,       // the oldest write completes
  kElection,   // its election timeout
  kHeartbeat,  // its heartbeat timer
  kStepDown,   // as a leader that has not heard a majority for too long
  kPropose,    // a client's command
  kCrash,      // and the restart; of its writes, the first `kept` records had reached the disk
};

struct Input {
  InputKind kind = InputKind::kMessage;
  const raft::Message* message = nullptr;  // kMessage
  std::uint32_t number = 0;                // kPropose: which command
  // kCrash. With Disks::kPrompt for every other kind too: the node crashes after so many records.
  std::optional<std::size_t> kept;
};

struct Finding {
  std::string invariant;
  std::string detail;
};

struct Stepped {
  Machine machine;
  std::vector<raft::Message> sent;
  std::optional<Term> elected;     // began to lead this term, whatever came then
  std::optional<Finding> finding;  // the first
};

Machine first_machine(const Bounds& bounds, NodeId id);
// Nothing: the machine cannot take this input.
std::optional<Stepped> step(const Bounds& bounds, const Machine& before, const Input& input);

// How many values of `kept` a crash now is to be tried with. With Order::kAny not those that keep a
// whole write: the same machine comes about when that write completes first and the node crashes
// then, with more messages under way.
std::size_t crash_points(const Bounds& bounds, const Machine& machine);

// Under other names for the nodes, as Raft::encode_state has them.
void encode(const Machine& machine, std::span<const NodeId> names, std::vector<std::byte>& out);
void encode(const raft::Message& message, std::span<const NodeId> names,
            std::vector<std::byte>& out);

}  // namespace vesper::sim::explore
