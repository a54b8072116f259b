#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_plan.h"
#include "apps/vesper_sim_trail.h"

namespace vesper::app {

namespace {

struct Item {
  std::string scenario;               // empty: a random one, of the seed
  std::optional<std::uint64_t> seed;  // none: the file's own

  std::string text() const {
    const std::string by_seed = seed ? fmt::format(" seed={}", *seed) : "";
    return fmt::format("scenario={}{}", scenario.empty() ? "hunt" : scenario, by_seed);
  }
};

// One of the two: a process that runs the item and tells its trail.
class Told {
 public:
  Told(const std::string& program, const Item& item, std::uint64_t heap);
  ~Told();
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;

  // The next block's lines. Ensures: `hashes` are its events, `last_line` is how it ended; empty if
  // the process ended in the middle of it.
  void read_block();
  void go_on() { say(std::string(kTrailGo)); }
  // The words of this event of the block, and of the one before it.
  std::pair<std::string, std::string> tell(std::size_t event);

  std::vector<std::string> hashes;
  std::string last_line;

 private:
  bool read_line(std::string& line);
  void say(const std::string& answer);

  pid_t pid_ = -1;
  std::FILE* in_ = nullptr;
  std::FILE* out_ = nullptr;
};

Told::Told(const std::string& program, const Item& item, std::uint64_t heap) {
  int answers[2];
  int trail[2];
  // Closed on exec: a pipe that the other process held too would never end.
  VESPER_CHECK(pipe2(answers, O_CLOEXEC) == 0);
  VESPER_CHECK(pipe2(trail, O_CLOEXEC) == 0);
  std::vector<std::string> words{program, "trail", "--heap", fmt::format("{}", heap)};
  if (!item.scenario.empty()) words.push_back(item.scenario);
  if (item.seed) words.insert(words.end(), {"--seed", fmt::format("{}", *item.seed)});
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, answers[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, trail[1], STDOUT_FILENO);
  // Of what is read before it was written.
  setenv("MALLOC_PERTURB_", fmt::format("{}", heap).c_str(), 1);
  if (posix_spawnp(&pid_, program.c_str(), &files, nullptr, arguments.data(), environ) != 0) {
    pid_ = -1;
  }
  posix_spawn_file_actions_destroy(&files);
  close(answers[0]);
  close(trail[1]);
  in_ = fdopen(trail[0], "r");
  out_ = fdopen(answers[1], "w");
  VESPER_CHECK(in_ != nullptr && out_ != nullptr);
}

Told::~Told() {
  std::fclose(out_);
  std::fclose(in_);
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);  // it has said what it had to say, or nobody wants to hear it
  waitpid(pid_, nullptr, 0);
}

bool Told::read_line(std::string& line) {
  line.clear();
  for (int c = std::getc(in_); c != EOF; c = std::getc(in_)) {
    if (c == '\n') return true;
    line += static_cast<char>(c);
  }
  return false;
}

void Told::read_block() {
  hashes.clear();
  last_line.clear();
  for (std::string line; read_line(line);) {
    if (line == kTrailAsks || line.starts_with(kTrailEnds)) {
      last_line = line;
      return;
    }
    hashes.push_back(line);
  }
}

void Told::say(const std::string& answer) {
  std::fputs(answer.c_str(), out_);
  std::fflush(out_);
}

std::pair<std::string, std::string> Told::tell(std::size_t event) {
  say(fmt::format("{}{}\n", kTrailTell, event));
  std::pair<std::string, std::string> words;
  std::string* to = &words.first;
  for (std::string line; read_line(line);) {
    if (line == kTrailBetween) {
      to = &words.second;
    } else {
      *to += line + "\n";
    }
  }
  return words;
}

class Verify {
 public:
  explicit Verify(std::string against) : against_(std::move(against)) {}

  // Compares the two runs of one item. False: they differ, or one did not come to its end.
  bool run(const Item& item) {
    Told first("/proc/self/exe", item, 1);
    Told second(against_.empty() ? "/proc/self/exe" : against_, item, 2);
    std::uint64_t events = 0;  // of the blocks before
    while (true) {
      first.read_block();
      second.read_block();
      const std::size_t both = std::min(first.hashes.size(), second.hashes.size());
      const std::size_t same = how_many_are_same(first, second, both);
      if (same < both)
        return report_difference(item, first, second, {.before = events, .at = same});
      events += both;
      const bool is_one_longer = first.hashes.size() != second.hashes.size();
      if (is_one_longer || first.last_line != second.last_line || first.last_line.empty()) {
        return report_end(item, first, second, events);
      }
      if (first.last_line != kTrailAsks) break;
      first.go_on();
      second.go_on();
    }
    fmt::print("SAME {} {}\n", item.text(), first.last_line.substr(kTrailEnds.size()));
    return true;
  }

