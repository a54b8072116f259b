#include "net/http_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "net/byte_budget.h"
#include "net/connection_threads.h"
#include "net/file_descriptor.h"
#include "net/http_connection.h"
#include "net/json.h"
#include "net/listener.h"

namespace vesper::net {

namespace {

constexpr int kBacklog = 1024;
// Before the next try of an accept for which the system has no descriptor or no memory.
constexpr int kAcceptPauseMilliseconds = 10;

const char* reason_of(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Payload Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    default:
      return "Other";
  }
}

// What the request says of its reply's form.
struct ReplyForm {
  bool close = false;
  bool is_http10 = false;  // where to stay connected has to be said
  bool is_head = false;    // everything but the body
};

void add_header(std::string_view name, std::string_view value, std::string& text) {
  text.append(name).append(": ").append(value).append("\r\n");
}

// To leave in one send.
std::string text_of(const HttpReply& reply, ReplyForm form) {
  std::string text;
  text.reserve(256 + reply.body.size());
  text.append("HTTP/1.1 ").append(std::to_string(reply.status)).append(" ");
  text.append(reason_of(reply.status)).append("\r\n");
  for (const auto& [name, value] : reply.headers) add_header(name, value, text);
  if (form.close) {
    add_header("Connection", "close", text);
  } else if (form.is_http10) {
    add_header("Connection", "keep-alive", text);
  }
  // RFC 9110 section 8.6: a 204 has neither.
  if (reply.status != 204) {
    add_header("Content-Type", reply.content_type, text);
    add_header("Content-Length", std::to_string(reply.body.size()), text);
  }
  text.append("\r\n");
  if (!form.is_head) text.append(reply.body);
  return text;
}

HttpLimits of_kept_places(HttpLimits limits) {
  limits.idle_time = limits.head_time = std::min(limits.head_time, limits.peer_time);
  return limits;
}

}  // namespace

HttpReply error_reply(int status, std::string_view why) {
  HttpReply reply{.status = status, .body = R"({"code":"fail","error":)"};
  append_json_string(why, reply.body);
  reply.body += '}';
  return reply;
}

HttpReply overloaded_reply(std::string_view why) {
  HttpReply reply = error_reply(503, why);
  reply.headers = {{"Retry-After", "1"}, {"Vesper-Outcome", "rejected"}};
  return reply;
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find('?'));
}

class HttpServer::Impl {
 public:
  Impl(HttpLimits limits, HttpHandler& handler)
      : limits_(limits),
        peer_limits_(of_kept_places(limits)),
        handler_(handler),
        client_bodies_(limits.body_bytes),
        peer_bodies_(limits.peer_body_bytes),
        stop_(::eventfd(0, EFD_CLOEXEC)),
        threads_(limits.connections + limits.peer_connections,
                 [this](FileDescriptor socket, std::size_t live) {
                   serve(std::move(socket), live > limits_.connections);
                 }) {}

  Status bind(const std::string& host, std::uint16_t port) {
    if (!stop_.is_open()) return Error{ErrorCode::kIo, "no eventfd"};
    auto bound = bind_socket(host, port);
    if (!bound.ok()) return bound.error();
    listener_ = std::move(bound.value());
    port_ = port_of(listener_);
    return {};
  }

  Status serve() {
    VESPER_CHECK(listener_.is_open());
    if (::listen(listener_.get(), kBacklog) != 0 ||
        ::fcntl(listener_.get(), F_SETFL, O_NONBLOCK) != 0) {
      return Error{ErrorCode::kIo,
                   "cannot listen on port " + std::to_string(port_) + ": " + std::strerror(errno)};
    }
    acceptor_ = std::thread([this] { accept_connections(); });
    return {};
  }

  void begin_stop() {
    stopping_.store(true);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
  }

