// The HTTP server: one port, a thread a live connection, bounded. Nothing of it is cpp-httplib's,
// by whose client peers are reached: its server executes parts of bodies as requests and holds up a
// stop, and what was left of it here, the writing of replies, took more code to reach than to do.
// Listening is in net/listener.h, the framing of requests in net/http_connection.h.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "net/http.h"

namespace vesper::net {

class HttpServer {
 public:
  // The handler outlives the server.
  HttpServer(HttpLimits limits, HttpHandler& handler);
  // Stops too.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Takes the port. Port 0: one that the system chooses. Call once. Until serve, the system refuses
  // whoever connects. Errors: kIo, naming the address and the reason.
  Status bind(const std::string& host, std::uint16_t port);
  // Listens and serves from now on. Requires: bound. Call once. Errors: kIo.
  Status serve();
  std::uint16_t port() const;
  std::size_t connections() const;

  // No connection is accepted from now on, idle ones end, and the others with their present reply.
  void begin_stop();
  // Waits until all are gone. Requires: begin_stop, and that no handler blocks for ever.
  void finish_stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vesper::net
