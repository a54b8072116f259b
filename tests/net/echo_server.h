// A server for the tests of HTTP, on a loop of its own: its handler says what it was asked.
#pragma once

#include <doctest/doctest.h>

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "net/event_loop.h"
#include "net/http_server.h"

namespace vesper::net_test {

// Says what it was asked, and remembers it.
class EchoHandler : public net::HttpHandler {
 public:
  bool is_from_peer(std::string_view path) const override { return path == "/peer"; }
  std::size_t body_bytes_max(std::string_view) const override { return 1000; }
  std::optional<net::HttpReply> handle(net::HttpTicket /*ticket*/,
                                       net::HttpRequest request) override {
    const std::lock_guard lock(mutex_);
    handled_.push_back(request.method + " " + request.target + " " + request.body);
    if (request.target == "/throw") throw std::string("secret");
    return net::HttpReply{.body = handled_.back()};
  }
  std::vector<std::string> handled() const {
    const std::lock_guard lock(mutex_);
    return handled_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> handled_;
};

// Serves with any handler.
class LoopServer {
 public:
  LoopServer(net::HttpHandler& handler, net::HttpLimits limits) : server(loop_, limits, handler) {
    REQUIRE(server.bind("127.0.0.1", 0).ok());
    REQUIRE(server.serve().ok());
    REQUIRE(loop_.start().ok());
  }
  ~LoopServer() { stop(); }
  void stop() { loop_.stop(); }
  net::EventLoop& loop() { return loop_; }

 private:
  net::EventLoop loop_;

 public:
  net::HttpServer server;
};

struct EchoServer : private EchoHandler, LoopServer {
  explicit EchoServer(net::HttpLimits limits = {})
      : LoopServer(static_cast<EchoHandler&>(*this), limits) {}
  EchoHandler& handler = *this;
};

}  // namespace vesper::net_test
