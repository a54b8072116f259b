#include "net/connection_threads.h"

#include <system_error>
#include <thread>
#include <utility>

namespace vesper::net {

namespace {

// Threads that may wait for a next connection; the others end with theirs.
constexpr std::size_t kIdleThreads = 64;

}  // namespace

ConnectionThreads::~ConnectionThreads() {
  stop();
}

bool ConnectionThreads::take(FileDescriptor& socket) {
  const std::lock_guard lock(mutex_);
  if (live_ >= bound_) return false;
  waiting_.push_back({std::move(socket), live_ + 1});
  if (idle_ >= waiting_.size()) {
    arrived_.notify_one();
  } else {
    try {
      std::thread([this] { run(); }).detach();
    } catch (const std::system_error&) {
      socket = std::move(waiting_.back().socket);
      waiting_.pop_back();
      return false;
    }
    ++threads_;
  }
  ++live_;
  return true;
}

std::size_t ConnectionThreads::live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

// The threads touch nothing of this object after the last of them has ended.
void ConnectionThreads::stop() {
  std::unique_lock lock(mutex_);
  stop_ = true;
  arrived_.notify_all();
  ended_.wait(lock, [this] { return threads_ == 0; });
}

void ConnectionThreads::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    if (!waiting_.empty()) {
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      serve_(std::move(next.socket), next.live);
      lock.lock();
      --live_;
      continue;
    }
    if (stop_ || idle_ >= kIdleThreads) break;
    ++idle_;
    arrived_.wait(lock);
    --idle_;
  }
  --threads_;
  ended_.notify_all();
}

}  // namespace vesper::net
