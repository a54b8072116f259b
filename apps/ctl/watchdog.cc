#include "apps/ctl/watchdog.h"

#include <utility>

namespace vesper::ctl {

namespace {

constexpr std::chrono::milliseconds kRepeat{5};

}  // namespace

Watchdog::Watchdog(std::function<void()> stop)
    : stop_(std::move(stop)), thread_([this] { run(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

// Wakes the thread only if it would sleep too long: of many short requests nearly none does.
void Watchdog::arm(Clock::time_point deadline) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    deadline_ = deadline;
    wake = deadline < wakes_at_;
  }
  if (wake) changed_.notify_one();
}

void Watchdog::disarm() {
  const std::lock_guard lock(mutex_);
  deadline_ = Clock::time_point::max();
}

void Watchdog::run() {
  std::unique_lock lock(mutex_);
  while (!is_over_) {
    const bool is_late = Clock::now() >= deadline_;
    if (is_late) stop_();
    wakes_at_ = is_late ? Clock::now() + kRepeat : deadline_;
    if (wakes_at_ == Clock::time_point::max()) {
      changed_.wait(lock);
    } else {
      changed_.wait_until(lock, wakes_at_);
    }
  }
}

}  // namespace vesper::ctl
