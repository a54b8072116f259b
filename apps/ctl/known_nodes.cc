#include "apps/ctl/known_nodes.h"

#include <chrono>

#include "apps/ctl/status.h"

namespace vesper::ctl {

namespace {

constexpr std::chrono::milliseconds kInterval{500};
constexpr std::chrono::milliseconds kFirstTimeout{3000};
constexpr std::chrono::milliseconds kTimeout{500};

}  // namespace

KnownNodes::~KnownNodes() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool KnownNodes::start(const std::string& address) {
  nodes_ = ask_status(address, kFirstTimeout).nodes;
  if (nodes_.empty()) return false;
  thread_ = std::thread([this] { run(); });
  return true;
}

std::string KnownNodes::one_of(std::uint64_t drawn) const {
  const std::lock_guard lock(mutex_);
  return nodes_[drawn % nodes_.size()];
}

// Whoever was removed and still answers knows no better than before: each time another one.
void KnownNodes::run() {
  std::unique_lock lock(mutex_);
  for (std::uint64_t turn = 0; !stopped_.wait_for(lock, kInterval, [this] { return stop_; });
       ++turn) {
    const std::string asked = nodes_[turn % nodes_.size()];
    lock.unlock();
    const std::vector<std::string> now = ask_status(asked, kTimeout).nodes;
    lock.lock();
    if (!now.empty()) nodes_ = now;
  }
}

}  // namespace vesper::ctl