  void finish_stop() {
    if (acceptor_.joinable()) acceptor_.join();
    threads_.stop();
  }

  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return threads_.live(); }

 private:
  void accept_connections() {
    bool is_short = false;
    while (true) {
      // Short of something, only the stop is waited for: the listener would be ready at once.
      std::array<pollfd, 2> wait{{{stop_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}}};
      const int ready =
          is_short ? ::poll(wait.data(), 1, kAcceptPauseMilliseconds) : ::poll(wait.data(), 2, -1);
      if (ready > 0 && wait[0].revents != 0) break;
      FileDescriptor socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      is_short = !socket.is_open() &&
                 (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
      if (!socket.is_open()) continue;
      if (!threads_.take(socket)) refuse_connection(socket.get());
    }
    // Who waits in the backlog learns at once that nobody will come.
    listener_.close();
  }

  void serve(FileDescriptor socket, bool is_for_peers) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    HttpConnection connection(socket.get(), stop_.get(), is_for_peers ? peer_limits_ : limits_);
    while (serve_one(connection, is_for_peers)) {
    }
  }

  // Beyond the bound: never waits, for it runs on the accepting thread.
  static void refuse_connection(int socket) {
    const std::string text = text_of(overloaded_reply("too many connections"), {.close = true});
    ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(socket, SHUT_WR);
    std::array<char, 4096> rest;
    ::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT);
  }

  static bool refuse(HttpConnection& connection, const HttpReply& reply) {
    if (connection.write(text_of(reply, {.close = true}))) connection.linger();
    return false;
  }

  // False: the connection ends.
  bool serve_one(HttpConnection& connection, bool is_for_peers) {
    using Got = HttpConnection::Got;
    Got got = connection.read_head();
    if (got == Got::kClosed) return false;
    if (got == Got::kRefused) return refuse(connection, connection.refusal());
    const bool is_peer = handler_.is_from_peer(path_of(connection.head().target));
    if (is_for_peers && !is_peer)
      return refuse(connection, overloaded_reply("too many connections"));
    if (is_for_peers) connection.set_limits(limits_);

    ByteBudget::Share share(is_peer ? peer_bodies_ : client_bodies_);
    std::string body;
    got = connection.read_body(handler_.body_bytes_max(connection.head().target), share, body);
    if (got == Got::kClosed) return false;
    if (got == Got::kWhole) return reply(connection, std::move(body), share);
    // Neither a client that is slow to go nor one that is slow to read holds a share.
    share.give_back();
    return refuse(connection, connection.refusal());
  }

  bool reply(HttpConnection& connection, std::string body, ByteBudget::Share& share) {
    const HttpHead& head = connection.head();
    const ReplyForm form{
        .close = !head.keep_alive, .is_http10 = head.is_http10, .is_head = head.method == "HEAD"};
    HttpRequest request{std::string(head.method), std::string(head.target), std::move(body), {}};
    if (head.idempotency_key) request.idempotency_key = std::string(*head.idempotency_key);
    const std::string text = text_of(handle(request), form);
    share.give_back();
    return connection.write(text) && !form.close && !stopping_.load();
  }

  // What one request meets must not end the connections of all.
  HttpReply handle(const HttpRequest& request) {
    try {
      return handler_.handle(request);
    } catch (...) {
      return error_reply(500, "internal");
    }
  }

  const HttpLimits limits_;
  const HttpLimits peer_limits_;
  HttpHandler& handler_;
  ByteBudget client_bodies_;
  ByteBudget peer_bodies_;
  FileDescriptor stop_;
  std::atomic<bool> stopping_{false};
  std::uint16_t port_ = 0;
  FileDescriptor listener_;
  std::thread acceptor_;
  ConnectionThreads threads_;
};

HttpServer::HttpServer(HttpLimits limits, HttpHandler& handler)
    : impl_(std::make_unique<Impl>(limits, handler)) {}
HttpServer::~HttpServer() {
  begin_stop();
  finish_stop();
}

Status HttpServer::bind(const std::string& host, std::uint16_t port) {
  return impl_->bind(host, port);
}
Status HttpServer::serve() {
  return impl_->serve();
}
std::uint16_t HttpServer::port() const {
  return impl_->port();
}
std::size_t HttpServer::connections() const {
  return impl_->connections();
}
void HttpServer::begin_stop() {
  impl_->begin_stop();
}
void HttpServer::finish_stop() {
  impl_->finish_stop();
}

}  // namespace vesper::net
