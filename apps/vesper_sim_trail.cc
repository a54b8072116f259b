#include "apps/vesper_sim_trail.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <memory>

#include "apps/vesper_sim_commands.h"
#include "core/base/random.h"
#include "sim/scenario/hunt.h"
#include "sim/scenario/trail.h"

namespace vesper::app {

namespace {

// Writes a run's trail to standard output and takes the answers from standard input.
class TrailWriter final : public sim::TrailReader {
 public:
  void on_event(std::uint64_t /*event*/, std::uint64_t hash, std::string_view text) override {
    if (count_ == kTrailBlock) next_block();
    fmt::format_to(std::back_inserter(out_), "{:016x}\n", hash);
    ends_[count_ + 1] = words_.size() + text.size();
    words_ += text;
    ++count_;
  }

  void end(const std::string& line) { close_block(fmt::format("{}{}", kTrailEnds, line)); }

 private:
  void next_block() {
    close_block(kTrailAsks);
    // The last event's words stay: the next block's first may be asked for.
    words_.erase(0, ends_[count_ - 1]);
    ends_[0] = words_.size();
    count_ = 0;
  }

  void close_block(std::string_view last_line) {
    fmt::format_to(std::back_inserter(out_), "{}\n", last_line);
    std::fwrite(out_.data(), 1, out_.size(), stdout);
    std::fflush(stdout);
    out_.clear();
    take_answer();
  }

  void take_answer() {
    char line[64];
    if (std::fgets(line, sizeof line, stdin) == nullptr) return;
    const std::string_view answer(line);
    if (!answer.starts_with(kTrailTell)) return;
    std::size_t event = 0;
    std::from_chars(answer.data() + kTrailTell.size(), answer.data() + answer.size(), event);
    if (event < count_) tell(event);
    std::exit(kExitPassed);
  }

  void tell(std::size_t event) const {
    const std::size_t before = event == 0 ? 0 : ends_[event - 1];
    const std::string_view words = words_;
    fmt::print("{}{}\n{}", words.substr(before, ends_[event] - before), kTrailBetween,
               words.substr(ends_[event], ends_[event + 1] - ends_[event]));
    std::fflush(stdout);
  }

  fmt::memory_buffer out_;
  std::size_t count_ = 0;  // events of this block
  std::string words_;      // of the event before this block, then of its events
  // Where the words end: of the event before, then of each of the block's.
  std::vector<std::size_t> ends_ = std::vector<std::size_t>(kTrailBlock + 1);
};

// Leaves holes of all sizes in the heap, so that addresses are spread otherwise than in a run with
// another draw. (That they begin elsewhere in each process changes no order and no hash's bucket
// against another's.) What stands between the holes is kept.
std::vector<std::unique_ptr<char[]>> scatter_heap(std::uint64_t draw) {
  constexpr std::size_t kBlocks = 20'000;
  constexpr std::uint64_t kBytesMost = 1024;
  RandomStream draws(Random(draw), {.purpose = Purpose::kTest});
  std::vector<std::unique_ptr<char[]>> blocks;
  blocks.reserve(kBlocks);
  for (std::size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique<char[]>(draws.between(1, kBytesMost)));
  }
  for (std::unique_ptr<char[]>& block : blocks) {
    if (draws.chance_ppm(500'000)) block.reset();
  }
  return blocks;
}

}  // namespace

int trail_command(const TrailCommand& command) {
  const auto heap = scatter_heap(command.heap);
  sim::Scenario scenario;
  if (command.scenario.empty()) {
    scenario = sim::hunt_scenario(command.seed.value_or(1));
  } else {
    Result<sim::Scenario> loaded = load_scenario(command.scenario);
    if (!loaded.ok()) {
      fmt::print(stderr, "{}\n", loaded.error().message);
      return kExitBadInput;
    }
    scenario = std::move(loaded.value());
  }
  TrailWriter writer;
  sim::Trail trail(writer);
  const std::uint64_t seed = command.seed.value_or(scenario.seed);
  const sim::RunResult result = sim::run_scenario(scenario, {.seed = seed, .observers = {&trail}});
  writer.end(fmt::format("{} events={} hash={:016x}", result.passed ? "PASS" : "FAIL",
                         result.counts.events, result.hash));
  return result.passed ? kExitPassed : kExitViolation;
}

}  // namespace vesper::app
