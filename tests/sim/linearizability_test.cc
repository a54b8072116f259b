// The linearizability checkers against a third judge that is too slow for anything but small
// histories and too simple to be wrong in the same way: it tries all orders. Then against a
// register that is simulated correctly, and against the classic anomalies one by one.
#include "sim/check/linearizability.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "sim/check/witness.h"
#include "tests/core/properties.h"

namespace vesper::sim {
namespace {

using Verdict = Linearizability::Verdict;
using testing::holds;

Instant at(std::int64_t nanoseconds) {
  return Instant::from_nanoseconds(nanoseconds);
}

HistoryOperation operation(node::RequestKind kind, std::optional<std::string> value,
                           std::int64_t start, std::int64_t end) {
  HistoryOperation made;
  made.kind = kind;
  made.key = "k";
  made.value = std::move(value);
  made.start = at(start);
  made.end = at(end);
  made.outcome = HistoryOutcome::kOk;
  return made;
}

HistoryOperation put(std::string value, std::int64_t start, std::int64_t end) {
  return operation(node::RequestKind::kPut, std::move(value), start, end);
}

HistoryOperation got(std::optional<std::string> value, std::int64_t start, std::int64_t end) {
  return operation(node::RequestKind::kGet, std::move(value), start, end);
}

HistoryOperation with(HistoryOperation made, HistoryOutcome outcome) {
  made.outcome = outcome;
  return made;
}

bool is_put(const HistoryOperation& each) {
  return each.kind == node::RequestKind::kPut;
}

// --- The judge that tries all orders ---

// Places one operation after another; `order`, if given, is the only one that puts may take, and
// says which of them were applied.
class AllOrders {
 public:
  AllOrders(const History& history, const std::vector<WitnessPut>* order)
      : history_(history), order_(order), is_placed_(history.size()) {}

  bool explain() {
    if (is_complete()) return true;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (is_placed_[i] || !may_come_next(history_[i])) continue;
      const auto before = state_;
      is_placed_[i] = true;
      if (is_put(history_[i])) {
        state_[history_[i].key] = history_[i].value;
        ++puts_placed_;
      }
      if (explain()) return true;
      if (is_put(history_[i])) --puts_placed_;
      is_placed_[i] = false;
      state_ = before;
    }
    return false;
  }

 private:
  bool is_complete() const {
    if (order_ != nullptr && puts_placed_ != order_->size()) return false;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (!is_placed_[i] && history_[i].outcome == HistoryOutcome::kOk) return false;
    }
    return true;
  }

  bool may_come_next(const HistoryOperation& next) const {
    if (next.outcome == HistoryOutcome::kFail) return false;
    if (!is_put(next) && next.outcome != HistoryOutcome::kOk) return false;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      const HistoryOperation& other = history_[i];
      if (is_placed_[i] || other.outcome != HistoryOutcome::kOk) continue;
      if (other.end < next.start) return false;
    }
    if (is_put(next)) {
      if (order_ == nullptr) return true;
      return puts_placed_ < order_->size() && (*order_)[puts_placed_].key == next.key &&
             (*order_)[puts_placed_].value == *next.value;
    }
    const auto found = state_.find(next.key);
    return next.value == (found == state_.end() ? std::nullopt : found->second);
  }

  const History& history_;
  const std::vector<WitnessPut>* order_;
  std::vector<bool> is_placed_;
  std::size_t puts_placed_ = 0;
  std::map<std::string, std::optional<std::string>> state_;
};

bool all_orders_explain(const History& history, const std::vector<WitnessPut>* order = nullptr) {
  return AllOrders(history, order).explain();
}

// --- Small random histories ---

int drawn(int low, int high) {
  return *rc::gen::resize(rc::kNominalSize, rc::gen::inRange(low, high + 1));
}

// Values are few, so that reads often hit a put; puts of one key have values of their own.
History small_history(int keys) {
  History history;
  const int operations = drawn(1, 6);
  for (int i = 0; i < operations; ++i) {
    const std::int64_t start = drawn(0, 9);
    const std::int64_t end = start + drawn(0, 6);
    HistoryOperation each =
        drawn(0, 1) == 0 ? put("v" + std::to_string(i), start, end) : got(std::nullopt, start, end);
    each.key = "k" + std::to_string(drawn(0, keys - 1));
    const int outcome = drawn(0, 7);
    if (outcome == 0) each.outcome = HistoryOutcome::kFail;
    if (outcome == 1 || outcome == 2) each.outcome = HistoryOutcome::kUnknown;
    history.push_back(std::move(each));
  }
  for (HistoryOperation& each : history) {
    if (is_put(each)) continue;
    const auto& other = history[static_cast<std::size_t>(drawn(0, operations - 1))];
    if (is_put(other)) each.value = other.value;
  }
  return history;
}

