#include "sim/scenario/script.h"

#include <algorithm>

#include "sim/draws.h"
#include "sim/scenario/world_config.h"

namespace vesper::sim {

namespace {

bool decides_on_messages(Action action) {
  return action == Action::kHold || action == Action::kDrop || action == Action::kDuplicate ||
         action == Action::kDelay;
}

void add_once(std::vector<NodeId>& nodes, NodeId node) {
  if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) nodes.push_back(node);
}

}  // namespace

Script::Script(const Scenario& scenario, World& world)
    : scenario_(scenario),
      world_(world),
      loses_frames_(std::any_of(scenario.links.begin(), scenario.links.end(),
                                [](const LinkOverride& link) { return !link.lose.empty(); })),
      ran_(scenario.steps.size()) {
  const auto collect = [&](const Condition& condition) {
    for (ConditionValue& value : condition.past_values()) pasts_.push_back({std::move(value), {}});
  };
  for (const Step& step : scenario.steps) collect(step.when);
  for (const Expectation& expect : scenario.expectations) collect(expect.that);
  if (scenario.at_end.that) collect(*scenario.at_end.that);
}

void Script::start() {
  for (std::size_t i = 0; i < scenario_.steps.size(); ++i) {
    if (i == 0 || scenario_.steps[i].trigger == Trigger::kAt) arm(i);
  }
}

void Script::arm(std::size_t step) {
  const Step& armed = scenario_.steps[step];
  switch (armed.trigger) {
    case Trigger::kAt:
      timed_.emplace(Instant() + armed.time.value(), step);
      return;
    case Trigger::kAfter:
      timed_.emplace(world_.now() + armed.time.value(), step);
      return;
    case Trigger::kWhen:
      polled_.push_back(step);
      return;
    case Trigger::kOnMessage:
      rules_.push_back(
          Rule{.step = step, .from = {}, .to = {}, .can_match = false, .seen = 0, .spent = false});
      aim_rules();
      world_.intercept(this);
      return;
    case Trigger::kOnDisk:
      rules_.push_back(
          Rule{.step = step, .from = {}, .to = {}, .can_match = false, .seen = 0, .spent = false});
      aim_rules();
      world_.watch_disks(this);
      return;
  }
  VESPER_UNREACHABLE();
}

void Script::mark_done(std::size_t step) {
  ran_[step] = world_.now();
  const std::size_t next = step + 1;
  if (next < scenario_.steps.size() && scenario_.steps[next].trigger != Trigger::kAt) arm(next);
}

void Script::run_steps() {
  while (!timed_.empty() && timed_.begin()->first <= world_.now()) {
    const std::size_t step = timed_.begin()->second;
    timed_.erase(timed_.begin());
    polled_.push_back(step);
  }
  if (!triggered_.empty()) run_triggered();
  // A step that runs may make the next one due at once: take turns until nobody can go on.
  for (std::size_t i = 0; i < polled_.size();) {
    const std::size_t index = polled_[i];
    const Step& step = scenario_.steps[index];
    const bool due = step.trigger != Trigger::kWhen || step.when.holds(*this);
    if (!due || !run(step)) {
      ++i;
      continue;
    }
    polled_.erase(polled_.begin() + static_cast<std::ptrdiff_t>(i));
    if (std::exchange(gives_up_optional_, false)) {
      std::erase_if(polled_,
                    [&](std::size_t waiting) { return scenario_.steps[waiting].optional; });
    }
    mark_done(index);
    i = 0;
  }
  if (rules_.empty()) return;
  rules_.erase(std::remove_if(rules_.begin(), rules_.end(), [](const Rule& r) { return r.spent; }),
               rules_.end());
  aim_rules();
  if (!rules_.empty()) return;
  world_.intercept(nullptr);
  world_.watch_disks(nullptr);
}

void Script::run_triggered() {
  const std::vector<Triggered> triggered = std::exchange(triggered_, {});
  for (const Triggered& one : triggered) {
    const Step& step = scenario_.steps[one.step];
    if (step.trigger == Trigger::kOnDisk) {
      names_["writer"] = one.sender;
    } else {
      names_["sender"] = one.sender;
      names_["receiver"] = one.receiver;
    }
    // At once, while "sender" means this message's; only if that cannot be, it waits.
    if (decides_on_messages(step.action)) {
      remember(step);
      mark_done(one.step);
    } else if (run(step)) {
      mark_done(one.step);
    } else {
      polled_.push_back(one.step);
    }
  }
}

// A rule disturbs from the first message that it decides on.
bool Script::has_disturbing_rule() const {
  return std::any_of(rules_.begin(), rules_.end(), [this](const Rule& rule) {
    const Step& step = scenario_.steps[rule.step];
    return decides_on_messages(step.action) && rule.seen >= step.message.nth;
  });
}

