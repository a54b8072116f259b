#include "apps/vesper_sim_jobs.h"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace vesper::app {

namespace {

// A run takes a fraction of a second; one that takes this long goes round in circles.
constexpr time_t kHangSeconds = 300;
// How often the parent looks for one.
constexpr int kLookMilliseconds = 1000;

// What a worker's signal handler needs: one worker a process, one run at a time.
int worker_pipe = -1;
std::size_t worker_item = 0;
LastEvent* worker_last = nullptr;

std::string one_line(std::string text) {
  for (char& c : text) {
    if (c == '\n' || c == '\t') c = ' ';
  }
  return text;
}

// Instead of the marks, outcomes and recovery of a run that did not end.
constexpr std::string_view kNoMarks = "-";

sim::Marks marks_of(const std::string& text) {
  sim::Marks marks;
  if (text == kNoMarks) return marks;
  std::istringstream in(text);
  for (std::uint64_t& times : marks.times()) {
    in >> times;
    in.ignore(1);
  }
  return marks;
}

sim::Outcomes outcomes_of(const std::string& text) {
  std::vector<std::uint64_t> numbers;
  std::istringstream in(text == kNoMarks ? std::string() : text);
  for (std::uint64_t number = 0; in >> number; in.ignore(1)) numbers.push_back(number);
  return sim::outcomes_of(numbers).value_or(sim::Outcomes());
}

// "53,53,-": a dash for what there was not.
std::string text_of(const sim::Recovery& recovery) {
  std::vector<std::string> steps;
  for (const auto& after : recovery.after) {
    steps.push_back(after ? std::to_string(*after) : std::string(kNoMarks));
  }
  return fmt::format("{}", fmt::join(steps, ","));
}

sim::Recovery recovery_of(const std::string& text) {
  sim::Recovery recovery;
  std::istringstream in(text);
  std::string step;
  for (auto& after : recovery.after) {
    if (std::getline(in, step, ',') && step != kNoMarks) after = std::stoull(step);
  }
  return recovery;
}

std::string encode(std::size_t item, const sim::RunResult& r) {
  const std::vector<std::uint64_t> outcomes = numbers_of(r.outcomes);
  return fmt::format(
      "{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\n", item, r.seed,
      r.passed ? 1 : 0, r.at.nanoseconds(), r.event, r.counts.events, r.counts.faults,
      r.counts.operations, r.counts.answered, r.counts.deliveries, r.hash,
      fmt::join(r.marks.times(), ","),
      outcomes.empty() ? std::string(kNoMarks) : fmt::format("{}", fmt::join(outcomes, ",")),
      text_of(r.recovery), r.violation.empty() ? "-" : r.violation, one_line(r.stuck),
      one_line(r.detail));
}

std::pair<std::size_t, sim::RunResult> decode(const std::string& line) {
  std::istringstream in(line);
  std::size_t item = 0;
  int passed = 0;
  std::int64_t at = 0;
  std::string marks;
  std::string outcomes;
  std::string recovery;
  sim::RunResult r;
  in >> item >> r.seed >> passed >> at >> r.event >> r.counts.events >> r.counts.faults >>
      r.counts.operations >> r.counts.answered >> r.counts.deliveries >> r.hash >> marks >>
      outcomes >> recovery >> r.violation;
  in.ignore(1);
  std::getline(in, r.stuck, '\t');
  std::getline(in, r.detail);
  r.passed = passed != 0;
  r.marks = marks_of(marks);
  r.outcomes = outcomes_of(outcomes);
  r.recovery = recovery_of(recovery);
  r.at = Instant::from_nanoseconds(at);
  if (r.violation == "-") r.violation.clear();
  return {item, std::move(r)};
}

// Called in abort, maybe in the middle of an allocation: makes no string.
void report_abort(int /*signal*/) {
  fmt::memory_buffer line;
  const std::uint64_t event = worker_last->event();
  fmt::format_to(
      std::back_inserter(line),
      "{}\t0\t0\t{}\t{}\t{}\t0\t0\t0\t0\t0\t{}\t{}\t{}\tcheck\t\ta check of the program failed\n",
      worker_item, worker_last->at().nanoseconds(), event, event, kNoMarks, kNoMarks, kNoMarks);
  write_all(worker_pipe, std::string_view(line.data(), line.size()));
  _exit(3);
}

struct Worker {
  pid_t pid = 0;
  int pipe = -1;
  std::size_t next = 0;  // the item that it runs now
  time_t since = 0;      // when it began it
  std::string buffer;
};

class Pool {
 public:
  Pool(const JobsOptions& options, const RunItem& run, const TakeResult& take)
      : options_(options), run_(run), take_(take) {}

