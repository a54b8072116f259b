#include "sim/explore/to_scenario.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <utility>

namespace vesper::sim::explore {

namespace {

// A step a second leaves room for what a message and a sync take beside, a millisecond each, along
// the longest chain of them.
constexpr Duration kBetweenSteps = Duration::seconds(1);
constexpr Duration kAhead = Duration::milliseconds(100);  // that preparations come before a step
constexpr Duration kShort = Duration::milliseconds(1);
// Longer than any path.
constexpr Duration kElectionTimeout = Duration::seconds(500);
constexpr Duration kHeartbeatInterval = Duration::seconds(250);
constexpr Duration kLong = Duration::seconds(1000);

constexpr std::size_t kNever = SIZE_MAX;

DelaySpec constant(Duration delay) {
  return {.distribution = Distribution::kConstant, .min = delay, .mean = {}, .max = {}};
}

Duration time_of(std::size_t moment) {
  return kBetweenSteps * static_cast<std::int64_t>(moment + 1);
}

Selector node_of(std::uint32_t id) {
  return {.kind = Selector::Kind::kNode, .number = id, .name = {}};
}

// A step of the path, and what there is to know of it.
struct Moment {
  State before;
  Action action;
  std::vector<MessageId> sent;
  std::size_t writes_before = 0;
  std::size_t writes_after = 0;
};

class Translation {
 public:
  Translation(System& system, const Path& path) : system_(system) {
    scenario_.name = fmt::format("explored: {}", path.finding.invariant);
    scenario_.duration = time_of(path.actions.size() + 1);
    set_cluster();
    State state = system.first();
    for (const Action& action : path.actions) {
      Moment moment{.before = state, .action = action, .sent = system.sent_by(state, action)};
      moment.writes_before = writes_of(state, action.node);
      State after;
      std::optional<Finding> finding;
      VESPER_CHECK(system.apply(state, action, after, finding));
      moment.writes_after = writes_of(after, action.node);
      scenario_.description += scenario_.description.empty() ? "" : "; ";
      scenario_.description += system.describe(state, action);
      moments_.push_back(std::move(moment));
      state = after;
    }
    scenario_.description += fmt::format(". Then: {}", path.finding.detail);
    arrivals_.resize(moments_.size(), false);
  }

  Result<Scenario> run() {
    for (std::size_t at = 0; at < moments_.size(); ++at) {
      tell_arrivals(at);
      if (system_.bounds().disks == Disks::kSlow) tell_writes(at);
      VESPER_TRY(tell_action(at));
    }
    return std::move(scenario_);
  }

 private:
  void set_cluster() {
    scenario_.cluster.nodes = system_.bounds().nodes;
    scenario_.cluster.preformed = true;
    scenario_.cluster.election_timeout_min = kElectionTimeout;
    scenario_.cluster.election_timeout_max = kElectionTimeout + kShort;
    scenario_.cluster.heartbeat_interval = kHeartbeatInterval;
    scenario_.cluster.request_timeout = Duration::seconds(600);
    scenario_.cluster.append_entries_max = system_.bounds().append_entries_max;
    scenario_.network.delay = constant(kShort);
    scenario_.disk = {.sync = constant(kShort), .on_crash = CrashLoss::kLoseAll};
    scenario_.at_end.progress = false;
  }

  std::size_t writes_of(const State& state, std::uint32_t node) const {
    return system_.catalog().machine(state.machines[node]).writes.size();
  }

  Step& add_at(Duration time, sim::Action action) {
    Step step;
    step.time = time;
    step.action = action;
    scenario_.steps.push_back(std::move(step));
    return scenario_.steps.back();
  }
  void add_on_node(Duration time, sim::Action action, std::uint32_t node) {
    add_at(time, action).nodes = {node_of(node)};
  }
  // From `time` on; the rule may find nothing to decide on.
  Step& add_on_message(Duration time, MessageMatch match, sim::Action action) {
    add_at(time, sim::Action::kNote);
    Step step;
    step.trigger = Trigger::kOnMessage;
    step.message = std::move(match);
    step.action = action;
    step.optional = true;
    scenario_.steps.push_back(std::move(step));
    return scenario_.steps.back();
  }

  // Of each message that leaves, where in the path it arrives, if it does.
  void tell_arrivals(std::size_t at) {
    const std::vector<MessageId>& sent = moments_[at].sent;
    for (std::size_t i = 0; i < sent.size(); ++i) {
      const raft::Message& message = system_.catalog().message(sent[i]);
      MessageMatch match{.type = raft::message_name(message.body),
                         .from = node_of(message.from.value()),
                         .to = node_of(message.to.value())};
      for (std::size_t before = 0; before < i; ++before) {
        const raft::Message& other = system_.catalog().message(sent[before]);
        if (other.to == message.to && other.body.index() == message.body.index()) ++match.nth;
      }
      const std::size_t arrival = take_arrival(at, sent[i]);
      const Duration time = time_of(at) - kAhead;
      if (arrival == kNever) {
        add_on_message(time, std::move(match), sim::Action::kDrop);
      } else {
        add_on_message(time, std::move(match), sim::Action::kDelay).delay =
            constant(time_of(arrival) - time_of(at));
      }
    }
  }

