// Conditions: the small language in which `when`, `always` and `within` ask about a cluster.
//
//   condition  = conjunct { "or" conjunct }
//   conjunct   = unit { "and" unit }
//   unit       = "not" unit | "(" condition ")" | node "exists" | value compare value
//   compare    = "==" | "!=" | "<=" | ">=" | "<" | ">"
//   value      = number | role | counter | node "." field | field "(" node ")" | node
//   field      = "term" | "commit" | "applied" | "last" | "durable" | "keys" | "role" | "hash"
//              | "leader" (the node it follows) | "vote" | "up" (1 or 0)
//   role       = "follower" | "pre-candidate" | "candidate" | "leader" (on the right of a role)
//   counter    = "leaders" (nodes up that lead, in whatever term) | "running" (nodes up)
//              | "operations" (answered) | "successes" | "faults"
//   node       = "n3" | "leader" | "follower[0]" | a name given by a step's `as`
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
};

enum class Counter : std::uint8_t { kLeaders, kRunning, kOperations, kSuccesses, kFaults };

// What a condition is asked about.
class ConditionContext {
 public:
  virtual ~ConditionContext() = default;
  // Nothing: nobody, now. Requires: selector.is_one().
  virtual std::optional<NodeId> find(const Selector& selector) const = 0;
  // Nothing: undefined. Roles count as node::Role does.
  virtual std::optional<std::uint64_t> field(NodeId node, Field field) const = 0;
  virtual std::uint64_t counter(Counter counter) const = 0;
};

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
  bool operator==(const Condition& other) const { return text_ == other.text_; }

 private:
  friend class ConditionParser;
  enum class Compare : std::uint8_t {
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual
  };
  struct Value {
    enum class Kind : std::uint8_t { kNumber, kCounter, kField, kNode };
    Kind kind = Kind::kNumber;
    std::uint64_t number = 0;
    Counter counter = Counter::kLeaders;
    Field field = Field::kTerm;
    Selector node;
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
