#include "sim/check/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "core/base/hash.h"

namespace vesper::sim {

namespace {

using Verdict = Linearizability::Verdict;

std::string describe(const HistoryOperation& operation) {
  const bool is_put = operation.kind == node::RequestKind::kPut;
  return fmt::format("client {} {} {} {} from {} to {} ns", operation.client,
                     is_put ? "put" : "got", operation.key, operation.value.value_or("nothing"),
                     operation.start.nanoseconds(), operation.end.nanoseconds());
}

Linearizability violated(std::string detail) {
  return {Verdict::kViolated, std::move(detail)};
}

// An operation that must, or may, be placed.
bool counts(const HistoryOperation& operation) {
  if (operation.outcome == HistoryOutcome::kOk) return true;
  return operation.outcome == HistoryOutcome::kUnknown && operation.kind == node::RequestKind::kPut;
}

Instant end_of(const HistoryOperation& operation) {
  return operation.outcome == HistoryOutcome::kOk ? operation.end : Instant::never();
}

// --- By witness ---

// A value that was put, under its hash: sorted, these tell the version of a value by comparing
// numbers that lie side by side, where a map would compare strings all over the memory.
struct Known {
  std::uint64_t hash = 0;
  std::string_view value;
  std::size_t version = 0;
  std::size_t place = 0;  // in the order of all puts

  bool comes_before(const Known& other) const {
    return hash != other.hash ? hash < other.hash : value < other.value;
  }
};

// One key's values in the order in which they were put; version 0 is "absent".
struct Register {
  std::vector<const HistoryOperation*> puts{nullptr};  // by version; nullptr: not in the history
  std::vector<std::vector<const HistoryOperation*>> reads{{}};  // by version
  std::vector<Known> known;

  void sort() {
    std::sort(known.begin(), known.end(), [](const Known& a, const Known& b) {
      return a.comes_before(b) || (!b.comes_before(a) && a.place < b.place);
    });
  }
  std::optional<std::size_t> version_of(std::string_view value) const {
    const Known wanted{.hash = hash64(as_bytes(value)), .value = value};
    const auto at =
        std::lower_bound(known.begin(), known.end(), wanted,
                         [](const Known& a, const Known& b) { return a.comes_before(b); });
    if (at == known.end() || at->hash != wanted.hash || at->value != value) return std::nullopt;
    return at->version;
  }
};

using Registers = std::map<std::string_view, Register>;

Registers registers_of(const std::vector<WitnessPut>& order) {
  Registers keys;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Register& key = keys[order[i].key];
    key.known.push_back({hash64(as_bytes(order[i].value)), order[i].value, key.puts.size(), i});
    key.puts.push_back(nullptr);
    key.reads.emplace_back();
  }
  for (auto& [name, key] : keys) key.sort();
  return keys;
}

// The first put whose value its key had before.
const WitnessPut* first_repeated(const Registers& keys, const std::vector<WitnessPut>& order) {
  std::size_t first = order.size();
  for (const auto& [name, key] : keys) {
    for (std::size_t i = 1; i < key.known.size(); ++i) {
      if (!key.known[i - 1].comes_before(key.known[i])) first = std::min(first, key.known[i].place);
    }
  }
  return first == order.size() ? nullptr : &order[first];
}

// Places every version as early as it can be: after it was invoked, after the version before, and
// after each read of the version before was invoked.
Linearizability place(const Register& key) {
  Instant earliest = Instant::from_nanoseconds(INT64_MIN);
  for (std::size_t version = 0; version < key.puts.size(); ++version) {
    const HistoryOperation* put = key.puts[version];
    if (put != nullptr) {
      earliest = std::max(earliest, put->start);
      if (end_of(*put) < earliest) {
        return violated(describe(*put) + ", but what came before it in the log ended later");
      }
    }
    Instant next = earliest;
    for (const HistoryOperation* read : key.reads[version]) {
      if (read->end < earliest) {
        return violated(describe(*read) + ", before that value could have been there");
      }
      next = std::max(next, read->start);
    }
    earliest = next;
  }
  return {};
}

}  // namespace

Linearizability check_by_witness(const History& history, const std::vector<WitnessPut>& order) {
  Registers keys = registers_of(order);
  if (const WitnessPut* put = first_repeated(keys, order)) {
    return violated(fmt::format("{} was applied twice to {}", put->value, put->key));
  }
  for (const HistoryOperation& operation : history) {
    if (!counts(operation)) continue;
    Register& key = keys[operation.key];
    std::size_t version = 0;
    if (operation.value) {
      const auto found = key.version_of(*operation.value);
      if (!found) {
        if (operation.outcome == HistoryOutcome::kUnknown) continue;  // never took effect
        return violated(describe(operation) + ", a value that was never applied");
      }
      version = *found;
    }
    if (operation.kind == node::RequestKind::kPut) {
      key.puts[version] = &operation;
    } else {
      key.reads[version].push_back(&operation);
    }
  }
  for (const auto& [name, key] : keys) {
    if (Linearizability judged = place(key); !judged.ok()) return judged;
  }
  return {};
}

// --- By search ---

namespace {

// One key's operations, and which of them were placed so far.
class Search {
 public:
  Search(std::vector<const HistoryOperation*> operations, const SearchLimits& limits);
  Linearizability run();

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  using Placed = std::vector<std::uint64_t>;  // a bit for each operation

  // The calls and returns in time, as a list from which what was placed is lifted out.
  struct Node {
    std::size_t operation = 0;
    bool is_call = false;
    std::size_t match = kNone;  // a call's return
    std::size_t before = kNone;
    std::size_t after = kNone;
  };
  struct Step {
    std::size_t call = 0;
    std::size_t value_before = 0;
  };

