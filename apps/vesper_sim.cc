// vesper-sim: runs scenarios, hunts with random ones, explores small clusters, measures the
// simulator, replays what nodes recorded, checks histories.
#include <CLI/CLI.hpp>
#include <functional>
#include <memory>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_explore.h"

namespace vesper::app {
namespace {

// What the command line asks for, and the program's exit status once it is done.
using Work = std::function<int()>;

const CLI::Range kSeeds(std::uint64_t{0}, std::uint64_t{INT64_MAX});

void add_jobs(CLI::App& app, std::size_t& jobs, const char* what = "Processes") {
  app.add_option("--jobs", jobs, what)->capture_default_str()->check(CLI::Range(1, 256));
}

void add_matrix(CLI::App& app, bool& matrix) {
  app.add_flag(
      "--matrix", matrix,
      "Also how often each fault was injected, and what the clusters did about it: masked, "
      "repaired, refused, stopped. What cannot be and was seen is a violation");
}

// One a command: the name, the options, and what is then done.
void add_run(CLI::App& app, Work& work) {
  auto command = std::make_shared<RunCommand>();
  CLI::App& run = *app.add_subcommand("run", "Runs scenarios, one line each");
  run.add_option("SCENARIO", command->scenarios, "A file, or a name in the folder scenarios");
  run.add_flag("--all", command->all, "Every file of the folder scenarios");
  run.add_option("--seed", command->seed, "Instead of the file's own")->check(kSeeds);
  run.add_option("--trace", command->trace_file, "Writes every event to this file");
  run.add_flag("--json", command->json, "The last line as JSON");
  run.callback([command, &work] { work = [command] { return run_command(*command); }; });
}

void add_hunt(CLI::App& app, Work& work) {
  auto command = std::make_shared<HuntCommand>();
  CLI::App& hunt = *app.add_subcommand(
      "hunt",
      "Runs many seeds: of the scenarios, or of a random cluster, workload and fault mix each");
  hunt.add_option("SCENARIO", command->scenarios, "Files, or names in the folder scenarios");
  hunt.add_option("--seeds", command->seeds, "A..B, both included")->capture_default_str();
  add_jobs(hunt, command->jobs);
  hunt.add_flag("--json", command->json, "The last line as JSON");
  add_matrix(hunt, command->matrix);
  hunt.add_flag("--stop-at-first", command->stop_at_first, "Ends with the first failed seed");
  hunt.add_option("--write-failures", command->write_failures,
                  "A folder for the scenario of each failed seed");
  hunt.add_flag("--shrink", command->shrink, "Makes the scenario of each failed seed small");
  CLI::Option& shard =
      *hunt.add_option("--shard", command->shard, "I/N: only the seeds s with s mod N = I");
  shard.excludes("--stop-at-first")->excludes("--shrink");
  hunt.add_option("--out", command->out,
                  "With --shard: the file for its results, or a folder (ends with /). What stands "
                  "there already is not run again")
      ->needs(&shard);
  shard.needs("--out");
  hunt.callback([command, &work] { work = [command] { return hunt_command(*command); }; });
}

void add_merge(CLI::App& app, Work& work) {
  auto command = std::make_shared<MergeCommand>();
  CLI::App& merge =
      *app.add_subcommand("merge", "Prints of all shards' files what one hunt of all seeds prints");
  merge.add_option("FILE", command->files, "Files of hunt --shard, or folders of them")->required();
  merge.add_flag("--json", command->json, "The last line as JSON");
  add_matrix(merge, command->matrix);
  merge.add_option("--write-failures", command->write_failures,
                   "A folder for the scenario of each failed seed");
  merge.add_flag("--shrink", command->shrink, "Makes the scenario of each failed seed small");
  add_jobs(merge, command->jobs, "Processes, for --shrink");
  merge.callback([command, &work] { work = [command] { return merge_command(*command); }; });
}

void add_shrink(CLI::App& app, Work& work) {
  auto command = std::make_shared<ShrinkCommand>();
  CLI::App& shrink = *app.add_subcommand(
      "shrink", "Makes a failing scenario small: writes a file that breaks the same invariant");
  shrink.add_option("SCENARIO", command->scenario,
                    "A file, or a name in the folder scenarios; without it, the hunt's seed");
  shrink.add_option("--seed", command->seed, "Instead of the file's own")->check(kSeeds);
  add_jobs(shrink, command->jobs);
  shrink.add_option("--out", command->file, "The file to write");
  shrink
      .add_option("--seconds", command->seconds,
                  "Ends with what is small by then, and runs that twice")
      ->capture_default_str();
  shrink.callback([command, &work] { work = [command] { return shrink_command(*command); }; });
}

void add_explore(CLI::App& app, Work& work) {
  auto command = std::make_shared<ExploreCommand>();
  CLI::App& explore = *add_explore_command(app, *command);
  explore.callback([command, &work] { work = [command] { return explore_command(*command); }; });
}

void add_verify(CLI::App& app, Work& work) {
  auto command = std::make_shared<VerifyCommand>();
  CLI::App& verify = *app.add_subcommand(
      "verify",
      "Runs each scenario twice, in two processes or two builds, and names the first event that is "
      "not the same in both");
  verify.add_option("SCENARIO", command->scenarios,
                    "Files, or names in the folder scenarios; without one, the hunt's seeds");
  verify.add_flag("--all", command->all, "Every file of the folder scenarios");
  verify.add_option("--seeds", command->seeds, "A..B, both included; without it, each file's own");
  verify.add_option("--against", command->against, "The vesper-sim of another build");
  verify.callback([command, &work] { work = [command] { return verify_command(*command); }; });
}

void add_trail(CLI::App& app, Work& work) {
  auto command = std::make_shared<TrailCommand>();
  CLI::App& trail =
      *app.add_subcommand("trail", "Tells a hash for each event of a run: what verify compares");
  trail.add_option("SCENARIO", command->scenario, "As for run; without it, the hunt's seed");
  trail.add_option("--seed", command->seed, "Instead of the file's own")->check(kSeeds);
  trail.add_option("--heap", command->heap, "A number: how addresses are spread")
      ->capture_default_str();
  trail.callback([command, &work] { work = [command] { return trail_command(*command); }; });
}

void add_bench(CLI::App& app, Work& work) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App& bench = *app.add_subcommand("bench",
                                        "Measures simulated seconds and events a CPU second, "
                                        "memory, and all again with a million entries");
  bench.add_flag("--quick", command->quick, "A tenth of the work");
  bench.add_option("--only", command->only, "Some of it, by name and comma")
      ->delimiter(',')
      ->check(CLI::IsMember(kBenchmarks));
  bench.callback([command, &work] { work = [command] { return bench_command(*command); }; });
}

void add_replay(CLI::App& app, Work& work) {
  auto command = std::make_shared<ReplayCommand>();
  CLI::App& replay = *app.add_subcommand(
      "replay", "Runs the core through what vesperd --record wrote, and compares all that it does");
  replay.add_option("FILE", command->recording)->required();
  replay.add_flag("--trace", command->trace, "Prints each input and output, one a line");
  CLI::Option& until = *replay.add_option(
      "--until", command->until, "Ends with this event, the first number of a line of --trace");
  replay.add_option("--until-turn", command->until_turn, "Ends with this turn")->excludes(&until);
  replay.add_flag("--unfinished", command->unfinished,
                  "Goes on with the inputs of the last turn, in which the process ended");
  replay.callback([command, &work] { work = [command] { return replay_command(*command); }; });
}

void add_check(CLI::App& app, Work& work) {
  auto history = std::make_shared<std::string>();
  CLI::App& check = *app.add_subcommand("check", "Checks a client history for linearizability");
  check.add_option("HISTORY", *history, "A file with a JSON object a line")->required();
  check.callback([history, &work] { work = [history] { return check_command(*history); }; });
}

int run_main(int argc, char** argv) {
  CLI::App app(
      "Runs whole clusters in virtual time, under every check. Exit status: 0 passed, 1 a "
      "violation, 2 bad input.");
  app.require_subcommand(1);
  Work work;
  for (const auto add : {add_run, add_hunt, add_merge, add_shrink, add_explore, add_verify,
                         add_trail, add_bench, add_replay, add_check}) {
    add(app, work);
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitPassed : kExitBadInput;
  }
  return work();
}

}  // namespace
}  // namespace vesper::app

int main(int argc, char** argv) {
  return vesper::app::run_main(argc, argv);
}
