#include "sim/scenario/condition.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "core/node/environment.h"
#include "sim/scenario/text.h"

namespace vesper::sim {

namespace {

constexpr std::size_t kOpsMax = 32;
constexpr int kDepthMax = 16;

constexpr std::array<std::pair<const char*, Field>, 27> kFields = {
    {{"term", Field::kTerm},
     {"commit", Field::kCommit},
     {"applied", Field::kApplied},
     {"last", Field::kLast},
     {"durable", Field::kDurable},
     {"keys", Field::kKeys},
     {"role", Field::kRole},
     {"hash", Field::kHash},
     {"leader", Field::kLeader},
     {"vote", Field::kVote},
     {"up", Field::kUp},
     {"torn", Field::kTorn},
     {"sessions", Field::kSessions},
     {"base", Field::kBase},
     {"snapshot", Field::kSnapshot},
     {"restored", Field::kRestored},
     {"leased", Field::kLeased},
     {"relayed", Field::kRelayed},
     {"full", Field::kFull},
     {"room", Field::kRoom},
     {"configuration", Field::kConfiguration},
     {"members", Field::kMembers},
     {"voting", Field::kVoter},
     {"joint", Field::kJoint},
     {"checks", Field::kChecks},
     {"differences", Field::kDifferences},
     {"doubt", Field::kDoubt}}};
constexpr std::array<std::pair<const char*, Counter>, 18> kCounters = {
    {{"leaders", Counter::kLeaders},
     {"running", Counter::kRunning},
     {"operations", Counter::kOperations},
     {"successes", Counter::kSuccesses},
     {"faults", Counter::kFaults},
     {"redirects", Counter::kRedirects},
     {"unknown", Counter::kUnknown},
     {"overdue", Counter::kOverdue},
     {"transfers", Counter::kTransfers},
     {"retries", Counter::kRetries},
     {"repeated", Counter::kRepeated},
     {"refused", Counter::kRefused},
     {"follower_reads", Counter::kFollowerReads},
     {"changes", Counter::kChanges},
     {"doubts", Counter::kDoubts},
     {"repairs", Counter::kRepairs},
     {"corrupted", Counter::kCorrupted},
     {"replayed", Counter::kReplayed}}};
constexpr std::array<std::pair<const char*, node::Role>, 4> kRoles = {
    {{"follower", node::Role::kFollower},
     {"pre-candidate", node::Role::kPreCandidate},
     {"candidate", node::Role::kCandidate},
     {"leader", node::Role::kLeader}}};

template <class Table>
auto look_up(const Table& table, std::string_view text)
    -> std::optional<decltype(table[0].second)> {
  for (const auto& [name, value] : table) {
    if (text == name) return value;
  }
  return std::nullopt;
}

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_' || c == '[' || c == ']';
}

}  // namespace

// Recursive descent; the first error wins and ends the parse.
class ConditionParser {
 public:
  using Op = Condition::Op;
  using Value = Condition::Value;
  using Compare = Condition::Compare;

  explicit ConditionParser(std::string_view text) : text_(text) { advance(); }

  Result<Condition> run() {
    condition(0);
    if (!error_ && !token_.empty()) fail("\"and\", \"or\" or the end");
    if (!error_ && ops_.size() > kOpsMax) fail(fmt::format("at most {} comparisons", kOpsMax));
    if (error_) return *error_;
    Condition result;
    result.text_ = std::string(text_);
    result.program_ = std::move(ops_);
    return result;
  }

 private:
  void fail(std::string_view wanted) {
    if (error_) return;
    const std::string found = token_.empty() ? "the end" : fmt::format("\"{}\"", token_);
    error_ =
        Error{ErrorCode::kInvalid, fmt::format("expected {}, not {} (column {} of the condition)",
                                               wanted, found, token_at_ + 1)};
  }

