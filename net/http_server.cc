#include "net/http_server.h"

#include <fcntl.h>
#include <httplib.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
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
constexpr const char* kIdempotencyKey = "Idempotency-Key";
// Before the next try of an accept for which the system has no descriptor or no memory.
constexpr int kAcceptPauseMilliseconds = 10;

// Of the refusals that the library does not write.
const char* reason_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    case 507:
      return "Insufficient Storage";
    default:
      return "Error";
  }
}

// What the library reads and writes: a request line that is known to be good, and a reply that is
// gathered to leave in one send.
class MemoryStream : public httplib::Stream {
 public:
  explicit MemoryStream(std::string input) : input_(std::move(input)) {}
  const std::string& output() const { return output_; }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const std::size_t count = input_.copy(to, size, at_);
    at_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* bytes, size_t size) override {
    output_.append(bytes, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  std::string input_;
  std::size_t at_ = 0;
  std::string output_;
};

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

class HttpServer::Impl : public httplib::Server {
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
                 }) {
    set_keep_alive_max_count(1'000'000);
    set_keep_alive_timeout(
        std::chrono::duration_cast<std::chrono::seconds>(limits.idle_time).count());
    // Our own dispatch; the library routes by regular expressions on the decoded path.
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
      return HandlerResponse::Handled;
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& response,
                             std::exception_ptr) { put(error_reply(500, "internal"), response); });
  }

  // The library has no part in listening: its loop ends for good when the system is out of
  // descriptors or memory for a moment, and its backlog of 5 drops a burst of connections.
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
  static void put(HttpReply reply, httplib::Response& response) {
    response.status = reply.status;
    for (auto& [name, value] : reply.headers) response.set_header(name, value);
    if (reply.status == 204) return;
    response.set_content(std::move(reply.body), reply.content_type);
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    std::optional<std::string> key;
    if (request.has_header(kIdempotencyKey)) key = request.get_header_value(kIdempotencyKey);
    put(handler_.handle({request.method, request.target, request.body, std::move(key)}), response);
  }

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
    const std::string text = refusal_text(overloaded_reply("too many connections"));
    ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(socket, SHUT_WR);
    std::array<char, 4096> rest;
    ::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT);
  }

  static std::string refusal_text(const HttpReply& reply) {
    std::string text =
        "HTTP/1.1 " + std::to_string(reply.status) + ' ' + reason_of(reply.status) + "\r\n";
    for (const auto& [name, value] : reply.headers) text += name + ": " + value + "\r\n";
    text += "Connection: close\r\nContent-Type: ";
    text += reply.content_type;
    text += "\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n";
    return text + reply.body;
  }

  static bool refuse(HttpConnection& connection, const HttpReply& reply) {
    if (connection.write(refusal_text(reply))) connection.linger();
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

  // The library gets a request line that says nothing but the method, so that no header that it
  // would act upon (Range, Accept-Encoding, Expect, lengths) ever reaches it.
  bool reply(HttpConnection& connection, std::string body, ByteBudget::Share& share) {
    const HttpHead& head = connection.head();
    const bool is_known = head.method == "GET" || head.method == "PUT" || head.method == "POST" ||
                          head.method == "HEAD";
    const bool close = !head.keep_alive;
    MemoryStream stream(std::string(is_known ? head.method : "DELETE") + " / HTTP/1.1\r\n\r\n");
    bool closed = false;
    const auto set_up = [&](httplib::Request& request) {
      if (!is_known) request.method = head.method;
      request.target = head.target;
      request.body = std::move(body);
      if (head.idempotency_key) {
        request.set_header(kIdempotencyKey, std::string(*head.idempotency_key));
      }
    };
    if (!process_request(stream, close, closed, set_up)) return false;
    share.give_back();
    return connection.write(stream.output()) && !close && !closed && !stopping_.load();
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
