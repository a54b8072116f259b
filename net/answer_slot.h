// Where one connection's thread waits for the answer to its request. The connection's thread owns
// it; the core thread fills it once a request. One waiter a slot: an answer wakes exactly one
// thread.
//
// A semaphore, for POSIX lets the waiter destroy it as soon as it has come through. A condition
// variable would have to be notified under its lock, on which the woken thread then waits: one
// thread switch an answer more.
#pragma once

#include <semaphore.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "core/base/check.h"
#include "core/node/environment.h"

namespace vesper::net {

class AnswerSlot {
 public:
  AnswerSlot() { VESPER_CHECK(::sem_init(&given_, 0, 0) == 0); }
  ~AnswerSlot() { ::sem_destroy(&given_); }
  AnswerSlot(const AnswerSlot&) = delete;
  AnswerSlot& operator=(const AnswerSlot&) = delete;

  // Once.
  void give(const node::Answer& answer) {
    answer_ = answer;
    ::sem_post(&given_);
  }
  // Requires: somebody will give. Call once, or take_if_given until it has.
  node::Answer wait() {
    while (::sem_wait(&given_) != 0) VESPER_CHECK(errno == EINTR);
    return std::move(answer_);
  }
  // Nothing: none was given yet.
  std::optional<node::Answer> take_if_given() {
    if (::sem_trywait(&given_) != 0) return std::nullopt;
    return std::move(answer_);
  }

 private:
  sem_t given_;
  node::Answer answer_;
};

}  // namespace vesper::net
