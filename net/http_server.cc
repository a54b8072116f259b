#include "net/http_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "net/byte_budget.h"
#include "net/file_descriptor.h"
#include "net/http_connection.h"
#include "net/http_connections.h"
#include "net/listener.h"

namespace vesper::net {

namespace {

// As many as the system allows: whoever is turned away here is heard again only after a second.
constexpr int kBacklog = 65'535;
constexpr std::size_t kReadBytes = 64 * 1024;
constexpr int kAcceptsARound = 256;
// Before the next try of an accept for which the system has no descriptor or no memory.
constexpr std::chrono::milliseconds kAcceptPause{10};
constexpr std::chrono::milliseconds kLingerTime{200};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

using State = HttpConnection::State;

}  // namespace

class HttpServer::Impl : private EventLoop::User,
                         private EventLoop::Source,
                         private HttpConnection::Owner {
 public:
  Impl(EventLoop& loop, HttpLimits limits, HttpHandler& handler)
      : loop_(loop),
        limits_(limits),
        handler_(handler),
        client_bodies_(limits.body_bytes),
        peer_bodies_(limits.peer_body_bytes),
        scratch_(kReadBytes) {
    loop.add(*this);
  }

  Status bind(const std::string& host, std::uint16_t port) {
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
    return loop_.watch(listener_.get(), EPOLLIN, *this);
  }

  void answer(HttpTicket ticket, const HttpReply& reply) {
    HttpConnection* connection = connections_.find(ticket);
    if (connection == nullptr || connection->state != State::kWaiting) return;
    if (connection->requests == ticket.request) respond(*connection, reply);
  }

  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return connections_.live(); }

 private:
  // --- The loop's calls ---
  void on_ready(std::uint32_t events) override;  // the listener
  void on_ready(HttpConnection& connection, std::uint32_t events) override;
  void end_round() override;
  LoopTime next_deadline() const override {
    return std::min(connections_.next_deadline(), accept_again_);
  }
  void on_stop() override;

  // --- Connections ---
  void take_in(FileDescriptor socket);
  static void refuse_connection(int socket);
  void on_bytes(HttpConnection& connection);
  void on_late(HttpConnection& connection);
  // Nothing more is to be read from the connection for now.
  void pause(HttpConnection& connection);
  void watch(HttpConnection& connection, std::uint32_t events);
  void touch(HttpConnection& connection);
  void flush(HttpConnection& connection);
  void end(HttpConnection& connection) { connections_.end(connection); }
  void set_deadline(HttpConnection& connection, std::chrono::milliseconds from_now) {
    connections_.set_deadline(connection, loop_.now() + from_now);
  }

  // --- Requests ---
  // Reads and handles as much as has come.
  void work(HttpConnection& connection);
  bool work_on_head(HttpConnection& connection);
  bool work_on_body(HttpConnection& connection);
  void await_head(HttpConnection& connection);
  void set_reading_deadline(HttpConnection& connection);
  void handle(HttpConnection& connection);
  void respond(HttpConnection& connection, const HttpReply& reply);
  void refuse(HttpConnection& connection, const HttpReply& reply);
  void feed_stream(HttpConnection& connection);

  EventLoop& loop_;
  const HttpLimits limits_;
  HttpHandler& handler_;
  ByteBudget client_bodies_;
  ByteBudget peer_bodies_;
  std::uint16_t port_ = 0;
  FileDescriptor listener_;
  LoopTime accept_again_ = kNever;
  std::vector<char> scratch_;
  HttpConnections connections_;
  std::vector<HttpConnection*> touched_;  // in this round
};

// --- Accepting ---

void HttpServer::Impl::on_ready(std::uint32_t /*events*/) {
  for (int i = 0; i < kAcceptsARound; ++i) {
    FileDescriptor socket(
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (socket.is_open()) {
      take_in(std::move(socket));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The listener would be ready at once, and again in vain.
      loop_.change(listener_.get(), 0, *this);
      accept_again_ = loop_.now() + kAcceptPause;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    return;
  }
}

void HttpServer::Impl::take_in(FileDescriptor socket) {
  const std::size_t live = connections_.live() + 1;
  if (live > limits_.connections + limits_.peer_connections) {
    return refuse_connection(socket.get());
  }
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  HttpConnection::Owner& owner = *this;
  HttpConnection& connection = connections_.add([&](HttpTicket ticket) {
    return std::make_unique<HttpConnection>(owner, ticket, std::move(socket), limits_,
                                            live > limits_.connections);
  });
  connection.watched = EPOLLIN;
  if (!loop_.watch(connection.socket(), EPOLLIN, connection).ok()) return end(connection);
  await_head(connection);
}

// Beyond the bound.
void HttpServer::Impl::refuse_connection(int socket) {
  std::string text;
  append_reply(overloaded_reply("too many connections"), {.close = true}, text);
  ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket, SHUT_WR);
  std::array<char, 4096> rest;
  ::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT);
}