  std::size_t take_arrival(std::size_t after, MessageId message) {
    for (std::size_t at = after + 1; at < moments_.size(); ++at) {
      const Action& action = moments_[at].action;
      const bool arrives = action.move.kind == InputKind::kMessage &&
                           action.move.argument == message && !action.loses && !arrivals_[at];
      if (!arrives) continue;
      arrivals_[at] = true;
      return at;
    }
    return kNever;
  }

  // How long the write takes that begins at this moment: one that the node hands over while no
  // other one is under way, or that waited for the one which completes now.
  void tell_writes(std::size_t at) {
    const Moment& moment = moments_[at];
    const bool completes = moment.action.move.kind == InputKind::kDisk;
    const bool begins =
        completes ? moment.writes_after > 0 : moment.writes_before == 0 && moment.writes_after > 0;
    if (!begins) return;
    Duration takes = kLong;
    for (std::size_t next = at + 1; next < moments_.size(); ++next) {
      const Action& action = moments_[next].action;
      if (action.node != moment.action.node || action.move.kind != InputKind::kDisk) continue;
      takes = time_of(next) - time_of(at);
      break;
    }
    set_sync(time_of(at) - kAhead, moment.action.node, takes);
  }

  void set_sync(Duration time, std::uint32_t node, Duration sync) {
    Step& step = add_at(time, sim::Action::kDisk);
    step.nodes = {node_of(node)};
    step.delay = constant(sync);
  }

  Status tell_action(std::size_t at) {
    const Moment& moment = moments_[at];
    const Action& action = moment.action;
    const Duration time = time_of(at);
    if (action.keeps) return cannot_say("a message that arrives twice");
    const bool crashes = action.move.kept != Move::kNoCrash;
    if (crashes && action.move.kept > 0) return cannot_say("a crash within a write");
    switch (action.move.kind) {
      case InputKind::kMessage:
        tell_vote_request(at);
        break;
      case InputKind::kElection:
        for (std::uint32_t node = 0; node < system_.bounds().nodes; ++node) {
          if (node != action.node) forget_leader(at, node);
        }
        add_on_node(time, sim::Action::kTimeout, action.node);
        break;
      case InputKind::kHeartbeat:
        add_on_node(time, sim::Action::kTimeout, action.node);
        break;
      case InputKind::kPropose: {
        Step& put = add_at(time, sim::Action::kPut);
        put.nodes = {node_of(action.node)};
        put.key = "explored";
        put.value = fmt::format("\"{}\"", action.move.argument);
        break;
      }
      case InputKind::kStepDown:
        return cannot_say("a leader that steps down");
      case InputKind::kDisk:
      case InputKind::kCrash:
        break;
    }
    if (crashes) tell_crash(at);
    return {};
  }

  Status cannot_say(const char* what) const {
    return Error{ErrorCode::kInvalid, fmt::format("{} has no words in a scenario", what)};
  }

  // A voter that heard a leader lately would ignore the request: time passes for it first.
  void tell_vote_request(std::size_t at) {
    const Action& action = moments_[at].action;
    const raft::Message& message = system_.catalog().message(action.move.argument);
    if (std::holds_alternative<raft::VoteRequest>(message.body)) forget_leader(at, action.node);
  }

  // Its election timeout passes, and nobody hears its pre-vote.
  void forget_leader(std::size_t at, std::uint32_t node) {
    const raft::Raft& raft = system_.catalog().machine(moments_[at].before.machines[node]).raft;
    if (!raft.leader() || raft.is_leader()) return;
    add_on_message(time_of(at) - kAhead * 3,
                   {.type = "PreVoteRequest",
                    .from = node_of(node),
                    .to = std::nullopt,
                    .nth = 1,
                    .count = system_.bounds().nodes - 1},
                   sim::Action::kDrop);
    add_on_node(time_of(at) - kAhead * 2, sim::Action::kTimeout, node);
  }

  // A prompt disk is slow for once, so that the crash comes first.
  void tell_crash(std::size_t at) {
    const Action& action = moments_[at].action;
    Duration time = time_of(at);
    if (action.move.kind != InputKind::kCrash) {
      set_sync(time - kAhead, action.node, kLong);
      time = time + kBetweenSteps / 2;
    }
    add_on_node(time, sim::Action::kCrash, action.node);
    set_sync(time, action.node, kShort);
    add_on_node(time + kShort, sim::Action::kRestart, action.node);
  }

  System& system_;
  Scenario scenario_;
  std::vector<Moment> moments_;
  std::vector<bool> arrivals_;  // by moment: its message's sending is found
};

}  // namespace

Result<Scenario> to_scenario(System& system, const Path& path) {
  return Translation(system, path).run();
}

}  // namespace vesper::sim::explore
