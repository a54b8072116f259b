// The API's requests and replies as tables.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/limits.h"
#include "net/ip_list.h"
#include "net/json.h"
#include "net/rest.h"

namespace vesper::net_test {

namespace {

using net::api_reply;
using net::ApiRequest;
using net::HttpReply;
using node::Outcome;
using node::RequestKind;

std::string header(const HttpReply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

std::string put_of(const std::string& value) {
  return R"({"type":"put","payload":{"key":"k","value":)" + value + "}}";
}

}  // namespace

TEST_SUITE_BEGIN("rest");

TEST_CASE("a value comes back byte for byte") {
  const std::vector<std::string> values = {
      "0",
      "-0",
      "12345678901234567890123456789012345678901234567890",
      "3.14159265358979323846264338327950288419716939937510",
      "1e400",
      "-1E-400",
      "1.0",
      R"("")",
      R"("\u00e9 \ud83d\ude00 \/ \n")",
      "\"\xc3\xa9 \xf0\x9f\x98\x80\"",
      "null",
      "true",
      "false",
      "[]",
      "{}",
      R"([1, 2,{"a" : [null]} ])",
      R"({"key":"x","value":1,"value":2})",
  };
  for (const std::string& value : values) {
    CAPTURE(value);
    const std::string body = put_of(" \t" + value + "\r\n ");
    const auto request = net::parse_api_request(RequestKind::kPut, body);
    REQUIRE(request.ok());
    CHECK(request.value().value == value);
  }
}

TEST_CASE("a key is the string that its escapes mean") {
  struct Row {
    std::string spelling, key;
  };
  const std::vector<Row> rows = {
      {R"(k)", "k"},
      {R"(\u006b)", "k"},
      {R"(\u00e9)", "\xc3\xa9"},
      {"\xc3\xa9", "\xc3\xa9"},
      {R"(\ud83d\ude00)", "\xf0\x9f\x98\x80"},
      {R"(\"\\\/\b\f\n\r\t)", "\"\\/\b\f\n\r\t"},
      {R"(a\u0000b)", std::string("a\0b", 3)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.spelling);
    const std::string body = R"({"payload":{"key":")" + row.spelling + R"("}})";
    const auto request = net::parse_api_request(RequestKind::kGet, body);
    REQUIRE(request.ok());
    CHECK(request.value().key == row.key);

    // Written back, it reads as the same key.
    std::string written;
    net::append_json_string(row.key, written);
    std::string again;
    CHECK(net::JsonReader(written).string(again));
    CHECK(again == row.key);
  }
}

TEST_CASE("members may stand in any order, and others are passed over") {
  for (const char* body : {
           R"({"payload":{"value":1,"key":"k"},"type":"get"})",
           R"({"payload":{"key":"k","value":1,"ttl":[{}]},"x":{"payload":{"key":"z"}}})",
           R"({"type":7,"payload":{"key":"k","value":1}})",
           R"({"\u0070ayload":{"key":"k","value":1}})",
       }) {
    CAPTURE(body);
    const auto request = net::parse_api_request(RequestKind::kPut, body);
    REQUIRE(request.ok());
    CHECK(request.value().key == "k");
    CHECK(request.value().value == "1");
  }
}

TEST_CASE("an idempotency key is two whole numbers from 1 on, and nothing else") {
  const auto good = net::parse_idempotency_key("7/18446744073709551615");
  REQUIRE(good.ok());
  CHECK(good.value().session == SessionId(7));
  CHECK(good.value().number == RequestNumber(UINT64_MAX));

  for (const char* text : {"",
                           "/",
                           "7",
                           "7/",
                           "/1",
                           "7/1/",
                           "7/1/2",
                           "0/1",
                           "7/0",
                           "07/1",
                           "7/01",
                           "-7/1",
                           "+7/1",
                           "7/-1",
                           " 7/1",
                           "7 /1",
                           "7/ 1",
                           "7/1 ",
                           "7/1,8/1",
                           "\"7/1\"",
                           "7.0/1",
                           "0x7/1",
                           "a/b",
                           "7//1",
                           "18446744073709551616/1",
                           "7/18446744073709551616",
                           "7\\1"}) {
    CAPTURE(std::string(text));
    const auto key = net::parse_idempotency_key(text);
    REQUIRE_FALSE(key.ok());
    CHECK(key.error().message.find("Idempotency-Key") != std::string::npos);
  }
}

TEST_CASE("a refused try is 409, and says why and whether it may have taken effect") {
  struct Row {
    kv::Verdict verdict;
    const char* outcome;
    const char* said;
  };
  for (const Row& row : {Row{kv::Verdict::kOtherBody, "rejected", "something else"},
                         Row{kv::Verdict::kNeverIssued, "rejected", "no client 7"},
                         Row{kv::Verdict::kExpired, "unknown", "client 7 has expired"},
                         Row{kv::Verdict::kBelowWindow, "unknown", "number 9 of client 7"}}) {
    ApiRequest request{.kind = RequestKind::kPut, .key = "k", .value = "1", .once = {}};
    request.once = {SessionId(7), RequestNumber(9)};
    const HttpReply reply =
        api_reply(request, {.outcome = Outcome::kRefused, .verdict = row.verdict}, "");
    CHECK(reply.status == 409);
    CHECK(header(reply, "Vesper-Outcome") == row.outcome);
    CHECK(reply.body.find(row.said) != std::string::npos);
    CHECK(reply.body.starts_with(R"({"code":"fail","error":")"));
  }
}

TEST_CASE("a registration is answered with the client's id, or as a put is") {
  const ApiRequest request{.kind = RequestKind::kRegister, .key = {}, .value = {}, .once = {}};
  const auto body = [&](const node::Answer& answer) {
    return api_reply(request, answer, "http://h:1").body;
  };

  CHECK(body({.outcome = Outcome::kSuccess, .session = SessionId(12)}) ==
        R"({"code":"success","payload":{"client":12}})");
  CHECK(body({.outcome = Outcome::kRedirect, .leader = NodeId(1)}) ==
        R"({"code":"fail","payload":{"message":"http://h:1"}})");
  CHECK(body({.outcome = Outcome::kUnknown}) == R"({"code":"fail"})");
}

TEST_CASE("bad input is an error that says what and where") {
  struct Row {
    std::string body;
    const char* said;
  };
  const std::string half_pair = R"(")"
                                R"(\ud800)"
                                R"(")";
  const std::string low_only = R"(")"
                               R"(\udc00)"
                               R"(")";
  const std::vector<Row> rows = {
      {"", "at byte 0"},
      {"x", "at byte 0"},
      {"[]", "not a JSON object"},
      {"null", "not a JSON object"},
      {"{", "at byte 1"},
      {"{}", "no payload"},
      {R"({"type":"put"})", "no payload"},
      {R"({"payload":7})", "payload is not an object"},
      {R"({"payload":{}})", "no key"},
      {R"({"payload":{"key":7,"value":1}})", "not a string"},
      {R"({"payload":{"key":null,"value":1}})", "not a string"},
      {R"({"payload":{"key":"","value":1}})", "empty"},
      {R"({"payload":{"key":"k"}})", "no value"},
      {R"({"payload":{"key":"k","key":"j","value":1}})", "second key"},
      {R"({"payload":{"key":"k","value":1,"value":2}})", "second value"},
      {R"({"payload":{"key":"k","value":1},"payload":{}})", "second payload"},
      {put_of("1") + "x", "at byte"},
      {put_of("1") + std::string(1, '\0'), "at byte"},
      {put_of("01"), "begins with 0"},
      {put_of("1."), "digit"},
      {put_of("1e"), "digit"},
      {put_of("+1"), "no JSON value"},
      {put_of("NaN"), "no JSON value"},
      {put_of("tru"), "no JSON value"},
      {put_of("'a'"), "no JSON value"},
      {put_of("[1,]"), "no JSON value"},
      {put_of("{1:2}"), "name is missing"},
      {put_of("\"a"), "string does not end"},
      {put_of("\"a\nb\""), "control character"},
      {put_of(R"("\x")"), "unknown escape"},
      {put_of(R"("\u12g4")"), "hexadecimal"},
      {put_of(half_pair), "surrogate"},
      {put_of(low_only), "surrogate"},
      {put_of("\"\xff\""), "not UTF-8"},
      {put_of("\"\xc0\xaf\""), "not UTF-8"},
      {put_of("\"\xed\xa0\x80\""), "not UTF-8"},
      {put_of("\"\xf4\x90\x80\x80\""), "not UTF-8"},
      {put_of("\"\xe2\x82"), "not UTF-8"},
      {put_of(std::string(200, '[') + std::string(200, ']')), "nested too deep"},
      {put_of(std::string(500'000, '[')), "nested too deep"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.body.substr(0, 100));
    const auto request = net::parse_api_request(RequestKind::kPut, row.body);
    REQUIRE(!request.ok());
    CHECK(request.error().code == ErrorCode::kInvalid);
    CAPTURE(request.error().message);
    CHECK(request.error().message.find(row.said) != std::string::npos);
  }
}

TEST_CASE("a key over its bound is an error of its own kind") {
  const std::string key(limits::kKeyBytes + 1, 'k');
  const auto request =
      net::parse_api_request(RequestKind::kGet, R"({"payload":{"key":")" + key + R"("}})");
  REQUIRE(!request.ok());
  CHECK(request.error().code == ErrorCode::kLimit);
}

TEST_CASE("a piece of a snapshot is named by two whole numbers") {
  const auto part = net::parse_snapshot_part("/snapshot?index=1099511627976&offset=512");
  REQUIRE(part.ok());
  CHECK(part.value().snapshot == Index(1099511627976));
  CHECK(part.value().offset == 512);
  CHECK(net::parse_snapshot_part("/snapshot?index=1&offset=0").ok());
  for (const char* bad :
       {"/snapshot", "/snapshot?", "/snapshot?index=&offset=0", "/snapshot?index=0&offset=0",
        "/snapshot?index=1", "/snapshot?index=1&offset=", "/snapshot?index=1&offset=-1",
        "/snapshot?index=1&offset=01", "/snapshot?index=1&offset=1x", "/snapshot?offset=0&index=1",
        "/snapshot?index=18446744073709551616&offset=0"}) {
    CAPTURE(bad);
    CHECK(!net::parse_snapshot_part(bad).ok());
  }
}

TEST_CASE("a piece of a snapshot is its bytes, or not found") {
  node::Answer answer;
  answer.outcome = Outcome::kSuccess;
  answer.value = SharedBytes::copy_of(as_bytes(std::string("a\0b", 3)));
  const HttpReply reply = net::snapshot_part_reply({}, answer);
  CHECK(reply.status == 200);
  CHECK(reply.body == std::string("a\0b", 3));
  answer.outcome = Outcome::kAbsent;
  CHECK(net::snapshot_part_reply({}, answer).status == 404);
}

TEST_CASE("each outcome has the documented reply") {
  const ApiRequest get{RequestKind::kGet, "k\"", {}};
  const ApiRequest put{RequestKind::kPut, "k", "[1.0]"};
  const SharedBytes value = SharedBytes::copy_of(as_bytes("1.50"));
  const std::string fail = R"({"code":"fail"})";
  struct Row {
    const ApiRequest* request;
    Outcome outcome;
    int status;
    std::string body;
    const char* header;
  };
  const std::vector<Row> rows = {
      {&get, Outcome::kSuccess, 200, R"({"code":"success","payload":{"key":"k\"","value":1.50}})",
       ""},
      {&put, Outcome::kSuccess, 200, R"({"code":"success"})", ""},
      {&get, Outcome::kAbsent, 200, fail, ""},
      {&get, Outcome::kRedirect, 200,
       R"({"code":"fail","payload":{"key":"k\"","message":"http://H2:2"}})", "rejected"},
      {&put, Outcome::kRedirect, 200,
       R"({"code":"fail","payload":{"key":"k","value":[1.0],"message":"http://H2:2"}})",
       "rejected"},
      {&get, Outcome::kRejected, 200, fail, "rejected"},
      {&put, Outcome::kRejected, 200, fail, "rejected"},
      {&put, Outcome::kUnknown, 200, fail, "unknown"},
      {&put, Outcome::kOverloaded, 503, R"({"code":"fail","error":"overloaded"})", "rejected"},
      {&get, Outcome::kOverloaded, 503, R"({"code":"fail","error":"overloaded"})", "rejected"},
      {&put, Outcome::kDiskFull, 507,
       R"({"code":"fail","error":"this node's disk is full: it takes no writes before there is )"
       R"(room again"})",
       "rejected"},
  };
  for (const Row& row : rows) {
    node::Answer answer;
    answer.outcome = row.outcome;
    if (row.outcome == Outcome::kRedirect) answer.leader = NodeId(1);
    if (row.outcome == Outcome::kSuccess) answer.value = value;
    const HttpReply reply = api_reply(*row.request, answer, answer.leader ? "http://H2:2" : "");
    CAPTURE(row.body);
    CHECK(reply.status == row.status);
    CHECK(reply.body == row.body);
    CHECK(header(reply, "Vesper-Outcome") == row.header);
    CHECK(header(reply, "Retry-After").empty() == (row.status != 503));
  }
}