  void advance() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    token_at_ = at_;
    if (at_ == text_.size()) {
      token_ = {};
      return;
    }
    const char c = text_[at_];
    if (is_word_char(c)) {
      while (at_ < text_.size() && is_word_char(text_[at_])) ++at_;
    } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '=' &&
               (c == '=' || c == '!' || c == '<' || c == '>')) {
      at_ += 2;
    } else {
      ++at_;
    }
    token_ = text_.substr(token_at_, at_ - token_at_);
  }

  bool take(std::string_view token) {
    if (error_ || token_ != token) return false;
    advance();
    return true;
  }

  void emit(Op::Kind kind) {
    ops_.push_back(Op{.kind = kind, .compare = {}, .left = {}, .right = {}});
  }

  void condition(int depth) {
    if (depth > kDepthMax) return fail("fewer parentheses");
    conjunct(depth);
    while (take("or")) {
      conjunct(depth);
      emit(Op::Kind::kOr);
    }
  }

  void conjunct(int depth) {
    unit(depth);
    while (take("and")) {
      unit(depth);
      emit(Op::Kind::kAnd);
    }
  }

  void unit(int depth) {
    if (error_) return;
    if (depth > kDepthMax) return fail("fewer parentheses");
    if (take("not")) {
      unit(depth + 1);
      return emit(Op::Kind::kNot);
    }
    if (take("(")) {
      condition(depth + 1);
      if (!take(")")) fail("\")\"");
      return;
    }
    Op op;
    op.left = value(false);
    if (op.left.kind == Value::Kind::kNode && take("exists")) {
      op.kind = Op::Kind::kExists;
      ops_.push_back(std::move(op));
      return;
    }
    const bool roles = op.left.kind == Value::Kind::kField && op.left.field == Field::kRole;
    op.compare = compare(op.left.kind == Value::Kind::kNode);
    op.right = value(roles);
    ops_.push_back(std::move(op));
  }

  Compare compare(bool after_node) {
    constexpr std::array<std::pair<const char*, Compare>, 6> kCompares = {
        {{"==", Compare::kEqual},
         {"!=", Compare::kNotEqual},
         {"<=", Compare::kLessEqual},
         {">=", Compare::kGreaterEqual},
         {"<", Compare::kLess},
         {">", Compare::kGreater}}};
    if (const auto found = look_up(kCompares, token_); found && !error_) {
      advance();
      return *found;
    }
    fail(after_node ? "\"exists\", \".\" or a comparison" : "a comparison (== != < <= > >=)");
    return Compare::kEqual;
  }

  Value value(bool roles) {
    Value result = known(roles);
    if (result.kind == Value::Kind::kNumber || !take("at")) return result;
    if (error_) return result;
    if (token_.empty() || !is_word_char(token_[0])) {
      fail("the name of a step");
      return result;
    }
    result.at = token_;
    advance();
    return result;
  }

  Value known(bool roles) {
    Value result;
    if (error_) return result;
    if (token_.empty()) {
      fail("a number, a counter, a node or a field of a node");
      return result;
    }
    if (roles) {
      if (const auto role = look_up(kRoles, token_)) {
        result.number = static_cast<std::uint64_t>(*role);
        advance();
        return result;
      }
    }
    if (token_[0] >= '0' && token_[0] <= '9') return number();
    if (const auto counter = look_up(kCounters, token_)) {
      result.kind = Value::Kind::kCounter;
      result.counter = *counter;
      advance();
      return result;
    }
    if (const auto field = look_up(kFields, token_); field && next_is('(')) {
      result.kind = Value::Kind::kField;
      result.field = *field;
      advance();
      advance();
      result.node = selector();
      if (!take(")")) fail("\")\"");
      return result;
    }
    result.node = selector();
    result.kind = Value::Kind::kNode;
    if (take(".")) {
      const auto field = look_up(kFields, token_);
      if (!field) {
        fail(
            "a field (term, commit, applied, last, durable, keys, role, hash, leader, vote, up, "
            "torn)");
        return result;
      }
      advance();
      result.kind = Value::Kind::kField;
      result.field = *field;
    }
    return result;
  }

  Value number() {
    Value result;
    for (const char c : token_) {
      if (c < '0' || c > '9' || result.number > UINT64_MAX / 100) {
        fail("a whole number");
        return result;
      }
      result.number = result.number * 10 + static_cast<std::uint64_t>(c - '0');
    }
    advance();
    return result;
  }

  Selector selector() {
    if (error_) return {};
    auto parsed = parse_selector(token_);
    if (!parsed.ok() || !parsed.value().is_one()) {
      fail("one node (n0, leader, follower[0] or a name given by `as`)");
      return {};
    }
    advance();
    return std::move(parsed.value());
  }

  bool next_is(char c) const {
    std::size_t at = at_;
    while (at < text_.size() && text_[at] == ' ') ++at;
    return at < text_.size() && text_[at] == c;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string_view token_;
  std::size_t token_at_ = 0;
  std::vector<Op> ops_;
  std::optional<Error> error_;
};

