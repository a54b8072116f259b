// Who watches a world, by what they look at: of each thing that happens only those are told whose
// class overrides the call. Which calls those are is read off the class itself: nobody can forget
// to ask for one, and what nobody overrides costs nothing. World owns one.
#pragma once

#include <type_traits>
#include <vector>

#include "sim/observer.h"

namespace vesper::sim {

namespace detail {

// Those who are told of one thing.
template <auto kCall>
struct Audience {
  std::vector<WorldObserver*> observers;
};

template <auto... kCalls>
class Audiences : Audience<kCalls>... {
 public:
  // Tells all of them, in the order in which they were added.
  template <auto kCall, class... Arguments>
  void tell(const Arguments&... arguments) const {
    for (WorldObserver* const observer : Audience<kCall>::observers) {
      (observer->*kCall)(arguments...);
    }
  }

 protected:
  void add_to_all(WorldObserver& observer) {
    (Audience<kCalls>::observers.push_back(&observer), ...);
  }
  void add_those_of(const Audiences& others) {
    (append(Audience<kCalls>::observers, others.Audience<kCalls>::observers), ...);
  }
  // `kOwns` are the same calls as the observer's class has them: of another type than
  // WorldObserver's, if it or a class between them overrides one.
  template <auto... kOwns>
  void add_to_own(WorldObserver& observer) {
    (add_if_own<kCalls, kOwns>(observer), ...);
  }

 private:
  using List = std::vector<WorldObserver*>;
  static void append(List& to, const List& from) { to.insert(to.end(), from.begin(), from.end()); }
  template <auto kCall, auto kOwn>
  void add_if_own(WorldObserver& observer) {
    if constexpr (!std::is_same_v<decltype(kCall), decltype(kOwn)>) {
      Audience<kCall>::observers.push_back(&observer);
    }
  }
};

using AudiencesOfAll = Audiences<
    &WorldObserver::on_start, &WorldObserver::on_opened, &WorldObserver::on_crash,
    &WorldObserver::on_stopped, &WorldObserver::on_wipe, &WorldObserver::on_altered,
    &WorldObserver::on_pause, &WorldObserver::on_ready, &WorldObserver::on_send,
    &WorldObserver::on_log_submitted, &WorldObserver::on_log_durable, &WorldObserver::on_applied,
    &WorldObserver::on_restored, &WorldObserver::on_configuration, &WorldObserver::on_node_event,
    &WorldObserver::on_request_taken, &WorldObserver::on_request_answered,
    &WorldObserver::on_damage, &WorldObserver::on_strike, &WorldObserver::on_unsynced_lost,
    &WorldObserver::on_disk_error, &WorldObserver::on_clock_stopped, &WorldObserver::on_deliver,
    &WorldObserver::on_corrupted, &WorldObserver::on_invoke, &WorldObserver::on_retry,
    &WorldObserver::on_register, &WorldObserver::on_answer, &WorldObserver::on_give_up,
    &WorldObserver::on_try_end, &WorldObserver::on_fault, &WorldObserver::on_event_end>;

}  // namespace detail

class Observers : public detail::AudiencesOfAll {
 public:
  Observers() = default;
  template <class... Each>
  requires(sizeof...(Each) > 0)
      Observers(Each*... observers) {  // NOLINT: a list of observers is Observers
    (add(*observers), ...);
  }

  // It must outlive this. One of a class that is not final is told everything: what a class under
  // it overrides cannot be seen here.
  template <class Observer>
  void add(Observer& observer) {
    if constexpr (!std::is_final_v<Observer>) {
      add_to_all(observer);
    } else {
      add_to_own<&Observer::on_start, &Observer::on_opened, &Observer::on_crash,
                 &Observer::on_stopped, &Observer::on_wipe, &Observer::on_altered,
                 &Observer::on_pause, &Observer::on_ready, &Observer::on_send,
                 &Observer::on_log_submitted, &Observer::on_log_durable, &Observer::on_applied,
                 &Observer::on_restored, &Observer::on_configuration, &Observer::on_node_event,
                 &Observer::on_request_taken, &Observer::on_request_answered, &Observer::on_damage,
                 &Observer::on_strike, &Observer::on_unsynced_lost, &Observer::on_disk_error,
                 &Observer::on_clock_stopped, &Observer::on_deliver, &Observer::on_corrupted,
                 &Observer::on_invoke, &Observer::on_retry, &Observer::on_register,
                 &Observer::on_answer, &Observer::on_give_up, &Observer::on_try_end,
                 &Observer::on_fault, &Observer::on_event_end>(observer);
    }
  }
  void add_all(const Observers& others) { add_those_of(others); }
};

}  // namespace vesper::sim
