// Histories as text: what is written is read back, and a line that is wrong is named with its
// field. And the sink that records a simulated world's.
#include "sim/check/history.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/core/properties.h"

namespace vesper::sim {
namespace {

using testing::holds;

// Any text that JSON can carry: quotes, escapes and control characters, and some beyond ASCII.
std::string any_text() {
  std::string text;
  const int parts = *rc::gen::inRange(0, 6);
  for (int i = 0; i < parts; ++i) {
    text += *rc::gen::element<std::string>("a", "\"", "\\", "\n", "\t", std::string(1, '\0'), "/",
                                           "{", "\u00e9", "\u2603", "\U0001f600");
  }
  return text;
}

HistoryOperation any_operation() {
  HistoryOperation made;
  made.client = *rc::gen::arbitrary<std::uint64_t>();
  made.kind = *rc::gen::element(node::RequestKind::kGet, node::RequestKind::kPut);
  made.key = any_text();
  if (made.kind == node::RequestKind::kPut || *rc::gen::arbitrary<bool>()) made.value = any_text();
  const auto start = *rc::gen::inRange<std::int64_t>(0, INT64_MAX / 2);
  made.start = Instant::from_nanoseconds(start);
  made.end = Instant::from_nanoseconds(*rc::gen::inRange<std::int64_t>(start, INT64_MAX));
  made.outcome =
      *rc::gen::element(HistoryOutcome::kOk, HistoryOutcome::kFail, HistoryOutcome::kUnknown);
  return made;
}

TEST_CASE("a history survives being written and read") {
  CHECK(holds("parse_history gives back what history_line wrote", [] {
    History history;
    std::string text;
    const int operations = *rc::gen::inRange(0, 8);
    for (int i = 0; i < operations; ++i) {
      history.push_back(any_operation());
      text += history_line(history.back());
    }
    const Result<History> read = parse_history(text);
    RC_ASSERT(read.ok());
    RC_ASSERT(read.value() == history);
  }));
}

TEST_CASE("a client may be of any number, whatever its sign would be") {
  for (const std::uint64_t client : {std::uint64_t{1} << 63, UINT64_MAX}) {
    HistoryOperation operation;
    operation.client = client;
    const Result<History> read = parse_history(history_line(operation));
    REQUIRE(read.ok());
    CHECK(read.value() == History{operation});
  }
}

TEST_CASE("one line has the form that other programs write") {
  HistoryOperation put;
  put.client = 3;
  put.kind = node::RequestKind::kPut;
  put.key = "k1";
  put.value = "\"c3.1\"";
  put.start = Instant::from_nanoseconds(1200);
  put.end = Instant::from_nanoseconds(5300);
  put.outcome = HistoryOutcome::kOk;

  CHECK(history_line(put) ==
        R"({"client":3,"op":"put","key":"k1","value":"\"c3.1\"","start":1200,"end":5300,)"
        R"("outcome":"ok"})"
        "\n");
}

TEST_CASE("blank lines are skipped, line ends of either kind and a missing last one are taken") {
  const std::string line =
      R"({"client":1,"op":"get","key":"k","value":null,"start":1,"end":2,"outcome":"ok"})";

  const Result<History> read = parse_history("\n" + line + "\r\n  \n" + line);

  REQUIRE(read.ok());
  REQUIRE(read.value().size() == 2);
  CHECK(read.value()[1] == read.value()[0]);
  CHECK_FALSE(read.value()[0].value.has_value());
}

TEST_CASE("a line that is wrong is named by its number and its field") {
  const std::string good =
      R"({"client":1,"op":"put","key":"k","value":"1","start":1,"end":2,"outcome":"ok"})";
  struct Wrong {
    const char* part;
    const char* instead;
    const char* message;
  };
  const Wrong wrongs[] = {
      {R"("client":1)", R"("client":-1)",
       R"("client" must be a whole number that is not negative)"},
      {R"("client":1,)", "", "6 members, there must be 7"},
      {R"("put")", R"("delete")", R"("op" must be "put" or "get")"},
      {R"("op":"put")", R"("op":1)", R"("op" must be a string)"},
      {R"("key":"k")", R"("key":null)", R"("key" must be a string)"},
      {R"("value":"1")", R"("value":1)", R"("value" must be a string)"},
      {R"("value":"1")", R"("value":null)", R"("value" must be a string: the put's JSON text)"},
      {R"("start":1)", R"("start":1.5)", R"("start" must be a whole number that is not negative)"},
      {R"("end":2)", R"("end":0)", R"("end" must be no earlier than "start")"},
      {R"("outcome":"ok")", R"("outcome":"?")", R"("outcome" must be "ok", "fail" or "unknown")"},
  };

  for (const Wrong& wrong : wrongs) {
    CAPTURE(wrong.instead);
    std::string bad = good;
    bad.replace(bad.find(wrong.part), std::string(wrong.part).size(), wrong.instead);
    const Result<History> read = parse_history(good + "\n\n" + bad + "\n" + good);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().code == ErrorCode::kInvalid);
    CHECK(read.error().message == "line 3: " + std::string(wrong.message));
  }
}

TEST_CASE("a line that is no JSON object is named by its number and column") {
  const Result<History> torn = parse_history("{\"client\":1");
  REQUIRE_FALSE(torn.ok());
  CHECK(torn.error().message ==
        "line 1: column 12: Missing a comma or '}' after an object member.");

  const Result<History> number = parse_history("\n7\n");
  REQUIRE_FALSE(number.ok());
  CHECK(number.error().message == "line 2: a JSON object is expected");
}

TEST_CASE("a line of millions of brackets is refused like any other") {
  const Result<History> read = parse_history(std::string(3'000'000, '['));
  REQUIRE_FALSE(read.ok());
  CHECK(read.error().message == "line 1: column 3000001: Invalid value.");
}

TEST_CASE("a time beyond what an instant can show is refused") {
  const Result<History> read =
      parse_history(R"({"client":1,"op":"get","key":"k","value":null,"start":18446744073709551615,)"
                    R"("end":18446744073709551615,"outcome":"ok"})");

  REQUIRE_FALSE(read.ok());
  CHECK(read.error().message.find("\"start\"") != std::string::npos);
}

}  // namespace
}  // namespace vesper::sim