// Most of its puts, in any order. Points into the history.
std::vector<WitnessPut> some_order(const History& history) {
  std::vector<WitnessPut> order;
  for (const HistoryOperation& each : history) {
    if (!is_put(each) || each.outcome == HistoryOutcome::kFail) continue;
    if (drawn(0, 4) == 0) continue;
    const int where = drawn(0, static_cast<int>(order.size()));
    order.insert(order.begin() + where, {each.key, *each.value});
  }
  return order;
}

struct Verdicts {
  int good = 0;
  int bad = 0;
  void add(bool is_good) { ++(is_good ? good : bad); }
};

TEST_CASE("the search agrees with a judge that tries all orders") {
  Verdicts verdicts;

  CHECK(holds("check_by_search explains exactly what some order explains",
              [&verdicts] {
                const History history = small_history(2);
                const bool is_good = all_orders_explain(history);
                verdicts.add(is_good);
                const Linearizability judged = check_by_search(history);
                RC_ASSERT(judged.verdict ==
                          (is_good ? Verdict::kLinearizable : Verdict::kViolated));
                RC_ASSERT(judged.detail.empty() == is_good);
              },
              {.cases_factor = 40}));

  CHECK(verdicts.good >= 300);
  CHECK(verdicts.bad >= 300);
}

TEST_CASE("the check by witness agrees with a judge that tries all orders of that witness") {
  Verdicts verdicts;

  CHECK(holds(
      "check_by_witness explains exactly what some order with the puts in the log's order explains",
      [&verdicts] {
        const History history = small_history(1);
        const std::vector<WitnessPut> order = some_order(history);
        const bool is_good = all_orders_explain(history, &order);
        verdicts.add(is_good);
        const Linearizability judged = check_by_witness(history, order);
        RC_ASSERT(judged.verdict == (is_good ? Verdict::kLinearizable : Verdict::kViolated));
        if (is_good) RC_ASSERT(check_by_search(history).ok());
      },
      {.cases_factor = 40}));

  CHECK(verdicts.good >= 300);
  CHECK(verdicts.bad >= 300);
}

// --- What is settled on the way ---

// As operations end, one after the other, and all that is certain by then is forgotten each time.
Linearizability settled_on_the_way(History history, const std::vector<WitnessPut>& order) {
  std::stable_sort(history.begin(), history.end(),
                   [](const auto& a, const auto& b) { return a.end < b.end; });
  Witness witness;
  for (const WitnessPut& each : order) witness.on_applied(each.key, each.value);
  for (std::size_t i = 0; i < history.size(); ++i) {
    witness.add(history[i]);
    Instant since = Instant::never();
    for (std::size_t later = i + 1; later < history.size(); ++later) {
      since = std::min(since, history[later].start);
    }
    witness.settle(since);
  }
  return witness.judged();
}

TEST_CASE("what is forgotten on the way changes no verdict") {
  Verdicts verdicts;

  CHECK(holds("a witness that settles what it can judges as one that keeps all",
              [&verdicts] {
                const History history = small_history(2);
                const std::vector<WitnessPut> order = some_order(history);
                const bool is_good = check_by_witness(history, order).ok();
                verdicts.add(is_good);
                RC_ASSERT(settled_on_the_way(history, order).ok() == is_good);
              },
              {.cases_factor = 40}));

  CHECK(verdicts.good >= 300);
  CHECK(verdicts.bad >= 300);
}

// --- A register that is right ---

struct Recorded {
  History history;
  std::vector<std::pair<std::string, std::string>> applied;  // key, value

  std::vector<WitnessPut> order() const {
    std::vector<WitnessPut> puts;
    for (const auto& [key, value] : applied) puts.push_back({key, value});
    return puts;
  }
};

struct RegisterOptions {
  std::uint64_t seed = 1;
  std::uint64_t operations = 0;
  std::uint64_t clients = 4;
  std::uint64_t keys = 2;
};

