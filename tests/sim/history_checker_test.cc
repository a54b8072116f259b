// The checker of a running world's history: what each answer means for it, and when it speaks.
#include "sim/check/history_checker.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/sim/fed_checker.h"

namespace vesper::sim {
namespace {

using testing::entry;

Instant at(std::int64_t nanoseconds) {
  return Instant::from_nanoseconds(nanoseconds);
}

// One key, "k"; time goes on by ten with every call.
struct History {
  HistoryChecker checker;
  std::int64_t now = 0;
  std::uint64_t operations = 0;
  std::uint64_t entries = 0;

  OperationId ask(node::RequestKind kind, std::string_view value) {
    const OperationId id(++operations);
    checker.on_invoke(at(now += 10), {.id = id,
                                      .client = ClientId(id.value() + 100),
                                      .node = NodeId(0),
                                      .kind = kind,
                                      .key = "k",
                                      .value = value});
    return id;
  }
  OperationId put(std::string_view value) { return ask(node::RequestKind::kPut, value); }
  OperationId get() { return ask(node::RequestKind::kGet, ""); }
  void apply(std::string_view value, kv::Verdict verdict = kv::Verdict::kApplied) {
    checker.on_applied(at(now += 10), {}, entry(++entries, 1, value), {verdict, 0});
  }
  void answer(OperationId id, node::Outcome outcome, std::string_view value = "") {
    node::Answer answer;
    answer.outcome = outcome;
    answer.value = SharedBytes::copy_of(as_bytes(value));
    checker.on_answer(at(now += 10), id, answer);
  }
};

TEST_CASE("a put that was answered is there, one that was refused is not, any other may be") {
  struct {
    node::Outcome told;
    bool may_find_it;
    bool may_miss_it;
  } const rows[] = {
      {node::Outcome::kSuccess, true, false},  {node::Outcome::kRedirect, false, true},
      {node::Outcome::kRejected, false, true}, {node::Outcome::kOverloaded, false, true},
      {node::Outcome::kDiskFull, false, true}, {node::Outcome::kUnknown, true, true}};
  for (const auto& row : rows) {
    CAPTURE(static_cast<int>(row.told));
    History found;
    const OperationId first = found.put("1");
    if (row.may_find_it) found.apply("1");
    found.answer(first, row.told);
    found.answer(found.get(), node::Outcome::kSuccess, "1");
    CHECK(found.checker.judged().ok() == row.may_find_it);

    History missed;
    const OperationId second = missed.put("1");
    if (!row.may_miss_it) missed.apply("1");
    missed.answer(second, row.told);
    missed.answer(missed.get(), node::Outcome::kAbsent);
    CHECK(missed.checker.judged().ok() == row.may_miss_it);
  }
}

TEST_CASE("a put that was given up, or is open at the end, may take effect later or never") {
  for (const bool is_given_up : {true, false}) {
    History history;
    const OperationId put = history.put("1");
    if (is_given_up) history.checker.on_give_up(at(history.now += 10), put);
    history.answer(history.get(), node::Outcome::kAbsent);
    CHECK(history.checker.judged().ok());
    history.apply("1");
    history.answer(history.get(), node::Outcome::kSuccess, "1");
    CHECK(history.checker.judged().ok());
    history.answer(history.get(), node::Outcome::kAbsent);
    CHECK_FALSE(history.checker.judged().ok());
  }
}

TEST_CASE("a try that changed nothing is no second put") {
  History history;
  const OperationId put = history.put("1");
  history.apply("1");
  history.apply("1", kv::Verdict::kRepeated);
  history.answer(put, node::Outcome::kSuccess);
  CHECK(history.checker.judged().ok());

  history.apply("1");
  CHECK(history.checker.judged().detail == "1 was applied twice to k");
}

TEST_CASE("a value that nobody put is a violation from when it is read") {
  History history;
  history.answer(history.get(), node::Outcome::kSuccess, "7");

  REQUIRE(history.checker.violation().has_value());
  CHECK(history.checker.violation()->invariant == "linearizability");
  CHECK(history.checker.violation()->at == at(20));
  CHECK(history.checker.violation()->detail ==
        "client 101 got k 7 from 10 to 20 ns, a value that was never applied or was replaced "
        "before");
}

TEST_CASE("what has ended and can be contradicted no more is not kept") {
  History history;
  for (int i = 1; i <= 10'000; ++i) {
    const std::string value = std::to_string(i);
    const OperationId put = history.put(value);
    history.apply(value);
    history.answer(put, node::Outcome::kSuccess);
  }
  CHECK(history.checker.kept() < 4'200);
  CHECK(history.checker.judged().ok());

  history.answer(history.get(), node::Outcome::kSuccess, "1");
  CHECK(history.checker.violation().has_value());
}

}  // namespace
}  // namespace vesper::sim
