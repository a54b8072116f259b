// Whole nodes in one process, over real sockets and a real disk.
#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "apps/ctl/ports.h"
#include "net/http_server.h"
#include "net/service.h"
#include "tests/net/counts.h"
#include "tests/net/raw_client.h"
#include "tests/net/temporary_directory.h"

namespace vesper::net_test {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

std::vector<net::NodeAddress> free_addresses(std::size_t count) {
  auto addresses = ctl::choose_addresses(count, 0);
  REQUIRE(addresses.ok());
  return std::move(addresses.value());
}

class TestNode {
 public:
  TestNode(std::uint32_t id, const std::vector<net::NodeAddress>& addresses,
           const std::string& directory)
      : logger_(NodeId(id), net::LogLevel::kOff),
        runtime(options(id, addresses, directory), loop_, logger_),
        service_({.version = "test"}, runtime),
        server(loop_, net::HttpLimits{}, service_) {
    service_.set_server(server);
    REQUIRE(server.bind("127.0.0.1", addresses[id].port).ok());
    const Status started = runtime.start();
    CAPTURE(started.ok() ? "" : started.error().message);
    REQUIRE(started.ok());
    REQUIRE(server.serve().ok());
    REQUIRE(loop_.start().ok());
  }
  ~TestNode() { stop(); }
  void stop() { loop_.stop(); }

 private:
  static net::Runtime::Options options(std::uint32_t id,
                                       const std::vector<net::NodeAddress>& addresses,
                                       const std::string& directory) {
    net::Runtime::Options options{
        .node = {}, .addresses = net::by_id(addresses), .disk = {directory, true}};
    options.node.id = NodeId(id);
    options.node.cluster_size = addresses.size();
    options.node.wal.segment_bytes = 256 * 1024;
    return options;
  }
  net::Logger logger_;
  net::EventLoop loop_;

 public:
  net::Runtime runtime;

 private:
  net::Service service_;

 public:
  net::HttpServer server;
};

std::string http(const std::string& method, const std::string& path, const std::string& body) {
  return method + " " + path +
         " HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

RawReply ask(std::uint16_t port, const std::string& method, const std::string& path,
             const std::string& body) {
  RawClient client(port);
  client.send(http(method, path, body));
  const auto reply = client.reply();
  REQUIRE(reply);
  return *reply;
}

const std::string kGetK = R"({"type":"get","payload":{"key":"k"}})";
const std::string kPutK = R"({"type":"put","payload":{"key":"k","value":[1.50,"\u00e9"]}})";

// The leader that every running node agrees on, within a generous time.
std::optional<NodeId> wait_for_leader(const std::vector<std::unique_ptr<TestNode>>& nodes) {
  const auto deadline = Clock::now() + seconds(20);
  while (Clock::now() < deadline) {
    std::optional<NodeId> leader;
    bool agreed = true;
    for (const auto& node : nodes) {
      if (!node) continue;
      const node::NodeView view = node->runtime.view();
      // The leader serves reads once an entry of its term is committed and applied.
      if (!view.leader || view.applied == Index()) agreed = false;
      if (leader && view.leader != leader) agreed = false;
      leader = view.leader;
    }
    if (agreed && leader && nodes[leader->value()] &&
        nodes[leader->value()]->runtime.view().role == node::Role::kLeader) {
      return leader;
    }
    std::this_thread::sleep_for(milliseconds(5));  // polls another thread's published state
  }
  return std::nullopt;
}

// A put by whoever leads now. Only one that can never take effect is repeated: the leader may have
// changed since it was looked for.
std::optional<NodeId> put_k_done(const std::vector<std::unique_ptr<TestNode>>& nodes,
                                 const std::vector<net::NodeAddress>& addresses) {
  const auto deadline = Clock::now() + seconds(10);
  while (Clock::now() < deadline) {
    const auto leader = wait_for_leader(nodes);
    REQUIRE(leader);
    const RawReply reply = ask(addresses[leader->value()].port, "PUT", "/request", kPutK);
    if (reply.body == R"({"code":"success"})") return leader;
    CAPTURE(reply.head);
    REQUIRE(reply.head.find("Vesper-Outcome: rejected") != std::string::npos);
  }
  return std::nullopt;
}

}  // namespace

TEST_SUITE_BEGIN("cluster");

TEST_CASE("three nodes serve the documented API, a follower redirects, and a restart keeps all") {
  TemporaryDirectory directory;
  const auto addresses = free_addresses(3);
  std::vector<std::unique_ptr<TestNode>> nodes;
  const auto start = [&](std::uint32_t i) {
    return std::make_unique<TestNode>(i, addresses, directory.path() + "/" + std::to_string(i));
  };
  for (std::uint32_t i = 0; i < 3; ++i) nodes.push_back(start(i));
  auto leader = wait_for_leader(nodes);
  REQUIRE(leader);

  CHECK(ask(addresses[leader->value()].port, "GET", "/request", kGetK).body ==
        R"({"code":"fail"})");
  leader = put_k_done(nodes, addresses);
  REQUIRE(leader);
  const std::uint16_t at_leader = addresses[leader->value()].port;
  const std::uint16_t at_follower = addresses[(leader->value() + 1) % 3].port;
  CHECK(ask(at_leader, "GET", "/request", kGetK).body ==
        R"({"code":"success","payload":{"key":"k","value":[1.50,"\u00e9"]}})");
  const RawReply redirect = ask(at_follower, "PUT", "/request", kPutK);
  CHECK(redirect.status == 200);
  CHECK(redirect.body ==
        R"({"code":"fail","payload":{"key":"k","value":[1.50,"\u00e9"],"message":")" +
            addresses[leader->value()].line + R"("}})");
  CHECK(redirect.head.find("Vesper-Outcome: rejected") != std::string::npos);

  nodes.clear();
  for (std::uint32_t i = 0; i < 3; ++i) nodes.push_back(start(i));
  leader = wait_for_leader(nodes);
  REQUIRE(leader);
  CHECK(ask(addresses[leader->value()].port, "GET", "/request", kGetK).body ==
        R"({"code":"success","payload":{"key":"k","value":[1.50,"\u00e9"]}})");
}

