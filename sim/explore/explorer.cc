#include "sim/explore/explorer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace vesper::sim::explore {

namespace {

constexpr std::uint64_t kExpandedBetweenQuestions = 1024;
constexpr std::size_t kStatesMax = UINT32_MAX - 1;  // that a record's number can name
// What one machine of the catalog takes, with its steps, about: as measured.
constexpr std::uint64_t kMachineBytes = 8192;

}  // namespace

// --- States that wait ---

void Explorer::Waiting::push(const State& state, Place place, std::uint32_t nodes) {
  numbers_.insert(numbers_.end(), state.network.begin(), state.network.end());
  numbers_.insert(numbers_.end(), state.machines.begin(), state.machines.begin() + nodes);
  const Spent& spent = state.spent;
  numbers_.push_back(std::uint32_t{spent.terms} << 24 | std::uint32_t{spent.entries} << 16 |
                     std::uint32_t{spent.crashes} << 8 | spent.losses);
  numbers_.push_back(std::uint32_t{spent.duplicates} << 16 | std::uint32_t{spent.heartbeats} << 8 |
                     spent.step_downs);
  numbers_.push_back(state.ledger);
  numbers_.push_back(place.record);
  numbers_.push_back(place.depth);
  numbers_.push_back(static_cast<std::uint32_t>(state.network.size()));
}

Explorer::Waiting::Place Explorer::Waiting::pop(State& state, std::uint32_t nodes) {
  const auto take = [this] {
    const std::uint32_t number = numbers_.back();
    numbers_.pop_back();
    return number;
  };
  const auto byte = [](std::uint32_t number, int shift) {
    return static_cast<std::uint8_t>(number >> shift & 0xff);
  };
  const std::uint32_t messages = take();
  Place place;
  place.depth = take();
  place.record = take();
  state.ledger = take();
  const std::uint32_t low = take();
  const std::uint32_t high = take();
  state.spent = {.terms = byte(high, 24),
                 .entries = byte(high, 16),
                 .crashes = byte(high, 8),
                 .losses = byte(high, 0),
                 .duplicates = byte(low, 16),
                 .heartbeats = byte(low, 8),
                 .step_downs = byte(low, 0)};
  const auto machines = numbers_.end() - static_cast<std::ptrdiff_t>(nodes);
  std::copy(machines, numbers_.end(), state.machines.begin());
  const auto network = machines - static_cast<std::ptrdiff_t>(messages);
  state.network.assign(network, machines);
  numbers_.erase(network, numbers_.end());
  return place;
}

// --- The search ---

void Explorer::run(const std::function<bool(const Coverage&)>& go_on) {
  const std::uint32_t nodes = system_.bounds().nodes;
  State state = system_.first();
  visited_.find_or_add(system_.hash(state), 0);
  records_.push_back({});
  now_.push(state, {}, nodes);
  while (!violation_ && !now_.empty()) {
    if (coverage_.expanded % kExpandedBetweenQuestions == 0 &&
        (!go_on(coverage()) || records_.size() > kStatesMax)) {
      return;
    }
    const Waiting::Place place = now_.pop(state, nodes);
    expand(state, place);
    ++coverage_.expanded;
    if (now_.empty()) std::swap(now_, next_);
  }
  coverage_.exhausted = !violation_;
}

void Explorer::expand(const State& state, Waiting::Place place) {
  system_.actions(state, actions_);
  for (const Action& action : actions_) {
    std::optional<Finding> finding;
    if (!system_.apply(state, action, after_, finding)) continue;
    ++coverage_.transitions;
    if (finding) return note_violation(place.record, action, std::move(*finding));
    visit(after_, place, action);
  }
}

void Explorer::visit(const State& state, Waiting::Place parent, const Action& action) {
  const auto next = static_cast<std::uint32_t>(records_.size());
  if (visited_.find_or_add(system_.hash(state), next) != next) return;
  const std::uint64_t bits = action.packed();
  records_.push_back({.parent = parent.record,
                      .action_high = static_cast<std::uint32_t>(bits >> 32),
                      .action_low = static_cast<std::uint32_t>(bits)});
  if (on_state_) on_state_(state);
  const Waiting::Place place{.record = next, .depth = parent.depth + 1};
  coverage_.depth = std::max<std::uint64_t>(coverage_.depth, place.depth);
  coverage_.network_max = std::max<std::uint64_t>(coverage_.network_max, state.network.size());
  Waiting& waiting = strategy_ == Strategy::kBreadthFirst ? next_ : now_;
  waiting.push(state, place, system_.bounds().nodes);
}

void Explorer::note_violation(std::uint32_t record, const Action& action, Finding finding) {
  Path path{.actions = {action}, .finding = std::move(finding)};
  for (; record != 0; record = records_[record].parent) {
    const Record& step = records_[record];
    path.actions.push_back(
        Action::unpacked(std::uint64_t{step.action_high} << 32 | step.action_low));
  }
  std::reverse(path.actions.begin(), path.actions.end());
  violation_ = std::move(path);
}

Coverage Explorer::coverage() const {
  Coverage coverage = coverage_;
  coverage.states = records_.size();
  coverage.machines = system_.catalog().machines();
  coverage.messages = system_.catalog().messages();
  coverage.bytes = visited_.bytes() + records_.capacity() * sizeof(Record) + now_.bytes() +
                   next_.bytes() + coverage.machines * kMachineBytes;
  return coverage;
}

std::vector<std::string> Explorer::describe(const Path& path) {
  std::vector<std::string> lines;
  State state = system_.first();
  State after;
  std::optional<Finding> finding;
  for (const Action& action : path.actions) {
    lines.push_back(system_.describe(state, action));
    VESPER_CHECK(system_.apply(state, action, after, finding));
    state = after;
  }
  return lines;
}

}  // namespace vesper::sim::explore
