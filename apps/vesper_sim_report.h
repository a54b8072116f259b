// What a hunt prints: a line for each failure as it comes, then what happened in how many seeds,
// and the totals. Whoever has the results gives them: hunt as they come, a shard from its file, and
// merge from the files of all shards; so that the same results print the same.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "apps/vesper_sim_plan.h"
#include "sim/coverage.h"
#include "sim/outcome_matrix.h"
#include "sim/recovery.h"
#include "sim/scenario/runner.h"

namespace vesper::app {

// The line on a terminal that says how far a hunt has come; nothing where nobody looks.
class Progress {
 public:
  explicit Progress(std::uint64_t runs);
  void show(std::uint64_t done, std::uint64_t failed) const;
  void clear() const;

 private:
  std::uint64_t runs_;
  bool is_shown_;
  double start_;
};

struct ReportOptions {
  bool json = false;
  bool matrix = false;         // of faults and outcomes
  std::string write_failures;  // a folder for the scenarios of failed seeds
  bool shrink = false;         // those too that are made small of them
  std::size_t jobs = 1;
};

class HuntReport {
 public:
  // All of them must outlive it.
  HuntReport(const HuntPlan& plan, const ReportOptions& options, const Progress& progress)
      : plan_(plan), options_(options), progress_(progress) {}

  // Prints it if it failed. Requires: by rising run.
  void take(std::size_t run, const sim::RunResult& result);
  // The parts of take, for results that come in another order: each run is counted, at any time;
  // failures and hashes go by rising run.
  void count(std::size_t run, const sim::RunResult& result);
  void add_failure(std::size_t run, const sim::RunResult& result);
  void add_hash(std::uint64_t hash);

  std::uint64_t runs() const { return runs_; }
  std::uint64_t failures() const { return failures_; }
  std::uint64_t hash() const { return hash_; }

  // Prints the rest. `wall` is how long the runs took. The exit status.
  int finish(double wall);

 private:
  std::string last_line(double wall) const;
  std::string stuck_report() const;
  std::string stuck_json() const;
  void write_failure(std::size_t run, const sim::RunResult& result) const;
  void shrink_failed() const;

  const HuntPlan& plan_;
  const ReportOptions& options_;
  const Progress& progress_;
  std::uint64_t runs_ = 0;
  std::uint64_t failures_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t faults_ = 0;
  std::uint64_t operations_ = 0;
  std::uint64_t simulated_us_ = 0;
  sim::Coverage coverage_;
  sim::OutcomeMatrix matrix_;
  sim::Recoveries recoveries_;
  std::uint64_t stuck_ = 0;
  std::map<std::size_t, std::string> stuck_runs_;  // the first of them, by run
  std::uint64_t hash_ = 0;                         // over the runs' hashes, in their order
  std::vector<std::size_t> failed_runs_;           // the first of them
};

}  // namespace vesper::app
