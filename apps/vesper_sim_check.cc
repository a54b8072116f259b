#include <fmt/format.h>

#include <cstdio>

#include "apps/vesper_sim_commands.h"
#include "sim/check/linearizability.h"

namespace vesper::app {

int check_command(const std::string& history_file) {
  const Result<std::string> text = read_file(history_file);
  if (!text.ok()) {
    fmt::print(stderr, "{}\n", text.error().message);
    return kExitBadInput;
  }
  const Result<sim::History> history = sim::parse_history(text.value());
  if (!history.ok()) {
    fmt::print(stderr, "{}: {}\n", history_file, history.error().message);
    return kExitBadInput;
  }
  if (history.value().empty()) {
    fmt::print(stderr, "{}: no operation: nothing was recorded\n", history_file);
    return kExitBadInput;
  }
  const sim::Linearizability judged = sim::check_by_search(history.value());
  if (judged.ok()) {
    fmt::print("PASS history={} operations={}\n", history_file, history.value().size());
    return kExitPassed;
  }
  const bool undecided = judged.verdict == sim::Linearizability::Verdict::kUndecided;
  fmt::print("{}\nFAIL history={} operations={} violation={}\n", judged.detail, history_file,
             history.value().size(), undecided ? "undecided" : "linearizability");
  return kExitViolation;
}

}  // namespace vesper::app
