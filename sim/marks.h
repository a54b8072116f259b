// What may happen in a run, and how often it did: a search that passes says something only of what
// came about in it. One enumerator and one name a mark, both at the end of their lists; whoever
// adds a feature adds its mark, and where sim/check/marker.cc sees it happen. Plain values that
// decide nothing: a run's hash knows none of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vesper::sim {

enum class Mark : std::uint8_t {
  kFormed,
  kCrash,
  kRestart,
  kAllDown,
  kPause,
  kPartition,
  kCut,
  kFrameLost,
  kFrameRepeated,
  kFrameDelayed,
  kFrameHeld,
  kNetworkChanged,
  kDiskSlowed,
  kSyncFailed,
  kTornTail,
  kClockDrift,
  kPreVote,
  kElection,
  kLeader,
  kLeaderChangeUnderLoad,
  kAppendRejected,
  kEntriesTruncated,
  kSnapshotMade,
  kSnapshotPieceSent,
  kSnapshotSentOn,
  kSnapshotInstalled,
  kRestartFromSnapshot,
  kLogCut,
  kWholeLogCut,
  kTransferStarted,
  kTransferDone,
  kTransferGivenUp,
  kRetry,
  kRepeated,
  kOtherBody,
  kBelowWindow,
  kSessionExpired,
  kNeverIssued,
  kRedirect,
  kOverloaded,
  kOutcomeUnknown,
  kFollowerRead,
  kLeaseRead,
  kLearnerAdded,
  kLearnerJoined,
  kJointConfiguration,
  kJointLeft,
  kConfigurationRolledBack,
  kMembersChanged,
  kRemovedNodeStopped,
  kDiskWiped,
  kWipedNodeRefused,
  kDiskFull,
  kDiskRoom,
  kRefusedForRoom,
  kStatesAgreed,
  kAltered,
  kDifferenceReported,
  kDivergedStopped,
  kCount,
};

inline constexpr std::size_t kMarks = static_cast<std::size_t>(Mark::kCount);

inline constexpr std::array kMarkNames = {
    "cluster formed",
    "crash",
    "restart",
    "all nodes down",
    "pause",
    "partition",
    "one direction cut",
    "frame lost",
    "frame repeated",
    "frame delayed by a rule",
    "frame held back",
    "network changed",
    "disk slowed",
    "sync failed",
    "torn tail cut",
    "clock drift",
    "pre-vote",
    "election",
    "leader elected",
    "leader change under load",
    "append rejected",
    "entries truncated",
    "snapshot made",
    "snapshot piece sent",
    "snapshot sent on by another leader",
    "snapshot installed",
    "restart from a snapshot",
    "log cut",
    "whole log cut",
    "transfer started",
    "transfer done",
    "transfer given up",
    "put tried again",
    "retry given the first answer",
    "number refused: another body",
    "number refused: below the window",
    "session refused: expired",
    "session refused: never issued",
    "answer: redirect",
    "answer: overloaded",
    "answer: unknown",
    "follower read",
    "lease read",
    "learner added",
    "learner joined",
    "joint configuration in force",
    "joint configuration left",
    "configuration rolled back",
    "change of members done",
    "removed node stopped",
    "disk wiped",
    "wiped node refused",
    "disk full",
    "disk has room again",
    "answer: no room",
    "states compared and equal",
    "state altered on purpose",
    "difference reported",
    "node with a wrong state stopped",
};
static_assert(kMarkNames.size() == kMarks, "every mark has its name");

class Marks {
 public:
  void hit(Mark mark, std::uint64_t times = 1) { times_[static_cast<std::size_t>(mark)] += times; }
  std::uint64_t operator[](Mark mark) const { return times_[static_cast<std::size_t>(mark)]; }
  // By mark, for whoever writes all of them down.
  std::array<std::uint64_t, kMarks>& times() { return times_; }
  const std::array<std::uint64_t, kMarks>& times() const { return times_; }

 private:
  std::array<std::uint64_t, kMarks> times_{};
};

}  // namespace vesper::sim
