#include "net/peer_link.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string_view>
#include <utility>

namespace vesper::net {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kConnectTime{300};
// A peer that takes longer for one request is as good as dead; its connection is made anew.
constexpr milliseconds kReplyTime{1000};
constexpr std::size_t kReplyBytes = 4 * 1024;
constexpr std::string_view kTaken = "HTTP/1.1 204 ";

// For an IPv6 address, its brackets again.
std::string host_of(const NodeAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  const std::string host = is_v6 ? "[" + address.host + "]" : address.host;
  return host + ":" + std::to_string(address.port);
}

// With a bound on each of its later system calls.
bool connect_one(const addrinfo& to, FileDescriptor& socket) {
  const int kind = to.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK;
  socket = FileDescriptor(::socket(to.ai_family, kind, to.ai_protocol));
  if (!socket.is_open()) return false;
  if (::connect(socket.get(), to.ai_addr, to.ai_addrlen) != 0) {
    pollfd wait{socket.get(), POLLOUT, 0};
    int error = 0;
    socklen_t size = sizeof error;
    if (errno != EINPROGRESS || ::poll(&wait, 1, static_cast<int>(kConnectTime.count())) != 1 ||
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      return false;
    }
  }
  const timeval bound{.tv_sec = kReplyTime.count() / 1000,
                      .tv_usec = kReplyTime.count() % 1000 * 1000};
  const int on = 1;
  return ::fcntl(socket.get(), F_SETFL, 0) == 0 &&
         ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
         ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound) == 0 &&
         ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound) == 0;
}

}  // namespace

PeerLink::PeerLink(const NodeAddress& address, const std::string& target)
    : address_(address),
      head_begin_("POST " + target + " HTTP/1.1\r\nHost: " + host_of(address) +
                  "\r\nContent-Type: application/octet-stream\r\nContent-Length: ") {}

bool PeerLink::post(ByteView frames) {
  deadline_ = std::chrono::steady_clock::now() + kReplyTime;
  Posted posted = Posted::kClosed;
  if (socket_.is_open()) posted = post_once(frames);
  if (posted == Posted::kClosed && connect()) posted = post_once(frames);
  if (posted == Posted::kTaken) return true;
  replace_socket(FileDescriptor());
  return false;
}

void PeerLink::stop() {
  const std::lock_guard lock(mutex_);
  if (socket_.is_open()) ::shutdown(socket_.get(), SHUT_RDWR);
}

void PeerLink::replace_socket(FileDescriptor socket) {
  const std::lock_guard lock(mutex_);
  socket_ = std::move(socket);
}

bool PeerLink::connect() {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(address_.port);
  if (::getaddrinfo(address_.host.c_str(), port.c_str(), &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    FileDescriptor socket;
    if (!connect_one(*one, socket)) continue;
    replace_socket(std::move(socket));
    return true;
  }
  return false;
}

PeerLink::Posted PeerLink::post_once(ByteView frames) {
  const Posted sent = send(frames);
  return sent == Posted::kTaken ? receive_reply() : sent;
}

// Head and frames leave together.
PeerLink::Posted PeerLink::send(ByteView frames) {
  const std::string head = head_begin_ + std::to_string(frames.size()) + "\r\n\r\n";
  std::array<ByteView, 2> rest{as_bytes(head), frames};
  while (!rest[0].empty() || !rest[1].empty()) {
    std::array<iovec, 2> parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      parts[i] = {const_cast<std::byte*>(rest[i].data()), rest[i].size()};
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    const ssize_t count = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return errno == EPIPE || errno == ECONNRESET ? Posted::kClosed : Posted::kFailed;
    }
    auto left = static_cast<std::size_t>(count);
    for (ByteView& part : rest) {
      const std::size_t taken = std::min(left, part.size());
      part = part.subspan(taken);
      left -= taken;
    }
    if (std::chrono::steady_clock::now() >= deadline_) return Posted::kFailed;
  }
  return Posted::kTaken;
}

// Of a peer that is one: 204 and a head without a body. After anything else the connection ends.
PeerLink::Posted PeerLink::receive_reply() {
  std::array<char, kReplyBytes> bytes;
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = ::recv(socket_.get(), bytes.data() + size, bytes.size() - size, 0);
    if (count < 0 && errno == EINTR) continue;
    const bool is_closed = count == 0 || (count < 0 && errno == ECONNRESET);
    if (is_closed && size == 0) return Posted::kClosed;
    if (count <= 0) return Posted::kFailed;
    size += static_cast<std::size_t>(count);
    const std::string_view text(bytes.data(), size);
    if (text.ends_with("\r\n\r\n")) {
      return text.starts_with(kTaken) ? Posted::kTaken : Posted::kFailed;
    }
    if (std::chrono::steady_clock::now() >= deadline_) break;
  }
  return Posted::kFailed;
}

}  // namespace vesper::net
