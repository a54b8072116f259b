#include <fmt/format.h>

#include <cstdio>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_jobs.h"
#include "apps/vesper_sim_plan.h"
#include "apps/vesper_sim_report.h"
#include "apps/vesper_sim_shard.h"

namespace vesper::app {

namespace {

int hunt_all(const HuntCommand& command, const HuntPlan& plan) {
  const Progress progress(plan.size());
  const ReportOptions options{.json = command.json,
                              .matrix = command.matrix,
                              .write_failures = command.write_failures,
                              .shrink = command.shrink,
                              .jobs = command.jobs};
  HuntReport report(plan, options, progress);
  const double start = wall_seconds();
  bool is_stopped = false;
  run_jobs({.items = plan.size(), .processes = command.jobs}, runner_of(plan),
           [&](std::size_t run, sim::RunResult result) {
             result.seed = plan.seed_of(run);
             report.take(run, result);
             progress.show(report.runs(), report.failures());
             is_stopped = !result.passed && command.stop_at_first;
             return !is_stopped;
           });
  const int status = report.finish(wall_seconds() - start);
  if (report.runs() == plan.size() || is_stopped) return status;
  fmt::print(stderr, "hunt: {} of {} seeds did not run: no process could be started for them\n",
             plan.size() - report.runs(), plan.size());
  return status == kExitPassed ? kExitBadInput : status;
}

}  // namespace

int hunt_command(const HuntCommand& command) {
  const std::optional<Seeds> seeds = parse_seeds(command.seeds);
  if (!seeds) {
    fmt::print(stderr, "--seeds: expected A..B with A <= B, not \"{}\"\n", command.seeds);
    return kExitBadInput;
  }
  const Result<HuntPlan> plan = HuntPlan::make(command.scenarios, *seeds);
  if (!plan.ok()) {
    fmt::print(stderr, "{}\n", plan.error().message);
    return kExitBadInput;
  }
  return command.shard.empty() ? hunt_all(command, plan.value())
                               : hunt_shard(command, plan.value());
}

}  // namespace vesper::app
