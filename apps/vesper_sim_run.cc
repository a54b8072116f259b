#include <fmt/format.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_jobs.h"
#include "sim/scenario/bounds.h"
#include "sim/scenario/parser.h"
#include "sim/scenario/trace.h"

namespace vesper::app {

namespace {

namespace fs = std::filesystem;

class FileSink : public sim::TraceSink {
 public:
  explicit FileSink(const std::string& path) : out_(path) {}
  void write(std::string_view line) override {
    out_.write(line.data(), static_cast<std::streamsize>(line.size()));
  }
  bool ok() const { return out_.good(); }
  void flush() { out_.flush(); }

 private:
  std::ofstream out_;
};

double wall_seconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
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

std::string seconds_text(Instant at) {
  return fmt::format("{}.{:06}", at.nanoseconds() / 1'000'000'000,
                     at.nanoseconds() % 1'000'000'000 / 1000);
}

std::string json_line(const std::string& name, const sim::RunResult& result, double wall) {
  return fmt::format(
      "{{\"result\": \"{}\", \"scenario\": {}, \"seed\": {}, \"violation\": {}, \"detail\": {}, "
      "\"at\": {}, \"event\": {}, \"events\": {}, \"faults\": {}, \"operations\": {}, "
      "\"simulated\": {}, \"wall\": {:.3f}, \"hash\": \"{:016x}\"}}",
      result.passed ? "PASS" : "FAIL", json_text(name), result.seed,
      result.passed ? "null" : json_text(result.violation), json_text(result.detail),
      seconds_text(result.at), result.event, result.counts.events, result.counts.faults,
      result.counts.operations, seconds_text(result.at), wall, result.hash);
}

// What an abort needs to say which run it was.
struct Running {
  std::string scenario;
  std::string replay;
  std::uint64_t seed = 0;
  LastEvent last;
  FileSink* trace = nullptr;
  bool json = false;
  double start = wall_seconds();
};
Running* running = nullptr;

void report_abort(int /*signal*/) {
  sim::RunResult result;
  result.seed = running->seed;
  result.violation = "check";
  result.detail = "a check of the program failed";
  result.at = running->last.at();
  result.event = running->last.event();
  if (running->trace != nullptr) running->trace->flush();
  const double wall = wall_seconds() - running->start;
  const std::string text = running->json
                               ? json_line(running->scenario, result, wall)
                               : fail_line(running->scenario, result) + "\n" + running->replay;
  std::printf("%s\n", text.c_str());
  std::fflush(stdout);
  _exit(kExitViolation);
}

void print_result(const Running& run, const sim::RunResult& result) {
  const double wall = wall_seconds() - run.start;
  if (run.json) {
    fmt::print("{}\n", json_line(run.scenario, result, wall));
  } else if (result.passed) {
    fmt::print("PASS scenario={} seed={} events={} simulated={}s wall={:.3f}s hash={:016x}\n",
               run.scenario, result.seed, result.counts.events, seconds_text(result.at), wall,
               result.hash);
  } else {
    fmt::print("{}\n{}\n", fail_line(run.scenario, result), run.replay);
  }
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
  Running now;
  now.scenario = fs::path(name).stem().string();
  now.seed = command.seed.value_or(scenario.seed);
  now.replay = fmt::format("replay: vesper-sim run {} --seed {}", name, now.seed);
  now.json = command.json;
  sim::RunOptions options{.seed = now.seed, .observers = {&now.last}};
  std::unique_ptr<FileSink> sink;
  std::unique_ptr<sim::Trace> trace;
  if (!command.trace_file.empty()) {
    sink = std::make_unique<FileSink>(command.trace_file);
    if (!sink->ok()) return cannot_write(command.trace_file);
    now.trace = sink.get();
    trace = std::make_unique<sim::Trace>(*sink);
    options.observers.push_back(trace.get());
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

std::string fail_line(const std::string& scenario, const sim::RunResult& result) {
  return fmt::format("{}: {}\nFAIL scenario={} seed={} violation={} at={}s event={}",
                     result.violation, result.detail, scenario, result.seed, result.violation,
                     seconds_text(result.at), result.event);
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