  void run() {
    for (std::size_t i = 0; i < options_.processes && i < options_.items; ++i) start(i);
    while (!workers_.empty() && !stopped_) turn();
    // Behind a run that never was, for want of a process, results wait for their turn in vain.
    for (const auto& [item, result] : results_) {
      if (!stopped_) stopped_ = !take_(item, result);
    }
    for (const Worker& worker : workers_) {
      kill(worker.pid, SIGKILL);
      close(worker.pipe);
      waitpid(worker.pid, nullptr, 0);
    }
  }

 private:
  // A process that runs `first` and every processes-th item after it.
  void start(std::size_t first) {
    int ends[2];
    if (pipe(ends) != 0) return;
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[0]);
      work(ends[1], first);
    }
    close(ends[1]);
    if (pid < 0) {
      close(ends[0]);
      return;
    }
    workers_.push_back(
        {.pid = pid, .pipe = ends[0], .next = first, .since = time(nullptr), .buffer = {}});
  }

  [[noreturn]] void work(int pipe, std::size_t first) {
    LastEvent last;
    worker_pipe = pipe;
    worker_last = &last;
    signal(SIGABRT, report_abort);
    for (std::size_t item = first; item < options_.items; item += options_.processes) {
      worker_item = item;
      last.begin();
      if (!write_all(pipe, encode(item, run_(item, last)))) _exit(4);
    }
    _exit(0);
  }

  void turn() {
    std::vector<pollfd> polled;
    for (const Worker& worker : workers_) {
      polled.push_back({.fd = worker.pipe, .events = POLLIN, .revents = 0});
    }
    if (poll(polled.data(), polled.size(), kLookMilliseconds) < 0) return;
    for (std::size_t i = polled.size(); i-- > 0 && !stopped_;) {
      if (polled[i].revents != 0) {
        read_from(i);
      } else if (time(nullptr) - workers_[i].since > kHangSeconds) {
        end_hung(i);
      }
    }
  }

  void end_hung(std::size_t index) {
    const Worker worker = workers_[index];
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(index));
    kill(worker.pid, SIGKILL);
    close(worker.pipe);
    waitpid(worker.pid, nullptr, 0);
    sim::RunResult result;
    result.violation = "hang";
    result.detail = fmt::format("the run has not ended within {} s", kHangSeconds);
    deliver(worker.next, std::move(result));
    go_on_from(worker.next + options_.processes);
  }

  void go_on_from(std::size_t next) {
    if (next < options_.items && !stopped_) start(next);
  }

  void read_from(std::size_t index) {
    Worker& worker = workers_[index];
    char bytes[16 * 1024];
    const ssize_t count = read(worker.pipe, bytes, sizeof bytes);
    if (count <= 0) return ended(index);
    worker.buffer.append(bytes, static_cast<std::size_t>(count));
    for (std::size_t end; (end = worker.buffer.find('\n')) != std::string::npos;) {
      auto [item, result] = decode(worker.buffer.substr(0, end));
      worker.buffer.erase(0, end + 1);
      worker.next = item + options_.processes;
      worker.since = time(nullptr);
      deliver(item, std::move(result));
    }
  }

  // A worker that ends early has reported the run that ended it, or was killed by it.
  void ended(std::size_t index) {
    const Worker worker = workers_[index];
    workers_.erase(workers_.begin() + static_cast<std::ptrdiff_t>(index));
    close(worker.pipe);
    int status = 0;
    waitpid(worker.pid, &status, 0);
    std::size_t next = worker.next;
    const bool reported =
        WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 3);
    if (!reported && next < options_.items) {
      sim::RunResult result;
      result.violation = "crash";
      result.detail = fmt::format("the process ended with status {:#x}", status);
      deliver(next, std::move(result));
      next += options_.processes;
    }
    go_on_from(next);
  }

  void deliver(std::size_t item, sim::RunResult result) {
    results_.emplace(item, std::move(result));
    while (!stopped_ && !results_.empty() && results_.begin()->first == taken_) {
      stopped_ = !take_(taken_, results_.begin()->second);
      results_.erase(results_.begin());
      ++taken_;
    }
  }

  const JobsOptions& options_;
  const RunItem& run_;
  const TakeResult& take_;
  std::vector<Worker> workers_;
  std::map<std::size_t, sim::RunResult> results_;  // came before their turn
  std::size_t taken_ = 0;
  bool stopped_ = false;
};

}  // namespace

bool write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = write(file, text.data(), text.size());
    if (count <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

void run_jobs(const JobsOptions& options, const RunItem& run, const TakeResult& take) {
  Pool(options, run, take).run();
}

}  // namespace vesper::app
