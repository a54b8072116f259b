// Ends what takes too long: a thread that waits beside one other, and from a deadline on tells what
// that one is blocked in to stop, until it has. For the timeouts of the library are for each read
// alone: a server that sends a byte now and then would hold a client for ever.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace vesper::ctl {

class Watchdog {
 public:
  using Clock = std::chrono::steady_clock;

  // `stop` is called on the watchdog's thread, never after disarm has returned. It may come too
  // early to be noticed: therefore it comes again.
  explicit Watchdog(std::function<void()> stop);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void arm(Clock::time_point deadline);
  void disarm();

 private:
  void run();

  std::function<void()> stop_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Clock::time_point deadline_ = Clock::time_point::max();  // guarded by mutex_; max: none
  Clock::time_point wakes_at_ = Clock::time_point::max();  // guarded by mutex_; the thread's sleep
  bool is_over_ = false;                                   // guarded by mutex_
  std::thread thread_;
};

}  // namespace vesper::ctl
