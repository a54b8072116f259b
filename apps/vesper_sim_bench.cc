#include <fmt/format.h>
#include <malloc.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "apps/vesper_sim_commands.h"
#include "sim/scenario/hunt.h"

namespace vesper::app {

namespace {

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

sim::Scenario five_nodes(std::string name, Duration duration) {
  sim::Scenario scenario;
  scenario.name = std::move(name);
  scenario.duration = duration;
  scenario.cluster.heartbeat_interval = Duration::milliseconds(100);
  scenario.cluster.segment_bytes = 1024 * 1024;
  return scenario;
}

struct Measured {
  sim::RunResult result;
  double cpu = 0;
  double simulated() const { return static_cast<double>(result.at.nanoseconds()) * 1e-9; }
};

// Events at which something was done. The others came to nothing, as the time limit of a request
// does that was answered long before: they cost little, and would make the rate look better.
std::uint64_t done_events(const sim::WorldCounts& counts) {
  return counts.deliveries + counts.timers + counts.turns + counts.completions +
         counts.client_steps;
}

Measured measure(const sim::Scenario& scenario) {
  const double start = cpu_seconds();
  Measured measured;
  measured.result = sim::run_scenario(scenario, {.seed = scenario.seed, .observers = {}});
  measured.cpu = cpu_seconds() - start;
  return measured;
}

// What this process has in memory.
double resident_megabytes() {
  unsigned long pages = 0;
  std::FILE* const statm = std::fopen("/proc/self/statm", "r");
  VESPER_CHECK(statm != nullptr && std::fscanf(statm, "%*u %lu", &pages) == 1);
  std::fclose(statm);
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

bool report_failure(const sim::Scenario& scenario, const Measured& measured) {
  if (measured.result.passed) return false;
  fmt::print("{}\n", fail_line(scenario.name, measured.result));
  return true;
}

sim::Scenario loaded(std::string name, Duration duration, std::uint64_t rate) {
  sim::Scenario scenario = five_nodes(std::move(name), duration);
  sim::ClientsSpec clients;
  clients.count = 64;
  clients.keys = 64;
  clients.rate = sim::Rate{rate * 1000};
  scenario.clients.push_back(clients);
  return scenario;
}

int bench_calm(std::int64_t seconds) {
  const sim::Scenario calm = five_nodes("bench calm", Duration::seconds(seconds));
  const Measured quiet = measure(calm);
  if (report_failure(calm, quiet)) return kExitViolation;
  fmt::print(
      "calm: five nodes, 100 ms heartbeats, every check on: "
      "{:.0f} simulated seconds in {:.2f} CPU seconds: {:.0f}x\n",
      quiet.simulated(), quiet.cpu, quiet.simulated() / quiet.cpu);
  return kExitPassed;
}

int bench_load(std::int64_t seconds) {
  const sim::Scenario busy = loaded("bench load", Duration::seconds(seconds), 2000);
  const Measured load = measure(busy);
  if (report_failure(busy, load)) return kExitViolation;
  const sim::WorldCounts& counts = load.result.counts;
  const std::uint64_t done = done_events(counts);
  fmt::print(
      "load: {} operations, {} events "
      "({} deliveries, {} timers, {} disk completions, {} steps of clients) in {:.2f} CPU seconds: "
      "{:.0f} events/CPU second ({:.0f} with the {} that came to nothing)\n",
      counts.operations, done, counts.deliveries, counts.timers, counts.completions,
      counts.client_steps, load.cpu, static_cast<double>(done) / load.cpu,
      static_cast<double>(counts.events) / load.cpu, counts.events - done);
  return kExitPassed;
}

// The random hunt, each seed a cluster, a load and a mix of faults of its own.
int bench_swarm(std::uint64_t seeds) {
  double cpu = 0;
  double simulated = 0;
  std::uint64_t done = 0;
  std::uint64_t faults = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const sim::Scenario scenario = sim::hunt_scenario(seed);
    const Measured run = measure(scenario);
    if (report_failure(scenario, run)) return kExitViolation;
    cpu += run.cpu;
    simulated += run.simulated();
    done += done_events(run.result.counts);
    faults += run.result.counts.faults;
  }
  fmt::print(
      "swarm: seeds 1 to {}, every fault and every check on: {} events, {} faults, "
      "{:.0f} simulated seconds in {:.2f} CPU seconds: {:.0f} events/CPU second, {:.0f}x\n",
      seeds, done, faults, simulated, cpu, static_cast<double>(done) / cpu, simulated / cpu);
  return kExitPassed;
}

// Looks at the memory of this process once, when the world's time has come to `at`.
class MemoryLook : public sim::WorldObserver {
 public:
  explicit MemoryLook(Instant at) : at_(at) {}
  void on_event_end(Instant at, std::uint64_t /*event*/) override {
    if (at >= at_ && megabytes_ == 0) megabytes_ = resident_megabytes();
  }
  double megabytes() const { return megabytes_; }

