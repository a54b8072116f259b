#include "sim/scenario/hunt_faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "sim/scenario/hunt_chain.h"

namespace vesper::sim {

namespace {

// Writes the chains of one seed.
class Chains {
 public:
  Chains(RandomStream& draws, Scenario& scenario)
      : draws_(draws),
        scenario_(scenario),
        nodes_(scenario.cluster.nodes.value()),
        election_(scenario.cluster.election_timeout_max.value()),
        chain_(scenario) {}

  void crash_leader();
  void crash_random();
  void crash_all();
  void crash_after_append();
  void crash_after_vote();
  void partition_random();
  void isolate_leader_with_minority();
  void isolate_and_return();
  void read_at_old_leader();
  void cut_one_way();
  void pause();
  void hold_messages();
  void delay_messages();
  void repeat_messages();
  void starve_follower();
  void slow_disk();
  void network_burst();
  void fail_sync();
  void churn();
  void hand_over();
  void hand_over_often();
  void hand_over_to_a_laggard();
  void hand_over_and_crash();
  void hand_over_late();
  void hand_over_cut_off();
  void alter();

  void at(Duration time) { chain_.at(time); }

 private:
  Duration some_time() { return draw_time_around(draws_, election_); }
  std::optional<CrashLoss> some_loss() {
    if (draws_.chance_ppm(500'000)) return std::nullopt;
    return draw_crash_loss(draws_);
  }
  Selector some_node() { return draw_leader_or_node(draws_, nodes_); }
  const char* some_type() {
    constexpr std::array<const char*, 9> kTypes = {
        "AppendRequest", "AppendRequest",  "AppendReply",    "VoteRequest",     "VoteReply",
        "PreVoteReply",  "PreVoteRequest", "HeartbeatReply", "HeartbeatRequest"};
    return kTypes[draws_.below(kTypes.size())];
  }
  void crash_and_restart(Step& crash, Selector who) {
    crash.nodes = {std::move(who)};
    crash.as = chain_.fresh_name();
    crash.on_crash = some_loss();
    const std::string name = crash.as;
    chain_.then(some_time(), Action::kRestart).nodes = {named(name)};
  }

  RandomStream& draws_;
  Scenario& scenario_;
  std::uint64_t nodes_;
  Duration election_;
  StepChain chain_;
};

void Chains::crash_leader() {
  crash_and_restart(chain_.first(Action::kCrash), the_leader());
}

void Chains::crash_random() {
  crash_and_restart(chain_.first(Action::kCrash), node_number(draws_.below(nodes_)));
}

void Chains::crash_all() {
  Step& crash = chain_.first(Action::kCrash);
  crash.nodes = {everybody()};
  crash.on_crash = some_loss();
  const std::uint64_t start = draws_.below(nodes_);
  for (std::uint64_t i = 0; i < nodes_; ++i) {
    const Duration gap = draws_.chance_ppm(500'000) ? Duration() : ms(draws_.below(300));
    chain_.then(gap, Action::kRestart).nodes = {node_number((start + i) % nodes_)};
  }
}

void Chains::crash_after_append() {
  chain_.first(Action::kNote);
  Step& crash = chain_.on("AppendRequest", draws_.between(1, 8), Action::kCrash);
  crash_and_restart(crash, named("sender"));
}

void Chains::crash_after_vote() {
  chain_.first(Action::kCrash).nodes = {the_leader()};
  scenario_.steps.back().as = chain_.fresh_name();
  const std::string leader = scenario_.steps.back().as;
  Step& crash = chain_.on("VoteReply", draws_.between(1, 2), Action::kCrash);
  crash.nodes = {named("sender")};
  crash.as = chain_.fresh_name();
  crash.on_crash = draws_.chance_ppm(700'000) ? CrashLoss::kLoseAll : CrashLoss::kLoseRandom;
  const std::string voter = crash.as;
  chain_.then(ms(draws_.between(1, 60)), Action::kRestart).nodes = {named(voter)};
  chain_.then(some_time(), Action::kRestart).nodes = {named(leader)};
}

void Chains::partition_random() {
  Step& step = chain_.first(Action::kPartition);
  step.groups.resize(2 + (nodes_ > 4 && draws_.chance_ppm(200'000) ? 1 : 0));
  for (std::uint64_t node = 0; node < nodes_; ++node) {
    step.groups[draws_.below(step.groups.size())].push_back(node_number(node));
  }
  std::erase_if(step.groups, [](const auto& group) { return group.empty(); });
  if (step.groups.size() == 1) step.groups.push_back({the_rest()});
  chain_.then(some_time() * 2, Action::kHeal);
}

void Chains::isolate_leader_with_minority() {
  Step& step = chain_.first(Action::kPartition);
  step.groups = {{the_leader()}, {the_rest()}};
  for (std::uint64_t i = 0; i + 1 < (nodes_ - 1) / 2; ++i) step.groups[0].push_back(follower(i));
  chain_.then(some_time() * 2, Action::kHeal);
}

void Chains::isolate_and_return() {
  chain_.first(Action::kPartition).groups = {{node_number(draws_.below(nodes_))}, {the_rest()}};
  chain_.then(election_ * static_cast<std::int64_t>(draws_.between(2, 6)), Action::kHeal);
}

void Chains::read_at_old_leader() {
  Step& note = chain_.first(Action::kNote);
  note.nodes = {the_leader()};
  note.as = chain_.fresh_name();
  const std::string old = note.as;
  const bool one_way = draws_.chance_ppm(400'000);
  if (one_way) {
    Step& cut = chain_.then(Duration(), Action::kCut);
    cut.from = the_rest();
    cut.to = named(old);
  } else {
    chain_.then(Duration(), Action::kPartition).groups = {{named(old)}, {the_rest()}};
  }
  const auto put = [&](Duration after, const Selector& where) {
    Step& step = chain_.then(after, Action::kPut);
    step.nodes = {where};
    step.key = "k0";
    step.value = fmt::format("\"at {}\"", scenario_.steps.size());
  };
  const auto get = [&](Duration after) {
    Step& step = chain_.then(after, Action::kGet);
    step.nodes = {named(old)};
    step.key = "k0";
  };
  put(ms(1), named(old));
  for (int round = 0; round < 3; ++round) {
    put(election_ * static_cast<std::int64_t>(draws_.between(20, 90)) / 100, the_leader());
    get(ms(draws_.between(1, 60)));
  }
  chain_.then(some_time(), Action::kHeal);
}

void Chains::cut_one_way() {
  Step& cut = chain_.first(Action::kCut);
  cut.from = draws_.chance_ppm(500'000) ? the_leader() : node_number(draws_.below(nodes_));
  cut.to = draws_.chance_ppm(500'000) ? the_rest() : node_number(draws_.below(nodes_));
  if (draws_.chance_ppm(500'000)) std::swap(cut.from, cut.to);
  chain_.then(some_time() * 2, Action::kHeal);
}

void Chains::pause() {
  Step& step = chain_.first(Action::kPause);
  step.nodes = {some_node()};
  step.as = chain_.fresh_name();
  const std::string name = step.as;
  chain_.then(some_time(), Action::kResume).nodes = {named(name)};
}

void Chains::hold_messages() {
  chain_.first(Action::kNote);
  // One draw a statement: the order of arguments is the compiler's.
  const std::uint64_t nth = draws_.between(1, 4);
  const char* const type = some_type();
  chain_.on(type, nth, Action::kHold).message.count = draws_.between(1, 12);
  chain_.then(some_time() * 2, Action::kRelease);
}

void Chains::delay_messages() {
  chain_.first(Action::kNote);
  const std::uint64_t nth = draws_.between(1, 4);
  const char* const type = some_type();
  Step& step = chain_.on(type, nth, Action::kDelay);
  step.message.count = draws_.between(1, 30);
  DelaySpec delay;
  delay.min = some_time();
  step.delay = delay;
}

void Chains::repeat_messages() {
  chain_.first(Action::kNote);
  chain_.on(some_type(), 1, Action::kDuplicate).message.count = draws_.between(5, 50);
}

// One follower misses entries for a while: tails that differ, and hints that must be right.
void Chains::starve_follower() {
  chain_.first(Action::kNote);
  Step& step = chain_.on("AppendRequest", 1, Action::kDrop);
  step.message.to = follower(draws_.below(std::max<std::uint64_t>(nodes_ - 1, 1)));
  step.message.count = draws_.between(5, 60);
}

void Chains::slow_disk() {
  Step& step = chain_.first(Action::kDisk);
  step.nodes = {some_node()};
  step.as = chain_.fresh_name();
  DelaySpec slow;
  slow.min = ms(draws_.between(20, 400));
  step.delay = slow;
  const std::string name = step.as;
  Step& back = chain_.then(some_time() * 2, Action::kDisk);
  back.nodes = {named(name)};
  back.delay = scenario_.disk.sync;
}

void Chains::network_burst() {
  Step& burst = chain_.first(Action::kNetwork);
  burst.drop = scenario_.network.drop;
  if (draws_.chance_ppm(600'000)) burst.drop = Parts{draws_.between(100'000, 500'000)};
  if (draws_.chance_ppm(500'000)) burst.duplicate = Parts{draws_.between(100'000, 600'000)};
  if (draws_.chance_ppm(500'000)) {
    burst.delay = DelaySpec{.distribution = Distribution::kUniform,
                            .min = ms(1),
                            .mean = {},
                            .max = ms(1) + election_ * 3 / 4};
  }
  Step& back = chain_.then(some_time() * 2, Action::kNetwork);
  back.delay = scenario_.network.delay;
  back.drop = scenario_.network.drop;
  back.duplicate = scenario_.network.duplicate;
}

void Chains::fail_sync() {
  Step& step = chain_.first(Action::kFailSync);
  step.nodes = {some_node()};
  step.as = chain_.fresh_name();
  const Selector node = named(step.as);
  chain_.then(some_time() + ms(500), Action::kCrash).nodes = {node};
  chain_.then(some_time(), Action::kRestart).nodes = {node};
}

// Leaders that die one after another with their entries on some logs only (paper figure 8).
void Chains::churn() {
  chain_.first(Action::kNote);
  std::string before;
  const std::uint64_t rounds = draws_.between(3, 6);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    Step& drop = chain_.on("AppendRequest", draws_.between(1, 3), Action::kDrop);
    drop.message.count = draws_.between(1, nodes_ * 2);
    Step& crash = chain_.on("AppendRequest", draws_.between(1, nodes_), Action::kCrash);
    crash.nodes = {named("sender")};
    crash.as = chain_.fresh_name();
    crash.on_crash = draws_.chance_ppm(600'000) ? CrashLoss::kKeep : CrashLoss::kLoseRandom;
    const std::string name = crash.as;
    if (!before.empty())
      chain_.then(ms(draws_.between(1, 100)), Action::kRestart).nodes = {named(before)};
    before = name;
  }
  chain_.then(some_time(), Action::kRestart).nodes = {named(before)};
}

void Chains::hand_over() {
  Step& step = chain_.first(Action::kTransfer);
  if (draws_.chance_ppm(500'000)) step.to = node_number(draws_.below(nodes_));
}

void Chains::hand_over_often() {
  chain_.first(Action::kTransfer);
  const std::uint64_t times = draws_.between(2, 6);
  for (std::uint64_t i = 0; i < times; ++i) chain_.then(some_time(), Action::kTransfer);
}

// The target lacks entries when it is named.
void Chains::hand_over_to_a_laggard() {
  const Selector target = follower(draws_.below(std::max<std::uint64_t>(nodes_ - 1, 1)));
  chain_.first(Action::kNote);
  Step& starve = chain_.on("AppendRequest", 1, Action::kDrop);
  starve.message.to = target;
  starve.message.count = draws_.between(2, 30);
  chain_.then(ms(draws_.between(1, 100)), Action::kTransfer).to = target;
}

// One of the two ends at the moment at which it is decided. The rule comes first: a leader may tell
// its target within the very turn in which it is asked to.
void Chains::hand_over_and_crash() {
  chain_.first(Action::kNote);
  Step& crash = chain_.on("TimeoutNow", 1, Action::kCrash);
  const char* const who = draws_.chance_ppm(500'000) ? "sender" : "receiver";
  crash_and_restart(crash, named(who));
  chain_.first(Action::kTransfer);
}

void Chains::hand_over_late() {
  chain_.first(Action::kNote);
  chain_.on("TimeoutNow", 1, Action::kHold).message.count = draws_.between(1, 12);
  chain_.then(some_time(), Action::kRelease);
  chain_.first(Action::kTransfer);
}

void Chains::hand_over_cut_off() {
  Step& note = chain_.first(Action::kNote);
  note.nodes = {the_leader()};
  note.as = chain_.fresh_name();
  const std::string old = note.as;
  chain_.then(Duration(), Action::kTransfer);
  chain_
      .then(Duration::microseconds(static_cast<std::int64_t>(draws_.below(8'000))),
            Action::kPartition)
      .groups = {{named(old)}, {the_rest()}};
  chain_.then(some_time(), Action::kHeal);
}

// A bit of a value that all nodes hold; or a put that one node alone has applied.
void Chains::alter() {
  const Selector node = some_node();
  const bool is_bit = draws_.chance_ppm(500'000);
  if (is_bit) {
    Step& put = chain_.first(Action::kPut);
    put.nodes = {the_leader()};
    put.key = "altered";
    put.value = "\"sound\"";
  } else {
    chain_.first(Action::kNote);
  }
  Step& alter = chain_.then(ms(draws_.between(1, 2'000)), Action::kAlter);
  alter.nodes = {node};
  alter.key = "altered";
  if (!is_bit) alter.value = "\"wrong\"";
}

using Chain = void (Chains::*)();
constexpr std::array<Chain, 6> kTransferChains = {
    &Chains::hand_over,           &Chains::hand_over_often, &Chains::hand_over_to_a_laggard,
    &Chains::hand_over_and_crash, &Chains::hand_over_late,  &Chains::hand_over_cut_off};
constexpr std::array<Chain, 19> kChains = {&Chains::crash_leader,
                                           &Chains::crash_random,
                                           &Chains::crash_all,
                                           &Chains::crash_after_append,
                                           &Chains::crash_after_vote,
                                           &Chains::partition_random,
                                           &Chains::isolate_leader_with_minority,
                                           &Chains::isolate_and_return,
                                           &Chains::read_at_old_leader,
                                           &Chains::cut_one_way,
                                           &Chains::pause,
                                           &Chains::hold_messages,
                                           &Chains::delay_messages,
                                           &Chains::repeat_messages,
                                           &Chains::starve_follower,
                                           &Chains::slow_disk,
                                           &Chains::network_burst,
                                           &Chains::fail_sync,
                                           &Chains::churn};

}  // namespace

void draw_hunt_faults(RandomStream& draws, FaultWindow window, Scenario& scenario) {
  // Swarm testing: a few kinds, often, find what a mix of all kinds hides.
  std::vector<Chain> kept;
  while (kept.empty()) {
    const std::uint64_t keep_ppm = draws.between(150'000, 700'000);
    for (const Chain chain : kChains) {
      if (draws.chance_ppm(keep_ppm)) kept.push_back(chain);
    }
  }
  Chains chains(draws, scenario);
  const Duration gap = Duration::milliseconds(static_cast<std::int64_t>(draws.between(1200, 3500)));
  for (Duration at = window.from + draws.exponential(gap); at < window.to;
       at = at + draws.exponential(gap)) {
    chains.at(at);
    (chains.*kept[draws.below(kept.size())])();
  }
}

void draw_hunt_alteration(RandomStream& draws, FaultWindow window, Scenario& scenario) {
  Chains chains(draws, scenario);
  chains.at(window.from + draws.between(Duration(), window.to - window.from));
  chains.alter();
}

void draw_hunt_transfers(RandomStream draws, FaultWindow window, Scenario& scenario) {
  if (!draws.chance_ppm(400'000)) return;
  Chains chains(draws, scenario);
  const Duration gap = Duration::milliseconds(static_cast<std::int64_t>(draws.between(2000, 9000)));
  for (Duration at = window.from + draws.exponential(gap); at < window.to;
       at = at + draws.exponential(gap)) {
    chains.at(at);
    (chains.*kTransferChains[draws.below(kTransferChains.size())])();
  }
}

}  // namespace vesper::sim
