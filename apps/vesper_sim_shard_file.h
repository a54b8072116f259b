// The file of a shard's results: lines of JSON, each with its own checksum, written once each and
// only at the end, so that a process that is killed leaves whole lines and at most one torn one.
// vesper-sim hunt --shard writes and resumes it, vesper-sim merge reads it.
//
//   {"vesper-sim shard":2,"program":"0.1.0","source":"<16 digits>","seeds":"1..300",
//    "scenarios":[{"name":"...","hash":"<16 digits>"}],"shard":0,"shards":2,"runs":150,
//    "marks":["cluster formed",...],"faults":["partition",...],"crc":"<8 digits>"}
//   {"run":0,"seed":2,"passed":true,"at":19958334000,"event":5120,"events":5120,"faults":9,
//    "operations":120,"hash":"<16 digits>","marks":[1,0,...],"outcomes":[0,3,2,1,2,0,0,...],
//    "recovery":[0,53,61],"wall":0.131,"crc":"..."}
//   ...
//   {"end":true,"runs":150,"failures":0,"hash":"<16 digits>","crc":"..."}
//
//   vesper-sim shard  the format's version
//   program, source   who ran it (source_id.h)
//   scenarios         none: hunt's own; the hash is of what the file says
//   runs              of this shard: how many lines follow
//   at, event         nanoseconds and number of the run's end, or of its violation
//   marks             sim/marks.h: their names, and of each run how often each was reached
//   faults, outcomes  sim/outcomes.h: their names, and of each that a run had its place in the list
//                     and its numbers; at the place behind the last, what was seen without any
//   recovery          sim/recovery.h: of its steps, in hundredths of election timeouts, or null
//   wall              seconds that the shard took until then, in all the processes that ran it
//   crc               CRC-32C of the line up to `,"crc"`
//   end               only a file that has it is complete; failures and hash are of its runs
//
// A run that a fault keeps from working at its end has "stuck", which says why.
// A run that failed has "violation", "detail" and "replay", its command, too. (Broken here for the
// reader: each is one line.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "apps/vesper_sim_plan.h"
#include "core/base/result.h"
#include "sim/scenario/runner.h"

namespace vesper::app {

struct ShardHeader {
  std::string program;
  std::string source;
  Seeds seeds;  // of the whole hunt
  std::vector<NamedScenario> scenarios;
  Shard shard;

  HuntPlan whole() const { return HuntPlan(scenarios, seeds); }
};
ShardHeader header_of(const HuntPlan& whole, Shard shard);
// What makes them parts of different hunts, or of another program's: "seeds 1..200, not 1..300".
// Nothing, if they differ in their shard's number alone.
std::optional<std::string> difference(const ShardHeader& found, const ShardHeader& wanted);

// Each with its end of line.
std::string header_line(const ShardHeader& header);
std::string run_line(const HuntPlan& part, std::size_t run, const sim::RunResult& result,
                     double wall);
struct ShardEnd {
  std::uint64_t runs = 0;
  std::uint64_t failures = 0;
  std::uint64_t hash = 0;
  bool operator==(const ShardEnd&) const = default;
};
std::string end_line(const ShardEnd& end);

// Lines of a file, of a bounded length.
class ShardLines {
 public:
  explicit ShardLines(int file) : file_(file) {}
  enum class Kind : std::uint8_t { kLine, kTorn, kNone, kTooLong, kUnreadable };
  // The view is good until the next call.
  Kind next(std::string_view& line);

 private:
  int file_;
  std::string buffer_;
  std::size_t used_ = 0;
};

// Reads a shard's file from its beginning. Errors name file and line.
class ShardReader {
 public:
  ShardReader(int file, std::string path) : lines_(file), path_(std::move(path)) {}

  // First, and once.
  Result<ShardHeader> header();
  // The next run; nothing, if there is none any more.
  Result<std::optional<sim::RunResult>> next();

  bool is_complete() const { return is_complete_; }
  std::uint64_t runs() const { return so_far_.runs; }
  const ShardEnd& so_far() const { return so_far_; }
  double wall() const { return wall_; }
  // How many bytes the whole lines take: a torn one comes behind them.
  std::uint64_t whole_bytes() const { return whole_bytes_; }
  // An error at the line that was read last, or where the next would be.
  Error error(const std::string& what) const;
  Error error_behind(const std::string& what) const;

 private:
  // The line without its checksum; nothing at the end of the file.
  Result<std::optional<std::string_view>> line();
  Status take_run(const sim::RunResult& result, std::uint64_t number);
  Status take_end(const ShardEnd& end);

  ShardLines lines_;
  std::string path_;
  std::uint64_t number_ = 0;
  std::uint64_t whole_bytes_ = 0;
  std::optional<HuntPlan> part_;
  ShardEnd so_far_;
  double wall_ = 0;
  bool is_complete_ = false;
};

}  // namespace vesper::app
