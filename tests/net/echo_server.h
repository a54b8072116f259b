// A server for the tests of the connection loop: its handler says what it was asked.
#pragma once

#include <doctest/doctest.h>

#include <mutex>
#include <string>
#include <vector>

#include "net/http_server.h"

namespace vesper::net_test {

// Says what it was asked, and remembers it.
class EchoHandler : public net::HttpHandler {
 public:
  bool is_from_peer(std::string_view path) const override { return path == "/peer"; }
  std::size_t body_bytes_max(std::string_view) const override { return 1000; }
  net::HttpReply handle(const net::HttpRequest& request) override {
    const std::lock_guard lock(mutex_);
    handled_.push_back(request.method + " " + request.target + " " + request.body);
    if (request.target == "/throw") throw std::string("secret");
    return {.body = handled_.back()};
  }
  std::vector<std::string> handled() const {
    const std::lock_guard lock(mutex_);
    return handled_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> handled_;
};

struct EchoServer {
  explicit EchoServer(net::HttpLimits limits = {}) : server(limits, handler) {
    REQUIRE(server.bind("127.0.0.1", 0).ok());
    REQUIRE(server.serve().ok());
  }
  EchoHandler handler;
  net::HttpServer server;
};

}  // namespace vesper::net_test
