#include "apps/vesper_sim_shard.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <utility>

#include "apps/vesper_sim_jobs.h"
#include "apps/vesper_sim_report.h"
#include "apps/vesper_sim_shard_file.h"

namespace vesper::app {

namespace {

// A shard's file, open for its next line, and no other process's as long as this one lives.
class ShardLog {
 public:
  using TakeRun = std::function<void(std::size_t run, const sim::RunResult&)>;
  // Makes the file, or reads what stands in it and cuts off a torn line.
  // Errors: it cannot be written, is damaged, in use, or of another hunt.
  static Result<std::unique_ptr<ShardLog>> open(const std::string& path, const ShardHeader& header,
                                                const TakeRun& take);
  ShardLog(const ShardLog&) = delete;
  ShardLog& operator=(const ShardLog&) = delete;
  ~ShardLog() {
    if (file_ >= 0) close(file_);
  }

  bool was_complete() const { return was_complete_; }
  double wall() const { return wall_; }
  Status add(const std::string& line) {
    return write_all(file_, line) ? Status() : Status(error("cannot be written"));
  }
  // Ensures: what was added survives the machine's end.
  Status sync() { return fsync(file_) == 0 ? Status() : Status(error("cannot be synced")); }

 private:
  explicit ShardLog(std::string path) : path_(std::move(path)) {}
  Status open_locked();
  Result<bool> is_begun(const std::string& first_line) const;
  Status resume(const ShardHeader& header, const TakeRun& take);
  Error error(const std::string& what) const {
    return {ErrorCode::kIo, fmt::format("{}: {}", path_, what)};
  }

  std::string path_;
  int file_ = -1;
  bool was_complete_ = false;
  double wall_ = 0;
};

Result<std::unique_ptr<ShardLog>> ShardLog::open(const std::string& path, const ShardHeader& header,
                                                 const TakeRun& take) {
  std::unique_ptr<ShardLog> log(new ShardLog(path));
  VESPER_TRY(log->open_locked());
  const std::string first_line = header_line(header);
  const Result<bool> is_begun = log->is_begun(first_line);
  if (!is_begun.ok()) return is_begun.error();
  if (is_begun.value()) {
    VESPER_TRY(log->resume(header, take));
  } else {
    if (ftruncate(log->file_, 0) != 0) return log->error("cannot be written");
    VESPER_TRY(log->add(first_line));
  }
  return log;
}

Status ShardLog::open_locked() {
  file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file_ < 0) return error("cannot be written");
  // A lock of the process, which the processes that it forks have no part in: it ends with this
  // one, though they may live on for a run. Some file systems have no locks; there nobody is kept
  // from running a shard twice at once, and the reader finds what comes of it.
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (fcntl(file_, F_SETLK, &lock) != 0 && (errno == EACCES || errno == EAGAIN)) {
    return error("another process is running this shard");
  }
  return {};
}

// False: it is empty, or whoever began it came no further than somewhere in the first line.
Result<bool> ShardLog::is_begun(const std::string& first_line) const {
  std::string text(first_line.size(), '\0');
  const ssize_t count = pread(file_, text.data(), text.size(), 0);
  if (count < 0) return error("cannot be read");
  text.resize(static_cast<std::size_t>(count));
  return text.size() == first_line.size() || !first_line.starts_with(text);
}

Status ShardLog::resume(const ShardHeader& header, const TakeRun& take) {
  ShardReader reader(file_, path_);
  const Result<ShardHeader> found = reader.header();
  if (!found.ok()) return found.error();
  if (auto other = difference(found.value(), header)) {
    return reader.error("results of another hunt or program: " + *other);
  }
  if (found.value().shard.index != header.shard.index) {
    return reader.error(
        fmt::format("results of shard {}, not {}", found.value().shard.index, header.shard.index));
  }
  while (true) {
    const std::size_t run = reader.runs();
    auto next = reader.next();
    if (!next.ok()) return next.error();
    if (!next.value()) break;
    take(run, *next.value());
  }
  was_complete_ = reader.is_complete();
  wall_ = reader.wall();
  const auto whole = static_cast<off_t>(reader.whole_bytes());
  if (lseek(file_, 0, SEEK_END) > whole && ftruncate(file_, whole) != 0) {
    return error("cannot be written");
  }
  return {};
}

std::string file_of(const std::string& out, Shard shard) {
  std::error_code ignored;
  if (!out.ends_with('/') && !std::filesystem::is_directory(out, ignored)) return out;
  std::filesystem::create_directories(out, ignored);
  return (std::filesystem::path(out) /
          fmt::format("shard_{}_of_{}.jsonl", shard.index, shard.count))
      .string();
}

int bad_input(const Error& error) {
  fmt::print(stderr, "{}\n", error.message);
  return kExitBadInput;
}

class ShardRun {
 public:
  ShardRun(const HuntCommand& command, const HuntPlan& whole, Shard shard)
      : header_(header_of(whole, shard)),
        plan_(whole.part(shard)),
        path_(file_of(command.out, shard)),
        jobs_(command.jobs),
        progress_(plan_.size()),
        options_{.json = command.json,
                 .matrix = command.matrix,
                 .write_failures = command.write_failures,
                 .shrink = false,
                 .jobs = command.jobs},
        report_(plan_, options_, progress_) {}

