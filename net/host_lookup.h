// Finds the addresses of a host without holding up its caller: a name may take seconds to resolve,
// and the system's resolver blocks. A number needs no lookup.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace vesper::net {

struct HostAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

class HostLookup {
 public:
  // Begins a lookup, unless one is under way.
  void begin(const std::string& host, std::uint16_t port);
  bool is_over() const;
  // Requires: is_over(). Empty: there is none. Holds until the next begin.
  const std::vector<HostAddress>& found() const;

 private:
  // Its thread, if it has one, shares it, and is waited for by nobody.
  struct Job;
  std::shared_ptr<Job> job_;
};

}  // namespace vesper::net
