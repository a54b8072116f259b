#include "sim/check/linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "sim/check/witness.h"

namespace vesper::sim {

namespace {

using Verdict = Linearizability::Verdict;

Linearizability violated(std::string detail) {
  return {Verdict::kViolated, std::move(detail)};
}

}  // namespace

Linearizability check_by_witness(const History& history, const std::vector<WitnessPut>& order) {
  Witness witness;
  for (const WitnessPut& put : order) witness.on_applied(put.key, put.value);
  for (const HistoryOperation& operation : history) witness.add(operation);
  return witness.judged();
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
    if (takes_effect(operation)) keys[operation.key].push_back(&operation);
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