TEST_CASE("two of three serve on, one of three rejects") {
  TemporaryDirectory directory;
  const auto addresses = free_addresses(3);
  std::vector<std::unique_ptr<TestNode>> nodes;
  for (std::uint32_t i = 0; i < 3; ++i) {
    nodes.push_back(
        std::make_unique<TestNode>(i, addresses, directory.path() + "/" + std::to_string(i)));
  }
  auto leader = wait_for_leader(nodes);
  REQUIRE(leader);

  nodes[leader->value()].reset();
  leader = put_k_done(nodes, addresses);
  REQUIRE(leader);

  for (std::uint32_t i = 0; i < 3; ++i) {
    if (i != leader->value()) nodes[i].reset();
  }
  const RawReply cut_off = ask(addresses[leader->value()].port, "GET", "/request", kGetK);
  CHECK(cut_off.body == R"({"code":"fail"})");
  CHECK(cut_off.head.find("Vesper-Outcome: rejected") != std::string::npos);
}

TEST_CASE("bad requests change nothing and say why") {
  TemporaryDirectory directory;
  const auto addresses = free_addresses(1);
  std::vector<std::unique_ptr<TestNode>> nodes;
  nodes.push_back(std::make_unique<TestNode>(0, addresses, directory.path()));
  REQUIRE(wait_for_leader(nodes));
  const std::uint16_t port = addresses[0].port;
  const node::NodeView before = nodes[0]->runtime.view();
  struct Row {
    const char* method;
    const char* path;
    std::string body;
    int status;
    const char* said;
  };
  const std::string long_key = std::string(limits::kKeyBytes + 1, 'k');
  const std::vector<Row> rows = {
      {"GET", "/request", "", 400, "at byte 0"},
      {"PUT", "/request", kGetK, 400, "no value"},
      {"PUT", "/request", R"({"payload":{"key":")" + long_key + R"(","value":1}})", 413, "key"},
      {"PUT", "/request", std::string(1024 * 1024 + 1, ' '), 413, "body"},
      {"POST", "/request", kPutK, 405, "Allow: GET, PUT"},
      {"DELETE", "/request", "", 405, "Allow: GET, PUT"},
      {"OPTIONS", "/request", "", 405, "Allow: GET, PUT"},
      {"TRACE", "/request", "", 405, "Allow: GET, PUT"},
      {"BREW", "/request", "", 405, "Allow: GET, PUT"},
      {"GET", "/other", "", 404, "/other"},
      {"GET", "/request/", kGetK, 404, "/request/"},
      {"GET", "/reques%74", kGetK, 404, "path"},
      {"POST", "/peer", "", 405, "Allow: GET"},
      {"GET", "/peer", "", 426, "Upgrade: vesper-frames/1"},
      {"GET", "/peer", "x", 413, "body"},
      {"POST", "/status", "", 405, "Allow: GET"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.method);
    CAPTURE(row.path);
    const RawReply reply = ask(port, row.method, row.path, row.body);
    CAPTURE(reply.body);
    CHECK(reply.status == row.status);
    CHECK(reply.body.starts_with(R"({"code":"fail","error":")"));
    CHECK((reply.head + reply.body).find(row.said) != std::string::npos);
    ++counts().probes;
  }
  CHECK(nodes[0]->runtime.view().last == before.last);
  CHECK(ask(port, "GET", "/status", "").body.find(R"("role":"leader")") != std::string::npos);
}

TEST_CASE("a node stops at once while clients are connected, and answers whoever waits") {
  TemporaryDirectory directory;
  const auto addresses = free_addresses(3);
  std::vector<std::unique_ptr<TestNode>> nodes;
  for (std::uint32_t i = 0; i < 3; ++i) {
    nodes.push_back(
        std::make_unique<TestNode>(i, addresses, directory.path() + "/" + std::to_string(i)));
  }
  const auto leader = wait_for_leader(nodes);
  REQUIRE(leader);
  RawClient idle(addresses[leader->value()].port);
  for (std::uint32_t i = 0; i < 3; ++i) {
    if (i != leader->value()) nodes[i].reset();
  }
  // Waits for a majority that is gone.
  RawClient waiting(addresses[leader->value()].port);
  waiting.send(http("PUT", "/request", kPutK));
  const auto deadline = Clock::now() + seconds(5);
  TestNode& node = *nodes[leader->value()];
  const Index last = node.runtime.view().last;
  while (node.runtime.view().last == last && node.runtime.view().role == node::Role::kLeader &&
         Clock::now() < deadline) {
    std::this_thread::yield();
  }

  const auto begin = Clock::now();
  node.stop();
  CHECK(Clock::now() - begin < seconds(1));
  CHECK(idle.is_closed());
}

TEST_SUITE_END();

}  // namespace vesper::net_test