TEST_CASE("a query asks for a read at a follower, or is refused") {
  struct {
    RequestKind kind;
    const char* target;
    std::optional<bool> at_follower;
  } const rows[] = {
      {RequestKind::kGet, "/request", false},
      {RequestKind::kGet, "/request?", false},
      {RequestKind::kPut, "/request", false},
      {RequestKind::kGet, "/request?read=follower", true},
      {RequestKind::kPut, "/request?read=follower", std::nullopt},
      {RequestKind::kGet, "/request?read=leader", std::nullopt},
      {RequestKind::kGet, "/request?read=follower&x", std::nullopt},
  };
  for (const auto& row : rows) {
    CAPTURE(row.target);
    const auto parsed = net::parse_read_at_follower(row.kind, row.target);
    CHECK(parsed.ok() == row.at_follower.has_value());
    if (parsed.ok()) CHECK(parsed.value() == *row.at_follower);
  }
}

TEST_CASE("a body of move-leader names a node, nobody, or its fault") {
  struct {
    const char* body;
    std::optional<std::uint32_t> to;
    const char* error;  // "": none
  } const rows[] = {
      {"", std::nullopt, ""},
      {"{}", std::nullopt, ""},
      {R"({"why":["x"]})", std::nullopt, ""},
      {R"( {"to": 3} )", 3, ""},
      {"[]", std::nullopt, "the body is not a JSON object"},
      {R"({"to":"3"})", std::nullopt, "\"to\" is not the number of a node at byte 6"},
      {R"({"to":-3})", std::nullopt, "is not the number of a node"},
      {R"({"to":3.0})", std::nullopt, "is not the number of a node"},
      {R"({"to":99999999999})", std::nullopt, "is not the number of a node"},
      {R"({"to":1,"to":1})", std::nullopt, "a second \"to\""},
      {R"({"to":1} x)", std::nullopt, "not JSON: "},
      {R"({"to":)", std::nullopt, "not JSON: "},
  };
  for (const auto& row : rows) {
    CAPTURE(row.body);
    const auto parsed = net::parse_move_leader(row.body);
    const std::string error = parsed.ok() ? "" : parsed.error().message;
    CHECK(parsed.ok() == std::string(row.error).empty());
    CHECK(error.find(row.error) != std::string::npos);
    if (parsed.ok())
      CHECK(parsed.value() == (row.to ? std::optional(NodeId(*row.to)) : std::nullopt));
  }
}