// --- Rounds ---

void HttpServer::Impl::on_ready(HttpConnection& connection, std::uint32_t events) {
  if (connection.state == State::kClosed) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end(connection);
  if ((events & EPOLLOUT) != 0) return touch(connection);
  on_bytes(connection);
}

void HttpServer::Impl::on_bytes(HttpConnection& connection) {
  // What is sent behind a request stays in the system until that is answered, its end too.
  if (connection.state == State::kWaiting) return pause(connection);
  const auto received = connection.receive(scratch_);
  if (received == HttpConnection::Received::kNothing) return;
  // Whoever has only ended its own side has had its replies: while some are due, nothing is read.
  if (received == HttpConnection::Received::kEnd) return end(connection);
  switch (connection.state) {
    case State::kHead:
    case State::kBody:
      return work(connection);
    case State::kStream:
      set_reading_deadline(connection);
      return feed_stream(connection);
    case State::kClosing:
    case State::kRefusing:
    case State::kLingering:
      return connection.reader.drop_all();
    case State::kWaiting:
    case State::kClosed:
      return;
  }
}

void HttpServer::Impl::end_round() {
  while (HttpConnection* late = connections_.take_late(loop_.now())) on_late(*late);
  if (accept_again_ <= loop_.now()) {
    accept_again_ = kNever;
    loop_.change(listener_.get(), EPOLLIN, *this);
  }
  // More are touched meanwhile: what was pipelined behind a reply is handled once that has left.
  for (std::size_t i = 0; i < touched_.size(); ++i) {
    touched_[i]->is_touched = false;
    if (touched_[i]->state != State::kClosed) flush(*touched_[i]);
  }
  touched_.clear();
  connections_.end_round();
}

void HttpServer::Impl::on_stop() {
  // Who waits in the backlog learns at once that nobody will come.
  listener_.close();
  connections_.each([this](HttpConnection& connection) {
    connection.send();
    end(connection);
  });
  connections_.end_round();
}

void HttpServer::Impl::on_late(HttpConnection& connection) {
  switch (connection.state) {
    case State::kHead:
      if (!connection.has_begun || connection.has_output()) return end(connection);
      return refuse(connection, error_reply(408, "the request's head took too long"));
    case State::kBody:
      return refuse(connection, error_reply(408, "the body took too long"));
    default:
      return end(connection);
  }
}

void HttpServer::Impl::pause(HttpConnection& connection) {
  watch(connection, connection.watched & ~static_cast<std::uint32_t>(EPOLLIN));
}

void HttpServer::Impl::watch(HttpConnection& connection, std::uint32_t events) {
  if (connection.watched == events) return;
  connection.watched = events;
  loop_.change(connection.socket(), events, connection);
}

void HttpServer::Impl::touch(HttpConnection& connection) {
  if (std::exchange(connection.is_touched, true)) return;
  touched_.push_back(&connection);
}

// Sends what there is; what the client does not take yet holds up its next request.
void HttpServer::Impl::flush(HttpConnection& connection) {
  if (!connection.send()) return end(connection);
  if (connection.has_output()) {
    if (connection.watched != EPOLLOUT) set_deadline(connection, limits_.write_time);
    return watch(connection, EPOLLOUT);
  }
  switch (connection.state) {
    case State::kClosing:
      return end(connection);
    case State::kRefusing:
      connection.end_output();
      connection.state = State::kLingering;
      set_deadline(connection, kLingerTime);
      return watch(connection, EPOLLIN);
    case State::kWaiting:  // with 100 Continue long gone
    case State::kLingering:
    case State::kClosed:
      return;
    case State::kStream:
    case State::kHead:
    case State::kBody:
      break;
  }
  if (connection.watched == EPOLLOUT) set_reading_deadline(connection);
  watch(connection, EPOLLIN);
  if (connection.state == State::kStream) return feed_stream(connection);
  work(connection);
}

// --- Requests ---

void HttpServer::Impl::await_head(HttpConnection& connection) {
  connection.state = State::kHead;
  connection.has_begun = false;
  set_reading_deadline(connection);
}

// From now on: of an idle connection, of a head or of a body. (A node that is gone without a word
// would keep its place for ever; one that has nothing to say comes again when it has.)
void HttpServer::Impl::set_reading_deadline(HttpConnection& connection) {
  const auto in_place = [&](std::chrono::milliseconds time) {
    return connection.is_in_kept_place() ? std::min(limits_.head_time, limits_.peer_time) : time;
  };
  if (connection.state == State::kBody) return set_deadline(connection, limits_.body_time);
  if (connection.state == State::kStream) return set_deadline(connection, limits_.idle_time);
  if (connection.state != State::kHead) return connections_.set_deadline(connection, kNever);
  set_deadline(connection, in_place(connection.has_begun ? limits_.head_time : limits_.idle_time));
}