std::optional<Instant> Script::ran_at(const std::string& step_name) const {
  for (std::size_t i = 0; i < scenario_.steps.size(); ++i) {
    if (scenario_.steps[i].name == step_name) return ran_[i];
  }
  return std::nullopt;
}

const Step* Script::first_not_run() const {
  for (std::size_t i = 0; i < scenario_.steps.size(); ++i) {
    if (!ran_[i] && !scenario_.steps[i].optional) return &scenario_.steps[i];
  }
  return nullptr;
}

// --- Messages ---

void Script::aim_rules() {
  for (Rule& rule : rules_) {
    const Step& step = scenario_.steps[rule.step];
    const auto& from = step.trigger == Trigger::kOnDisk ? step.disk.node : step.message.from;
    const auto& to = step.message.to;
    rule.from = from ? find(*from) : std::nullopt;
    rule.to = to ? find(*to) : std::nullopt;
    rule.can_match =
        from.has_value() == rule.from.has_value() && to.has_value() == rule.to.has_value();
  }
}

Fate Script::fate_of(std::size_t step, std::uint64_t count) const {
  const Step& decides = scenario_.steps[step];
  switch (decides.action) {
    case Action::kHold:
      return {.kind = Fate::Kind::kHold, .delay = {}};
    case Action::kDrop:
      return {.kind = Fate::Kind::kDrop, .delay = {}};
    case Action::kDuplicate:
      return {.kind = Fate::Kind::kDuplicate, .delay = {}};
    case Action::kDelay: {
      const DrawKey key{.purpose = Purpose::kMessageDelay, .a = step, .b = count};
      RandomStream draws(Random(scenario_.seed), key);
      return {.kind = Fate::Kind::kDelay, .delay = draw_delay(delay_of(*decides.delay), draws)};
    }
    default:
      return {};
  }
}

Fate Script::on_frame(const node::Frame& frame) {
  const auto* message = std::get_if<raft::Message>(&frame.body);
  if (message == nullptr) return {};
  Fate fate;
  bool ends_turn = false;
  for (Rule& rule : rules_) {
    const Step& step = scenario_.steps[rule.step];
    const MessageMatch& match = step.message;
    if (rule.spent || !rule.can_match || step.trigger != Trigger::kOnMessage) continue;
    if (!match.type.empty() && match.type != raft::message_name(message->body)) continue;
    if ((rule.from && *rule.from != frame.from) || (rule.to && *rule.to != frame.to)) continue;
    ++rule.seen;
    if (rule.seen < match.nth) continue;
    if (rule.seen == match.nth) {
      triggered_.push_back({.step = rule.step, .sender = frame.from, .receiver = frame.to});
      ends_turn = ends_turn || step.mid_turn;
    }
    rule.spent = rule.seen + 1 >= match.nth + match.count;
    if (fate.kind == Fate::Kind::kSend) fate = fate_of(rule.step, rule.seen - match.nth);
    holds_messages_ = holds_messages_ || fate.kind == Fate::Kind::kHold;
  }
  fate.ends_turn = ends_turn;
  return fate;
}

// --- Steps ---

// What conditions ask of the moment at which this step runs; a step that waits remembers again.
void Script::remember(const Step& step) {
  if (step.name.empty()) return;
  for (Past& past : pasts_) {
    if (past.value.at == step.name) past.then = evaluate_now(past.value, *this);
  }
}

bool Script::run(const Step& step) {
  remember(step);
  if (step.action == Action::kPartition) return run_partition(step);
  if (step.action == Action::kTransfer) return run_transfer(step);
  if (step.from || step.to) return run_on_link(step);
  switch (step.action) {
    case Action::kHeal:
      world_.heal();
      return true;
    case Action::kNetwork:
      run_network(step);
      return true;
    case Action::kCalm:
      run_calm();
      return true;
    case Action::kClients:
      world_.set_client_rate(step.rate->value().per_kilosecond);
      return true;
    case Action::kRelease:
      world_.release_held({.nth = step.nth, .is_reverse = step.reverse});
      holds_messages_ = world_.held() > 0;
      return true;
    default:
      break;
  }
  const std::optional<std::vector<NodeId>> nodes = find_all(step.nodes);
  if (!nodes) return false;
  // Before the step: "leader" means who led when the step began.
  if (!step.as.empty() && !nodes->empty()) names_[step.as] = nodes->front();
  remember(step);
  if (step.action == Action::kMembers) {
    world_.want_members(*nodes);
    return true;
  }
  return run_on_nodes(step, *nodes);
}

bool Script::run_transfer(const Step& step) {
  const std::optional<NodeId> leader = world_.leader();
  const std::optional<NodeId> target = step.to ? find(*step.to) : std::nullopt;
  if (!leader || step.to.has_value() != target.has_value()) return false;
  world_.transfer(*leader, target);
  return true;
}

