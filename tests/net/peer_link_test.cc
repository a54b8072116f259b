#include "net/peer_link.h"

#include <doctest/doctest.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "net/http_server.h"

namespace vesper::net_test {

namespace {

using net::PeerLink;

// A peer that keeps what it is sent, and answers as it is told.
class Peer : public net::HttpHandler {
 public:
  bool is_from_peer(std::string_view) const override { return true; }
  std::size_t body_bytes_max(std::string_view) const override { return 16 * 1024 * 1024; }
  net::HttpReply handle(const net::HttpRequest& request) override {
    std::this_thread::sleep_for(delay);
    const std::lock_guard lock(mutex_);
    bodies_.push_back(request.method + " " + request.target + " " + request.body);
    return {.status = status};
  }
  std::vector<std::string> bodies() const {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }

  int status = 204;
  std::chrono::milliseconds delay{0};

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> bodies_;
};

std::unique_ptr<net::HttpServer> serve(Peer& peer, std::uint16_t port) {
  auto server = std::make_unique<net::HttpServer>(net::HttpLimits(), peer);
  REQUIRE(server->bind("127.0.0.1", port).ok());
  REQUIRE(server->serve().ok());
  return server;
}

net::NodeAddress address_of(std::uint16_t port) {
  auto address = net::parse_address("http://127.0.0.1:" + std::to_string(port));
  REQUIRE(address.ok());
  return address.value();
}

}  // namespace

TEST_SUITE_BEGIN("peer_link");

TEST_CASE("frames arrive whole, one after another on one connection") {
  Peer peer;
  const auto server = serve(peer, 0);
  PeerLink link(address_of(server->port()));
  const std::string large(8 * 1024 * 1024, 'x');
  CHECK(link.post(as_bytes("one")));
  CHECK(link.post(as_bytes(large)));
  CHECK(link.post(as_bytes("three")));
  CHECK(peer.bodies() ==
        std::vector<std::string>{"POST /peer one", "POST /peer " + large, "POST /peer three"});
  CHECK(server->connections() == 1);
}

TEST_CASE("a peer that was started anew gets the first request that it is sent") {
  Peer peer;
  auto server = serve(peer, 0);
  const std::uint16_t port = server->port();
  PeerLink link(address_of(port));
  CHECK(link.post(as_bytes("before")));
  server.reset();
  CHECK(!link.post(as_bytes("lost")));
  server = serve(peer, port);
  CHECK(link.post(as_bytes("kept")));
  server.reset();
  server = serve(peer, port);
  CHECK(link.post(as_bytes("after")));
  CHECK(peer.bodies().back() == "POST /peer after");
  CHECK(peer.bodies().size() == 3);
}

TEST_CASE("a refusal is no success, and the next request goes through all the same") {
  Peer peer;
  const auto server = serve(peer, 0);
  PeerLink link(address_of(server->port()));
  for (const int status : {200, 400, 503}) {
    peer.status = status;
    CHECK(!link.post(as_bytes("refused")));
  }
  peer.status = 204;
  CHECK(link.post(as_bytes("taken")));
}

TEST_CASE("a peer that does not answer within a second is given up, and a stop ends it at once") {
  Peer peer;
  peer.delay = std::chrono::milliseconds(1500);
  const auto server = serve(peer, 0);
  PeerLink link(address_of(server->port()));
  const auto start = std::chrono::steady_clock::now();
  CHECK(!link.post(as_bytes("late")));
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(990));
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::milliseconds(1500));

  std::thread stopping([&link] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    // The request tries once more when its kept connection ends, as the sender's end expects.
    for (int i = 0; i < 20; ++i) {
      link.stop();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const auto begin = std::chrono::steady_clock::now();
  CHECK(!link.post(as_bytes("stopped")));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(700));
  stopping.join();
}

TEST_SUITE_END();

}  // namespace vesper::net_test
