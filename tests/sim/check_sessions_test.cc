// The checkers of sessions, fed with what nodes and clients of a broken cluster would show them.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/kv/command.h"
#include "sim/check/applied.h"
#include "sim/check/sessions.h"
#include "tests/sim/fed_checker.h"

namespace vesper::sim {
namespace {

using kv::Verdict;
using testing::invariant;

kv::IdempotencyKey once(std::uint64_t session, std::uint64_t number) {
  return {SessionId(session), RequestNumber(number)};
}

TEST_CASE("a verdict is judged by all that was applied before") {
  // Sessions 1 and 2; of 1 the numbers 3 and 5, with body 7; 2 is told that it has expired.
  struct {
    std::uint64_t session;
    std::uint64_t number;
    std::uint64_t body;
    Verdict verdict;
    const char* expected;
    const char* why;
  } const rows[] = {
      {1, 4, 7, Verdict::kApplied, "none", "a number in between"},
      {1, 5, 7, Verdict::kApplied, "exactly-once", "a second time"},
      {1, 5, 8, Verdict::kApplied, "exactly-once", "a second time with another body"},
      {2, 1, 7, Verdict::kApplied, "exactly-once", "after it expired"},
      {9, 1, 7, Verdict::kApplied, "exactly-once", "of a session never issued"},
      {1, 5, 7, Verdict::kRepeated, "none", "again"},
      {1, 4, 7, Verdict::kRepeated, "exactly-once", "again, and never before"},
      {1, 5, 8, Verdict::kRepeated, "exactly-once", "again with another body"},
      {1, 5, 8, Verdict::kOtherBody, "none", "another body"},
      {1, 5, 7, Verdict::kOtherBody, "exactly-once", "the same body taken for another"},
      {1, 6, 7, Verdict::kOtherBody, "exactly-once", "the first body taken for another"},
      {1, 1, 7, Verdict::kBelowWindow, "none", "lower"},
      {1, 6, 7, Verdict::kBelowWindow, "exactly-once", "the highest is not too low"},
      {1, 6, 7, Verdict::kExpired, "none", "one older than another may have expired"},
      {2, 6, 7, Verdict::kExpired, "exactly-once", "the newest cannot have expired"},
      {9, 1, 7, Verdict::kNeverIssued, "none", "never issued"},
      {1, 1, 7, Verdict::kNeverIssued, "exactly-once", "issued"},
      {1, 6, 7, Verdict::kNone, "exactly-once", "not even understood"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Violations violations;
    SessionChecker checker(violations);
    checker.on_opened(Index(1));
    checker.on_opened(Index(2));
    checker.on_judged(Index(3), once(1, 3), 7, Verdict::kApplied);
    checker.on_judged(Index(4), once(1, 5), 7, Verdict::kApplied);
    if (row.session == 2 && row.verdict == Verdict::kApplied) {
      checker.on_opened(Index(5));
      checker.on_judged(Index(6), once(2, 1), 7, Verdict::kExpired);
    }
    REQUIRE(invariant(violations) == "none");

    checker.on_judged(Index(9), once(row.session, row.number), row.body, row.verdict);
    CHECK(invariant(violations) == row.expected);
  }
}

// --- With what clients send and are told ---

struct Cluster {
  Violations violations;
  AppliedChecker checker{2, violations};
  std::uint64_t operations = 0;
  std::uint64_t index = 0;

  OperationId put(std::string_view value, std::optional<kv::IdempotencyKey> key) {
    const OperationId id(++operations);
    checker.on_invoke(testing::put(id, value, key));
    return id;
  }
  void apply(const std::vector<std::byte>& payload, Verdict verdict, std::uint32_t at = 0) {
    node::NodeView view;
    view.id = NodeId(at);
    const LogPosition position{Term(1), Index(++index)};
    checker.on_applied(view, raft::Entry::make(position, raft::EntryKind::kCommand, payload),
                       {verdict, index});
  }
  void apply_registration() {
    std::vector<std::byte> payload;
    kv::encode_register(payload);
    apply(payload, Verdict::kApplied);
  }
  void apply_put(std::string_view value, kv::IdempotencyKey key, Verdict verdict) {
    std::vector<std::byte> payload;
    kv::encode_put_once(key, as_bytes("k"), as_bytes(value), payload);
    apply(payload, verdict);
  }
  void open_session() {
    checker.on_register();
    apply_registration();
  }
};

TEST_CASE("no more registrations are applied than clients asked for") {
  Cluster asked;
  asked.open_session();
  CHECK(invariant(asked.violations) == "none");

  Cluster invented;
  invented.apply_registration();
  CHECK(invariant(invented.violations) == "only-client-commands");
}

TEST_CASE("a put is applied under the number that its client gave it, and no other") {
  for (const std::uint64_t number : {1U, 2U}) {
    Cluster cluster;
    cluster.open_session();
    cluster.put("1", once(1, 1));
    cluster.apply_put("1", once(1, number), Verdict::kApplied);
    CHECK(invariant(cluster.violations) == (number == 1 ? "none" : "only-client-commands"));
  }
  Cluster plain;
  plain.open_session();
  plain.put("1", std::nullopt);
  plain.apply_put("1", once(1, 1), Verdict::kApplied);
  CHECK(invariant(plain.violations) == "only-client-commands");
}

TEST_CASE("success needs a try that took effect, and a try that was refused is none") {
  Cluster refused;
  refused.open_session();
  const OperationId put = refused.put("1", once(1, 1));
  refused.apply_put("1", once(1, 1), Verdict::kExpired);
  refused.checker.on_answer(put, {.outcome = node::Outcome::kSuccess});
  CHECK(refused.violations.first().has_value());

  Cluster repeated;
  repeated.open_session();
  const OperationId twice = repeated.put("1", once(1, 1));
  repeated.apply_put("1", once(1, 1), Verdict::kApplied);
  repeated.apply_put("1", once(1, 1), Verdict::kRepeated);
  repeated.checker.on_answer(twice, {.outcome = node::Outcome::kSuccess});
  CHECK(invariant(repeated.violations) == "none");
}

TEST_CASE("a client that keeps the rules is refused for nothing but an expired session") {
  struct {
    Verdict verdict;
    const char* expected;
  } const rows[] = {{Verdict::kExpired, "none"},
                    {Verdict::kBelowWindow, "exactly-once"},
                    {Verdict::kOtherBody, "exactly-once"},
                    {Verdict::kNeverIssued, "exactly-once"}};
  for (const auto& row : rows) {
    Cluster cluster;
    cluster.open_session();
    const OperationId put = cluster.put("1", once(1, 1));
    cluster.checker.on_answer(put, {.outcome = node::Outcome::kRefused, .verdict = row.verdict});
    CHECK(invariant(cluster.violations) == row.expected);
  }
}

}  // namespace
}  // namespace vesper::sim
