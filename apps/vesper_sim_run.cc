#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <sstream>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_jobs.h"
#include "sim/scenario/bounds.h"
#include "sim/scenario/parser.h"
#include "sim/scenario/serializer.h"
#include "sim/scenario/trace.h"

namespace vesper::app {

namespace {

namespace fs = std::filesystem;

// Written by itself rather than by a stream, so that a signal handler can flush it whatever the run
// was doing: nothing here allocates after it was opened.
class FileSink : public sim::TraceSink {
 public:
  explicit FileSink(const std::string& path)
      : file_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {}
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;
  ~FileSink() override {
    if (file_ >= 0) close(file_);
  }

  void write(std::string_view line) override {
    while (!line.empty()) {
      if (used_ == buffer_.size()) flush();
      const std::size_t count = std::min(line.size(), buffer_.size() - used_);
      std::copy_n(line.data(), count, buffer_.data() + used_);
      used_ += count;
      line.remove_prefix(count);
    }
  }
  bool ok() const { return file_ >= 0 && !failed_; }
  void flush() {
    failed_ = !write_all(file_, std::string_view(buffer_.data(), used_)) || failed_;
    used_ = 0;
  }

 private:
  int file_;
  bool failed_ = false;
  std::size_t used_ = 0;
  std::array<char, 64 * 1024> buffer_;
};

std::int64_t whole_seconds(Instant at) {
  return at.nanoseconds() / 1'000'000'000;
}
std::int64_t microseconds_of_second(Instant at) {
  return at.nanoseconds() / 1000 % 1'000'000;
}

void append_fail_line(fmt::memory_buffer& out, const std::string& scenario,
                      const sim::RunResult& result) {
  fmt::format_to(std::back_inserter(out),
                 "{}: {}\nFAIL scenario={} seed={} violation={} at={}.{:06}s event={}",
                 result.violation, result.detail, scenario, result.seed, result.violation,
                 whole_seconds(result.at), microseconds_of_second(result.at), result.event);
}

fs::path scenarios_folder() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& folder :
       {fs::path("scenarios"), program / "../scenarios", program / "../../scenarios"}) {
    // A build folder has one too, without files in it.
    if (!fs::is_directory(folder, error)) continue;
    for (const auto& entry : fs::directory_iterator(folder, error)) {
      if (entry.path().extension() == ".toml") return folder;
    }
  }
  return "scenarios";
}

// A run's JSON line without its numbers; a handler of a signal could not make them.
struct JsonTexts {
  explicit JsonTexts(const std::string& scenario, const sim::RunResult& result)
      : name(json_text(scenario)),
        stuck(result.stuck.empty() ? "null" : json_text(result.stuck)),
        violation(result.passed ? "null" : json_text(result.violation)),
        detail(json_text(result.detail)) {}

  std::string name;
  std::string stuck;
  std::string violation;
  std::string detail;
};

void append_json_line(fmt::memory_buffer& out, const JsonTexts& texts, const sim::RunResult& result,
                      double wall) {
  const std::int64_t seconds = whole_seconds(result.at);
  const std::int64_t micros = microseconds_of_second(result.at);
  fmt::format_to(
      std::back_inserter(out),
      "{{\"result\": \"{}\", \"scenario\": {}, \"seed\": {}, \"stuck\": {}, "
      "\"violation\": {}, \"detail\": {}, "
      "\"at\": {}.{:06}, \"event\": {}, \"events\": {}, \"faults\": {}, \"operations\": {}, "
      "\"simulated\": {}.{:06}, \"wall\": {:.3f}, \"hash\": \"{:016x}\"}}\n",
      result.passed ? "PASS" : "FAIL", texts.name, result.seed, texts.stuck, texts.violation,
      texts.detail, seconds, micros, result.event, result.counts.events, result.counts.faults,
      result.counts.operations, seconds, micros, wall, result.hash);
}

void append_fail_lines(fmt::memory_buffer& out, const std::string& scenario,
                       const std::string& replay, const sim::RunResult& result) {
  append_fail_line(out, scenario, result);
  fmt::format_to(std::back_inserter(out), "\n{}\n", replay);
}

sim::RunResult aborted_result(std::uint64_t seed) {
  sim::RunResult result;
  result.seed = seed;
  result.violation = "check";
  result.detail = "a check of the program failed";
  return result;
}

// What an abort needs to say which run it was, all of it made beforehand: the abort may come in the
// middle of an allocation.
struct Running {
  Running(std::string scenario_name, std::string replay_line, std::uint64_t seed, bool as_json)
      : scenario(std::move(scenario_name)),
        replay(std::move(replay_line)),
        json(as_json),
        aborted(aborted_result(seed)),
        texts(scenario, aborted) {
    constexpr std::size_t kNumbers = 1024;
    out.reserve(kNumbers + 2 * (scenario.size() + texts.name.size()) + replay.size());
  }

  std::string scenario;
  std::string replay;
  bool json;
  LastEvent last;
  FileSink* trace = nullptr;
  double start = wall_seconds();

  sim::RunResult aborted;
  JsonTexts texts;
  fmt::memory_buffer out;
};
Running* running = nullptr;

