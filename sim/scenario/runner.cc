#include "sim/scenario/runner.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "sim/check/marker.h"
#include "sim/check/outcome_watch.h"
#include "sim/scenario/blame.h"
#include "sim/scenario/checks.h"
#include "sim/scenario/expectations.h"
#include "sim/scenario/progress_probe.h"
#include "sim/scenario/script.h"
#include "sim/scenario/text.h"
#include "sim/scenario/world_config.h"

namespace vesper::sim {

namespace {

class Run {
 public:
  Run(Scenario scenario, const RunOptions& options)
      : scenario_(std::move(scenario)),
        checks_(scenario_),
        marker_(scenario_.cluster.nodes.value() + scenario_.cluster.spares.value()),
        outcomes_(scenario_.cluster.nodes.value() + scenario_.cluster.spares.value(),
                  scenario_.cluster.election_timeout_max.value()),
        faults_(scenario_.cluster.nodes.value() + scenario_.cluster.spares.value()),
        recovery_(scenario_.cluster.election_timeout_max.value()),
        world_(world_config_of(scenario_), all_observers(options)),
        script_(scenario_, world_),
        expectations_(scenario_, script_) {
    result_.seed = scenario_.seed;
  }

  RunResult run() {
    world_.start();
    script_.start();
    after_change();
    const Instant end = Instant() + scenario_.duration;
    while (!failed() && go_on(end)) {
    }
    if (!failed() && world_.now() < end) world_.advance_to(end);
    if (!failed()) judge_end();
    result_.passed = !failed();
    if (result_.passed) {
      result_.at = world_.now();
      result_.event = world_.counts().events;
    }
    result_.counts = world_.counts();
    result_.marks = marker_.marks(world_);
    result_.marks.hit(Mark::kBudgetLeft, checks_.budget().times_left());
    result_.outcomes = outcomes_.finish(world_);
    result_.recovery = recovery_.recovery();
    result_.hash = world_.hash();
    return result_;
  }

 private:
  Observers all_observers(const RunOptions& options) {
    Observers observers = checks_.observers();
    observers.add(marker_);
    observers.add(outcomes_);
    observers.add(faults_);
    observers.add_all(options.observers);
    return observers;
  }

  bool failed() const { return !result_.violation.empty(); }

  void fail(std::string id, std::string detail) {
    if (failed()) return;
    result_.violation = std::move(id);
    result_.detail = std::move(detail);
    result_.at = world_.now();
    result_.event = world_.counts().events;
  }

  // The next event or the next step, whichever is first. False: neither comes before the end.
  bool go_on(Instant end) {
    const Instant step = script_.next_at();
    const Instant event = world_.next_at();
    if (step > end && event > end) return false;
    if (step <= event) {
      world_.advance_to(step);
    } else {
      world_.step();
    }
    after_change();
    return true;
  }

  // Whether an invariant is broken by now; then the run has failed.
  bool is_broken() {
    checks_.observe(world_, script_.is_disturbing());
    outcomes_.observe(world_,
                      {.has_majority = checks_.has_majority(), .has_leader = checks_.has_leader()});
    if (const Violation* violation = checks_.violation()) {
      fail(violation->invariant, violation->detail);
    }
    // Asked when a majority is lost, and not as long as it is.
    if (std::exchange(had_majority_, checks_.has_majority()) && !had_majority_) {
      const Blame blame = find_blame(world_, faults_);
      if (!blame.is_proved) {
        fail("progress", "no majority works, and no fault explains it: " + blame.text);
      }
    }
    return failed();
  }

  void after_change() {
    if (is_broken()) return;
    recovery_.observe(world_, checks_.has_leader());
    script_.run_due(world_.now());
    if (!expectations_.is_any()) return;
    if (auto expected = expectations_.check(world_.now()))
      fail("expectation", std::move(*expected));
  }

  void judge_end() {
    if (is_broken()) return;  // by a step at the very end
    if (auto expected = expectations_.check_end(world_.now())) {
      return fail("expectation", std::move(*expected));
    }
    if (const Step* step = script_.first_not_run()) return fail("step", describe_step(*step));
    script_.stop_crashing();
    if (scenario_.at_end.progress) {
      const auto take_event = [&] {
        world_.step();
        return !is_broken();
      };
      const Duration bound = checks_.progress_bound();
      checks_.on_clients_end();
      const ProgressProbe probe{.step = take_event,
                                .bound = bound,
                                .must_work = checks_.budget().must_work(world_),
                                .faults = &faults_};
      Probed probed = probe_progress(world_, probe);
      if (probed.missing) fail("progress", std::move(*probed.missing));
      result_.stuck = std::move(probed.stuck);
    }
    if (!failed()) judge_values();
    if (failed()) return;
    if (const auto violation = checks_.at_end(world_)) {
      fail(violation->invariant, violation->detail);
    }
  }

  void judge_values() {
    if (scenario_.at_end.that && !scenario_.at_end.that->holds(script_)) {
      return fail("final", scenario_.at_end.that->text());
    }
    for (const auto& [key, value] : scenario_.at_end.values) {
      for (const raft::Member& member : world_.members().members()) {
        const NodeId node = member.id;
        if (!world_.is_up(node) || world_.has_stopped(node)) continue;
        const SharedBytes* held = world_.node(node).peek(key);
        if (held != nullptr && held->text() == value) continue;
        return fail("final", fmt::format("n{} holds {} for \"{}\", not {}", node.value(),
                                         held == nullptr ? "nothing" : std::string(held->text()),
                                         key, value));
      }
    }
  }

  static std::string describe_step(const Step& step) {
    return fmt::format("the step {}{} never ran", action_name(step.action),
                       step.name.empty() ? "" : fmt::format(" ({})", step.name));
  }

  const Scenario scenario_;
  Checks checks_;
  Marker marker_;
  OutcomeWatch outcomes_;
  FaultLedger faults_;
  RecoveryWatch recovery_;
  bool had_majority_ = true;
  World world_;
  Script script_;
  Expectations expectations_;
  RunResult result_;
};

}  // namespace

RunResult run_scenario(const Scenario& scenario, const RunOptions& options) {
  return Run(drawn(scenario, options.seed), options).run();
}

}  // namespace vesper::sim
