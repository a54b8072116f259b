// The commands of vesper-sim, without their command line (vesper_sim.cc reads that). Each returns
// the program's exit status: 0 passed, 1 a violation, 2 bad input.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "sim/scenario/runner.h"

namespace vesper::app {

inline constexpr int kExitPassed = 0;
inline constexpr int kExitViolation = 1;
inline constexpr int kExitBadInput = 2;

struct RunCommand {
  std::vector<std::string> scenarios;  // files, or names in the scenarios folder
  bool all = false;                    // every file of the scenarios folder
  std::optional<std::uint64_t> seed;   // instead of the file's
  std::string trace_file;
  bool json = false;
};
int run_command(const RunCommand& command);

struct HuntCommand {
  std::vector<std::string> scenarios;  // none: a random one for each seed
  std::string seeds = "1..100";        // A..B
  std::size_t jobs = 1;
  bool json = false;
  bool matrix = false;  // what the clusters did about each fault
  bool stop_at_first = false;
  std::string write_failures;  // a folder for the scenarios of failed seeds
  bool shrink = false;         // those too that are made small of them
  std::string shard;           // I/N: only that part of the seeds
  std::string out;             // the shard's file, or a folder for it
};
int hunt_command(const HuntCommand& command);

struct MergeCommand {
  std::vector<std::string> files;  // of all shards of a hunt, or folders of them
  std::size_t jobs = 1;            // for what shrinks
  bool json = false;
  bool matrix = false;
  std::string write_failures;
  bool shrink = false;
};
int merge_command(const MergeCommand& command);

struct ShrinkCommand {
  std::string scenario;               // a file, or a name in the scenarios folder; empty: hunt's
  std::optional<std::uint64_t> seed;  // instead of the file's
  std::size_t jobs = 1;
  std::string file;  // that it writes; empty: named after the scenario
  std::uint64_t seconds = 25;
};
int shrink_command(const ShrinkCommand& command);

struct VerifyCommand {
  std::vector<std::string> scenarios;  // none: hunt's
  bool all = false;                    // every file of the scenarios folder
  std::string seeds;                   // A..B; empty: of each scenario its own
  std::string against;                 // a program, another build's; empty: this one
};
int verify_command(const VerifyCommand& command);

// What verify starts (vesper_sim_trail.h).
struct TrailCommand {
  std::string scenario;               // empty: hunt's
  std::optional<std::uint64_t> seed;  // instead of the file's
  std::uint64_t heap = 1;             // how addresses are spread; what depends on them differs
};
int trail_command(const TrailCommand& command);

struct BenchCommand {
  bool quick = false;
  std::vector<std::string> only;  // of kBenchmarks; none: all
};
inline const std::vector<std::string> kBenchmarks = {"memory", "calm", "load", "swarm", "long-log"};
int bench_command(const BenchCommand& command);

struct ReplayCommand {
  std::string recording;  // a file that vesperd --record wrote
  std::optional<std::uint64_t> until;
  std::optional<std::uint64_t> until_turn;
  bool unfinished = false;
  bool trace = false;
};
int replay_command(const ReplayCommand& command);

// Linearizability of a client history, a JSON object a line.
int check_command(const std::string& history_file);

// The files of the scenarios folder, sorted: the one in the current folder, or beside the program's
// own folder or its parent.
std::vector<std::string> scenario_files();
// Reads a file, or a name in the scenarios folder.
Result<sim::Scenario> load_scenario(const std::string& name);
// Errors: kIo.
Result<std::string> read_file(const std::string& path);

// False: it cannot be written.
bool write_scenario(const std::string& path, const sim::Scenario& scenario);

// Of a clock that only goes forward.
double wall_seconds();

// "FAIL scenario=... seed=... violation=... at=... event=..."
std::string fail_line(const std::string& scenario, const sim::RunResult& result);
std::string json_text(const std::string& text);
// A file name made of a scenario's name.
std::string slug(const std::string& name);

}  // namespace vesper::app
