// The routes of one node: /request and /session for clients, /peer for other nodes, /status,
// /move-leader, /members and /snapshot for operators. Called by the HTTP server on its connections'
// threads.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "net/http.h"
#include "net/rest.h"
#include "net/runtime.h"

namespace vesper::net {

class Service : public HttpHandler {
 public:
  struct Options {
    std::string version;
    std::size_t body_bytes = 1024 * 1024;  // of a client's request
  };
  // The runtime outlives the service.
  Service(Options options, Runtime& runtime)
      : options_(std::move(options)),
        runtime_(runtime),
        started_(std::chrono::steady_clock::now()) {}

  bool is_from_peer(std::string_view path) const override;
  std::size_t body_bytes_max(std::string_view target) const override;
  HttpReply handle(const HttpRequest& request) override;
  // For /status: how many connections are open. Set it before the server starts.
  void set_connections(std::function<std::size_t()> count) { connections_ = std::move(count); }

 private:
  HttpReply on_request(const HttpRequest& request);
  HttpReply on_session(const HttpRequest& request);
  HttpReply ask_node(ApiRequest api);
  HttpReply on_status(const HttpRequest& request);
  HttpReply on_move_leader(const HttpRequest& request);
  HttpReply on_members(const HttpRequest& request);
  HttpReply change_members(const HttpRequest& request);
  HttpReply on_snapshot(const HttpRequest& request);
  HttpReply on_peer(const HttpRequest& request);

  Options options_;
  Runtime& runtime_;
  std::chrono::steady_clock::time_point started_;
  std::function<std::size_t()> connections_;
};

}  // namespace vesper::net
