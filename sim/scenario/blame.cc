#include "sim/scenario/blame.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/raft/quorum.h"
#include "sim/scenario/budget.h"

namespace vesper::sim {

namespace {

std::string name(NodeId node) {
  return fmt::format("n{}", node.value());
}

std::string since(Instant at) {
  const std::int64_t ms = (at - Instant()).nanoseconds() / 1'000'000;
  return fmt::format("since {}.{:03} s", ms / 1'000, ms % 1'000);
}

std::optional<NodeId> node_in(std::string_view what) {
  const std::size_t at = what.rfind(" n");
  if (at == std::string_view::npos) return std::nullopt;
  std::uint32_t number = 0;
  std::size_t i = at + 2;
  for (; i < what.size() && what[i] >= '0' && what[i] <= '9'; ++i) {
    number = number * 10 + static_cast<std::uint32_t>(what[i] - '0');
  }
  return i == at + 2 ? std::nullopt : std::optional(NodeId(number));
}

struct Reason {
  std::string text;
  bool is_explained = false;
};

// Why the node can take no part in deciding anything; nothing: it can.
std::optional<Reason> reason_of(const World& world, const FaultLedger& faults, NodeId node) {
  const FaultLedger::Node& of = faults.node(node);
  if (!world.has_begun(node)) return Reason{"it was not started yet", true};
  if (world.is_wiped(node)) return Reason{"its disk was wiped, " + since(*of.wiped), true};
  if (!world.is_up(node)) {
    return Reason{"it is down " + since(of.changed_at) + ", and was not started again", true};
  }
  if (world.has_stopped(node)) {
    return Reason{fmt::format("it stopped itself, {}: {}", since(of.stop->at), of.stop->why),
                  of.stop->is_explained};
  }
  if (world.is_paused(node)) return Reason{"it is paused " + since(of.changed_at), true};
  if (const auto& doubt = world.view(node).doubt) {
    return Reason{fmt::format("its log is in doubt until a leader of a term above {} repairs it{}",
                              doubt->term.value(),
                              of.damaged ? "; its disk was damaged, " + since(*of.damaged) : ""),
                  of.damaged.has_value()};
  }
  if (!has_broken_disk(world, faults, node)) return std::nullopt;
  return of.stalled ? Reason{"its disk is stalled " + since(*of.stalled), true}
                    : Reason{"its disk is full " + since(*of.full), true};
}

struct Needed {
  std::vector<NodeId> voters;
  std::size_t count = 0;
  bool operator==(const Needed&) const = default;
};

// Each once.
std::vector<Needed> needed_in(const World& world) {
  std::vector<Needed> all;
  const auto add = [&](const std::vector<NodeId>& voters) {
    if (voters.empty()) return;
    const Needed needed{voters, raft::majority_of(voters.size())};
    if (std::find(all.begin(), all.end(), needed) == all.end()) all.push_back(needed);
  };
  for (const raft::Configuration& configuration : world.configurations_in_force()) {
    std::vector<NodeId> before;
    std::vector<NodeId> after;
    for (const raft::Member& member : configuration.members()) {
      if (raft::is_old_voter(member.standing)) before.push_back(member.id);
      if (raft::is_new_voter(member.standing)) after.push_back(member.id);
    }
    add(before);
    add(after);
  }
  return all;
}

std::string text_of(const Needed& needed) {
  std::vector<std::string> names;
  for (const NodeId node : needed.voters) names.push_back(name(node));
  return fmt::format("{} of {{{}}}", needed.count, fmt::join(names, ", "));
}

}  // namespace

// --- The ledger ---

void FaultLedger::on_start(Instant at, NodeId node, std::uint64_t) {
  Node& of = nodes_[node.value()];
  of.changed_at = at;
  of.stop.reset();
  of.error.reset();
}

void FaultLedger::on_crash(Instant at, NodeId node) {
  nodes_[node.value()].changed_at = at;
}

void FaultLedger::on_stopped(Instant at, NodeId node, const Error& reason) {
  Node& of = nodes_[node.value()];
  const bool is_explained = reason.code == ErrorCode::kRemoved ||
                            (reason.code == ErrorCode::kIo && of.error) ||
                            (reason.code == ErrorCode::kCorruption && of.damaged) ||
                            (reason.code == ErrorCode::kNoSpace && of.full) ||
                            (reason.code == ErrorCode::kDiverged && is_any_altered_) ||
                            (reason.code == ErrorCode::kMismatch && of.wiped);
  of.stop = Stop{at, reason.message, is_explained};
}

void FaultLedger::on_wipe(Instant at, NodeId node) {
  nodes_[node.value()].wiped = at;
}

void FaultLedger::on_altered(Instant at, NodeId node) {
  is_any_altered_ = true;
  nodes_[node.value()].damaged = at;  // its log shares the bytes
}

void FaultLedger::on_damage(Instant at, NodeId node) {
  nodes_[node.value()].damaged = at;
}

void FaultLedger::on_disk_error(Instant at, NodeId node, std::string_view) {
  nodes_[node.value()].error = at;
}

void FaultLedger::on_fault(Instant at, std::string_view what) {
  constexpr std::array<std::string_view, 8> kLinks = {"partition ", "cut ",    "mend n", "heal",
                                                      "clog ",      "unclog ", "link ",  "network"};
  for (const std::string_view begin : kLinks) {
    if (what.starts_with(begin)) links_changed_at_ = at;
  }
  if (what.starts_with("disk of ") && what.find(" is full ") != std::string_view::npos) {
    const auto node = node_in(what.substr(0, what.find(" is full ")));
    if (node) nodes_[node->value()].full = at;
    return;
  }
  if (what.starts_with("disk of ") && what.ends_with(" has room")) {
    if (const auto node = node_in(what)) nodes_[node->value()].full.reset();
    return;
  }
  const auto node = node_in(what);
  if (!node) return;
  Node& of = nodes_[node->value()];
  if (what.starts_with("pause ") || what.starts_with("resume ")) of.changed_at = at;
  if (what.starts_with("stall the disk") && !of.stalled) of.stalled = at;
  if (what.starts_with("mend the disk")) of.stalled.reset();
}

// --- The proof ---

bool has_broken_disk(const World& world, const FaultLedger& faults, NodeId node) {
  const FaultLedger::Node& of = faults.node(node);
  return (of.stalled && world.is_log_stalled(node)) || (of.full && world.view(node).disk_full);
}

Blame find_blame(const World& world, const FaultLedger& faults) {
  std::vector<NodeId> working;
  std::vector<std::string> reasons;
  bool is_explained = true;
  std::vector<NodeId> voters;
  const std::vector<Needed> all = needed_in(world);
  for (const Needed& needed : all) {
    voters.insert(voters.end(), needed.voters.begin(), needed.voters.end());
  }
  std::sort(voters.begin(), voters.end());
  voters.erase(std::unique(voters.begin(), voters.end()), voters.end());
  for (const NodeId node : voters) {
    const std::optional<Reason> reason = reason_of(world, faults, node);
    if (!reason) {
      working.push_back(node);
      continue;
    }
    reasons.push_back(fmt::format("{}: {}", name(node), reason->text));
    if (reason->is_explained) continue;
    reasons.back() += " (no fault explains it)";
    is_explained = false;
  }
  if (are_connected_majority(world, working)) return {};
  // Only a fault of the network parts those that work.
  for (std::size_t i = 0; i < working.size(); ++i) {
    for (std::size_t j = i + 1; j < working.size(); ++j) {
      if (world.is_connected(working[i], working[j])) continue;
      reasons.push_back(fmt::format("{} and {} do not hear each other, {}", name(working[i]),
                                    name(working[j]), since(faults.links_changed_at())));
    }
  }
  std::vector<std::string> texts;
  for (const Needed& needed : all) texts.push_back(text_of(needed));
  return {.is_stuck = true,
          .is_proved = is_explained,
          .text = fmt::format("needs {}; {}", fmt::join(texts, " and "), fmt::join(reasons, "; "))};
}

}  // namespace vesper::sim
