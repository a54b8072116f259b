#include "net/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace vesper::net {

namespace {

// Not SO_REUSEPORT, with which a second process on the same port would succeed.
bool bind_one(const addrinfo& to, FileDescriptor& socket) {
  socket = FileDescriptor(::socket(to.ai_family, to.ai_socktype | SOCK_CLOEXEC, to.ai_protocol));
  if (!socket.is_open()) return false;
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const int off = 0;
  if (to.ai_family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  return ::bind(socket.get(), to.ai_addr, to.ai_addrlen) == 0;
}

}  // namespace

Result<FileDescriptor> bind_socket(const std::string& host, std::uint16_t port) {
  const std::string place = "cannot listen on " + host + ":" + std::to_string(port) + ": ";
  addrinfo hints{};
  // The host may have both kinds of address; IPv4 is what everybody reaches it by.
  hints.ai_family = host == "localhost" ? AF_INET : AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (error != 0) return Error{ErrorCode::kIo, place + ::gai_strerror(error)};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  FileDescriptor socket;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    if (bind_one(*one, socket)) return socket;
  }
  return Error{ErrorCode::kIo, place + std::strerror(errno)};
}

std::uint16_t port_of(const FileDescriptor& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  const int named = ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size);
  VESPER_CHECK(named == 0);
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_port);
  }
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace vesper::net
