// vesper-sim: runs scenarios, hunts with random ones, measures the simulator, checks histories.
#include <CLI/CLI.hpp>

#include "apps/vesper_sim_commands.h"

namespace vesper::app {
namespace {

CLI::App* add_hunt(CLI::App& app, HuntCommand& hunt) {
  CLI::App* hunt_app = app.add_subcommand(
      "hunt",
      "Runs many seeds: of the scenarios, or of a random cluster, workload and fault mix each");
  hunt_app->add_option("SCENARIO", hunt.scenarios, "Files, or names in the folder scenarios");
  hunt_app->add_option("--seeds", hunt.seeds, "A..B, both included")->capture_default_str();
  hunt_app->add_option("--jobs", hunt.jobs, "Processes")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  hunt_app->add_flag("--json", hunt.json, "The last line as JSON");
  hunt_app->add_flag("--stop-at-first", hunt.stop_at_first, "Ends with the first failed seed");
  hunt_app->add_option("--write-failures", hunt.write_failures,
                       "A folder for the scenario of each failed seed");
  hunt_app->add_flag("--shrink", hunt.shrink, "Makes the scenario of each failed seed small");
  CLI::Option* shard =
      hunt_app->add_option("--shard", hunt.shard, "I/N: only the seeds s with s mod N = I");
  shard->excludes("--stop-at-first")->excludes("--shrink");
  hunt_app
      ->add_option("--out", hunt.out,
                   "With --shard: the file for its results, or a folder (ends with /). What "
                   "stands there already is not run again")
      ->needs(shard);
  shard->needs("--out");
  return hunt_app;
}

CLI::App* add_merge(CLI::App& app, MergeCommand& merge) {
  CLI::App* merge_app =
      app.add_subcommand("merge", "Prints of all shards' files what one hunt of all seeds prints");
  merge_app->add_option("FILE", merge.files, "Files of hunt --shard, or folders of them")
      ->required();
  merge_app->add_flag("--json", merge.json, "The last line as JSON");
  merge_app->add_option("--write-failures", merge.write_failures,
                        "A folder for the scenario of each failed seed");
  merge_app->add_flag("--shrink", merge.shrink, "Makes the scenario of each failed seed small");
  merge_app->add_option("--jobs", merge.jobs, "Processes, for --shrink")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  return merge_app;
}

int run_main(int argc, char** argv) {
  CLI::App app(
      "Runs whole clusters in virtual time, under every check. Exit status: 0 passed, 1 a "
      "violation, 2 bad input.");
  app.require_subcommand(1);

  RunCommand run;
  CLI::App* run_app = app.add_subcommand("run", "Runs scenarios, one line each");
  run_app->add_option("SCENARIO", run.scenarios, "A file, or a name in the folder scenarios");
  run_app->add_flag("--all", run.all, "Every file of the folder scenarios");
  run_app->add_option("--seed", run.seed, "Instead of the file's own")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{INT64_MAX}));
  run_app->add_option("--trace", run.trace_file, "Writes every event to this file");
  run_app->add_flag("--json", run.json, "The last line as JSON");

  HuntCommand hunt;
  const CLI::App* hunt_app = add_hunt(app, hunt);

  MergeCommand merge;
  const CLI::App* merge_app = add_merge(app, merge);

  ShrinkCommand shrink;
  CLI::App* shrink_app = app.add_subcommand(
      "shrink", "Makes a failing scenario small: writes a file that breaks the same invariant");
  shrink_app->add_option("SCENARIO", shrink.scenario,
                         "A file, or a name in the folder scenarios; without it, the hunt's seed");
  shrink_app->add_option("--seed", shrink.seed, "Instead of the file's own")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{INT64_MAX}));
  shrink_app->add_option("--jobs", shrink.jobs, "Processes")
      ->capture_default_str()
      ->check(CLI::Range(1, 256));
  shrink_app->add_option("--out", shrink.file, "The file to write");

  BenchCommand bench;
  CLI::App* bench_app = app.add_subcommand(
      "bench",
      "Measures simulated seconds and events a CPU second, and again with a million entries");
  bench_app->add_flag("--quick", bench.quick, "A tenth of the work");

  std::string history;
  CLI::App* check_app = app.add_subcommand("check", "Checks a client history for linearizability");
  check_app->add_option("HISTORY", history, "A file with a JSON object a line")->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitPassed : kExitBadInput;
  }
  if (run_app->parsed()) return run_command(run);
  if (hunt_app->parsed()) return hunt_command(hunt);
  if (merge_app->parsed()) return merge_command(merge);
  if (shrink_app->parsed()) return shrink_command(shrink);
  if (bench_app->parsed()) return bench_command(bench);
  return check_command(history);
}

}  // namespace
}  // namespace vesper::app

int main(int argc, char** argv) {
  return vesper::app::run_main(argc, argv);
}