void HttpServer::Impl::work(HttpConnection& connection) {
  // Replies to pipelined requests gather, but not without bound.
  while (connection.watched != EPOLLOUT && connection.output.size() < kReadBytes) {
    if (connection.state == State::kHead) {
      if (!work_on_head(connection)) return;
    } else if (connection.state == State::kBody) {
      if (!work_on_body(connection)) return;
    } else {
      return;
    }
  }
}

// False: no more can be done now. So below.
bool HttpServer::Impl::work_on_head(HttpConnection& connection) {
  const HttpReader::Got got = connection.reader.read_head();
  if (got == HttpReader::Got::kRefused) {
    refuse(connection, connection.reader.take_refusal());
    return false;
  }
  if (got == HttpReader::Got::kMore) {
    // Set once, with the first byte: bytes that keep coming do not put it off.
    if (connection.reader.has_bytes() && !std::exchange(connection.has_begun, true)) {
      set_reading_deadline(connection);
    }
    return false;
  }
  const HttpHead& head = connection.reader.head();
  const bool is_peer = handler_.is_from_peer(path_of(head.target));
  if (connection.is_in_kept_place() && !is_peer) {
    refuse(connection, overloaded_reply("too many connections"));
    return false;
  }
  connection.form = {
      .close = !head.keep_alive, .is_http10 = head.is_http10, .is_head = head.method == "HEAD"};
  connection.share.emplace(is_peer ? peer_bodies_ : client_bodies_);
  connection.reader.begin_body(handler_.body_bytes_max(head.target));
  connection.state = State::kBody;
  connection.has_begun = false;
  return true;
}

bool HttpServer::Impl::work_on_body(HttpConnection& connection) {
  const HttpReader::Got got = connection.reader.read_body(*connection.share);
  if (got == HttpReader::Got::kRefused) {
    refuse(connection, connection.reader.take_refusal());
    return false;
  }
  if (got == HttpReader::Got::kMore) {
    if (!std::exchange(connection.has_begun, true)) set_reading_deadline(connection);
    if (connection.reader.take_wants_continue()) {
      connection.output.append(kContinue);
      touch(connection);
    }
    return false;
  }
  handle(connection);
  return true;
}

void HttpServer::Impl::handle(HttpConnection& connection) {
  const HttpHead& head = connection.reader.head();
  HttpRequest request{.method = std::string(head.method),
                      .target = std::string(head.target),
                      .body = connection.reader.take_body(),
                      .idempotency_key = {},
                      .upgrade = std::string(head.upgrade)};
  if (head.idempotency_key) request.idempotency_key = std::string(*head.idempotency_key);
  connection.state = State::kWaiting;
  connections_.set_deadline(connection, kNever);
  // What one request meets must not end the connections of all.
  try {
    HttpTicket ticket = connection.ticket();
    ticket.request = ++connection.requests;
    const auto reply = handler_.handle(ticket, std::move(request));
    if (reply) respond(connection, *reply);
  } catch (...) {
    respond(connection, error_reply(500, "internal"));
  }
}

void HttpServer::Impl::respond(HttpConnection& connection, const HttpReply& reply) {
  connection.share.reset();
  append_reply(reply, connection.form, connection.output);
  if (reply.stream != nullptr) {
    connection.stream = reply.stream;
    connection.share.emplace(peer_bodies_);
    connection.state = State::kStream;
    set_reading_deadline(connection);
  } else if (connection.form.close) {
    connection.state = State::kClosing;
  } else {
    await_head(connection);
  }
  touch(connection);
}

void HttpServer::Impl::refuse(HttpConnection& connection, const HttpReply& reply) {
  // Neither a client that is slow to go nor one that is slow to read holds a share.
  connection.share.reset();
  append_reply(reply, {.close = true}, connection.output);
  connection.reader.drop_all();
  connection.state = State::kRefusing;
  touch(connection);
}

void HttpServer::Impl::feed_stream(HttpConnection& connection) {
  const auto taken = connection.stream->take(connection.reader.waiting());
  if (!taken.ok()) return end(connection);
  if (taken.value() > 0) connection.reader.consume(taken.value());
  connection.share->give_back();
  if (!connection.share->grow_to(connection.reader.waiting().size())) end(connection);
}

// --- The face ---

HttpServer::HttpServer(EventLoop& loop, HttpLimits limits, HttpHandler& handler)
    : impl_(std::make_unique<Impl>(loop, limits, handler)) {}
HttpServer::~HttpServer() = default;

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
void HttpServer::answer(HttpTicket ticket, const HttpReply& reply) {
  impl_->answer(ticket, reply);
}

}  // namespace vesper::net