Result<Condition> Condition::parse(std::string_view text) {
  return ConditionParser(text).run();
}

std::optional<std::uint64_t> evaluate_now(const ConditionValue& value,
                                          const ConditionContext& context) {
  using Kind = ConditionValue::Kind;
  switch (value.kind) {
    case Kind::kNumber:
      return value.number;
    case Kind::kCounter:
      return context.counter(value.counter);
    case Kind::kField: {
      const std::optional<NodeId> node = context.find(value.node);
      return node ? context.field(*node, value.field) : std::nullopt;
    }
    case Kind::kNode: {
      const std::optional<NodeId> node = context.find(value.node);
      return node ? std::optional<std::uint64_t>(node->value()) : std::nullopt;
    }
  }
  VESPER_UNREACHABLE();
}

std::optional<std::uint64_t> Condition::evaluate(const Value& value,
                                                 const ConditionContext& context) {
  return value.at.empty() ? evaluate_now(value, context) : context.past(value);
}

bool Condition::compare(const Op& op, const ConditionContext& context) {
  const std::optional<std::uint64_t> left = evaluate(op.left, context);
  const std::optional<std::uint64_t> right = evaluate(op.right, context);
  if (!left || !right) return false;
  switch (op.compare) {
    case Compare::kEqual:
      return *left == *right;
    case Compare::kNotEqual:
      return *left != *right;
    case Compare::kLess:
      return *left < *right;
    case Compare::kLessEqual:
      return *left <= *right;
    case Compare::kGreater:
      return *left > *right;
    case Compare::kGreaterEqual:
      return *left >= *right;
  }
  VESPER_UNREACHABLE();
}

bool Condition::holds(const ConditionContext& context) const {
  if (program_.empty()) return false;
  // The stack of truths as bits, the top lowest: kOpsMax fit.
  std::uint64_t stack = 0;
  for (const Op& op : program_) {
    switch (op.kind) {
      case Op::Kind::kCompare:
        stack = stack << 1 | (compare(op, context) ? 1U : 0U);
        break;
      case Op::Kind::kExists:
        stack = stack << 1 | (evaluate(op.left, context) ? 1U : 0U);
        break;
      case Op::Kind::kNot:
        stack ^= 1;
        break;
      case Op::Kind::kAnd:
        stack = (stack >> 1) & (stack | ~std::uint64_t{1});
        break;
      case Op::Kind::kOr:
        stack = (stack >> 1) | (stack & 1);
        break;
    }
  }
  return (stack & 1) != 0;
}

std::vector<std::string> Condition::names() const {
  std::vector<std::string> names;
  for (const Op& op : program_) {
    for (const Value* value : {&op.left, &op.right}) {
      if (value->node.kind == Selector::Kind::kName) names.push_back(value->node.name);
    }
  }
  return names;
}

std::optional<std::uint32_t> Condition::highest_node() const {
  std::optional<std::uint32_t> highest;
  for (const Op& op : program_) {
    for (const Value* value : {&op.left, &op.right}) {
      if (value->node.kind != Selector::Kind::kNode) continue;
      highest = std::max(highest.value_or(0), value->node.number);
    }
  }
  return highest;
}

std::vector<ConditionValue> Condition::past_values() const {
  std::vector<ConditionValue> values;
  for (const Op& op : program_) {
    for (const Value* value : {&op.left, &op.right}) {
      if (!value->at.empty()) values.push_back(*value);
    }
  }
  return values;
}

}  // namespace vesper::sim
