#include "net/peer_link.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "core/base/limits.h"
#include "net/socket_send.h"

namespace vesper::net {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnectTime{300};
// For the reply to the upgrade; and for a peer's system to take in what was sent. A peer that takes
// longer is as good as dead: its connection is made anew.
constexpr milliseconds kReplyTime{1000};
// Between failed tries.
constexpr milliseconds kBackoffMin{10};
constexpr milliseconds kBackoffMax{200};
// Between two looks at a lookup that takes its time.
constexpr milliseconds kLookPause{5};
constexpr std::size_t kGreetingBytes = 4 * 1024;
// A buffer that grew larger is given back once it is empty.
constexpr std::size_t kKeptBytes = 1024 * 1024;

constexpr std::string_view kWelcome = "HTTP/1.1 101 ";

void empty(std::vector<std::byte>& buffer) {
  if (buffer.capacity() > kKeptBytes) {
    buffer = {};
  } else {
    buffer.clear();
  }
}

}  // namespace

static_assert(limits::kFrameBytes <= kPeerWaitingBytes);

PeerLink::PeerLink(EventLoop& loop, NodeAddress address, std::string target)
    : loop_(loop),
      address_(std::move(address)),
      target_(std::move(target)),
      backoff_(kBackoffMin) {}

void PeerLink::send(ByteView frame) {
  if (waiting_.size() + frame.size() > kPeerWaitingBytes) empty(waiting_);
  waiting_.insert(waiting_.end(), frame.begin(), frame.end());
}

void PeerLink::end_round() {
  const bool is_late = deadline_ <= loop_.now();
  switch (state_) {
    case State::kIdle:
      if (!waiting_.empty()) begin();
      return;
    case State::kPausing:
      if (!is_late) return;
      state_ = State::kIdle;
      deadline_ = kNever;
      if (!waiting_.empty()) begin();
      return;
    case State::kLookingUp:
      if (lookup_.is_over()) return connect();
      deadline_ = loop_.now() + kLookPause;
      return;
    case State::kConnecting:
    case State::kGreeting:
      if (is_late) fail();
      return;
    case State::kOpen:
      return flush();
    case State::kClosed:
      return;
  }
}

void PeerLink::begin() {
  lookup_.begin(address_.host, address_.port);
  state_ = State::kLookingUp;
  deadline_ = loop_.now() + kLookPause;
  if (lookup_.is_over()) connect();
}

void PeerLink::connect() {
  if (lookup_.found().empty()) return fail();
  const HostAddress& to = lookup_.found()[tried_++ % lookup_.found().size()];
  socket_ =
      FileDescriptor(::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket_.is_open()) return fail();
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto patience = static_cast<unsigned>(kReplyTime.count());
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
  state_ = State::kConnecting;
  deadline_ = loop_.now() + kConnectTime;
  watched_ = EPOLLOUT;
  const auto* address = reinterpret_cast<const sockaddr*>(&to.storage);
  const bool is_on_its_way =
      ::connect(socket_.get(), address, to.size) == 0 || errno == EINPROGRESS;
  if (!is_on_its_way || !loop_.watch(socket_.get(), EPOLLOUT, *this).ok()) fail();
}

void PeerLink::on_ready(std::uint32_t events) {
  switch (state_) {
    case State::kConnecting:
      return greet();
    case State::kGreeting:
      return read_greeting();
    case State::kOpen: {
      // Nothing is said on this way but its end.
      std::array<char, 256> ignored;
      const bool has_ended = (events & (EPOLLERR | EPOLLHUP)) != 0 ||
                             ((events & EPOLLIN) != 0 && ::recv(socket_.get(), ignored.data(),
                                                                ignored.size(), MSG_DONTWAIT) == 0);
      if (has_ended) fail();
      return;  // what could not leave before leaves at the end of the round
    }
    case State::kIdle:
    case State::kLookingUp:
    case State::kPausing:
    case State::kClosed:
      return;
  }
}

void PeerLink::greet() {
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail();
  const std::string request = "GET " + target_ + " HTTP/1.1\r\nHost: " + address_.host +
                              "\r\nConnection: Upgrade\r\nUpgrade: " + kPeerProtocol + "\r\n\r\n";
  // A new connection takes so little at once.
  const ssize_t sent = ::send(socket_.get(), request.data(), request.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(request.size())) return fail();
  state_ = State::kGreeting;
  greeting_.clear();
  deadline_ = loop_.now() + kReplyTime;
  watched_ = EPOLLIN;
  loop_.change(socket_.get(), EPOLLIN, *this);
}

void PeerLink::read_greeting() {
  std::array<char, kGreetingBytes> piece;
  const ssize_t count = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0) return fail();
  greeting_.append(piece.data(), static_cast<std::size_t>(count));
  if (greeting_.size() > kGreetingBytes) return fail();
  if (greeting_.find("\r\n\r\n") == std::string::npos) return;
  if (!greeting_.starts_with(kWelcome)) return fail();
  state_ = State::kOpen;
  deadline_ = kNever;
  backoff_ = kBackoffMin;
}

void PeerLink::flush() {
  while (sent_ < sending_.size() || !waiting_.empty()) {
    if (sent_ == sending_.size()) {
      empty(sending_);
      std::swap(sending_, waiting_);
      sent_ = 0;
    }
    if (!send_now(socket_.get(), sending_, sent_)) return fail();
    if (sent_ < sending_.size()) break;
  }
  const bool is_done = sent_ == sending_.size();
  if (is_done) {
    empty(sending_);
    sent_ = 0;
  }
  const std::uint32_t events = is_done ? EPOLLIN : EPOLLIN | EPOLLOUT;
  if (watched_ == events) return;
  watched_ = events;
  loop_.change(socket_.get(), events, *this);
}

// As a network does: what was under way is lost, and what waits too.
void PeerLink::fail() {
  drop_connection();
  state_ = State::kPausing;
  deadline_ = loop_.now() + backoff_;
  backoff_ = std::min(backoff_ * 2, kBackoffMax);
}

void PeerLink::drop_connection() {
  socket_.close();
  empty(waiting_);
  empty(sending_);
  sent_ = 0;
}

void PeerLink::close() {
  if (state_ == State::kOpen) flush();
  drop_connection();
  state_ = State::kClosed;
  deadline_ = kNever;
}

}  // namespace vesper::net
