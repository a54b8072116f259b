#include "sim/scenario/hunt_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "sim/scenario/hunt_chain.h"

namespace vesper::sim {

namespace {

// Writes the chains of one seed.
class LinkChains {
 public:
  LinkChains(RandomStream& draws, Scenario& scenario)
      : draws_(draws),
        scenario_(scenario),
        nodes_(scenario.cluster.nodes.value()),
        election_(scenario.cluster.election_timeout_max.value()),
        chain_(scenario) {}

  void clog();
  void swizzle();
  void bursts();
  void corrupt();
  void replay_steadily();
  void replay_after_crash();
  void release_in_reverse();
  void crash_at_disk();
  void crash_mid_turn();
  void crash_several();
  void rolling_restarts();
  void crash_loop();

  void at(Duration time) { chain_.at(time); }

 private:
  Duration some_time() { return draw_time_around(draws_, election_); }
  CrashLoss some_loss() { return draw_crash_loss(draws_); }
  Selector some_node() { return draw_leader_or_node(draws_, nodes_); }
  std::vector<std::uint64_t> shuffled_nodes() {
    std::vector<std::uint64_t> order;
    for (std::uint64_t node = 0; node < nodes_; ++node) {
      order.insert(order.begin() + static_cast<std::ptrdiff_t>(draws_.below(node + 1)), node);
    }
    return order;
  }
  Step& end_network(Duration after);