TEST_CASE("each outcome of move-leader has its reply") {
  struct {
    Outcome outcome;
    int status;
    const char* body;
    const char* header;
  } const rows[] = {
      {Outcome::kSuccess, 200, R"({"code":"success","leader":1,"leader_address":"http://H2:2"})",
       ""},
      {Outcome::kRedirect, 200, R"({"code":"fail","payload":{"message":"http://H2:2"}})",
       "rejected"},
      {Outcome::kRejected, 200, R"({"code":"fail"})", "rejected"},
      {Outcome::kUnknown, 200, R"({"code":"fail"})", "unknown"},
      {Outcome::kImpossible, 409, R"({"code":"fail","error":"why"})", "rejected"},
      {Outcome::kOverloaded, 503, R"({"code":"fail","error":"overloaded"})", "rejected"},
  };
  for (const auto& row : rows) {
    node::Answer answer;
    answer.outcome = row.outcome;
    if (row.outcome == Outcome::kSuccess || row.outcome == Outcome::kRedirect) {
      answer.leader = NodeId(1);
    }
    if (row.outcome == Outcome::kImpossible) answer.value = SharedBytes::copy_of(as_bytes("why"));
    const HttpReply reply = net::move_leader_reply(answer, answer.leader ? "http://H2:2" : "");
    CAPTURE(row.body);
    CHECK(reply.status == row.status);
    CHECK(reply.body == row.body);
    CHECK(header(reply, "Vesper-Outcome") == row.header);
  }
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("ip_list");

TEST_CASE("an ip list is one address a line") {
  const auto parsed = net::parse_ip_list(
      "ips", "# nodes\nhttp://127.0.0.1:8080\n\n  http://Host-1.example:1\r\nhttp://[::1]:65535");
  REQUIRE(parsed.ok());
  const auto& list = parsed.value();
  REQUIRE(list.size() == 3);
  CHECK(list[0].line == "http://127.0.0.1:8080");
  CHECK(list[0].port == 8080);
  CHECK(list[1].line == "http://Host-1.example:1");
  CHECK(list[1].host == "Host-1.example");
  CHECK(list[2].host == "::1");
  CHECK(list[2].port == 65535);
}

TEST_CASE("a bad or repeated line is named with its file and number") {
  struct Row {
    const char* text;
    const char* said;
  };
  const Row rows[] = {
      {"http://a:1\nftp://a:1", "ips:2: "},
      {"http://a:1\n\nhttp://a", "ips:3: "},
      {"http://a:", "ips:1: "},
      {"http://:1", "no host"},
      {"http://a:0", "port"},
      {"http://a:65536", "port"},
      {"http://a:+1", "port"},
      {"http://a:1/", "port"},
      {"http://a b:1", "character"},
      {"http://[::1]", "no port"},
      {"http://[x]:1", "character"},
      {"https://a:1", "http://"},
      {"http://a:1\nhttp://A:01", "repeats line 1"},
      {"", "no line"},
      {"# only\n\n", "no line"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto parsed = net::parse_ip_list("ips", row.text);
    REQUIRE(!parsed.ok());
    CAPTURE(parsed.error().message);
    CHECK(parsed.error().message.starts_with("ips:"));
    CHECK(parsed.error().message.find(row.said) != std::string::npos);
  }
}

TEST_CASE("a list file that is missing is an error that names it") {
  const auto parsed = net::read_ip_list("/nonexistent/ips");
  REQUIRE(!parsed.ok());
  CHECK(parsed.error().message.find("/nonexistent/ips") != std::string::npos);
}

TEST_SUITE_END();

}  // namespace vesper::net_test
