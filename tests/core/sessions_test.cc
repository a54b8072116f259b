#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/kv/command.h"
#include "core/kv/sessions.h"
#include "core/kv/state_machine.h"
#include "tests/core/properties.h"

namespace vesper::kv {
namespace {

constexpr std::uint64_t kBody = 77;
constexpr SessionBounds kSmall{.sessions = 2, .numbers = 3};

IdempotencyKey once(std::uint64_t session, std::uint64_t number) {
  return {SessionId(session), RequestNumber(number)};
}

std::vector<std::byte> encoded(const Sessions& sessions) {
  std::vector<std::byte> out;
  sessions.encode(out);
  return out;
}

// --- The table of sessions.h ---

TEST_CASE("what an entry that names a session is told") {
  // Sessions 1 and 2; of 1 the numbers 4 and 6, so that the floor of three is 3; then 3 is opened,
  // and 2 was used longest ago.
  struct {
    std::uint64_t session;
    std::uint64_t number;
    std::uint64_t body;
    Verdict verdict;
    const char* why;
  } const rows[] = {
      {1, 7, kBody, Verdict::kApplied, "the next number"},
      {1, 5, kBody, Verdict::kApplied, "a number that was overtaken"},
      {1, 900, kBody, Verdict::kApplied, "a number far ahead"},
      {1, UINT64_MAX, kBody, Verdict::kApplied, "the last number of all"},
      {1, 6, kBody, Verdict::kRepeated, "the same again"},
      {1, 4, kBody, Verdict::kRepeated, "the oldest kept"},
      {1, 6, kBody + 1, Verdict::kOtherBody, "the same number with another body"},
      {1, 4, kBody + 1, Verdict::kOtherBody, "the oldest kept with another body"},
      {1, 3, kBody, Verdict::kBelowWindow, "the floor"},
      {1, 1, kBody, Verdict::kBelowWindow, "below the floor"},
      {2, 1, kBody, Verdict::kExpired, "an expired session's known number"},
      {2, 9, kBody, Verdict::kExpired, "an expired session's new number"},
      {3, 9, kBody, Verdict::kApplied, "a new session's first number need not be 1"},
      {4, 1, kBody, Verdict::kNeverIssued, "an id above all that were issued"},
      {900, 1, kBody, Verdict::kNeverIssued, "an id above the log"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Sessions sessions(kSmall);
    sessions.open(Index(1));
    sessions.open(Index(2));
    CHECK(sessions.judge(Index(10), once(2, 1), kBody) == Verdict::kApplied);
    CHECK(sessions.judge(Index(11), once(1, 4), kBody) == Verdict::kApplied);
    CHECK(sessions.judge(Index(12), once(1, 6), kBody) == Verdict::kApplied);
    sessions.open(Index(13));
    // Of this test's world: the id that the table calls 3 is its entry's index.
    const std::uint64_t id = row.session == 3 ? 13 : row.session == 4 ? 14 : row.session;

    CHECK(sessions.judge(Index(20), once(id, row.number), row.body) == row.verdict);
  }
}

TEST_CASE("an id below an expired one may have expired too, whatever it was") {
  Sessions sessions(kSmall);
  for (const std::uint64_t index : {5U, 7U, 9U}) sessions.open(Index(index));  // 5 expires

  CHECK(sessions.judge(Index(10), once(5, 1), kBody) == Verdict::kExpired);
  CHECK(sessions.judge(Index(11), once(3, 1), kBody) == Verdict::kExpired);
  CHECK(sessions.judge(Index(12), once(6, 1), kBody) == Verdict::kNeverIssued);
}

TEST_CASE("the outcome of a refusal says whether this body may have taken effect") {
  CHECK(may_have_taken_effect(Verdict::kExpired));
  CHECK(may_have_taken_effect(Verdict::kBelowWindow));
  CHECK_FALSE(may_have_taken_effect(Verdict::kOtherBody));
  CHECK_FALSE(may_have_taken_effect(Verdict::kNeverIssued));
  CHECK_FALSE(is_refusal(Verdict::kRepeated));
}

TEST_CASE("whoever was used longest ago expires, and a refused use is one too") {
  struct {
    std::uint64_t number;
    std::uint64_t body;
    const char* why;
  } const rows[] = {
      {2, kBody, "a new number"},
      {1, kBody, "a retry"},
      {1, kBody + 1, "another body"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Sessions sessions(kSmall);
    sessions.open(Index(1));
    CHECK(sessions.judge(Index(2), once(1, 1), kBody) == Verdict::kApplied);
    sessions.open(Index(3));
    sessions.judge(Index(4), once(1, row.number), row.body);
    sessions.open(Index(5));

    CHECK(sessions.size() == 2);
    CHECK(sessions.judge(Index(6), once(1, 9), kBody) == Verdict::kApplied);
    CHECK(sessions.judge(Index(7), once(3, 1), kBody) == Verdict::kExpired);
  }
}

TEST_CASE("sessions never opened have no hash, and everything kept moves it") {
  Sessions sessions(kSmall);
  CHECK(sessions.state_hash() == 0);
  CHECK(sessions.judge(Index(1), once(9, 1), kBody) == Verdict::kNeverIssued);
  CHECK(sessions.state_hash() == 0);

  std::vector<std::uint64_t> hashes = {0};
  const auto note = [&] { hashes.push_back(sessions.state_hash()); };
  sessions.open(Index(2));
  note();
  sessions.judge(Index(3), once(2, 1), kBody);
  note();
  sessions.judge(Index(4), once(2, 1), kBody);  // only its last use
  note();
  sessions.open(Index(5));
  note();
  sessions.open(Index(6));  // and 2 expires
  note();
  std::sort(hashes.begin(), hashes.end());
  CHECK(std::unique(hashes.begin(), hashes.end()) == hashes.end());
}

TEST_CASE("the sessions' hash and encoding are pinned: a change would part nodes of two versions") {
  Sessions sessions(kSmall);
  for (const std::uint64_t index : {1U, 2U, 3U}) sessions.open(Index(index));
  sessions.judge(Index(4), once(2, 1), kBody);

  CHECK(sessions.state_hash() == 2701935779941410528ULL);
  const std::string_view bytes(
      "\1\0\0\0\0\0\0\0\2\0\0\0"
      "\2\0\0\0\0\0\0\0\4\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\x4d\0\0\0\0\0\0\0"
      "\3\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0",
      68);
  CHECK(as_text(encoded(sessions)) == bytes);
}

// --- Histories against a naive model, which forgets nothing ---

class Model {
 public:
  explicit Model(SessionBounds bounds) : bounds_(bounds) {}

  void open(std::uint64_t index) {
    if (live_.size() == bounds_.sessions) {
      const auto oldest = std::min_element(live_.begin(), live_.end(),
                                           [](auto& a, auto& b) { return a.second < b.second; });
      expired_.push_back(oldest->first);
      live_.erase(oldest);
    }
    live_[index] = index;
  }
  // The verdict by the whole past.
  Verdict judge(std::uint64_t index, IdempotencyKey key, std::uint64_t body) {
    const std::uint64_t id = key.session.value();
    if (!live_.contains(id)) {
      const bool below_expired = std::any_of(expired_.begin(), expired_.end(),
                                             [&](std::uint64_t gone) { return gone >= id; });
      return below_expired ? Verdict::kExpired : Verdict::kNeverIssued;
    }
    live_[id] = index;
    auto& bodies = applied_[id];
    const std::uint64_t number = key.number.value();
    const std::uint64_t highest = bodies.empty() ? 0 : bodies.rbegin()->first;
    if (number + bounds_.numbers <= highest) return Verdict::kBelowWindow;
    const auto [at, is_new] = bodies.emplace(number, body);
    if (is_new) return Verdict::kApplied;
    return at->second == body ? Verdict::kRepeated : Verdict::kOtherBody;
  }
  bool was_issued(std::uint64_t id) const {
    return live_.contains(id) || std::count(expired_.begin(), expired_.end(), id) > 0;
  }

 private:
  SessionBounds bounds_;
  std::map<std::uint64_t, std::uint64_t> live_;  // id to last use
  std::vector<std::uint64_t> expired_;
  std::map<std::uint64_t, std::map<std::uint64_t, std::uint64_t>> applied_;  // number to body
};

struct Step {
  bool is_open = false;
  std::uint64_t gap = 1;  // to the index before
  IdempotencyKey key;
  std::uint64_t body = 0;
};

// Registrations, retries, numbers out of order, and now and then an id that may mean nothing.
class Steps {
 public:
  Step next() {
    Step step;
    step.is_open = *rc::gen::inRange(0, 10) == 0;
    step.gap = *rc::gen::inRange<std::uint64_t>(1, 3);
    std::uint64_t session = *rc::gen::inRange<std::uint64_t>(1, index_ + 3);
    if (!opened_.empty() && *rc::gen::inRange(0, 8) != 0) {
      const auto back = *rc::gen::inRange<std::size_t>(0, std::min<std::size_t>(opened_.size(), 4));
      session = opened_[opened_.size() - 1 - back];
    }
    step.key = once(session, *rc::gen::inRange<std::uint64_t>(1, 9));
    step.body = *rc::gen::element<std::uint64_t>(0, 0, 0, 1);
    index_ += step.gap;
    if (step.is_open) opened_.push_back(index_);
    return step;
  }
  std::uint64_t index() const { return index_; }

 private:
  std::uint64_t index_ = 0;
  std::vector<std::uint64_t> opened_;
};

SessionBounds any_bounds() {
  const auto sessions = *rc::gen::inRange<std::size_t>(1, 5);
  return {.sessions = sessions, .numbers = *rc::gen::inRange<std::size_t>(1, 6)};
}

Sessions through_a_snapshot(const Sessions& sessions, SessionBounds bounds, Index applied) {
  auto decoded = Sessions::decode(encoded(sessions), bounds, applied);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(decoded.value().state_hash() == sessions.state_hash());
  RC_ASSERT(encoded(decoded.value()) == encoded(sessions));
  return decoded.value();
}

TEST_CASE("sessions judge as a model that forgets nothing, across snapshots at any point") {
  CHECK(testing::holds("verdicts are the model's, and no number takes effect twice",
                       [] {
                         const SessionBounds bounds = any_bounds();
                         Sessions sessions(bounds);
                         Model model(bounds);
                         std::map<IdempotencyKey, int> effects;
                         std::set<Verdict> met;
                         Steps steps;
                         const auto count = *rc::gen::inRange(0, 80);
                         for (int i = 0; i < count; ++i) {
                           const Step step = steps.next();
                           const std::uint64_t index = steps.index();
                           if (step.is_open) {
                             sessions.open(Index(index));
                             model.open(index);
                           } else {
                             const Verdict verdict =
                                 sessions.judge(Index(index), step.key, step.body);
                             RC_ASSERT(verdict == model.judge(index, step.key, step.body));
                             met.insert(verdict);
                             if (verdict == Verdict::kApplied) RC_ASSERT(++effects[step.key] == 1);
                             if (verdict == Verdict::kNeverIssued) {
                               RC_ASSERT(!model.was_issued(step.key.session.value()));
                             }
                           }
                           if (*rc::gen::inRange(0, 8) == 0) {
                             sessions = through_a_snapshot(sessions, bounds, Index(index));
                           }
                         }
                         RC_CLASSIFY(met.contains(Verdict::kRepeated), "a retry");
                         RC_CLASSIFY(met.contains(Verdict::kOtherBody), "another body");
                         RC_CLASSIFY(met.contains(Verdict::kBelowWindow), "below the window");
                         RC_CLASSIFY(met.contains(Verdict::kExpired), "an expired session");
                       },
                       {.cases_factor = 5}));
}

TEST_CASE("any bytes give sessions that encode to them, or an error") {
  CHECK(testing::holds("decode is strict",
                       [] {
                         const SessionBounds bounds = any_bounds();
                         Sessions sessions(bounds);
                         Steps steps;
                         const auto count = *rc::gen::inRange(0, 30);
                         for (int i = 0; i < count; ++i) {
                           const Step step = steps.next();
                           if (step.is_open) sessions.open(Index(steps.index()));
                           if (!step.is_open)
                             sessions.judge(Index(steps.index()), step.key, step.body);
                         }
                         std::vector<std::byte> bytes = encoded(sessions);
                         const auto changes = *rc::gen::inRange(0, 3);
                         for (int i = 0; i < changes; ++i) {
                           bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] =
                               std::byte(*rc::gen::inRange(0, 10));
                         }
                         if (*rc::gen::inRange(0, 4) == 0) {
                           bytes.resize(*rc::gen::inRange<std::size_t>(0, bytes.size() + 20));
                         }
                         const auto decoded = Sessions::decode(bytes, bounds, Index(steps.index()));
                         RC_CLASSIFY(decoded.ok(), "sessions");
                         if (!decoded.ok()) RC_ASSERT(decoded.error().code == ErrorCode::kInvalid);
                         if (decoded.ok()) RC_ASSERT(encoded(decoded.value()) == bytes);
                       },
                       {.cases_factor = 10}));
}

TEST_CASE("bytes that no sessions leave are refused") {
  using namespace std::string_view_literals;
  constexpr std::string_view kNoneExpired = "\0\0\0\0\0\0\0\0"sv;
  struct {
    std::string_view expired;
    std::string_view rest;
    const char* why;
  } const rows[] = {
      {"\0\0\0"sv, ""sv, "cut in the header"},
      {kNoneExpired, "\3\0\0\0"sv, "more sessions than the bound"},
      {kNoneExpired, "\1\0\0\0"sv, "a session missing"},
      {kNoneExpired, "\xff\xff\xff\xff"sv, "a count far beyond the bytes"},
      {kNoneExpired, "\0\0\0\0x"sv, "a byte too many"},
      {kNoneExpired, "\1\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"sv, "id 0"},
      {kNoneExpired, "\1\0\0\0\2\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0"sv, "used before it was"},
      {kNoneExpired, "\1\0\0\0\2\0\0\0\0\0\0\0\x65\0\0\0\0\0\0\0\0\0\0\0"sv, "used in the future"},
      {kNoneExpired, "\1\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0\0\0\0\0"sv, "used for nothing"},
      {"\1\0\0\0\0\0\0\0"sv, "\1\0\0\0\2\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\0\0\0\0"sv,
       "one expired without need"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    const std::string bytes = std::string(row.expired) + std::string(row.rest);
    const auto decoded = Sessions::decode(as_bytes(bytes), kSmall, Index(100));
    REQUIRE_FALSE(decoded.ok());
    CHECK(decoded.error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("full sessions stay within what a snapshot and a turn can bear") {
  Sessions sessions;
  std::uint64_t index = 0;
  for (std::size_t i = 0; i < limits::kSessions + 3; ++i) sessions.open(Index(++index));
  for (std::uint64_t number = 1; number <= limits::kSessionNumbers + 5; ++number) {
    for (std::uint64_t id = 4; id <= limits::kSessions + 3; ++id) {
      REQUIRE(sessions.judge(Index(++index), once(id, number), number) == Verdict::kApplied);
    }
  }
  CHECK(sessions.size() == limits::kSessions);

  std::vector<std::byte> bytes;
  std::chrono::nanoseconds least = std::chrono::hours(1);
  for (int round = 0; round < 10; ++round) {
    bytes.clear();
    const auto began = std::chrono::steady_clock::now();
    sessions.encode(bytes);
    least = std::min<std::chrono::nanoseconds>(least, std::chrono::steady_clock::now() - began);
  }
  testing::count("microseconds to encode full sessions",
                 static_cast<std::uint64_t>(least.count() / 1000));

  CHECK(bytes.size() == 12 + limits::kSessions * (20 + 16 * limits::kSessionNumbers));
  const auto decoded = Sessions::decode(bytes, {}, Index(index));
  REQUIRE(decoded.ok());
  CHECK(decoded.value().state_hash() == sessions.state_hash());
}

// --- The state machine ---

SharedBytes put_once(IdempotencyKey key, std::string_view name, std::string_view value) {
  std::vector<std::byte> out;
  encode_put_once(key, as_bytes(name), as_bytes(value), out);
  return SharedBytes::copy_of(out);
}

SharedBytes registration() {
  std::vector<std::byte> out;
  encode_register(out);
  return SharedBytes::copy_of(out);
}

TEST_CASE("a retry after another client's put leaves that one's value") {
  StateMachine machine;
  REQUIRE(machine.apply(Index(1), registration()).value() == Verdict::kApplied);
  REQUIRE(machine.apply(Index(2), registration()).value() == Verdict::kApplied);
  REQUIRE(machine.apply(Index(3), put_once(once(1, 1), "k", "a")).value() == Verdict::kApplied);
  REQUIRE(machine.apply(Index(4), put_once(once(2, 1), "k", "b")).value() == Verdict::kApplied);

  CHECK(machine.apply(Index(5), put_once(once(1, 1), "k", "a")).value() == Verdict::kRepeated);
  CHECK(machine.store().get("k")->text() == "b");
  CHECK(machine.apply(Index(6), put_once(once(1, 1), "k", "c")).value() == Verdict::kOtherBody);
  CHECK(machine.store().get("k")->text() == "b");
  CHECK(machine.apply(Index(7), put_once(once(9, 1), "k", "c")).value() == Verdict::kNeverIssued);
  CHECK(machine.store().get("k")->text() == "b");
}

TEST_CASE("the body is key and value: neither may differ in a retry") {
  StateMachine machine;
  REQUIRE(machine.apply(Index(1), registration()).ok());
  REQUIRE(machine.apply(Index(2), put_once(once(1, 1), "ab", "c")).ok());

  CHECK(machine.apply(Index(3), put_once(once(1, 1), "a", "bc")).value() == Verdict::kOtherBody);
  CHECK(machine.apply(Index(4), put_once(once(1, 1), "b", "c")).value() == Verdict::kOtherBody);
  CHECK(machine.apply(Index(5), put_once(once(1, 1), "ab", "c")).value() == Verdict::kRepeated);
  CHECK(machine.store().size() == 1);
}

TEST_CASE("without sessions the state's hash is the store's, and with them it covers both") {
  StateMachine machine;
  std::vector<std::byte> put;
  encode_put(as_bytes("k"), as_bytes("v"), put);
  REQUIRE(machine.apply(Index(1), SharedBytes::copy_of(put)).value() == Verdict::kApplied);
  CHECK(machine.state_hash() == machine.store().state_hash());

  REQUIRE(machine.apply(Index(2), registration()).ok());
  CHECK(machine.state_hash() != machine.store().state_hash());
  CHECK_FALSE(machine.apply(Index(3), SharedBytes::copy_of(as_bytes("\x07"))).ok());
}

TEST_CASE("a session's put is a put with its session and number before it") {
  const SharedBytes payload = put_once(once(5, 7), "key", "\"v\"");

  const std::string_view bytes(
      "\x02\5\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0"
      "\3\0\0\0key\"v\"",
      27);
  CHECK(payload.text() == bytes);
  const auto decoded = decode_put(payload.view());
  REQUIRE(decoded.ok());
  CHECK(decoded.value().once == once(5, 7));
  CHECK(as_text(decoded.value().key) == "key");
  CHECK(payload.text().substr(decoded.value().value_offset) == "\"v\"");
  CHECK(is_register(registration().view()));
  CHECK_FALSE(is_register(payload.view()));
}

}  // namespace
}  // namespace vesper::kv