  RandomStream& draws_;
  Scenario& scenario_;
  std::uint64_t nodes_;
  Duration election_;
  StepChain chain_;
};

// All links of a node, in, out or both; or a single one.
void LinkChains::clog() {
  Step& note = chain_.first(Action::kNote);
  note.nodes = {some_node()};
  note.as = chain_.fresh_name();
  const Selector who = named(note.as);
  const std::uint64_t way = draws_.below(4);
  const Selector other = way == 3 ? node_number(draws_.below(nodes_)) : the_rest();
  const auto both_ends = [&](Duration after, Action action) {
    if (way != 1) {
      Step& out = chain_.then(after, action);
      out.from = who;
      out.to = other;
      after = Duration();
    }
    if (way == 0 || way == 3) return;
    Step& in = chain_.then(after, action);
    in.from = other;
    in.to = who;
  };
  both_ends(Duration(), Action::kClog);
  both_ends(some_time() * 2, Action::kUnclog);
}

// All nodes, or some, stop one after another, and come back one after another in another order.
void LinkChains::swizzle() {
  chain_.first(Action::kNote);
  const std::uint64_t kind = draws_.below(3);
  const std::uint64_t count = draws_.between(1, nodes_);
  std::vector<std::uint64_t> stopped = shuffled_nodes();
  stopped.resize(count);
  const Duration most = some_time();
  const auto stop = [&](std::uint64_t node, bool is_end) {
    const Duration after = draws_.between(Duration(), most);
    if (kind == 0) {
      chain_.then(after, is_end ? Action::kResume : Action::kPause).nodes = {node_number(node)};
      return;
    }
    const Action begin = kind == 1 ? Action::kClog : Action::kCut;
    const Action end = kind == 1 ? Action::kUnclog : Action::kMend;
    Step& out = chain_.then(after, is_end ? end : begin);
    out.from = node_number(node);
    out.to = the_rest();
    Step& in = chain_.then(Duration(), is_end ? end : begin);
    in.from = the_rest();
    in.to = node_number(node);
  };
  for (const std::uint64_t node : stopped) stop(node, false);
  const std::vector<std::uint64_t> order = shuffled_nodes();
  for (const std::uint64_t node : order) {
    if (std::find(stopped.begin(), stopped.end(), node) != stopped.end()) stop(node, true);
  }
}

// Says all of the network again, as the file has it.
Step& LinkChains::end_network(Duration after) {
  Step& back = chain_.then(after, Action::kNetwork);
  const LinkSpec& network = scenario_.network;
  back.delay = network.delay;
  back.drop = network.drop;
  back.duplicate = network.duplicate;
  return back;
}

void LinkChains::bursts() {
  Step& step = chain_.first(Action::kNetwork);
  const Duration good = ms(draws_.between(50, 3'000));
  step.burst = BurstSpec{.drop = Parts{draws_.between(300'000, 1'000'000)},
                         .mean_good = good,
                         .mean_bad = ms(draws_.between(5, 400))};
  end_network(some_time() * 4);
}

void LinkChains::corrupt() {
  Step& step = chain_.first(Action::kNetwork);
  step.corrupt = Parts{draws_.between(10'000, 500'000)};
  end_network(some_time() * 2);
}

void LinkChains::replay_steadily() {
  Step& step = chain_.first(Action::kNetwork);
  step.replay = Parts{draws_.between(10'000, 500'000)};
  step.replay_age = ms(draws_.between(100, 60'000));
  end_network(some_time() * 3);
}

// Of the past of a node that has died since: to it and from it.
void LinkChains::replay_after_crash() {
  Step& crash = chain_.first(Action::kCrash);
  crash.nodes = {some_node()};
  crash.as = chain_.fresh_name();
  crash.on_crash = some_loss();
  const Selector who = named(crash.as);
  chain_.then(some_time(), Action::kRestart).nodes = {who};
  constexpr std::array<const char*, 8> kTypes = {"",
                                                 "",
                                                 "VoteReply",
                                                 "AppendReply",
                                                 "AppendRequest",
                                                 "HeartbeatReply",
                                                 "TimeoutNow",
                                                 "SnapshotReply"};
  const std::uint64_t times = draws_.between(1, 4);
  for (std::uint64_t i = 0; i < times; ++i) {
    Step& replay = chain_.then(some_time() / 2, Action::kReplay);
    replay.type = kTypes[draws_.below(kTypes.size())];
    replay.count = draws_.between(1, 10);
    replay.from = everybody();
    replay.to = who;
    if (draws_.chance_ppm(500'000)) std::swap(replay.from, replay.to);
  }
}

void LinkChains::release_in_reverse() {
  constexpr std::array<const char*, 6> kTypes = {"AppendRequest", "AppendReply",
                                                 "VoteReply",     "VoteRequest",
                                                 "SnapshotReply", "HeartbeatReply"};
  chain_.first(Action::kNote);
  Step& hold = chain_.add(Trigger::kOnMessage, Action::kHold);
  hold.message.type = kTypes[draws_.below(kTypes.size())];
  hold.message.count = draws_.between(2, 16);
  if (draws_.chance_ppm(500'000)) {
    chain_.then(some_time(), Action::kRelease).nth = draws_.between(1, hold.message.count);
  }
  chain_.then(some_time(), Action::kRelease).reverse = true;
}

void LinkChains::crash_at_disk() {
  chain_.first(Action::kNote);
  constexpr std::array<const char*, 7> kOps = {"",       "sync",   "write",         "create",
                                               "rename", "remove", "sync-directory"};
  constexpr std::array<const char*, 3> kLanes = {"", "log", "background"};
  Step& crash = chain_.add(Trigger::kOnDisk, Action::kCrash);
  if (draws_.chance_ppm(500'000)) crash.disk.node = node_number(draws_.below(nodes_));
  crash.disk.op = kOps[draws_.below(kOps.size())];
  crash.disk.lane = kLanes[draws_.below(kLanes.size())];
  crash.disk.nth = draws_.between(1, 12);
  crash.disk.after = draws_.chance_ppm(500'000);
  crash.nodes = {named("writer")};
  crash.as = chain_.fresh_name();
  crash.on_crash = some_loss();
  const Selector who = named(crash.as);
  chain_.then(some_time(), Action::kRestart).nodes = {who};
}

void LinkChains::crash_mid_turn() {
  chain_.first(Action::kNote);
  constexpr std::array<const char*, 7> kTypes = {
      "AppendRequest", "AppendRequest", "HeartbeatRequest", "VoteRequest",
      "VoteReply",     "AppendReply",   "TimeoutNow"};
  Step& crash = chain_.add(Trigger::kOnMessage, Action::kCrash);
  crash.message.type = kTypes[draws_.below(kTypes.size())];
  crash.message.nth = draws_.between(1, 8);
  crash.mid_turn = true;
  crash.nodes = {named("sender")};
  crash.as = chain_.fresh_name();
  crash.on_crash = some_loss();
  const Selector who = named(crash.as);
  chain_.then(some_time(), Action::kRestart).nodes = {who};
}

// Several at once, each with losses of its own.
void LinkChains::crash_several() {
  chain_.first(Action::kNote);
  std::vector<std::uint64_t> who = shuffled_nodes();
  who.resize(draws_.between(1, nodes_));
  for (const std::uint64_t node : who) {
    Step& crash = chain_.then(Duration(), Action::kCrash);
    crash.nodes = {node_number(node)};
    crash.on_crash = some_loss();
  }
  for (const std::uint64_t node : shuffled_nodes()) {
    if (std::find(who.begin(), who.end(), node) == who.end()) continue;
    chain_.then(draws_.between(Duration(), some_time()), Action::kRestart).nodes = {
        node_number(node)};
  }
}

// One after another, the next as soon as the one before is back, or a while later.
void LinkChains::rolling_restarts() {
  chain_.first(Action::kNote);
  for (const std::uint64_t node : shuffled_nodes()) {
    Step& crash = chain_.then(draws_.between(Duration(), some_time()), Action::kCrash);
    crash.nodes = {node_number(node)};
    crash.on_crash = some_loss();
    chain_.then(ms(draws_.below(300)), Action::kRestart).nodes = {node_number(node)};
  }
}

// It dies again soon after each start, before it has done much.
void LinkChains::crash_loop() {
  chain_.first(Action::kNote);
  const Selector who = node_number(draws_.below(nodes_));
  const std::uint64_t times = draws_.between(3, 10);
  const Duration most = draws_.chance_ppm(500'000) ? ms(20) : election_;
  for (std::uint64_t i = 0; i < times; ++i) {
    Step& crash = chain_.then(draws_.between(Duration(), most), Action::kCrash);
    crash.nodes = {who};
    crash.on_crash = some_loss();
    chain_.then(ms(draws_.below(50)), Action::kRestart).nodes = {who};
  }
}

using Chain = void (LinkChains::*)();
constexpr std::array<Chain, 12> kChains = {&LinkChains::clog,
                                           &LinkChains::swizzle,
                                           &LinkChains::bursts,
                                           &LinkChains::corrupt,
                                           &LinkChains::replay_steadily,
                                           &LinkChains::replay_after_crash,
                                           &LinkChains::release_in_reverse,
                                           &LinkChains::crash_at_disk,
                                           &LinkChains::crash_mid_turn,
                                           &LinkChains::crash_several,
                                           &LinkChains::rolling_restarts,
                                           &LinkChains::crash_loop};

}  // namespace

void draw_hunt_link_settings(RandomStream draws, Scenario& scenario) {
  LinkSpec& network = scenario.network;
  if (draws.chance_ppm(150'000)) {
    network.burst =
        BurstSpec{.drop = Parts{draws.between(300'000, 900'000)}, .mean_good = {}, .mean_bad = {}};
    network.burst.mean_good = ms(draws.between(500, 5'000));
    network.burst.mean_bad = ms(draws.between(5, 80));
  }
  if (draws.chance_ppm(250'000)) network.corrupt = Parts{draws.between(500, 30'000)};
  if (draws.chance_ppm(250'000)) {
    network.replay = Parts{draws.between(500, 50'000)};
    network.replay_age = ms(draws.between(200, 60'000));
  }
  ClientsSpec& clients = scenario.clients.front();
  if (draws.chance_ppm(200'000)) clients.lose_requests = Parts{draws.between(5'000, 100'000)};
  if (draws.chance_ppm(200'000)) clients.lose_answers = Parts{draws.between(5'000, 100'000)};
  if (draws.chance_ppm(150'000)) {
    const Duration least = ms(draws.between(1, 20));
    const Duration most = least + ms(draws.below(200));
    clients.delay =
        DelaySpec{.distribution = Distribution::kUniform, .min = least, .mean = {}, .max = most};
  }
}

void draw_hunt_links(RandomStream draws, FaultWindow window, Scenario& scenario) {
  if (!draws.chance_ppm(500'000)) return;
  // A few kinds, often (swarm testing).
  std::vector<Chain> kept;
  while (kept.empty()) {
    const std::uint64_t keep_ppm = draws.between(100'000, 600'000);
    for (const Chain chain : kChains) {
      if (draws.chance_ppm(keep_ppm)) kept.push_back(chain);
    }
  }
  LinkChains chains(draws, scenario);
  const Duration gap = ms(draws.between(2'000, 9'000));
  for (Duration at = window.from + draws.exponential(gap); at < window.to;
       at = at + draws.exponential(gap)) {
    chains.at(at);
    (chains.*kept[draws.below(kept.size())])();
  }
}

void quieten_links(const Scenario& scenario, Step& quiet) {
  const LinkSpec& network = scenario.network;
  if (network.burst.drop.value().per_million > 0) {
    quiet.burst = network.burst;
    quiet.burst->drop = Parts{0};
  }
  if (network.corrupt.value().per_million > 0) quiet.corrupt = Parts{0};
  if (network.replay.value().per_million > 0) quiet.replay = Parts{0};
}

}  // namespace vesper::sim
