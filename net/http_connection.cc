#include "net/http_connection.h"

#include <sys/socket.h>

#include <cerrno>

#include "net/socket_send.h"

namespace vesper::net {

namespace {

// A buffer that grew larger is given back once it is empty.
constexpr std::size_t kKeptBytes = 8 * 1024;

}  // namespace

HttpConnection::Received HttpConnection::receive(std::span<char> scratch) {
  while (true) {
    const ssize_t count = ::recv(socket_.get(), scratch.data(), scratch.size(), MSG_DONTWAIT);
    if (count > 0) {
      reader.append({scratch.data(), static_cast<std::size_t>(count)});
      return Received::kBytes;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return Received::kNothing;
    return Received::kEnd;
  }
}

bool HttpConnection::send() {
  if (!send_now(socket_.get(), std::as_bytes(std::span(output)), sent_)) return false;
  if (has_output()) return true;
  sent_ = 0;
  if (output.capacity() > kKeptBytes) {
    output = {};
  } else {
    output.clear();
  }
  return true;
}

void HttpConnection::end_output() {
  ::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace vesper::net
