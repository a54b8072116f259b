#include "net/http_connection.h"

#include <sys/socket.h>

#include <cerrno>

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
  while (has_output()) {
    const ssize_t count = ::send(socket_.get(), output.data() + sent_, output.size() - sent_,
                                 MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      sent_ += static_cast<std::size_t>(count);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    return count < 0 && errno == EAGAIN;
  }
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
