// The queue of events: by time, then by the order in which they were made. No two are equal, so the
// order is the same whatever a heap does. World owns one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
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
  bool empty() const { return heap_.empty() && limits_.empty(); }
  // Instant::never() for an empty queue.
  Instant next_at() const {
    if (is_limit_next()) return limits_.front().at;
    return heap_.empty() ? Instant::never() : heap_.front().at;
  }

  void push(Event event) {
    event.order = next_order_++;
    // A time limit mostly ends after those that were set before it. There are many at a time, and
    // most are over when they come: so they wait in a row of their own, and the heap stays small.
    const bool is_in_turn = limits_.empty() || limits_.back().at <= event.at;
    if (event.kind == EventKind::kGiveUp && is_in_turn) {
      limits_.push_back(event);
    } else {
      push_to_heap(event);
    }
  }

  // Requires: !empty().
  Event pop() {
    VESPER_CHECK(!empty());
    if (!is_limit_next()) return pop_from_heap();
    const Event event = limits_.front();
    limits_.pop_front();
    return event;
  }

 private:
  // Four children a node: half as deep as with two, and they lie side by side.
  static constexpr std::size_t kChildren = 4;

  // No branch: which of two events comes first is a coin's toss, and a wrong guess costs more than
  // both comparisons.
  static bool comes_before(const Event& a, const Event& b) { return key_of(a) < key_of(b); }
  __extension__ using Key = __int128;
  static Key key_of(const Event& event) {
    return static_cast<Key>(event.at.nanoseconds()) << 64 | static_cast<Key>(event.order);
  }
  std::size_t first_of(std::size_t a, std::size_t b) const {
    return a + (b - a) * static_cast<std::size_t>(comes_before(heap_[b], heap_[a]));
  }
  bool is_limit_next() const {
    if (limits_.empty()) return false;
    return heap_.empty() || comes_before(limits_.front(), heap_.front());
  }

  void push_to_heap(const Event& event) {
    heap_.push_back(event);
    put_above(heap_.size() - 1, event);
  }

  // The event goes into the hole, or as far above it as it has to.
  void put_above(std::size_t hole, const Event& event) {
    while (hole > 0) {
      const std::size_t parent = (hole - 1) / kChildren;
      if (!comes_before(event, heap_[parent])) break;
      heap_[hole] = heap_[parent];
      hole = parent;
    }
    heap_[hole] = event;
  }

  // Which of the siblings from `begin` on is the first. Requires: there is one.
  std::size_t first_child(std::size_t begin) const {
    if (heap_.size() - begin >= kChildren) {
      return first_of(first_of(begin, begin + 1), first_of(begin + 2, begin + 3));
    }
    std::size_t first = begin;
    for (std::size_t child = begin + 1; child < heap_.size(); ++child) {
      first = first_of(first, child);
    }
    return first;
  }

  Event pop_from_heap() {
    const Event event = heap_.front();
    const Event last = heap_.back();
    heap_.pop_back();
    if (heap_.empty()) return event;
    // The hole sinks to the bottom, and only then is the last event's place sought, upwards: it
    // came from the bottom, and mostly belongs there.
    std::size_t hole = 0;
    for (std::size_t begin = 1; begin < heap_.size(); begin = hole * kChildren + 1) {
      const std::size_t next = first_child(begin);
      heap_[hole] = heap_[next];
      hole = next;
    }
    put_above(hole, last);
    return event;
  }

  std::vector<Event> heap_;
  std::deque<Event> limits_;  // kGiveUp, those that came in the order of their time
  std::uint64_t next_order_ = 0;
};

}  // namespace vesper::sim