 private:
  Instant at_;
  double megabytes_ = 0;
};

// What nodes and world hold must not grow with time, for snapshots cut each log many times; nor
// what the checks hold, for they forget what all nodes have left behind.
int bench_memory(std::int64_t seconds) {
  sim::Scenario scenario = loaded("bench memory", Duration::seconds(seconds), 100);
  scenario.cluster.snapshot_entries = std::uint64_t{2000};
  scenario.cluster.trailing_entries = std::uint64_t{500};
  MemoryLook warm(Instant() + scenario.duration / 6);
  MemoryLook half(Instant() + scenario.duration / 2);
  const double before = resident_megabytes();
  const sim::RunResult result =
      sim::run_scenario(scenario, {.seed = scenario.seed, .observers = {&warm, &half}});
  const double after = resident_megabytes();
  if (!result.passed) {
    fmt::print("{}\n", fail_line(scenario.name, result));
    return kExitViolation;
  }
  const double operations = static_cast<double>(result.counts.operations);
  fmt::print(
      "memory: {} operations in {} simulated seconds: resident {:.1f} MB at the start, "
      "{:.1f} after a sixth, {:.1f} after a half, {:.1f} at the end: "
      "{:.0f} bytes an operation since the sixth\n",
      result.counts.operations, seconds, before, warm.megabytes(), half.megabytes(), after,
      (after - warm.megabytes()) * 1e6 / (operations * 5 / 6));
  return kExitPassed;
}

// Takes memory from the machine before the clock starts, and keeps it for malloc. A million entries
// on five nodes and in every checker's account take 2.2 GB, and a virtual machine can hand out
// fresh pages five times slower than used ones: that would be measured instead of the simulator.
void warm_memory(std::size_t bytes) {
  constexpr std::size_t kBlock = 16 * 1024 * 1024;
  // Nothing goes back to the system; blocks of this size come from the heap.
  VESPER_CHECK(mallopt(M_TRIM_THRESHOLD, -1) == 1);
  VESPER_CHECK(mallopt(M_MMAP_THRESHOLD, 2 * kBlock) == 1);
  std::vector<std::vector<char>> blocks;
  while (blocks.size() * kBlock < bytes) blocks.emplace_back(kBlock, 1);
}

// Puts alone, fast, until node 0 has applied so many entries.
sim::Scenario until_applied(std::uint64_t entries) {
  constexpr std::uint64_t kRate = 10'000;
  sim::Scenario scenario = loaded(
      "bench long log", Duration::seconds(static_cast<std::int64_t>(entries / kRate * 5)), kRate);
  scenario.clients[0].count = 256;
  scenario.clients[0].keys = 4096;
  scenario.clients[0].put = sim::Parts{1'000'000};
  scenario.clients[0].stray = sim::Parts{0};
  sim::Step stop;
  stop.trigger = sim::Trigger::kWhen;
  stop.when = sim::Condition::parse(fmt::format("n0.applied >= {}", entries)).value();
  stop.action = sim::Action::kClients;
  stop.rate = sim::Rate{0};
  scenario.steps.push_back(stop);
  return scenario;
}

// Measures stretches of a run, by the entries that node 0 has applied.
class Stretches : public sim::WorldObserver {
 public:
  struct Stretch {
    std::uint64_t events;
    double cpu;
    double rate() const { return static_cast<double>(events) / cpu; }
  };
  // From entry `first` on, stretches of `length`; calls `between` after each, and then lets another
  // go by unmeasured, for caches to be this run's again.
  Stretches(std::uint64_t first, std::uint64_t length, std::function<void()> between)
      : next_(first), length_(length), between_(std::move(between)) {}

  void on_applied(Instant /*at*/, const node::NodeView& view, const raft::Entry& entry,
                  const node::Applied& /*applied*/) override {
    if (view.id == NodeId(0)) applied_ = entry.index().value();
  }
  void on_event_end(Instant /*at*/, std::uint64_t event) override {
    if (applied_ < next_) return;
    if (is_measuring_) {
      stretches_.push_back({event - event_, cpu_seconds() - cpu_});
      between_();
    }
    is_measuring_ = !is_measuring_;
    next_ += length_;
    event_ = event;
    cpu_ = cpu_seconds();
  }
  const std::vector<Stretch>& all() const { return stretches_; }

