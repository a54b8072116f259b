// The HTTP server: one port, a thread a live connection, bounded. It writes replies by cpp-httplib;
// listening, the connection loop, the framing of requests and their bounds are ours
// (net/listener.h, net/http_connection.h), because the library's own loop executes parts of bodies
// as requests and holds up a stop. The library's header is seen by http_server.cc alone.
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
