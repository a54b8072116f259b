// Sends without waiting, for whoever keeps what the other side has not taken yet.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <span>

namespace vesper::net {

// Sends from `sent` on as much of `bytes` as is taken now, and moves `sent` on. False: the other
// side is gone.
inline bool send_now(int socket, std::span<const std::byte> bytes, std::size_t& sent) {
  while (sent < bytes.size()) {
    const ssize_t count =
        ::send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      sent += static_cast<std::size_t>(count);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    return count < 0 && errno == EAGAIN;
  }
  return true;
}

}  // namespace vesper::net
