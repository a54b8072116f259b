// Conditions: the small language in which `when`, `always` and `within` ask about a cluster.
//
//   condition  = conjunct { "or" conjunct }
//   conjunct   = unit { "and" unit }
//   unit       = "not" unit | "(" condition ")" | node "exists" | value compare value
//   compare    = "==" | "!=" | "<=" | ">=" | "<" | ">"
//   value      = number | role | known [ "at" step ]
//   known      = counter | node "." field | field "(" node ")" | node
//   field      = "term" | "commit" | "applied" | "last" | "durable" | "keys" | "role" | "hash"
//              | "leader" (the node it follows) | "vote" | "up" (1 or 0)
//              | "torn" (torn tails of its log that were cut when it started)
//              | "sessions" (client sessions that it keeps)
//              | "base" (its log in memory begins after it)
//              | "snapshot" (where its newest durable snapshot ends)
//              | "restored" (snapshots that it took in from leaders since it started)
//              | "leased" (reads that it granted by its lease in this life)
//              | "checks" (comparisons of states that a majority agreed on with it, likewise)
//              | "differences" (states of others that differed from its own, likewise)
//              | "relayed" (reads for which it asked its leader, likewise)
//              | "configuration" (the entry of the configuration in force there)
//              | "members" (how many that has) | "joint" (1 or 0)
//              | "voting" (1 or 0: whether the node counts in a majority of it)
//              | "full" (1 while its disk refuses it room, or 0)
//              | "room" (bytes of the log that it can write without more room)
//              | "doubt" (1 while what its disk has lost is not repaired, else 0)
//   role       = "follower" | "pre-candidate" | "candidate" | "leader" (on the right of a role)
//   counter    = "leaders" (nodes up that lead, in whatever term) | "running" (nodes up)
//              | "operations" (answered) | "successes" | "faults"
//              | "redirects" (answers that send the client elsewhere)
//              | "unknown" (puts of which the node could not say in time what becomes of them)
//              | "transfers" (of leadership that another node took over)
//              | "retries" (tries of a put beyond its first, by clients with sessions)
//              | "repeated" (committed tries of a put that had taken effect before)
//              | "refused" (committed tries that their session refused)
//              | "follower_reads" (successes of gets that any node may answer)
//              | "changes" (of the members, that an operator brought about)
//              | "doubts" (starts of a node from a damaged disk) | "repairs" (ends of such doubts)
//              | "corrupted" (frames that reached a node with other bytes than were sent)
//              | "replayed" (frames of the past that came again)
//              | "overdue" (operations that a running node had still not answered at all when the
//                client stopped waiting)
//   node       = "n3" | "leader" | "follower[0]" | a name given by a step's `as`
//   step       = the name of a step: what was known when it ran, just before its effect
//
// What is not there (the term of a leader when there is none, the vote of a node that gave none) is
// undefined, and a comparison with it is false, whichever it is; a node that is down has neither a
// role nor a commit index. A condition is parsed once into a flat
// program and evaluated against a ConditionContext without allocation.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "sim/scenario/values.h"

namespace vesper::sim {

enum class Field : std::uint8_t {
  kTerm,
  kCommit,
  kApplied,
  kLast,
  kDurable,
  kKeys,
  kRole,
  kHash,
  kLeader,
  kVote,
  kUp,
  kTorn,
  kSessions,
  kBase,
  kSnapshot,
  kRestored,
  kLeased,
  kRelayed,
  kConfiguration,
  kMembers,
  kVoter,
  kJoint,
  kFull,
  kRoom,
  kChecks,
  kDifferences,
  kDoubt,
};

enum class Counter : std::uint8_t {
  kLeaders,
  kRunning,
  kOperations,
  kSuccesses,
  kFaults,
  kRedirects,
  kUnknown,
  kOverdue,
  kTransfers,
  kRetries,
  kRepeated,
  kRefused,
  kFollowerReads,
  kChanges,
  kDoubts,
  kRepairs,
  kCorrupted,
  kReplayed,
};

// One side of a comparison.
struct ConditionValue {
  enum class Kind : std::uint8_t { kNumber, kCounter, kField, kNode };
  Kind kind = Kind::kNumber;
  std::uint64_t number = 0;
  Counter counter = Counter::kLeaders;
  Field field = Field::kTerm;
  Selector node;
  // The step at which it is meant; empty: now.
  std::string at;
  bool operator==(const ConditionValue&) const = default;
};

// What a condition is asked about.
class ConditionContext {
 public:
  virtual ~ConditionContext() = default;
  // Nothing: nobody, now. Requires: selector.is_one().
  virtual std::optional<NodeId> find(const Selector& selector) const = 0;
  // Nothing: undefined. Roles count as node::Role does.
  virtual std::optional<std::uint64_t> field(NodeId node, Field field) const = 0;
  virtual std::uint64_t counter(Counter counter) const = 0;
  // What `value` was at its step. Nothing: the step has not run, or it was undefined then.
  // Requires: the value has a step.
  virtual std::optional<std::uint64_t> past(const ConditionValue& value) const = 0;
};

// What a value is now, whatever step it names.
std::optional<std::uint64_t> evaluate_now(const ConditionValue& value,
                                          const ConditionContext& context);

class Condition {
 public:
  // Never holds, and has no text.
  Condition() = default;
  // Errors: kInvalid; the message names what was expected and the column in `text`, counted from 1.
  static Result<Condition> parse(std::string_view text);

  bool holds(const ConditionContext& context) const;
  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  // The step-given names that it asks for.
  std::vector<std::string> names() const;
  // The highest nN that it asks for.
  std::optional<std::uint32_t> highest_node() const;
  // The values that it asks of the past.
  std::vector<ConditionValue> past_values() const;
  bool operator==(const Condition& other) const { return text_ == other.text_; }

 private:
  friend class ConditionParser;
  using Value = ConditionValue;
  enum class Compare : std::uint8_t {
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual
  };
  // In reverse Polish order over a stack of truths.
  struct Op {
    enum class Kind : std::uint8_t { kCompare, kExists, kNot, kAnd, kOr };
    Kind kind = Kind::kCompare;
    Compare compare = Compare::kEqual;
    Value left;
    Value right;
  };
  static std::optional<std::uint64_t> evaluate(const Value& value, const ConditionContext& context);
  static bool compare(const Op& op, const ConditionContext& context);

  std::string text_;
  std::vector<Op> program_;
};

}  // namespace vesper::sim
