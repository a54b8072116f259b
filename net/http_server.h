// The HTTP server: one port, many connections, bounded, all on the loop's thread. Nothing of it is
// cpp-httplib's, by whose client vesperctl speaks: its server executes parts of bodies as requests,
// holds up a stop and takes a thread for each connection. Listening is in net/listener.h, the
// framing of requests in net/http_reader.h, what one connection holds in net/http_connection.h.
//
// A handler answers at once or later; replies leave together at the end of a round, one send a
// connection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/base/result.h"
#include "net/event_loop.h"
#include "net/http.h"

namespace vesper::net {

class HttpServer {
 public:
  // A user of the loop from now on: its round ends after those of users that were added before.
  // Loop and handler outlive the server.
  HttpServer(EventLoop& loop, HttpLimits limits, HttpHandler& handler);
  // Requires: the loop's thread is not running.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Takes the port. Port 0: one that the system chooses. Call once. Until serve, the system refuses
  // whoever connects. Errors: kIo, naming the address and the reason.
  Status bind(const std::string& host, std::uint16_t port);
  // Listens; whoever connects is served once the loop runs, until it stops. Requires: bound, and
  // the loop's thread is not running. Call once. Errors: kIo.
  Status serve();
  std::uint16_t port() const;
  // Any thread.
  std::size_t connections() const;

  // The reply to a request that its handler did not answer at once. Whoever is gone misses it. On
  // the loop's thread.
  void answer(HttpTicket ticket, const HttpReply& reply);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vesper::net