  int run() {
    auto opened = ShardLog::open(
        path_, header_, [this](std::size_t run, const auto& result) { report_.take(run, result); });
    if (!opened.ok()) return bad_input(opened.error());
    ShardLog& log = *opened.value();
    if (log.was_complete()) {
      fmt::print(stderr, "{}: complete, not run again\n", path_);
      return report_.finish(log.wall());
    }
    if (report_.runs() > 0) {
      fmt::print(stderr, "{}: has {} of {} runs, goes on\n", path_, report_.runs(), plan_.size());
    }
    const double wall = run_the_rest(log);
    if (status_.ok() && report_.runs() < plan_.size()) {
      status_ = Error{ErrorCode::kIo, fmt::format("{}: {} of {} runs: no process could be started",
                                                  path_, report_.runs(), plan_.size())};
    }
    if (status_.ok()) {
      status_ = log.add(end_line(
          {.runs = report_.runs(), .failures = report_.failures(), .hash = report_.hash()}));
    }
    if (status_.ok()) status_ = log.sync();
    const int status = report_.finish(wall);
    return status_.ok() ? status : bad_input(status_.error());
  }

 private:
  double run_the_rest(ShardLog& log) {
    const double start = wall_seconds() - log.wall();
    const std::size_t first = report_.runs();
    run_jobs({.items = plan_.size() - first, .processes = jobs_}, runner_of(plan_, first),
             [&](std::size_t item, const sim::RunResult& result) {
               return take(log, first + item, result, wall_seconds() - start);
             });
    return wall_seconds() - start;
  }

  // False, and nothing is written, behind a run that never was: it is the next process's turn.
  bool take(ShardLog& log, std::size_t run, sim::RunResult result, double wall) {
    if (run != report_.runs()) return false;
    result.seed = plan_.seed_of(run);
    status_ = log.add(run_line(plan_, run, result, wall));
    if (!status_.ok()) return false;
    report_.take(run, result);
    progress_.show(report_.runs(), report_.failures());
    return true;
  }

  ShardHeader header_;
  HuntPlan plan_;
  std::string path_;
  std::size_t jobs_;
  Progress progress_;
  ReportOptions options_;
  HuntReport report_;
  Status status_;
};

}  // namespace

int hunt_shard(const HuntCommand& command, const HuntPlan& whole) {
  const std::optional<Shard> shard = parse_shard(command.shard);
  if (!shard) {
    fmt::print(stderr, "--shard: expected I/N with I < N <= {}, not \"{}\"\n", kShardsMost,
               command.shard);
    return kExitBadInput;
  }
  return ShardRun(command, whole, *shard).run();
}

}  // namespace vesper::app
