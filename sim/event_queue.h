// The queue of events: by time, then by the order in which they were made. No two are equal, so the
// order is the same whatever the library's heap does. World owns one.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/base/check.h"
#include "core/base/time.h"

namespace vesper::sim {

enum class EventKind : std::uint8_t {
  kDeliver,        // what: a frame in flight; who: the receiver
  kTimer,          // who: a node
  kTurn,           // who: a node
  kDiskDone,       // what: the lane; who: a node
  kRequestArrive,  // what: an operation; who: a node
  kAnswerArrive,   // what: an operation
  kGiveUp,         // what: an operation
  kClientTick,     // what: a client
  kClientRetry,    // what: a client; generation: its operation's number
  kOperator,       // generation: of what it is to bring about
};

struct Event {
  Instant at;
  std::uint64_t order = 0;
  std::uint32_t what = 0;
  // A life of the node, or a use of the slot, that this event is meant for: a later one ignores it.
  std::uint32_t generation = 0;
  std::uint32_t who = 0;
  EventKind kind = EventKind::kTimer;
};

class EventQueue {
 public:
  bool empty() const { return heap_.empty(); }
  // Instant::never() for an empty queue.
  Instant next_at() const { return heap_.empty() ? Instant::never() : heap_.front().at; }

  void push(Event event) {
    event.order = next_order_++;
    heap_.push_back(event);
    std::push_heap(heap_.begin(), heap_.end(), comes_later);
  }

  // Requires: !empty().
  Event pop() {
    VESPER_CHECK(!heap_.empty());
    std::pop_heap(heap_.begin(), heap_.end(), comes_later);
    const Event event = heap_.back();
    heap_.pop_back();
    return event;
  }

 private:
  static bool comes_later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }

  std::vector<Event> heap_;
  std::uint64_t next_order_ = 0;
};

}  // namespace vesper::sim
