// Where one connection's thread waits for the answer to its request. The connection's thread owns
// it; the core thread fills it once a request. One waiter a slot: an answer wakes exactly one
// thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>

#include "core/node/environment.h"

namespace vesper::net {

class AnswerSlot {
 public:
  void give(const node::Answer& answer) {
    // Notified under the lock: the waiter may destroy the slot as soon as it is unlocked.
    const std::lock_guard lock(mutex_);
    answer_ = answer;
    given_.notify_one();
  }
  // Requires: somebody will give.
  node::Answer wait() {
    std::unique_lock lock(mutex_);
    given_.wait(lock, [this] { return answer_.has_value(); });
    return std::move(*answer_);
  }
  // Nothing: none was given within this time. It may still come.
  std::optional<node::Answer> wait_for(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    given_.wait_for(lock, at_most, [this] { return answer_.has_value(); });
    return answer_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_;
  std::optional<node::Answer> answer_;
};

}  // namespace vesper::net
