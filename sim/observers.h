// Who watches a world, by what they look at: of each thing that happens only those are told whose
// class overrides the call. Which calls those are is read off the class itself: nobody can forget
// to ask for one, and what nobody overrides costs nothing. World owns one.
#pragma once

#include <type_traits>
#include <vector>

#include "sim/observer.h"

namespace vesper::sim {

namespace detail {

template <auto... kCalls>
struct CallList {};

// All calls of an observer, as this class has them. The only place that lists them; what is told
// and does not stand here does not compile.
template <class Of>
using CallsOf =
    CallList<&Of::on_start, &Of::on_opened, &Of::on_crash, &Of::on_stopped, &Of::on_wipe,
             &Of::on_altered, &Of::on_pause, &Of::on_ready, &Of::on_send, &Of::on_log_submitted,
             &Of::on_log_durable, &Of::on_applied, &Of::on_restored, &Of::on_configuration,
             &Of::on_node_event, &Of::on_request_taken, &Of::on_request_answered, &Of::on_damage,
             &Of::on_strike, &Of::on_unsynced_lost, &Of::on_disk_error, &Of::on_clock_stopped,
             &Of::on_deliver, &Of::on_corrupted, &Of::on_invoke, &Of::on_retry, &Of::on_register,
             &Of::on_answer, &Of::on_give_up, &Of::on_try_end, &Of::on_fault, &Of::on_event_end>;

// Those who are told of one thing.
template <auto kCall>
struct Audience {
  std::vector<WorldObserver*> observers;
};

template <class Calls>
class Audiences;

template <auto... kCalls>
class Audiences<CallList<kCalls...>> : Audience<kCalls>... {
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
  void add_to_own(WorldObserver& observer, CallList<kOwns...>) {
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

}  // namespace detail

class Observers : public detail::Audiences<detail::CallsOf<WorldObserver>> {
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
    if constexpr (std::is_final_v<Observer>) {
      add_to_own(observer, detail::CallsOf<Observer>());
    } else {
      add_to_all(observer);
    }
  }
  void add_all(const Observers& others) { add_those_of(others); }
};

}  // namespace vesper::sim
