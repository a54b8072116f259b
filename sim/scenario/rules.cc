#include "sim/scenario/rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/limits.h"
#include "sim/scenario/text.h"

namespace vesper::sim {

namespace {

// What the progress probe (progress_probe.cc) writes at a run's end.
constexpr std::string_view kProbeKey = "progress";

bool starts_with_digit(std::string_view text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// As a crowd (sim/crowd.cc) writes: the key "k3", the value "\"c0.17...\"".
bool is_of_a_crowd(std::string_view key, std::string_view value) {
  return key.starts_with('k') && starts_with_digit(key.substr(1)) && value.starts_with("\"c") &&
         starts_with_digit(value.substr(2));
}

std::optional<RuleProblem> check_key(const Step& step) {
  if (!step.key.empty() && step.key.size() <= limits::kKeyBytes) return std::nullopt;
  return RuleProblem{"key", fmt::format("expected 1 to {} bytes", limits::kKeyBytes)};
}

std::optional<RuleProblem> check_groups(const Step& step) {
  std::set<std::string> named;
  for (const auto& group : step.groups) {
    for (const Selector& selector : group) {
      const std::string name = format_selector(selector);
      if (selector.kind == Selector::Kind::kAll) {
        return RuleProblem{"groups", "\"all\" leaves nobody for another group"};
      }
      if (!named.insert(name).second) {
        return RuleProblem{"groups", fmt::format("\"{}\" stands there twice", name)};
      }
    }
  }
  return std::nullopt;
}

std::optional<RuleProblem> check_ends(const Step& step) {
  if (!step.from || !step.to || !(*step.from == *step.to)) return std::nullopt;
  if (!step.from->is_one() && step.from->kind != Selector::Kind::kRest) return std::nullopt;
  return RuleProblem{"to", "expected another end than from"};
}

// The leader has nothing to hand over to itself, and can hand over to one node only.
std::optional<RuleProblem> check_target(const Step& step) {
  if (!step.to || (step.to->is_one() && step.to->kind != Selector::Kind::kLeader)) {
    return std::nullopt;
  }
  return RuleProblem{"to", "expected one node that is not the leader"};
}

std::optional<RuleProblem> check_clock(const Step& step) {
  if (step.jump.high > Duration() || step.drift_ppm || step.stands_still) return std::nullopt;
  return RuleProblem{"do", "a clock needs one of the keys jump, drift_ppm, stands_still"};
}

}  // namespace

std::optional<RuleProblem> Rules::check(const PresetSpec& preset) {
  if (!preset_nodes_.insert(preset.node).second) {
    return RuleProblem{"node", fmt::format("n{} has a [[preset]] already", preset.node)};
  }
  if (preset.vote && preset.term == 0) {
    return RuleProblem{"vote", "nobody votes in term 0: expected a term of at least 1"};
  }
  const std::vector<std::uint64_t>& terms = preset.entries_terms;
  if (!std::is_sorted(terms.begin(), terms.end()) ||
      (!terms.empty() && (terms.front() == 0 || terms.back() > preset.term))) {
    return RuleProblem{"entries_terms", "expected rising terms from 1 to the node's own term"};
  }
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const std::uint64_t before = i == 0 ? 0 : terms[i - 1];
    const auto known = preset_entries_.try_emplace({i + 1, terms[i]}, before).first;
    if (known->second != before) {
      return RuleProblem{
          "entries_terms",
          fmt::format("entry {} of term {} follows one of term {} here and one of term {} in a "
                      "[[preset]] before: expected logs that are equal up to each entry they share",
                      i + 1, terms[i], before, known->second)};
    }
    // What the world writes for it (sim/world_nodes.cc).
    puts_.emplace(fmt::format("preset{}", i + 1), fmt::format("\"t{}\"", terms[i]));
  }
  return std::nullopt;
}

// A crash in the middle of something strikes whoever does it.
std::optional<RuleProblem> Rules::check_place(const Step& step) {
  const auto is_only = [&](std::string_view name) {
    return step.nodes.size() == 1 && step.nodes[0].name == name;
  };
  if (step.trigger == Trigger::kOnDisk &&
      (step.action != Action::kCrash || !is_only("writer") || step.mid_turn)) {
    return RuleProblem{"on_disk", "is for do = \"crash\" with node = \"writer\" only"};
  }
  if (step.mid_turn && (step.trigger != Trigger::kOnMessage || !is_only("sender"))) {
    return RuleProblem{"mid_turn", "needs on_message, and node = \"sender\""};
  }
  if (step.nth && step.reverse) return RuleProblem{"reverse", "not of one message alone"};
  if (!step.type.empty() && !is_message_type(step.type)) {
    return RuleProblem{"type", "expected one of " + message_types()};
  }
  return std::nullopt;
}

std::optional<RuleProblem> Rules::check(const Step& step) {
  if (auto problem = check_place(step)) return problem;
  switch (step.action) {
    case Action::kPut:
      return check_put(step);
    case Action::kGet:
    case Action::kAlter:
      return check_key(step);
    case Action::kPartition:
      return check_groups(step);
    // The random search cuts and mends between any two ends, which may be one.
    case Action::kLink:
    case Action::kReplay:
      return check_ends(step);
    case Action::kTransfer:
      return check_target(step);
    case Action::kDisk:
      if (!step.spike || step.spikes) return std::nullopt;
      return RuleProblem{"spike", "needs the key \"spikes\": how many operations take longer"};
    case Action::kClock:
      return check_clock(step);
    default:
      return std::nullopt;
  }
}

std::optional<RuleProblem> Rules::check_put(const Step& step) {
  if (auto problem = check_key(step)) return problem;
  if (step.value.size() > limits::kValueBytes) {
    return RuleProblem{"value", fmt::format("expected at most {} bytes", limits::kValueBytes)};
  }
  if (step.nodes.size() != 1 || !step.nodes[0].is_one()) {
    return RuleProblem{"node",
                       "expected one node: the same put at several could not be told apart"};
  }
  if (step.key == kProbeKey) {
    return RuleProblem{
        "key", fmt::format("expected another key: \"{}\" is written at each run's end", kProbeKey)};
  }
  if (is_of_a_crowd(step.key, step.value)) {
    return RuleProblem{"value", "expected a value that no [[clients]] write to this key"};
  }
  if (!puts_.emplace(step.key, step.value).second) {
    return RuleProblem{"value",
                       fmt::format("expected another value: the key \"{}\" is given this one "
                                   "before, and equal puts could not be told apart",
                                   step.key)};
  }
  return std::nullopt;
}

std::optional<RuleProblem> Rules::check(const LinkOverride& link) {
  if (link.from == link.to) return RuleProblem{"to", "expected another node than from"};
  if (links_.insert({link.from, link.to}).second) return std::nullopt;
  return RuleProblem{
      "to", fmt::format("the link from n{} to n{} has a [[link]] already", link.from, link.to)};
}

}  // namespace vesper::sim
