#include "sim/scenario/progress_probe.h"

#include <fmt/format.h>

#include "sim/scenario/budget.h"

namespace vesper::sim {

namespace {

// However slow, whoever is behind must come nearer all the time; but not for ever.
constexpr Duration kCatchUpMax = Duration::seconds(300);

std::uint64_t applied_by_all(const World& world) {
  std::uint64_t sum = 0;
  for (const raft::Member& member : world.members().members()) {
    if (takes_part(world, member.id)) sum += world.view(member.id).applied.value();
  }
  return sum;
}

// Who differs from the leader though it is well and reachable; nothing: they agree.
std::optional<std::string> disagreement(const World& world, const FaultLedger& faults,
                                        NodeId leader) {
  const node::NodeView& first = world.view(leader);
  if (first.applied != first.last) return fmt::format("n{} has not applied all", leader.value());
  for (const raft::Member& member : world.members().members()) {
    const NodeId node = member.id;
    if (node == leader || !takes_part(world, node) || !world.is_connected(leader, node)) continue;
    if (has_broken_disk(world, faults, node)) continue;
    const node::NodeView& view = world.view(node);
    if (view.doubt) return fmt::format("n{} is in doubt about its log", node.value());
    // States that differ are a matter of the comparison: where no majority can tell which of them
    // is right, all that it can do is to report it.
    const bool is_wrong = view.state_hash != first.state_hash && view.differences == 0;
    if (view.applied != first.applied || is_wrong) {
      return fmt::format("n{} has applied {} and the leader n{} {}", node.value(),
                         view.applied.value(), leader.value(), first.applied.value());
    }
  }
  return std::nullopt;
}

}  // namespace

Probed probe_progress(World& world, const ProgressProbe& probe) {
  world.set_client_rate(0);
  // What is open is asked for again until it is answered; by lost tries that could take for ever.
  world.end_client_losses();
  if (!has_connected_majority(world)) {
    const Blame blame = find_blame(world, *probe.faults);
    if (!probe.must_work && blame.is_proved) return {.missing = {}, .stuck = blame.text};
    return {
        .missing = (probe.must_work
                        ? "no majority works, though the disks of a minority at most are spent: "
                        : "no majority works, and no fault explains it: ") +
                   blame.text,
        .stuck = {}};
  }
  const Instant last_end = world.now() + probe.bound + kCatchUpMax;
  Instant end = world.now() + probe.bound;
  std::uint64_t applied = applied_by_all(world);
  std::uint64_t puts = 0;              // that had succeeded before ours
  std::optional<std::uint64_t> found;  // gets that had found a value before ours
  std::uint64_t asked = 0;
  std::string missing;
  for (;;) {
    const std::optional<NodeId> leader = world.leader();
    if (!leader) {
      missing = "no leader";
    } else if (world.open_operations() > 0) {
      missing = "an operation is open";
    } else if (asked == 0 || world.counts().put_successes == puts) {
      missing = "no put succeeds";
      puts = world.counts().put_successes;
      world.put(*leader, kProbeKey, fmt::format("\"{}\"", ++asked), probe.bound);
    } else if (!found || world.counts().found == *found) {
      missing = "no get finds what was put";
      found = world.counts().found;
      world.get(*leader, kProbeKey, probe.bound);
    } else {
      const std::optional<std::string> differs = disagreement(world, *probe.faults, *leader);
      if (!differs) return {};
      missing = *differs;
    }
    if (world.next_at() > end) break;
    if (!probe.step()) return {};
    if (const std::uint64_t reached = applied_by_all(world); reached > applied) {
      applied = reached;
      end = std::min(last_end, world.now() + probe.bound);
    }
  }
  const Blame blame = find_blame(world, *probe.faults);
  if (blame.is_stuck && blame.is_proved) return {.missing = {}, .stuck = blame.text};
  return {.missing = fmt::format("{}, and nobody has come nearer for {} ms", missing,
                                 probe.bound.nanoseconds() / 1'000'000),
          .stuck = {}};
}

}  // namespace vesper::sim
