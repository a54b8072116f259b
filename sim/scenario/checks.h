// The checks that are on in every run, scenario or not, behind one face: the safety invariants, the
// clients' history and its linearizability, progress, the fault budget. The runner asks after each
// event and at the end.
#pragma once

#include <optional>

#include "sim/check/history_checker.h"
#include "sim/check/progress.h"
#include "sim/check/safety.h"
#include "sim/check/violation.h"
#include "sim/observers.h"
#include "sim/scenario/budget.h"
#include "sim/scenario/scenario.h"
#include "sim/world.h"

namespace vesper::sim {

class Checks final : public WorldObserver {
 public:
  // Requires: the scenario is drawn and outlives this.
  explicit Checks(const Scenario& scenario);

  Observers observers() { return {&safety_, &history_, &progress_, &budget_, this}; }
  // Judges progress: call it after each event. `disturbed`: a scripted disturbance of messages or
  // disks lasts, so that nothing is promised.
  void observe(const World& world, bool disturbed);
  // From here on the clients ask for nothing new.
  void on_clients_end() { is_asked_to_put_ = is_asked_to_get_ = false; }
  // The first invariant broken so far; nullptr if none is.
  const Violation* violation() const {
    if (safety_.violation()) return &*safety_.violation();
    if (progress_.violation()) return &*progress_.violation();
    if (budget_.violation()) return &*budget_.violation();
    if (scenario_.at_end.linearizable && history_.violation()) return &*history_.violation();
    return nullptr;
  }
  const FaultBudget& budget() const { return budget_; }
  // What only the whole run can tell.
  std::optional<Violation> at_end(const World& world) const;
  // As of the last observe.
  bool has_majority() const { return has_majority_; }
  bool has_leader() const { return has_leader_; }
  // How long a cluster may take to work again once nothing is in its way.
  Duration progress_bound() const;

  void on_start(Instant, NodeId, std::uint64_t) override { is_majority_known_ = false; }
  void on_crash(Instant, NodeId) override { is_majority_known_ = false; }
  void on_stopped(Instant, NodeId, const Error&) override { is_majority_known_ = false; }
  void on_fault(Instant, std::string_view) override { is_majority_known_ = false; }
  void on_node_event(Instant, const node::NodeEvent& event) override {
    if (event.kind == node::NodeEvent::Kind::kDoubt) is_majority_known_ = false;
  }

 private:
  std::optional<Violation> unnoticed_alteration(const World& world) const;

  const Scenario& scenario_;
  SafetyChecker safety_;
  HistoryChecker history_;
  ProgressChecker progress_;
  FaultBudget budget_;
  bool is_majority_known_ = false;
  bool has_majority_ = false;
  bool has_leader_ = false;
  std::uint64_t members_version_ = 0;
  bool is_asked_to_put_ = false;
  bool is_asked_to_get_ = false;
  Instant undisturbed_since_;
};

}  // namespace vesper::sim