 private:
  std::uint64_t next_;
  std::uint64_t length_;
  std::function<void()> between_;
  std::uint64_t applied_ = 0;
  bool is_measuring_ = false;
  std::uint64_t event_ = 0;
  double cpu_ = 0;
  std::vector<Stretch> stretches_;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

constexpr std::uint64_t kYoung = 60'000;
constexpr std::uint64_t kStretch = 20'000;
constexpr std::size_t kBytesAnEntry = 2600;

// A cluster's rate from kYoung entries on: by then its store has all keys, and as many timeouts are
// under way, as later on. 0: the run failed.
double rate_of_young_cluster() {
  Stretches first(kYoung, kStretch, [] {});
  const sim::Scenario scenario = until_applied(kYoung + kStretch * 11 / 10);
  const sim::RunResult result =
      sim::run_scenario(scenario, {.seed = scenario.seed, .observers = {&first}});
  return result.passed && !first.all().empty() ? first.all().front().rate() : 0;
}

// Measures young clusters when it is asked to, in a process of its own: in one process, memory that
// a young cluster has just used and given back would pass to the old one, in pieces and cold.
class YoungClusters {
 public:
  YoungClusters() {
    VESPER_CHECK(pipe(ask_) == 0 && pipe(answer_) == 0);
    std::fflush(nullptr);
    pid_ = fork();
    VESPER_CHECK(pid_ >= 0);
    if (pid_ == 0) serve();
    close(ask_[0]);
    close(answer_[1]);
  }
  ~YoungClusters() {
    close(ask_[1]);
    close(answer_[0]);
    waitpid(pid_, nullptr, 0);
  }
  YoungClusters(const YoungClusters&) = delete;
  YoungClusters& operator=(const YoungClusters&) = delete;

  double measure() {
    double rate = 0;
    if (write(ask_[1], "m", 1) != 1) return 0;
    return read(answer_[0], &rate, sizeof rate) == sizeof rate ? rate : 0;
  }

 private:
  [[noreturn]] void serve() {
    close(ask_[1]);
    close(answer_[0]);
    warm_memory((kYoung + 3 * kStretch) * kBytesAnEntry);
    for (char asked = 0; read(ask_[0], &asked, 1) == 1;) {
      const double rate = rate_of_young_cluster();
      if (write(answer_[1], &rate, sizeof rate) != sizeof rate) break;
    }
    _exit(0);
  }

  int ask_[2] = {};
  int answer_[2] = {};
  pid_t pid_ = 0;
};

double median_of_first(const Stretches& stretches, std::uint64_t count) {
  std::vector<double> rates;
  for (std::uint64_t i = 0; i < count; ++i) rates.push_back(stretches.all()[i].rate());
  return median(std::move(rates));
}

// The rate with a long log against the same run's own when it was young (one process, so the same
// memory), and against that of a young cluster, stretch by stretch in turn (so that whatever else
// the machine does weighs on both).
int bench_long_log(std::uint64_t entries) {
  constexpr std::uint64_t kPairs = 7;
  YoungClusters young_clusters;
  warm_memory((entries + (2 * kPairs + 3) * kStretch) * kBytesAnEntry);

  std::vector<double> young;
  Stretches early(kYoung, kStretch, [] {});
  Stretches late(entries, kStretch, [&] { young.push_back(young_clusters.measure()); });
  const sim::Scenario scenario = until_applied(entries + (2 * kPairs + 1) * kStretch);
  const sim::RunResult result =
      sim::run_scenario(scenario, {.seed = scenario.seed, .observers = {&early, &late}});
  const bool is_young_good = std::find(young.begin(), young.end(), 0.0) == young.end();
  if (!is_young_good || !result.passed || late.all().size() < kPairs ||
      early.all().size() < kPairs) {
    fmt::print("{}\n", fail_line(scenario.name, result));
    return kExitViolation;
  }
  std::vector<double> rates;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < kPairs; ++i) {
    rates.push_back(late.all()[i].rate());
    ratios.push_back(rates[i] / young[i]);
  }
  const double own = median_of_first(early, kPairs);
  fmt::print(
      "long log: {:.0f} events/CPU second after {} entries, {:.0f} after the same run's {}: ratio "
      "{:.2f}; {:.0f} after {} of another process, in turn: ratio {:.2f} ({:.2f} to {:.2f}); "
      "medians of {}\n",
      median(rates), entries, own, kYoung, median(rates) / own, median(young), kYoung,
      median(ratios), *std::min_element(ratios.begin(), ratios.end()),
      *std::max_element(ratios.begin(), ratios.end()), kPairs);
  return kExitPassed;
}

}  // namespace

int bench_command(const BenchCommand& command) {
  const std::int64_t scale = command.quick ? 1 : 10;
  const std::uint64_t entries = command.quick ? 100'000 : 1'000'000;
  // The first, while this process has no memory of another run to use again.
  const std::function<int()> benchmarks[] = {
      // as kBenchmarks names them
      [&] { return bench_memory(360 * scale); },
      [&] { return bench_calm(2000 * scale); },
      [&] { return bench_load(20 * scale); },
      [&] { return bench_swarm(static_cast<std::uint64_t>(100 * scale)); },
      [&] { return bench_long_log(entries); },
  };
  VESPER_CHECK(std::size(benchmarks) == kBenchmarks.size());
  for (std::size_t i = 0; i < std::size(benchmarks); ++i) {
    const auto& only = command.only;
    if (!only.empty() && std::find(only.begin(), only.end(), kBenchmarks[i]) == only.end())
      continue;
    if (const int exit = benchmarks[i](); exit != kExitPassed) return exit;
    std::fflush(stdout);
  }
  return kExitPassed;
}

}  // namespace vesper::app