// Clients work side by side; each operation takes effect at an instant of its own between its start
// and its end, an unknown put also later or never.
Recorded record(const RegisterOptions& options) {
  RandomStream random(Random(options.seed), {Purpose::kTest});
  Recorded made;
  std::vector<std::int64_t> free_at(options.clients);
  std::vector<std::pair<std::int64_t, std::size_t>> effects;
  for (std::size_t i = 0; i < options.operations; ++i) {
    std::int64_t& now = free_at[i % options.clients];
    const std::int64_t start = now + static_cast<std::int64_t>(random.below(20));
    std::int64_t effect = start + static_cast<std::int64_t>(random.below(20));
    const std::int64_t end = effect + static_cast<std::int64_t>(random.below(20));
    now = end + 1;
    HistoryOperation each = random.below(2) == 0 ? put("v" + std::to_string(i), start, end)
                                                 : got(std::nullopt, start, end);
    each.client = i % options.clients;
    each.key = "k" + std::to_string(random.below(options.keys));
    const std::uint64_t luck = is_put(each) ? random.below(10) : 9;
    if (luck == 0) each.outcome = HistoryOutcome::kFail;
    if (luck == 1 || luck == 2) each.outcome = HistoryOutcome::kUnknown;
    if (luck == 2) effect += static_cast<std::int64_t>(random.below(60));
    if (luck > 1) effects.emplace_back(effect, i);
    made.history.push_back(std::move(each));
  }
  std::sort(effects.begin(), effects.end());
  std::map<std::string, std::string> state;
  for (const auto& [when, i] : effects) {
    HistoryOperation& each = made.history[i];
    if (is_put(each)) {
      state[each.key] = *each.value;
      made.applied.emplace_back(each.key, *each.value);
    } else if (const auto found = state.find(each.key); found != state.end()) {
      each.value = found->second;
    }
  }
  return made;
}

// Gives a read that was sent after two puts of its key had been answered, one after the other, the
// older one's value. False: there is none.
bool make_one_read_stale(History& history) {
  for (HistoryOperation& read : history) {
    if (is_put(read)) continue;
    for (const HistoryOperation& newer : history) {
      if (!is_put(newer) || newer.outcome != HistoryOutcome::kOk || newer.key != read.key) continue;
      if (newer.end >= read.start) continue;
      for (const HistoryOperation& older : history) {
        if (!is_put(older) || older.outcome != HistoryOutcome::kOk || older.key != read.key) {
          continue;
        }
        if (older.end >= newer.start) continue;
        read.value = older.value;
        return true;
      }
    }
  }
  return false;
}

TEST_CASE("a register that is right passes both checks, and one stale read fails both") {
  int stale = 0;

  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Recorded made = record({.seed = seed, .operations = 30});
    CHECK(check_by_witness(made.history, made.order()).ok());
    CHECK(check_by_search(made.history).ok());

    if (!make_one_read_stale(made.history)) continue;
    ++stale;
    CHECK(check_by_witness(made.history, made.order()).verdict == Verdict::kViolated);
    CHECK(check_by_search(made.history).verdict == Verdict::kViolated);
  }

  CHECK(stale >= 200);
}