  void lift(std::size_t at);
  void put_back(std::size_t at);
  bool can_place(std::size_t operation) const;
  void flip(std::size_t operation) { placed_[operation / 64] ^= 1ULL << (operation % 64); }
  std::size_t value_number(const std::optional<std::string>& value);

  std::vector<const HistoryOperation*> operations_;
  std::vector<std::size_t> values_;  // by operation; 0: absent
  std::map<std::string_view, std::size_t> value_numbers_;
  std::vector<Node> nodes_;  // 0 is the head of the list
  std::size_t must_place_ = 0;
  std::size_t configurations_max_;

  Placed placed_;
  std::size_t value_ = 0;
  std::vector<Step> steps_;
  std::set<std::pair<Placed, std::size_t>> tried_;
};

Search::Search(std::vector<const HistoryOperation*> operations, const SearchLimits& limits)
    : operations_(std::move(operations)), configurations_max_(limits.configurations_max) {
  struct Edge {
    Instant at;
    bool is_return;
    std::size_t operation;
  };
  std::vector<Edge> edges;
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    values_.push_back(value_number(operations_[i]->value));
    edges.push_back({operations_[i]->start, false, i});
    edges.push_back({end_of(*operations_[i]), true, i});
    if (operations_[i]->outcome == HistoryOutcome::kOk) ++must_place_;
  }
  // At one instant calls come first: operations that touch may overlap.
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) {
    if (a.at != b.at) return a.at < b.at;
    if (a.is_return != b.is_return) return b.is_return;
    return a.operation < b.operation;
  });
  nodes_.resize(edges.size() + 1);
  std::vector<std::size_t> call_of(operations_.size());
  for (std::size_t i = 0; i < edges.size(); ++i) {
    Node& node = nodes_[i + 1];
    node.operation = edges[i].operation;
    node.is_call = !edges[i].is_return;
    node.before = i;
    nodes_[i].after = i + 1;
    if (node.is_call) {
      call_of[node.operation] = i + 1;
    } else {
      nodes_[call_of[node.operation]].match = i + 1;
    }
  }
  placed_.resize((operations_.size() + 63) / 64);
  // A bit for each operation, and about as much again for a small set's own needs.
  const std::size_t bytes_each = placed_.size() * sizeof(std::uint64_t) + 128;
  configurations_max_ = std::min(configurations_max_, limits.bytes_max / bytes_each);
}

std::size_t Search::value_number(const std::optional<std::string>& value) {
  if (!value) return 0;
  return value_numbers_.try_emplace(*value, value_numbers_.size() + 1).first->second;
}

void Search::lift(std::size_t at) {
  for (const std::size_t each : {at, nodes_[at].match}) {
    const Node& node = nodes_[each];
    nodes_[node.before].after = node.after;
    if (node.after != kNone) nodes_[node.after].before = node.before;
  }
}

void Search::put_back(std::size_t at) {
  for (const std::size_t each : {nodes_[at].match, at}) {
    const Node& node = nodes_[each];
    nodes_[node.before].after = each;
    if (node.after != kNone) nodes_[node.after].before = each;
  }
}

bool Search::can_place(std::size_t operation) const {
  return operations_[operation]->kind == node::RequestKind::kPut || values_[operation] == value_;
}

Linearizability Search::run() {
  std::size_t placed_must = 0;
  std::size_t at = nodes_[0].after;
  std::size_t stuck_on = kNone;  // the last operation that could not be placed before its end
  while (placed_must < must_place_) {
    VESPER_CHECK(at != kNone);
    const Node& node = nodes_[at];
    if (node.is_call && can_place(node.operation)) {
      const std::size_t operation = node.operation;
      const bool is_put = operations_[operation]->kind == node::RequestKind::kPut;
      const std::size_t next_value = is_put ? values_[operation] : value_;
      flip(operation);
      if (tried_.emplace(placed_, next_value).second) {
        if (tried_.size() > configurations_max_) {
          return {Verdict::kUndecided, fmt::format("key {}: more than {} configurations",
                                                   operations_[0]->key, configurations_max_)};
        }
        steps_.push_back({at, std::exchange(value_, next_value)});
        if (operations_[operation]->outcome == HistoryOutcome::kOk) ++placed_must;
        lift(at);
        at = nodes_[0].after;
        continue;
      }
      flip(operation);
    }
    if (node.is_call) {
      at = node.after;
      continue;
    }
    // Something has ended and is not placed: an earlier choice was wrong.
    stuck_on = node.operation;
    if (steps_.empty()) return violated(describe(*operations_[stuck_on]));
    const Step step = steps_.back();
    steps_.pop_back();
    const std::size_t operation = nodes_[step.call].operation;
    value_ = step.value_before;
    flip(operation);
    if (operations_[operation]->outcome == HistoryOutcome::kOk) --placed_must;
    put_back(step.call);
    at = nodes_[step.call].after;
  }
  return {};
}

}  // namespace

Linearizability check_by_search(const History& history, const SearchLimits& limits) {
  std::map<std::string_view, std::vector<const HistoryOperation*>> keys;
  for (const HistoryOperation& operation : history) {
    if (counts(operation)) keys[operation.key].push_back(&operation);
  }
  Linearizability undecided;
  for (auto& [name, operations] : keys) {
    Linearizability judged = Search(std::move(operations), limits).run();
    if (judged.verdict == Verdict::kViolated) {
      return violated(fmt::format("no order explains key {}: {}", name, judged.detail));
    }
    if (judged.verdict == Verdict::kUndecided) undecided = std::move(judged);
  }
  return undecided;
}

}  // namespace vesper::sim
