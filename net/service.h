// The routes of one node: /request and /session for clients, /peer for other nodes, /status,
// /move-leader, /members and /snapshot for operators. The HTTP server calls it on the loop's
// thread; what has to ask the node is answered when the node has answered.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "net/http.h"
#include "net/http_server.h"
#include "net/rest.h"
#include "net/rest_members.h"
#include "net/runtime.h"

namespace vesper::net {

class Service : public HttpHandler, private Asker {
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

  // By which it answers. Set it before the loop starts; it outlives the loop's thread.
  void set_server(HttpServer& server) { server_ = &server; }

  bool is_from_peer(std::string_view path) const override;
  std::size_t body_bytes_max(std::string_view target) const override;
  std::optional<HttpReply> handle(HttpTicket ticket, HttpRequest request) override;

 private:
  // A request that waits for the node: what its reply needs.
  enum class Route : std::uint8_t {
    kApi,
    kMoveLeader,
    kListMembers,
    kChangeMembers,
    kSnapshotPart
  };
  struct Pending {
    HttpTicket ticket;
    Route route = Route::kApi;
    HttpRequest request;  // owns what `api` views: a body with a value is too long to be moved
    ApiRequest api;       // kApi
    SnapshotPart part;    // kSnapshotPart
  };
  using Reply = std::optional<HttpReply>;

  Reply on_request(HttpTicket ticket, HttpRequest request);
  Reply ask_api(Pending pending);
  Reply ask(Pending&& pending, const node::Request& request);
  Reply on_status(const HttpRequest& request);
  Reply on_move_leader(HttpTicket ticket, HttpRequest request);
  Reply on_members(HttpTicket ticket, HttpRequest request);
  Reply change_members(HttpTicket ticket, HttpRequest request);
  Reply on_snapshot(HttpTicket ticket, HttpRequest request);
  Reply on_peer(const HttpRequest& request);

  void answered(std::uint32_t token, const node::Answer& answer) override;
  HttpReply reply_of(const Pending& pending, const node::Answer& answer) const;

  Options options_;
  Runtime& runtime_;
  HttpServer* server_ = nullptr;
  std::chrono::steady_clock::time_point started_;
  std::vector<Pending> pending_;  // by token
  std::vector<std::uint32_t> free_;
};

}  // namespace vesper::net
