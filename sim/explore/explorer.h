// The systematic exploration of all that can happen to a cluster within bounds: every order of
// arrivals, losses, timeouts, writes and crashes, each state once, all invariants in each. The
// counterpart of the random search: it goes not far, and misses nothing on the way.
//
// A state is remembered by a 64-bit hash. Among n states two share one, and then one of them is
// wrongly taken for visited, with a probability of about n * n / 2^65: for a hundred million
// states, one in four thousand.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/explore/id_table.h"
#include "sim/explore/state.h"

namespace vesper::sim::explore {

enum class Strategy : std::uint8_t {
  kBreadthFirst,  // the first violation that is found has the fewest steps
  kDepthFirst,    // little memory beside that of the visited states
};

struct Coverage {
  std::uint64_t states = 0;
  std::uint64_t transitions = 0;  // steps from visited states that led anywhere, known or new
  std::uint64_t expanded = 0;     // states whose every next step was taken
  std::uint64_t depth = 0;        // the most steps to a visited state
  std::uint64_t network_max = 0;  // messages under way at once
  std::uint64_t machines = 0;     // distinct states of one node, and messages
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;  // that visited and waiting states take, about
  bool exhausted = false;
};

// The steps from the start to a violation.
struct Path {
  std::vector<Action> actions;
  Finding finding;
};

class Explorer {
 public:
  Explorer(const Bounds& bounds, Strategy strategy) : system_(bounds), strategy_(strategy) {}

  // Until a violation, the end of the space, or `go_on` says no, which is asked now and then.
  void run(const std::function<bool(const Coverage&)>& go_on);
  // Told of every state when it is first reached, the first one apart.
  void watch(std::function<void(const State&)> on_state) { on_state_ = std::move(on_state); }

  Coverage coverage() const;
  const std::optional<Path>& violation() const { return violation_; }
  // A line a step.
  std::vector<std::string> describe(const Path& path);
  System& system() { return system_; }

 private:
  // How a state was first reached.
  struct Record {
    std::uint32_t parent = 0;
    std::uint32_t action_high = 0;
    std::uint32_t action_low = 0;
  };
  // States whose steps are still to be taken, as plain numbers, the last one first.
  class Waiting {
   public:
    struct Place {
      std::uint32_t record = 0;
      std::uint32_t depth = 0;
    };
    void push(const State& state, Place place, std::uint32_t nodes);
    // Requires: !empty().
    Place pop(State& state, std::uint32_t nodes);
    std::size_t bytes() const { return numbers_.capacity() * sizeof(numbers_[0]); }
    bool empty() const { return numbers_.empty(); }

   private:
    std::vector<std::uint32_t> numbers_;
  };

  void expand(const State& state, Waiting::Place place);
  void visit(const State& state, Waiting::Place parent, const Action& action);
  void note_violation(std::uint32_t record, const Action& action, Finding finding);

  System system_;
  Strategy strategy_;
  IdTable visited_;
  std::vector<Record> records_;
  Waiting now_;
  Waiting next_;  // kBreadthFirst: of the next layer
  Coverage coverage_;
  std::optional<Path> violation_;
  std::vector<Action> actions_;
  State after_;
  std::function<void(const State&)> on_state_;
};

}  // namespace vesper::sim::explore
