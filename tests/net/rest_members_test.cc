// GET and POST /members as tables.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "net/member_list.h"
#include "net/rest_members.h"

namespace vesper::net_test {

namespace {

using node::Outcome;

std::string header(const net::HttpReply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

node::Answer list_of(bool is_leader) {
  auto next = raft::Configuration::of_founders({Incarnation(0xab), Incarnation()})
                  .with_learner("http://c:3");
  REQUIRE(next.ok());
  auto seen = std::make_shared<node::MembersView>();
  seen->configuration = next.value();
  seen->index = Index(7);
  seen->is_committed = true;
  seen->last = Index(12);
  if (is_leader) seen->matches = {Index(12), Index(10), Index(0)};
  return {.outcome = Outcome::kSuccess, .leader = NodeId(1), .members = seen};
}

}  // namespace

TEST_SUITE_BEGIN("rest_members");

TEST_CASE("a body of POST /members adds, changes, or names its fault") {
  const std::string long_address = "http://" + std::string(limits::kAddressBytes, 'h') + ":1";
  const struct {
    std::string body;
    const char* error;  // "": none
  } rows[] = {
      {R"({"add":"http://a:1"})", ""},
      {R"( { "add" : "http://[::1]:1" } )", ""},
      {R"({"promote":[5],"remove":[0,1]})", ""},
      {R"({"remove":[ 0 , 1 ]})", ""},
      {R"({"promote":[]})", ""},  // the node says that nothing is to change
      {"", "not JSON"},
      {"[]", "the body is not a JSON object"},
      {"{}", "names neither"},
      {R"({"add":7})", "\"add\" is not a string at byte 7"},
      {R"({"add":"a:1"})", "does not begin with http://"},
      {R"({"add":"http://a"})", "no port at byte 7"},
      {R"({"add":")" + long_address + R"("})", "more than 512 bytes"},
      {R"({"add":"http://a:1","add":"http://a:1"})", "a second \"add\" at byte 26"},
      {R"({"add":"http://a:1","remove":[1]})", "one change at a time"},
      {R"({"remove":1})", "\"remove\" is not an array at byte 10"},
      {R"({"remove":["1"]})", "not the number of a node at byte 11"},
      {R"({"remove":[-1]})", "not the number of a node"},
      {R"({"remove":[1.0]})", "not the number of a node"},
      {R"({"remove":[99999999999]})", "not the number of a node"},
      {R"({"promote":[1, 1]})", "names node 1 a second time at byte 15"},
      {R"({"promote":[1],"remve":[2]})", "\"remve\" is not known at byte 23"},
      {R"({"promote":[1],"promote":[2]})", "a second \"promote\""},
      {R"({"remove":[1,]})", "not JSON"},
      {R"({"remove":[1)", "not JSON: an array does not end"},
      {R"({"remove":[1]} x)", "not JSON"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.body);
    const auto parsed = net::parse_members_request(row.body);
    const std::string error = parsed.ok() ? "" : parsed.error().message;
    CAPTURE(error);
    CHECK(parsed.ok() == std::string(row.error).empty());
    CHECK(error.find(row.error) != std::string::npos);
  }
  const auto change = net::parse_members_request(R"({"promote":[5],"remove":[0,1]})");
  CHECK(change.value().add.empty());
  CHECK(change.value().change.promote == std::vector<NodeId>{NodeId(5)});
  CHECK(change.value().change.remove == std::vector<NodeId>{NodeId(0), NodeId(1)});
  CHECK(net::parse_members_request(R"({"add":"http://A:1"})").value().add == "http://A:1");
}

TEST_CASE("the members are listed as the node sees them, and the leader says how far each is") {
  auto list = net::parse_ip_list("ips", "http://a:1\nhttp://b:2");
  REQUIRE(list.ok());
  const net::AddressBook book(net::by_id(std::move(list.value())));
  const net::HttpReply reply = net::list_members_reply(list_of(true), ClusterId(0xc1), book);
  CHECK(reply.status == 200);
  CHECK(reply.body ==
        R"({"code":"success","cluster":"00000000000000c1","index":7,"committed":true,)"
        R"("joint":false,"next":3,"leader":1,"leader_address":"http://b:2","last":12,"members":[)"
        R"({"id":0,"address":"http://a:1","standing":"voter","incarnation":"00000000000000ab",)"
        R"("match":12,"lag":0},)"
        R"({"id":1,"address":"http://b:2","standing":"voter","incarnation":null,)"
        R"("match":10,"lag":2},)"
        R"({"id":2,"address":"http://c:3","standing":"learner","incarnation":null,)"
        R"("match":0,"lag":12}]})");
  CHECK(net::list_members_reply(list_of(false), ClusterId(0xc1), book).body.find("match") ==
        std::string::npos);

  const net::HttpReply none =
      net::list_members_reply({.outcome = Outcome::kRejected}, ClusterId(), book);
  CHECK(none.body == R"({"code":"fail"})");
  CHECK(header(none, "Vesper-Outcome") == "rejected");
}

TEST_CASE("a list that was written is read again") {
  const net::AddressBook book{{}};
  for (const bool is_leader : {false, true}) {
    const std::string json = net::list_members_reply(list_of(is_leader), ClusterId(1), book).body;
    const auto list = net::parse_member_list(json);
    REQUIRE(list.ok());
    CHECK(net::to_json(list.value()) == json);
    CHECK(list.value().is_of_leader() == is_leader);
    CHECK(list.value().find(NodeId(2))->standing == "learner");
    CHECK(!list.value().find(NodeId(2))->has_joined());
    CHECK(list.value().find(NodeId(1))->has_joined());
    CHECK(list.value().find(NodeId(3)) == nullptr);
    CHECK(list.value().find_at("http://c:3")->id == NodeId(2));
    CHECK(list.value().find_at("") == nullptr);
  }
}

TEST_CASE("what is no list of members is refused") {
  for (const char* json :
       {"", "[]", "{}", R"({"members":[]})", R"({"members":7})", R"({"members":[7]})",
        R"({"members":[{"id":1}]})", R"({"members":[{"id":-1,"standing":"voter"}]})",
        R"({"members":[{"id":1,"standing":"voter"}],"joint":1})",
        R"({"members":[{"id":1,"standing":"voter"}],"index":"1"})",
        R"({"members":[{"id":1,"standing":"voter"}]} x)", R"({"members":[{"id":1,"standing":)"}) {
    CAPTURE(json);
    CHECK(!net::parse_member_list(json).ok());
  }
  CHECK(net::parse_member_list(R"({"new":[{}],"members":[{"id":1,"standing":"voter","x":[]}]})")
            .ok());
}

TEST_CASE("each outcome of a change has its reply") {
  const struct {
    Outcome outcome;
    bool is_for_now;
    int status;
    const char* body;
    const char* header;
  } rows[] = {
      {Outcome::kSuccess, false, 200, R"({"code":"success"})", ""},
      {Outcome::kRedirect, false, 200, R"({"code":"fail","payload":{"message":"http://H2:2"}})",
       "rejected"},
      {Outcome::kRejected, false, 200, R"({"code":"fail"})", "rejected"},
      {Outcome::kUnknown, false, 200, R"({"code":"fail"})", "unknown"},
      {Outcome::kImpossible, false, 409, R"({"code":"fail","error":"why"})", "rejected"},
      {Outcome::kImpossible, true, 409, R"({"code":"fail","error":"why"})", "rejected"},
      {Outcome::kOverloaded, false, 503, R"({"code":"fail","error":"overloaded"})", "rejected"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.body);
    node::Answer answer{.outcome = row.outcome};
    answer.is_for_now = row.is_for_now;
    answer.value = SharedBytes::copy_of(as_bytes("why"));
    const net::HttpReply reply =
        net::change_members_reply(answer, row.outcome == Outcome::kRedirect ? "http://H2:2" : "");
    CHECK(reply.status == row.status);
    CHECK(reply.body == row.body);
    CHECK(header(reply, "Vesper-Outcome") == row.header);
    CHECK(header(reply, "Retry-After").empty() == (row.status == 503 ? false : !row.is_for_now));
  }
  node::Answer added{.outcome = Outcome::kSuccess};
  added.member = NodeId(5);
  CHECK(net::change_members_reply(added, "").body == R"({"code":"success","id":5})");
}

TEST_CASE("the members that a node keeps are read again, or refused with what is wrong") {
  const std::string json =
      R"({"index":7,"members":[{"id":0,"address":"http://a:1","standing":"voter"}]})";
  const std::string file = net::to_file(json);
  CHECK(file.starts_with("vesper members, format version 1\n" + json + "\n"));
  const auto kept = net::parse_member_file(file);
  REQUIRE(kept.ok());
  CHECK(kept.value().index == 7);
  CHECK(kept.value().members.size() == 1);

  std::string next = file.substr(0, file.size() - 9);
  next.replace(next.find("version 1"), 9, "version 2");
  CHECK(net::parse_member_file(next + file.substr(file.size() - 9)).error().code ==
        ErrorCode::kCorruption);
  next += fmt::format("{:08x}\n", crc32c(as_bytes(next)));
  const auto other = net::parse_member_file(next);
  REQUIRE_FALSE(other.ok());
  CHECK(other.error().code == ErrorCode::kMismatch);
  CHECK(other.error().message == "format version 2, this program reads 1");

  for (std::size_t size = 0; size < file.size(); ++size) {
    CHECK(net::parse_member_file(file.substr(0, size)).error().code == ErrorCode::kCorruption);
  }
}

TEST_SUITE_END();

}  // namespace vesper::net_test
