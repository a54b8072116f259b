#include <fmt/format.h>
#include <time.h>

#include <cstdio>

#include "apps/vesper_sim_commands.h"

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
  double events_per_second() const { return static_cast<double>(result.counts.events) / cpu; }
};

Measured measure(const sim::Scenario& scenario) {
  const double start = cpu_seconds();
  Measured measured;
  measured.result = sim::run_scenario(scenario, {.seed = scenario.seed, .observers = {}});
  measured.cpu = cpu_seconds() - start;
  return measured;
}

bool report_failure(const sim::Scenario& scenario, const Measured& measured) {
  if (measured.result.passed) return false;
  fmt::print("{}\n", fail_line(scenario.name, measured.result));
  return true;
}

// CPU seconds and events at even numbers of committed entries.
class RateMarks : public sim::WorldObserver {
 public:
  void on_applied(Instant /*at*/, const node::NodeView& view, const raft::Entry& entry,
                  std::uint64_t /*state_hash*/) override {
    if (view.id != NodeId(0)) return;
    entries_ = entry.index().value();
  }
  void on_event_end(Instant /*at*/, std::uint64_t event) override {
    events_ = event;
    if (entries_ < next_) return;
    marks_.push_back({entries_, event, cpu_seconds()});
    next_ += step_;
  }
  explicit RateMarks(std::uint64_t step) : step_(step), next_(0) {}

  struct Mark {
    std::uint64_t entries;
    std::uint64_t events;
    double cpu;
  };
  const std::vector<Mark>& marks() const { return marks_; }
  std::uint64_t entries() const { return entries_; }

 private:
  std::uint64_t step_;
  std::uint64_t next_;
  std::uint64_t entries_ = 0;
  std::uint64_t events_ = 0;
  std::vector<Mark> marks_;
};

double rate_between(const RateMarks::Mark& a, const RateMarks::Mark& b) {
  return static_cast<double>(b.events - a.events) / (b.cpu - a.cpu);
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

// Puts alone, fast, so that the log grows to a million entries.
int bench_long_log(std::uint64_t entries) {
  constexpr std::uint64_t kRate = 10'000;
  sim::Scenario scenario = loaded(
      "bench long log", Duration::seconds(static_cast<std::int64_t>(entries / kRate * 5)), kRate);
  scenario.clients[0].count = 256;
  scenario.clients[0].keys = 4096;
  scenario.clients[0].put = sim::Parts{1'000'000};
  scenario.clients[0].stray = sim::Parts{0};
  // Ends by the number of entries, whatever the rate that the clients reach.
  sim::Step stop;
  stop.trigger = sim::Trigger::kWhen;
  stop.when = sim::Condition::parse(fmt::format("n0.applied >= {}", entries * 11 / 10)).value();
  stop.action = sim::Action::kClients;
  stop.rate = sim::Rate{0};
  scenario.steps.push_back(stop);
  RateMarks marks(entries / 10);
  const sim::RunResult result =
      sim::run_scenario(scenario, {.seed = scenario.seed, .observers = {&marks}});
  if (!result.passed || marks.marks().size() < 12) {
    fmt::print("{}\n", fail_line(scenario.name, result));
    return kExitViolation;
  }
  const auto& m = marks.marks();
  const double before = rate_between(m[0], m[1]);
  const double after = rate_between(m[10], m[11]);
  fmt::print(
      "long log: {:.0f} events/CPU second up to {} entries, {:.0f} from {} to {} ({:.2f}x)\n",
      before, m[1].entries, after, m[10].entries, m[11].entries, after / before);
  return kExitPassed;
}

}  // namespace

int bench_command(const BenchCommand& command) {
  const std::int64_t scale = command.quick ? 1 : 10;
  const sim::Scenario calm = five_nodes("bench calm", Duration::seconds(2000 * scale));
  const Measured quiet = measure(calm);
  if (report_failure(calm, quiet)) return kExitViolation;
  fmt::print(
      "calm: five nodes, 100 ms heartbeats, every check on: {:.0f} simulated seconds in {:.2f} CPU "
      "seconds: {:.0f}x\n",
      quiet.simulated(), quiet.cpu, quiet.simulated() / quiet.cpu);
  std::fflush(stdout);

  const sim::Scenario busy = loaded("bench load", Duration::seconds(20 * scale), 2000);
  const Measured load = measure(busy);
  if (report_failure(busy, load)) return kExitViolation;
  fmt::print("load: {} operations, {} events in {:.2f} CPU seconds: {:.0f} events/CPU second\n",
             load.result.counts.operations, load.result.counts.events, load.cpu,
             load.events_per_second());
  std::fflush(stdout);
  return bench_long_log(command.quick ? 100'000 : 1'000'000);
}

}  // namespace vesper::app
