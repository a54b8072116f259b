// Where nodes are reached: what counts when several say so, and senders that come and go.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "net/address_book.h"
#include "net/peer_links.h"

namespace vesper::net_test {

namespace {

net::NodeAddress address(const std::string& line) {
  auto parsed = net::parse_address(line);
  REQUIRE(parsed.ok());
  return std::move(parsed.value());
}

// Two founders, of which nothing is said, and a learner at `learner`.
raft::Configuration with_learner(const std::string& learner) {
  const auto founders = raft::Configuration::of_founders({Incarnation(1), Incarnation(2)});
  auto next = founders.with_learner(learner);
  REQUIRE(next.ok());
  return std::move(next.value());
}

}  // namespace

TEST_SUITE_BEGIN("address_book");

TEST_CASE("the list says where founders are, the configuration where the others are") {
  net::AddressBook book(net::by_id({address("http://a:1"), address("http://b:2")}));
  CHECK(book.lines() == std::vector<std::string>{"http://a:1", "http://b:2"});
  CHECK(book.line_of(NodeId(2)).empty());

  book.meet(with_learner("http://c:3"));
  CHECK(book.line_of(NodeId(0)) == "http://a:1");
  CHECK(book.line_of(NodeId(2)) == "http://c:3");
  CHECK(book.lines() == std::vector<std::string>{"http://a:1", "http://b:2", "http://c:3"});

  raft::Configuration filled = with_learner("http://c:3");
  filled.fill_addresses({"http://A:1", "http://B:2"});
  book.meet(filled);
  CHECK(book.line_of(NodeId(1)) == "http://B:2");
}

TEST_CASE("a member that left is still found where the list says, and is no member") {
  net::AddressBook book(net::by_id({address("http://a:1"), address("http://b:2")}));
  raft::Configuration configuration = with_learner("http://c:3");
  const auto removed = configuration.with_change({.promote = {}, .remove = {NodeId(2)}});
  REQUIRE(removed.ok());
  book.meet(configuration);
  book.meet(removed.value());
  CHECK(book.lines() == std::vector<std::string>{"http://a:1", "http://b:2"});
  CHECK(book.line_of(NodeId(0)) == "http://a:1");
  CHECK(book.line_of(NodeId(2)).empty());
}

TEST_CASE("a stranger is found where it says itself, but a member only where the others say") {
  net::AddressBook book(net::by_id({address("http://a:1")}));
  CHECK(book.note_sender(NodeId(9), "http://z:9").ok());
  CHECK(book.line_of(NodeId(9)) == "http://z:9");
  CHECK(book.find(NodeId(9))->port == 9);
  CHECK(book.note_sender(NodeId(0), "http://elsewhere:1").ok());
  CHECK(book.line_of(NodeId(0)) == "http://a:1");
  CHECK(!book.note_sender(NodeId(8), "nonsense").ok());
  CHECK(book.lines() == std::vector<std::string>{"http://a:1"});

  // As many as a cluster has members; then the first goes.
  for (std::uint32_t i = 0; i < limits::kNodes; ++i) {
    CHECK(book.note_sender(NodeId(100 + i), "http://y:7").ok());
  }
  CHECK(book.line_of(NodeId(9)).empty());
  CHECK(book.line_of(NodeId(100)) == "http://y:7");
}

TEST_CASE("what a node sends says where it comes from") {
  const std::string target = net::peer_target({NodeId(7), "http://[::1]:65535"});
  CHECK(target == "/peer?from=7&at=http://[::1]:65535");
  const auto parsed = net::parse_peer_target(target);
  REQUIRE(parsed.ok());
  REQUIRE(parsed.value().has_value());
  CHECK(parsed.value()->id == NodeId(7));
  CHECK(parsed.value()->line == "http://[::1]:65535");
  CHECK(!net::parse_peer_target("/peer").value().has_value());
  for (const char* bad : {"/peer?", "/peer?from=", "/peer?from=x&at=http://a:1", "/peer?from=1",
                          "/peer?from=1&to=http://a:1", "/peer?at=http://a:1"}) {
    CAPTURE(bad);
    CHECK(!net::parse_peer_target(bad).ok());
  }
}

TEST_CASE("there is a link to whoever is sent to, and no more than a bound of them") {
  net::AddressBook book(net::by_id({address("http://127.0.0.1:1"), address("http://127.0.0.1:2")}));
  net::EventLoop loop;
  net::PeerLinks links({NodeId(0), "http://127.0.0.1:1"}, book, loop);
  const std::vector<std::byte> frame(10);
  book.meet(with_learner("http://127.0.0.1:3"));
  links.meet(with_learner("http://127.0.0.1:3"));
  CHECK(links.size() == 0);
  links.send(NodeId(1), frame);
  links.send(NodeId(1), frame);
  links.send(NodeId(2), frame);
  links.send(NodeId(3), frame);  // nobody knows where that is
  CHECK(links.size() == 2);

  for (std::uint32_t i = 0; i < limits::kNodes + 10; ++i) {
    REQUIRE(book.note_sender(NodeId(100 + i), "http://127.0.0.1:4").ok());
    links.send(NodeId(100 + i), frame);
    CHECK(links.size() <= net::PeerLinks::kLinks);
  }
  CHECK(links.size() == net::PeerLinks::kLinks);
}

TEST_SUITE_END();

}  // namespace vesper::net_test