TEST_CASE("a history of any length keeps no more than a few values a key") {
  Recorded made = record({.seed = 7, .operations = 20'000, .clients = 8, .keys = 3});
  std::stable_sort(made.history.begin(), made.history.end(),
                   [](const auto& a, const auto& b) { return a.end < b.end; });
  std::map<std::pair<std::string, std::string>, std::size_t> places;
  for (std::size_t i = 0; i < made.applied.size(); ++i) places[made.applied[i]] = i;
  // Of those that end later, when the first started.
  std::vector<Instant> since(made.history.size() + 1, Instant::never());
  for (std::size_t i = made.history.size(); i-- > 0;) {
    since[i] = std::min(since[i + 1], made.history[i].start);
  }

  Witness witness;
  std::size_t applied = 0;
  std::size_t most = 0;
  for (std::size_t i = 0; i < made.history.size(); ++i) {
    const HistoryOperation& each = made.history[i];
    if (each.value && each.outcome == HistoryOutcome::kOk) {
      for (; applied <= places.at({each.key, *each.value}); ++applied) {
        witness.on_applied(made.applied[applied].first, made.applied[applied].second);
      }
    }
    witness.add(each);
    witness.settle(since[i + 1]);
    most = std::max(most, witness.versions());
  }

  CHECK(witness.judged().ok());
  CHECK(applied > 5'000);
  CHECK(most < 200);
}

TEST_CASE("two hundred thousand operations on one key are judged by witness") {
  // Were the time quadratic, these would be some 10^10 steps, and the program's time would be up.
  Recorded made = record({.operations = 200'000, .clients = 16, .keys = 1});
  const std::vector<WitnessPut> order = made.order();
  CHECK(order.size() > 50'000);

  CHECK(check_by_witness(made.history, order).ok());

  // The last read, not the first, so that all of them have to be looked at.
  std::reverse(made.history.begin(), made.history.end());
  REQUIRE(make_one_read_stale(made.history));
  CHECK(check_by_witness(made.history, order).verdict == Verdict::kViolated);
}

TEST_CASE("beyond its bound the search is undecided, within it it says what is wrong") {
  History history;
  for (int i = 0; i < 8; ++i) history.push_back(put("v" + std::to_string(i), 0, 10));
  history.push_back(got("never put", 20, 30));

  CHECK(check_by_search(history, {.configurations_max = 100}).verdict == Verdict::kUndecided);
  CHECK(check_by_search(history).verdict == Verdict::kViolated);

  // What is certain about one key outweighs doubt about another.
  history.push_back(got("never put either", 0, 1));
  history.back().key = "a";
  CHECK(check_by_search(history, {.configurations_max = 100}).verdict == Verdict::kViolated);
}

TEST_CASE("anomalies, each beside what looks like it and is allowed") {
  struct Example {
    const char* why;
    bool is_good;
    History history;
    std::vector<WitnessPut> order;
  };
  constexpr auto kFail = HistoryOutcome::kFail;
  constexpr auto kUnknown = HistoryOutcome::kUnknown;
  const Example examples[] = {
      {"a read before any put finds nothing", true, {got({}, 0, 1), put("a", 2, 3)}, {{"k", "a"}}},
      {"a value is read before it was put", false, {got("a", 0, 1), put("a", 2, 3)}, {{"k", "a"}}},
      {"a read is stale",
       false,
       {put("a", 0, 1), put("b", 2, 3), got("a", 4, 5)},
       {{"k", "a"}, {"k", "b"}}},
      {"a read beside the put may find either",
       true,
       {put("a", 0, 1), put("b", 2, 6), got("a", 4, 5)},
       {{"k", "a"}, {"k", "b"}}},
      {"reads go back in time",
       false,
       {put("a", 0, 1), put("b", 2, 9), got("b", 3, 4), got("a", 5, 6)},
       {{"k", "a"}, {"k", "b"}}},
      {"an update is lost", false, {put("a", 0, 1), got({}, 2, 3)}, {{"k", "a"}}},
      {"an unknown put takes effect late",
       true,
       {with(put("a", 0, 1), kUnknown), got({}, 2, 3), got("a", 4, 5)},
       {{"k", "a"}}},
      {"an unknown put takes effect and is undone",
       false,
       {with(put("a", 0, 1), kUnknown), got("a", 2, 3), got({}, 4, 5)},
       {{"k", "a"}}},
      {"an unknown put never takes effect",
       true,
       {with(put("a", 0, 1), kUnknown), got({}, 2, 3)},
       {}},
      {"a failed put is never read", true, {with(put("a", 0, 1), kFail), got({}, 2, 3)}, {}},
      {"a failed put is read", false, {with(put("a", 0, 1), kFail), got("a", 2, 3)}, {}},
      {"a value that nobody put is read", false, {got("z", 0, 1)}, {}},
      {"a read that failed says nothing", true, {with(got("z", 0, 1), kFail)}, {}},
      {"operations that touch may overlap", true, {put("a", 0, 5), got({}, 5, 6)}, {{"k", "a"}}},
  };

  for (const Example& example : examples) {
    CAPTURE(example.why);
    CHECK(check_by_search(example.history).ok() == example.is_good);
    CHECK(check_by_witness(example.history, example.order).ok() == example.is_good);
    CHECK(all_orders_explain(example.history) == example.is_good);
  }
}

TEST_CASE("a put that the log holds twice, or was answered and is not in it, is named") {
  const History history = {put("a", 0, 1)};

  const Linearizability twice = check_by_witness(history, {{"k", "a"}, {"k", "a"}});
  CHECK(twice.detail == "a was applied twice to k");

  const Linearizability lost = check_by_witness(history, {});
  CHECK(lost.detail == "client 0 put k a from 0 to 1 ns, a value that was never applied");
}

}  // namespace
}  // namespace vesper::sim
