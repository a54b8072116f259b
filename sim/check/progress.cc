#include "sim/check/progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace vesper::sim {

void ProgressChecker::observe(Instant at, const Situation& situation) {
  violations_.set_now(at);
  if (!situation.has_majority) {
    leaderless_since_.reset();
    idle_since_.reset();
    return;
  }
  if (situation.has_leader) {
    leaderless_since_.reset();
  } else if (!leaderless_since_) {
    leaderless_since_ = at;
  }
  if (!idle_since_ || situation.successes != successes_ || !situation.is_asked) idle_since_ = at;
  successes_ = situation.successes;

  if (leaderless_since_) {
    const Instant since = std::max(*leaderless_since_, situation.last_fault_at);
    if (at - since > bounds_.elect) {
      violations_.report("progress",
                         fmt::format("a majority has been up and connected for {} ms and has "
                                     "elected no leader",
                                     (at - since).nanoseconds() / 1'000'000));
    }
  }
  const Instant since = std::max(*idle_since_, situation.last_fault_at);
  if (at - since > bounds_.elect + bounds_.answer) {
    violations_.report("progress", fmt::format("a majority has been up and connected for {} ms "
                                               "and no request has succeeded",
                                               (at - since).nanoseconds() / 1'000'000));
  }
}

void ProgressChecker::on_start(Instant at, NodeId node, std::uint64_t /*life*/) {
  disturbed_at_[node.value()] = at;
}

void ProgressChecker::on_crash(Instant at, NodeId node) {
  disturbed_at_[node.value()] = at;
}

void ProgressChecker::on_stopped(Instant at, NodeId node, const Error& /*reason*/) {
  disturbed_at_[node.value()] = at;
}

// Any fault may slow a node or its clients: all start anew.
void ProgressChecker::on_fault(Instant at, std::string_view /*what*/) {
  fault_at_ = at;
}

void ProgressChecker::on_invoke(Instant at, const Operation& operation) {
  VESPER_CHECK(operation.id.value() == asked_.size() + 1);
  asked_.push_back({operation.node, at});
}

void ProgressChecker::on_answer(Instant at, OperationId id, const node::Answer& /*answer*/) {
  judge(at, id);
}

void ProgressChecker::on_give_up(Instant at, OperationId id) {
  judge(at, id);
}

// The request is over for its client: did its node take longer than it may?
void ProgressChecker::judge(Instant at, OperationId id) {
  violations_.set_now(at);
  const Asked& asked = asked_[id.value() - 1];
  const Instant since = std::max(disturbed_at_[asked.node.value()], fault_at_);
  if (since >= asked.at || at - asked.at <= bounds_.request) return;
  violations_.report(
      "request-hangs",
      fmt::format("n{} left operation {} without an answer for {} ms", asked.node.value(),
                  id.value(), (at - asked.at).nanoseconds() / 1'000'000));
}

void ProgressChecker::on_event_end(Instant /*at*/, std::uint64_t event) {
  violations_.end_event(event);
}

}  // namespace vesper::sim
