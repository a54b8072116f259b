// What conditions may ask a script about: fields of nodes, counters of the world, and what they
// were when a step ran.
#include <algorithm>

#include "sim/scenario/script.h"

namespace vesper::sim {

std::optional<std::uint64_t> Script::field(NodeId node, Field field) const {
  const bool up = world_.is_up(node) && !world_.has_stopped(node);
  if (field == Field::kUp) return up ? 1 : 0;
  if (!up) return std::nullopt;
  const node::NodeView& view = world_.view(node);
  const auto id = [](const std::optional<NodeId>& of) {
    return of ? std::optional<std::uint64_t>(of->value()) : std::nullopt;
  };
  switch (field) {
    case Field::kTerm:
      return view.term.value();
    case Field::kCommit:
      return view.commit.value();
    case Field::kApplied:
      return view.applied.value();
    case Field::kLast:
      return view.last.value();
    case Field::kDurable:
      return view.durable.value();
    case Field::kKeys:
      return view.keys;
    case Field::kRole:
      return static_cast<std::uint64_t>(view.role);
    case Field::kHash:
      return view.state_hash;
    case Field::kLeader:
      return id(view.leader);
    case Field::kVote:
      return id(view.vote);
    case Field::kTorn:
      return view.torn_tails;
    case Field::kSessions:
      return view.sessions;
    case Field::kBase:
      return view.base.value();
    case Field::kSnapshot:
      return view.snapshot.value();
    case Field::kRestored:
      return view.restored;
    case Field::kLeased:
      return view.lease_reads;
    case Field::kChecks:
      return view.checks;
    case Field::kDifferences:
      return view.differences;
    case Field::kRelayed:
      return view.follower_reads;
    case Field::kConfiguration:
      return view.configuration.value();
    case Field::kMembers:
      return view.members;
    case Field::kVoter:
      return view.is_voter ? 1 : 0;
    case Field::kJoint:
      return view.is_joint ? 1 : 0;
    case Field::kFull:
      return view.disk_full ? 1 : 0;
    case Field::kRoom:
      return view.log_room;
    case Field::kDoubt:
      return view.doubt ? 1 : 0;
    case Field::kUp:
      break;
  }
  VESPER_UNREACHABLE();
}

std::uint64_t Script::counter(Counter counter) const {
  const WorldCounts& counts = world_.counts();
  switch (counter) {
    case Counter::kOperations:
      return counts.answered;
    case Counter::kSuccesses:
      return counts.successes;
    case Counter::kFaults:
      return counts.faults;
    case Counter::kRedirects:
      return counts.redirects;
    case Counter::kUnknown:
      return counts.unknown;
    case Counter::kOverdue:
      return counts.overdue;
    case Counter::kTransfers:
      return counts.transfers;
    case Counter::kRetries:
      return counts.retries;
    case Counter::kRepeated:
      return counts.repeated;
    case Counter::kRefused:
      return counts.refused;
    case Counter::kFollowerReads:
      return counts.follower_reads;
    case Counter::kChanges:
      return counts.changes;
    case Counter::kDoubts:
      return counts.doubts;
    case Counter::kRepairs:
      return counts.repairs;
    case Counter::kCorrupted:
      return counts.corrupted;
    case Counter::kReplayed:
      return counts.replayed;
    case Counter::kLeaders:
    case Counter::kRunning:
      break;
  }
  std::uint64_t count = 0;
  for (std::uint32_t i = 0; i < world_.config().all_nodes(); ++i) {
    if (!world_.is_up(NodeId(i)) || world_.has_stopped(NodeId(i))) continue;
    const bool leads = world_.view(NodeId(i)).role == node::Role::kLeader;
    if (counter == Counter::kRunning || leads) ++count;
  }
  return count;
}

std::optional<std::uint64_t> Script::past(const ConditionValue& value) const {
  const auto asked = std::find_if(pasts_.begin(), pasts_.end(),
                                  [&](const Past& past) { return past.value == value; });
  VESPER_CHECK(asked != pasts_.end());
  return asked->then;
}

}  // namespace vesper::sim
