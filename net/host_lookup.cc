#include "net/host_lookup.h"

#include <netdb.h>

#include <atomic>
#include <cstring>
#include <system_error>
#include <thread>

#include "core/base/check.h"

namespace vesper::net {

struct HostLookup::Job {
  std::string host;
  std::string port;
  std::vector<HostAddress> found;
  std::atomic<bool> is_over{false};  // from then on nobody writes

  // False: the host is a name.
  bool resolve(int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* first = nullptr;
    if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &first) != 0) return false;
    for (const addrinfo* at = first; at != nullptr; at = at->ai_next) {
      HostAddress& one = found.emplace_back();
      one.size = at->ai_addrlen;
      std::memcpy(&one.storage, at->ai_addr, at->ai_addrlen);
    }
    ::freeaddrinfo(first);
    return true;
  }
};

void HostLookup::begin(const std::string& host, std::uint16_t port) {
  if (job_ != nullptr && !job_->is_over.load()) return;
  job_ = std::make_shared<Job>();
  job_->host = host;
  job_->port = std::to_string(port);
  if (job_->resolve(AI_NUMERICHOST)) {
    job_->is_over.store(true);
    return;
  }
  try {
    std::thread([job = job_] {
      job->resolve(0);
      job->is_over.store(true);
    }).detach();
  } catch (const std::system_error&) {
    job_->is_over.store(true);  // the next one may have a thread
  }
}

bool HostLookup::is_over() const {
  return job_ != nullptr && job_->is_over.load();
}

const std::vector<HostAddress>& HostLookup::found() const {
  VESPER_CHECK(is_over());
  return job_->found;
}

}  // namespace vesper::net