void report_abort(int /*signal*/) {
  sim::RunResult& result = running->aborted;
  result.at = running->last.at();
  result.event = running->last.event();
  if (running->trace != nullptr) running->trace->flush();
  if (running->json) {
    append_json_line(running->out, running->texts, result, wall_seconds() - running->start);
  } else {
    append_fail_lines(running->out, running->scenario, running->replay, result);
  }
  write_all(STDOUT_FILENO, std::string_view(running->out.data(), running->out.size()));
  _exit(kExitViolation);
}

void print_result(const Running& run, const sim::RunResult& result) {
  const double wall = wall_seconds() - run.start;
  fmt::memory_buffer out;
  if (run.json) {
    append_json_line(out, JsonTexts(run.scenario, result), result, wall);
  } else if (result.passed) {
    fmt::format_to(
        std::back_inserter(out),
        "PASS scenario={} seed={} events={} simulated={}.{:06}s wall={:.3f}s hash={:016x}\n",
        run.scenario, result.seed, result.counts.events, whole_seconds(result.at),
        microseconds_of_second(result.at), wall, result.hash);
    if (!result.stuck.empty()) {
      fmt::format_to(std::back_inserter(out), "stuck: {}\n", result.stuck);
    }
  } else {
    append_fail_lines(out, run.scenario, run.replay, result);
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
}

int cannot_write(const std::string& file) {
  fmt::print(stderr, "{}: cannot be written\n", file);
  return kExitBadInput;
}

int run_one(const std::string& name, const RunCommand& command) {
  const Result<sim::Scenario> loaded = load_scenario(name);
  if (!loaded.ok()) {
    fmt::print(stderr, "{}\n", loaded.error().message);
    return kExitBadInput;
  }
  const sim::Scenario& scenario = loaded.value();
  const std::uint64_t seed = command.seed.value_or(scenario.seed);
  Running now(fs::path(name).stem().string(),
              fmt::format("replay: vesper-sim run {} --seed {}", name, seed), seed, command.json);
  sim::RunOptions options{.seed = seed, .observers = {&now.last}};
  std::unique_ptr<FileSink> sink;
  std::unique_ptr<sim::Trace> trace;
  if (!command.trace_file.empty()) {
    sink = std::make_unique<FileSink>(command.trace_file);
    if (!sink->ok()) return cannot_write(command.trace_file);
    now.trace = sink.get();
    trace = std::make_unique<sim::Trace>(*sink);
    options.observers.add(*trace);
  }
  running = &now;
  signal(SIGABRT, report_abort);
  const sim::RunResult result = sim::run_scenario(scenario, options);
  running = nullptr;
  signal(SIGABRT, SIG_DFL);
  print_result(now, result);
  if (sink != nullptr) {
    sink->flush();
    if (!sink->ok()) return cannot_write(command.trace_file);
  }
  return result.passed ? kExitPassed : kExitViolation;
}

}  // namespace

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  // Looked at first, because inserting an empty buffer counts as a failure.
  const bool is_empty = in && in.peek() == std::ifstream::traits_type::eof() && !in.bad();
  if (is_empty) return std::string();
  std::ostringstream text;
  if (!in || !(text << in.rdbuf())) return Error{ErrorCode::kIo, path + ": cannot be read"};
  return text.str();
}

std::vector<std::string> scenario_files() {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(scenarios_folder(), error)) {
    if (entry.path().extension() == ".toml")
      files.push_back(entry.path().lexically_normal().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Result<sim::Scenario> load_scenario(const std::string& name) {
  fs::path path = name;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) path = scenarios_folder() / (name + ".toml");
  if (!fs::is_regular_file(path, error)) {
    return Error{ErrorCode::kInvalid, name + ": neither a file nor a name in the folder scenarios"};
  }
  const std::uintmax_t bytes = fs::file_size(path, error);
  if (!error && bytes > sim::bounds::kTextBytes) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("{}:1:1: a text of {} bytes: expected at most {}",
                             path.lexically_normal().string(), bytes, sim::bounds::kTextBytes)};
  }
  const Result<std::string> text = read_file(path.string());
  if (!text.ok()) return text.error();
  return sim::parse_scenario(text.value(), path.lexically_normal().string());
}

bool write_scenario(const std::string& path, const sim::Scenario& scenario) {
  std::ofstream out(path);
  out << sim::serialize_scenario(scenario);
  return static_cast<bool>(out.flush());
}

double wall_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string fail_line(const std::string& scenario, const sim::RunResult& result) {
  fmt::memory_buffer out;
  append_fail_line(out, scenario, result);
  return fmt::to_string(out);
}

std::string json_text(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string slug(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool keep = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (keep) {
      out += c;
    } else if (!out.empty() && out.back() != '_') {
      out += '_';
    }
  }
  return out;
}

int run_command(const RunCommand& command) {
  std::vector<std::string> names = command.scenarios;
  if (command.all) names = scenario_files();
  if (names.empty()) {
    fmt::print(stderr, "no scenario: name one, or say --all\n");
    return kExitBadInput;
  }
  if (names.size() > 1 && !command.trace_file.empty()) {
    fmt::print(stderr, "--trace takes one scenario: each would overwrite the trace before\n");
    return kExitBadInput;
  }
  int status = kExitPassed;
  for (const std::string& name : names) {
    status = std::max(status, run_one(name, command));
    std::fflush(stdout);
  }
  return status;
}

}  // namespace vesper::app
