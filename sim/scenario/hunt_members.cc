// Changes of the members in the random search: whom the cluster is to consist of changes again and
// again, in the middle of everything else; sometimes a node dies at the moment at which a change is
// decided, and sometimes one loses its disk and is replaced.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "sim/scenario/hunt_chain.h"
#include "sim/scenario/hunt_faults.h"

namespace vesper::sim {

namespace {

class Changes {
 public:
  Changes(RandomStream& draws, Scenario& scenario)
      : draws_(draws),
        scenario_(scenario),
        next_(static_cast<std::uint32_t>(scenario.cluster.nodes.value())),
        end_(next_ + static_cast<std::uint32_t>(scenario.cluster.spares.value())) {
    for (std::uint32_t id = 0; id < next_; ++id) voters_.push_back(id);
  }

  bool is_over() const { return next_ == end_ && voters_.size() < 2; }

  void change(Duration at) {
    shuffle();
    ask(at);
    if (draws_.chance_ppm(350'000)) crash_in_the_middle(at);
  }

  // Its entries and its vote are gone, so it never takes part again.
  void wipe_and_replace(Duration at) {
    // A founder of one, started anew by its list, would found another cluster of one.
    const bool is_alone = scenario_.cluster.nodes.value() == 1;
    if (has_wiped_ || is_alone || voters_.size() < 3 || next_ == end_) return change(at);
    has_wiped_ = true;
    const std::size_t which = draws_.below(voters_.size());
    Step& wipe = add(Action::kWipe, at);
    wipe.nodes = {node_number(voters_[which])};
    if (draws_.chance_ppm(500'000)) {
      Step& back = add(Action::kRestart, {});
      back.trigger = Trigger::kAfter;
      back.time = Duration::milliseconds(static_cast<std::int64_t>(draws_.between(10, 2000)));
      back.nodes = {node_number(voters_[which])};
    }
    voters_.erase(voters_.begin() + static_cast<std::ptrdiff_t>(which));
    voters_.push_back(next_++);
    ask(at + Duration::milliseconds(static_cast<std::int64_t>(draws_.between(100, 3000))));
  }

 private:
  // Up to two go and up to two come; somebody stays or comes.
  void shuffle() {
    const std::uint64_t gone = draws_.below(3);
    for (std::uint64_t i = 0; i < gone && voters_.size() > 1; ++i) {
      voters_.erase(voters_.begin() + static_cast<std::ptrdiff_t>(draws_.below(voters_.size())));
    }
    const std::uint64_t come = draws_.below(3);
    for (std::uint64_t i = 0; i < come && next_ < end_; ++i) voters_.push_back(next_++);
  }

  void ask(Duration at) {
    Step& step = add(Action::kMembers, at);
    for (const std::uint32_t id : voters_) step.nodes.push_back(node_number(id));
  }

  // Soon after the change was asked for, by the messages that carry it.
  void crash_in_the_middle(Duration at) {
    add(Action::kNote, at);
    Step& crash = add(Action::kCrash, {});
    crash.trigger = Trigger::kOnMessage;
    crash.message.type = "AppendRequest";
    crash.message.nth = draws_.between(1, 40);
    const char* const who = draws_.chance_ppm(600'000) ? "sender" : "receiver";
    crash.nodes = {named(who)};
    crash.as = "m" + std::to_string(scenario_.steps.size());
    const Selector died = named(crash.as);
    Step& back = add(Action::kRestart, {});
    back.trigger = Trigger::kAfter;
    back.time = Duration::milliseconds(static_cast<std::int64_t>(draws_.between(10, 3000)));
    back.nodes = {died};
  }

  Step& add(Action action, Duration at) { return add_step(scenario_, Trigger::kAt, at, action); }

  RandomStream& draws_;
  Scenario& scenario_;
  std::vector<std::uint32_t> voters_;  // as the last change leaves them
  std::uint32_t next_;                 // spare
  std::uint32_t end_;
  bool has_wiped_ = false;
};

}  // namespace

void draw_hunt_members(RandomStream draws, FaultWindow window, Scenario& scenario) {
  if (!draws.chance_ppm(450'000)) return;
  // An entry a round trip: a newcomer would catch up for longer than a run lasts.
  const ClusterSpec& cluster = scenario.cluster;
  if (cluster.append_entries_max.value() * cluster.inflight_appends_max.value() == 1) return;
  scenario.cluster.spares = draws.between(1, 4);
  Changes changes(draws, scenario);
  const Duration gap =
      Duration::milliseconds(static_cast<std::int64_t>(draws.between(4000, 15'000)));
  const bool wipes = draws.chance_ppm(300'000);
  for (Duration at = window.from + draws.exponential(gap); at < window.to && !changes.is_over();
       at = at + draws.exponential(gap)) {
    if (wipes && draws.chance_ppm(400'000)) {
      changes.wipe_and_replace(at);
    } else {
      changes.change(at);
    }
  }
}

}  // namespace vesper::sim
