#include "sim/scenario/hunt_disks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/scenario/hunt_chain.h"

namespace vesper::sim {

namespace {

// Writes the chains of one seed.
class DiskChains {
 public:
  DiskChains(RandomStream& draws, Scenario& scenario)
      : draws_(draws),
        scenario_(scenario),
        nodes_(scenario.cluster.nodes.value()),
        chain_(scenario) {}

  void choose_victims(std::uint64_t most);
  bool has_victims() const { return !victims_.empty(); }
  void at(Duration time) { chain_.at(time); }

  void stall();
  void spikes();
  void error();
  void error_that_lasts();
  void rot();
  void wrong_write();
  void wrong_name();
  void clock_leap();
  void clock_stop();
  void clock_drift();

 private:
  // Whoever leads, or a node by its number: the steps that follow mean the same one.
  Selector begin_at_some_node() {
    if (!draws_.chance_ppm(400'000)) return node_number(draws_.below(nodes_));
    Step& note = chain_.first(Action::kNote);
    note.nodes = {the_leader()};
    note.as = fmt::format("d{}", scenario_.steps.size());
    return named(note.as);
  }
  // The next step of a chain that may have begun with a note.
  Step& next(const Selector& who, Action action) {
    Step& step =
        who.kind == Selector::Kind::kName ? chain_.then(Duration(), action) : chain_.first(action);
    step.nodes = {who};
    return step;
  }
  Step& then_at(const Selector& who, Duration after, Action action) {
    Step& step = chain_.then(after, action);
    step.nodes = {who};
    return step;
  }
  Selector some_victim() { return node_number(victims_[draws_.below(victims_.size())]); }
  Duration some_time() {
    return ms(draws_.chance_ppm(500'000) ? draws_.between(1, 300) : draws_.between(300, 6'000));
  }
  void crash_and_restart(const Selector& who, Duration after) {
    then_at(who, after, Action::kCrash);
    then_at(who, ms(draws_.below(800)), Action::kRestart);
  }

  RandomStream& draws_;
  Scenario& scenario_;
  std::uint64_t nodes_;
  std::vector<std::uint64_t> victims_;
  StepChain chain_;
};

// Those that are spent anyway, and then others.
void DiskChains::choose_victims(std::uint64_t most) {
  std::set<std::uint64_t> spent;
  for (const Step& step : scenario_.steps) {
    if (step.action != Action::kDamage && step.action != Action::kWipe) continue;
    for (const Selector& node : step.nodes) spent.insert(node.number);
  }
  victims_.assign(spent.begin(), spent.end());
  const std::uint64_t start = draws_.below(nodes_);
  for (std::uint64_t i = 0; i < nodes_ && victims_.size() < most; ++i) {
    const std::uint64_t node = (start + i) % nodes_;
    if (!spent.contains(node)) victims_.push_back(node);
  }
}

void DiskChains::stall() {
  const bool is_one = draws_.chance_ppm(700'000);
  const Selector who = is_one ? begin_at_some_node() : everybody();
  Step& stall = next(who, Action::kDiskStall);
  if (draws_.chance_ppm(300'000))
    stall.lane = storage::DiskLane::kLog;
  else if (draws_.chance_ppm(300'000))
    stall.lane = storage::DiskLane::kBackground;
  if (is_one && draws_.chance_ppm(300'000)) crash_and_restart(who, some_time());
  then_at(who, some_time(), Action::kDiskMend);
}

void DiskChains::spikes() {
  const Selector who = begin_at_some_node();
  Step& slow = next(who, Action::kDisk);
  slow.delay = scenario_.disk.sync;
  slow.spikes = Parts{draws_.between(10'000, 300'000)};
  DelaySpec spike;
  spike.min = ms(draws_.between(50, 1'500));
  slow.spike = spike;
  then_at(who, some_time() * 2, Action::kDisk).delay = scenario_.disk.sync;
}

void DiskChains::error() {
  constexpr std::array<DiskOperation, 6> kOperations = {
      DiskOperation::kRead,   DiskOperation::kRead,   DiskOperation::kWrite,
      DiskOperation::kCreate, DiskOperation::kRename, DiskOperation::kSync};
  const Selector who = begin_at_some_node();
  next(who, Action::kDiskError).operation = kOperations[draws_.below(kOperations.size())];
  crash_and_restart(who, some_time() + ms(300));
}

// It is started again before the disk is well, and stops again.
void DiskChains::error_that_lasts() {
  constexpr std::array<DiskOperation, 5> kOperations = {
      DiskOperation::kRead, DiskOperation::kWrite, DiskOperation::kCreate, DiskOperation::kRename,
      DiskOperation::kSync};
  const Selector who = begin_at_some_node();
  Step& error = next(who, Action::kDiskError);
  error.operation = kOperations[draws_.below(kOperations.size())];
  error.lasting = true;
  crash_and_restart(who, some_time());
  then_at(who, some_time(), Action::kDiskMend);
  crash_and_restart(who, ms(draws_.below(100)));
}

void DiskChains::rot() {
  constexpr std::array<DamagePart, 5> kParts = {DamagePart::kRecord, DamagePart::kFirstRecord,
                                                DamagePart::kSegment, DamagePart::kSnapshot,
                                                DamagePart::kSnapshot};
  const Selector who = some_victim();
  next(who, Action::kDamage).part = kParts[draws_.below(kParts.size())];
  crash_and_restart(who, some_time());
}

// The node writes on, or dies before it writes anything more.
void DiskChains::wrong_write() {
  const Selector who = some_victim();
  next(who, Action::kDamage).part =
      draws_.chance_ppm(600'000) ? DamagePart::kMisdirected : DamagePart::kLostWrite;
  crash_and_restart(who, draws_.chance_ppm(400'000) ? ms(draws_.below(100)) : some_time());
}

void DiskChains::wrong_name() {
  const Selector who = some_victim();
  next(who, Action::kCrash);
  then_at(who, ms(draws_.below(300)), Action::kDamage).part =
      draws_.chance_ppm(500'000) ? DamagePart::kName : DamagePart::kOldName;
  then_at(who, Duration(), Action::kRestart);
}

void DiskChains::clock_leap() {
  const Selector who = begin_at_some_node();
  next(who, Action::kClock).jump =
      ms(draws_.chance_ppm(600'000) ? draws_.between(1, 2'000) : draws_.between(2'000, 600'000));
}

void DiskChains::clock_stop() {
  const Selector who = begin_at_some_node();
  next(who, Action::kClock).stands_still = true;
  const bool leaps = draws_.chance_ppm(300'000);
  Step& again = then_at(who, some_time(), Action::kClock);
  again.stands_still = false;
  if (leaps) again.jump = ms(draws_.between(1, 5'000));
}

void DiskChains::clock_drift() {
  const Selector who = begin_at_some_node();
  const auto wide = static_cast<std::int64_t>(draws_.below(600'001));
  next(who, Action::kClock).drift_ppm = Drift{wide - 300'000};
  std::int64_t usual = 0;
  if (who.kind == Selector::Kind::kNode && scenario_.clocks.contains(who.number)) {
    usual = scenario_.clocks.at(who.number).drift_ppm.value().ppm;
  }
  then_at(who, some_time() * 2, Action::kClock).drift_ppm = Drift{usual};
}

using Chain = void (DiskChains::*)();

void draw_chains(RandomStream& draws, FaultWindow window, DiskChains& chains,
                 const std::vector<Chain>& kept, Duration gap) {
  for (Duration at = window.from + draws.exponential(gap); at < window.to;
       at = at + draws.exponential(gap)) {
    chains.at(at);
    (chains.*kept[draws.below(kept.size())])();
  }
}

// Some of them: a few kinds, often, find what a mix of all kinds hides.
template <std::size_t N>
std::vector<Chain> some_of(RandomStream& draws, const std::array<Chain, N>& all) {
  std::vector<Chain> kept;
  while (kept.empty()) {
    for (const Chain chain : all) {
      if (draws.chance_ppm(400'000)) kept.push_back(chain);
    }
  }
  return kept;
}

}  // namespace

void draw_hunt_disks(RandomStream draws, FaultWindow window, Scenario& scenario) {
  if (!draws.chance_ppm(450'000)) return;
  if (draws.chance_ppm(200'000)) scenario.disk.spikes = Parts{draws.between(1'000, 30'000)};
  constexpr std::array<Chain, 4> kHarmless = {&DiskChains::stall, &DiskChains::spikes,
                                              &DiskChains::error, &DiskChains::error_that_lasts};
  constexpr std::array<Chain, 3> kHarmful = {&DiskChains::rot, &DiskChains::wrong_write,
                                             &DiskChains::wrong_name};
  DiskChains chains(draws, scenario);
  const Duration gap = ms(draws.between(3'000, 12'000));
  if (draws.chance_ppm(600'000)) {
    draw_chains(draws, window, chains, some_of(draws, kHarmless), gap);
  }
  // As for other damage (hunt_damage.cc): a node may have to fetch all of its log again, and gets
  // as long for it as it had.
  const ClusterSpec& cluster = scenario.cluster;
  if (cluster.append_entries_max.value() * cluster.inflight_appends_max.value() == 1) return;
  const std::uint64_t nodes = cluster.nodes.value();
  const bool leaves_budget = draws.chance_ppm(80'000);
  const std::uint64_t most = leaves_budget ? nodes / 2 + 1 : (nodes - 1) / 2;
  chains.choose_victims(most);
  if (!chains.has_victims() || !draws.chance_ppm(700'000)) return;
  const FaultWindow early{.from = window.from, .to = window.from + (window.to - window.from) / 2};
  draw_chains(draws, early, chains, some_of(draws, kHarmful), gap);
}

// Not where leaders read by lease, but for the drift that each clock has throughout. A leader's
// lease is as long as its clock says, and a voter keeps the promise that it rests on as long as its
// own says (core/raft/lease.cc). A voter's clock that leaps ahead by more than the drift allows
// over one election timeout ends the promise early; a leader's that stands still, or slows down
// beyond the bound, lets the lease run on. Each lets another leader be elected under the lease,
// which is then wrong by no fault of the code: that is what --lease-reads says it trusts. (A
// leader's leap and a voter's stop are safe, but who leads when the step comes is not known here.)
// Everything else in the core asks a clock only when to try something, never what is true.
void draw_hunt_clocks(RandomStream draws, FaultWindow window, Scenario& scenario) {
  if (scenario.cluster.lease_reads || !draws.chance_ppm(350'000)) return;
  constexpr std::array<Chain, 3> kClocks = {&DiskChains::clock_leap, &DiskChains::clock_stop,
                                            &DiskChains::clock_drift};
  DiskChains chains(draws, scenario);
  const Duration gap = ms(draws.between(2'000, 10'000));
  draw_chains(draws, window, chains, some_of(draws, kClocks), gap);
}

}  // namespace vesper::sim