 private:
  // Of the block's first `both` events. Each hash stands for all before it too: what differs once
  // differs from there on.
  static std::size_t how_many_are_same(const Told& first, const Told& second, std::size_t both) {
    std::size_t same = 0;
    while (same < both) {
      const std::size_t middle = same + (both - same) / 2;
      if (first.hashes[middle] == second.hashes[middle]) {
        same = middle + 1;
      } else {
        both = middle;
      }
    }
    return same;
  }

  struct Place {
    std::uint64_t before = 0;  // events of the blocks before
    std::size_t at = 0;        // in this block, from 0
  };
  static bool report_difference(const Item& item, Told& first, Told& second, Place place) {
    const auto [before, in_first] = first.tell(place.at);
    const auto in_second = second.tell(place.at).second;
    fmt::print("DIFFER {} event={}: the first event that is not the same\n", item.text(),
               place.before + place.at + 1);
    print_words("the event before it", before);
    print_words("in the first run", in_first);
    print_words("in the second run", in_second);
    return false;
  }

  static bool report_end(const Item& item, const Told& first, const Told& second,
                         std::uint64_t events) {
    const auto how = [](const Told& told) {
      if (told.last_line.empty()) return std::string("it broke off");
      if (told.last_line == kTrailAsks) return std::string("it goes on");
      return told.last_line.substr(kTrailEnds.size());
    };
    fmt::print("DIFFER {} event={}: after it the runs end otherwise, or before their end\n",
               item.text(), events);
    fmt::print("  the first run: {}\n  the second run: {}\n", how(first), how(second));
    return false;
  }

  static void print_words(std::string_view title, std::string_view words) {
    fmt::print("  {}:\n", title);
    if (words.empty()) fmt::print("    (nothing that a trace tells)\n");
    while (!words.empty()) {
      const std::size_t end = words.find('\n');
      fmt::print("    {}\n", words.substr(0, end));
      words.remove_prefix(std::min(words.size(), end + 1));
    }
  }

  const std::string against_;
};

}  // namespace

int verify_command(const VerifyCommand& command) {
  std::optional<Seeds> seeds;
  if (!command.seeds.empty()) {
    seeds = parse_seeds(command.seeds);
    if (!seeds) {
      fmt::print(stderr, "--seeds: expected A..B with A <= B, not \"{}\"\n", command.seeds);
      return kExitBadInput;
    }
  }
  std::vector<std::string> names = command.all ? scenario_files() : command.scenarios;
  if (names.empty() && !seeds) {
    fmt::print(stderr,
               "nothing to verify: name a scenario, say --all, or give --seeds of hunt's\n");
    return kExitBadInput;
  }
  for (const std::string& name : names) {
    const Result<sim::Scenario> loaded = load_scenario(name);
    if (loaded.ok()) continue;
    fmt::print(stderr, "{}\n", loaded.error().message);
    return kExitBadInput;
  }
  if (!command.against.empty() && access(command.against.c_str(), X_OK) != 0) {
    fmt::print(stderr, "--against: {} is no program\n", command.against);
    return kExitBadInput;
  }
  if (names.empty()) names.emplace_back();
  signal(SIGPIPE, SIG_IGN);  // a trail that broke off is told when it is read
  Verify verify(command.against);
  std::uint64_t runs = 0;
  std::uint64_t differing = 0;
  const auto compare = [&](const Item& item) {
    ++runs;
    if (!verify.run(item)) ++differing;
    std::fflush(stdout);
  };
  for (const std::string& name : names) {
    if (!seeds) compare({.scenario = name, .seed = {}});
    for (std::uint64_t i = 0; seeds && i < seeds->count(); ++i) {
      compare({.scenario = name, .seed = seeds->first + i});
    }
  }
  fmt::print("verified: {} runs, each twice: {} the same, {} differ\n", runs, runs - differing,
             differing);
  return differing == 0 ? kExitPassed : kExitViolation;
}

}  // namespace vesper::app
