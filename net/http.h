// A request and a reply of HTTP as plain values, and the interfaces between them: who answers, what
// follows an upgrade, and with which bounds. Shared by the server, the routes and their tests.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.h"

namespace vesper::net {

struct HttpRequest {
  std::string method;
  std::string target;  // raw, as it was sent
  std::string body;
  std::optional<std::string> idempotency_key;  // the header, if there was one
  std::string upgrade;  // the protocol that the client wants to go on with; empty: none
};

// Which request a reply is for. The connection that it came by may be gone when the reply comes.
struct HttpTicket {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  // of the slot
  std::uint64_t request = 0;     // of the connection, from 1
};

// What takes a connection's bytes once it is no longer HTTP.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Of the bytes that wait, how many it took from the front. Those that it left come again with
  // more behind them. Errors: the connection ends.
  virtual Result<std::size_t> take(std::string_view bytes) = 0;
};

struct HttpReply {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  const char* content_type = "application/json";
  std::shared_ptr<ByteStream> stream;  // of status 101: what the connection becomes
};

// {"code":"fail","error":why}
HttpReply error_reply(int status, std::string_view why);
// 503: nothing was done, and the client may try again in a second.
HttpReply overloaded_reply(std::string_view why);
// The target without its query.
std::string_view path_of(std::string_view target);

class HttpHandler {
 public:
  virtual ~HttpHandler() = default;
  // Whether another node of the cluster asks for such a path: places are kept for these.
  virtual bool is_from_peer(std::string_view path) const = 0;
  // The longest body that this target may have; longer is refused (413).
  virtual std::size_t body_bytes_max(std::string_view target) const = 0;
  // Nothing: the reply comes later, by HttpServer::answer. Never blocks: on the loop's thread.
  virtual std::optional<HttpReply> handle(HttpTicket ticket, HttpRequest request) = 0;
};

struct HttpLimits {
  // Open connections. Beyond it: 503, and closed.
  std::size_t connections = std::size_t{16} * 1024;
  // Beyond these, kept for the other nodes, so that clients who hold all connections do not part a
  // node from its cluster: whoever asks for another path there gets 503 and is closed, and so is
  // whoever asks for nothing within peer_time. Beyond these too: 503 at once.
  std::size_t peer_connections = 64;
  std::chrono::milliseconds peer_time{1000};
  // The bodies of all requests of clients under way, and of other nodes, by what has come of them.
  // Beyond it: 503 and closed.
  std::size_t body_bytes = std::size_t{256} * 1024 * 1024;
  std::size_t peer_body_bytes = std::size_t{128} * 1024 * 1024;
  // Request line and headers. Longer: 431 and closed.
  std::size_t head_bytes = 32 * 1024;
  // From a request's first byte to the end of its head. Later: 408 and closed.
  std::chrono::milliseconds head_time{10'000};
  // For the body. Later: 408 and closed.
  std::chrono::milliseconds body_time{30'000};
  // For a client to take a reply. Later: closed.
  std::chrono::milliseconds write_time{10'000};
  // Between two requests. Later: closed.
  std::chrono::milliseconds idle_time{300'000};
};

}  // namespace vesper::net
