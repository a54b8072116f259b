// Whether a cluster gets on. Safety is easy for a cluster that does nothing; this checker says when
// it must do something, and that nobody waits for ever:
//   progress       while a majority is up, connected and left alone, a leader appears within a
//                  bound, and requests succeed within another
//   request-hangs  a node that runs undisturbed answers each request within its own time limit and
//                  some slack
// The runner tells it the situation after events; it watches requests as an observer.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "sim/check/violation.h"
#include "sim/observer.h"

namespace vesper::sim {

struct Situation {
  // A majority of the nodes runs, and all of them hear each other.
  bool has_majority = false;
  bool has_leader = false;
  // The last fault, or end of one.
  Instant last_fault_at;
  std::uint64_t successes = 0;
  // Clients keep asking.
  bool is_asked = false;
};

class ProgressChecker final : public WorldObserver {
 public:
  struct Bounds {
    Duration elect;    // from the last fault, or from when the leader was lost
    Duration answer;   // from then, to a request that succeeds
    Duration request;  // a node's own limit, with slack for the way there and back
  };
  ProgressChecker(std::size_t nodes, const Bounds& bounds)
      : bounds_(bounds), disturbed_at_(nodes) {}

  const std::optional<Violation>& violation() const { return violations_.first(); }
  void observe(Instant at, const Situation& situation);

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_crash(Instant at, NodeId node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_fault(Instant at, std::string_view what) override;
  void on_invoke(Instant at, const Operation& operation) override;
  void on_answer(Instant at, OperationId id, const node::Answer& answer) override;
  void on_give_up(Instant at, OperationId id) override;
  void on_event_end(Instant at, std::uint64_t event) override;

 private:
  struct Asked {
    NodeId node;
    Instant at;
  };

  void judge(Instant at, OperationId id);

  const Bounds bounds_;
  std::vector<Instant> disturbed_at_;  // by node
  Instant fault_at_;
  std::deque<Asked> asked_;  // by operation id, from 1
  std::optional<Instant> leaderless_since_;
  std::optional<Instant> idle_since_;
  std::uint64_t successes_ = 0;
  Violations violations_;
};

}  // namespace vesper::sim