void Script::run_calm() {
  const auto is_optional = [&](std::size_t step) { return scenario_.steps[step].optional; };
  for (auto timed = timed_.begin(); timed != timed_.end();) {
    const bool chained = scenario_.steps[timed->second].trigger != Trigger::kAt;
    timed = chained && is_optional(timed->second) ? timed_.erase(timed) : std::next(timed);
  }
  // run_due walks polled_ now, and takes them from it itself.
  gives_up_optional_ = true;
  for (Rule& rule : rules_) rule.spent = rule.spent || is_optional(rule.step);
  const WorldConfig calm = world_config_of(scenario_);
  world_.heal();
  world_.set_network(calm.network);
  for (const auto& [ends, link] : calm.links) world_.set_link(ends.first, ends.second, link);
  world_.release_held();
  network_disturbed_ = false;
  disturbed_links_.clear();
  holds_messages_ = false;
  disks_disturbed_.clear();
  full_disks_.clear();
  stalled_disks_.clear();
  disturbed_clocks_.clear();
  for (const NodeId node : all()) {
    world_.mend_disk(node);
    world_.calm_clock(node);
    world_.set_disk(node, world_disk_of(scenario_, node));
    world_.set_disk_room(node, std::nullopt);
    // A node that stopped itself comes back as one that crashed does.
    if (world_.is_up(node) && world_.has_stopped(node)) world_.crash(node);
    if (!world_.is_up(node)) world_.restart(node);
    if (world_.is_paused(node)) world_.resume(node);
  }
}

bool Script::run_on_nodes(const Step& step, const std::vector<NodeId>& nodes) {
  const Duration timeout = Duration::seconds(2);
  for (const NodeId node : nodes) {
    switch (step.action) {
      case Action::kCrash:
        world_.crash(node, step.on_crash);
        break;
      case Action::kRestart:
        if (!world_.is_up(node)) world_.restart(node);
        break;
      case Action::kPause:
        if (world_.is_up(node)) world_.pause(node);
        break;
      case Action::kResume:
        if (world_.is_up(node)) world_.resume(node);
        break;
      case Action::kWipe:
        world_.wipe(node);
        break;
      case Action::kTimeout:
        world_.fire_timer(node);
        break;
      case Action::kFailSync:
      case Action::kDisk:
      case Action::kDiskFull:
      case Action::kDiskRoom:
      case Action::kDamage:
      case Action::kDiskStall:
      case Action::kDiskError:
      case Action::kDiskMend:
        run_on_disk(step, node);
        break;
      case Action::kClock:
        run_clock(step, node);
        break;
      case Action::kPut:
        world_.put(node, step.key, step.value, timeout);
        break;
      case Action::kAlter:
        if (step.value.empty()) {
          if (!world_.alter(node, step.key, std::nullopt)) return false;
        } else if (!world_.alter(node, step.key, step.value)) {
          return false;
        }
        break;
      case Action::kGet:
        world_.get(node, step.key, timeout, step.at_follower);
        break;
      default:
        break;
    }
  }
  return true;
}

// --- Selectors and conditions ---

std::vector<NodeId> Script::all() const {
  std::vector<NodeId> nodes;
  for (std::uint32_t i = 0; i < world_.config().all_nodes(); ++i) {
    if (world_.has_begun(NodeId(i))) nodes.emplace_back(i);
  }
  return nodes;
}

std::optional<std::vector<NodeId>> Script::find_all(const std::vector<Selector>& selectors) const {
  std::vector<NodeId> found;
  for (const Selector& selector : selectors) {
    if (selector.is_one()) {
      const std::optional<NodeId> one = find(selector);
      if (!one) return std::nullopt;
      add_once(found, *one);
      continue;
    }
    const std::optional<NodeId> leader = world_.leader();
    for (const NodeId node : all()) {
      const bool up = world_.is_up(node);
      const bool takes = selector.kind == Selector::Kind::kAll ||
                         (selector.kind == Selector::Kind::kUp && up) ||
                         (selector.kind == Selector::Kind::kDown && !up) ||
                         (selector.kind == Selector::Kind::kFollowers && up && node != leader);
      if (takes) add_once(found, node);
    }
  }
  return found;
}

std::optional<NodeId> Script::find(const Selector& selector) const {
  switch (selector.kind) {
    case Selector::Kind::kNode:
      return NodeId(selector.number);
    case Selector::Kind::kLeader:
      return world_.leader();
    case Selector::Kind::kFollower: {
      const std::optional<NodeId> leader = world_.leader();
      std::uint32_t before = selector.number;
      for (std::uint32_t i = 0; i < world_.config().all_nodes(); ++i) {
        if (!world_.is_up(NodeId(i)) || NodeId(i) == leader) continue;
        if (before == 0) return NodeId(i);
        --before;
      }
      return std::nullopt;
    }
    case Selector::Kind::kName: {
      const auto named = names_.find(selector.name);
      return named == names_.end() ? std::nullopt : std::optional(named->second);
    }
    default:
      return std::nullopt;
  }
}

}  // namespace vesper::sim
