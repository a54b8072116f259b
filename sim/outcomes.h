// The faults of the model, and what a cluster did about each: of one run (Outcomes), filled in by
// sim/check/outcome_watch.h, and what there is to know about them: what shows an outcome
// (Evidence), and which fault can by its nature bring about which evidence. Plain values that
// decide nothing: a run's hash knows none of them. New faults go to the end of their group, with a
// row of the table in outcomes.cc; a shard's file names them all.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace vesper::sim {

enum class Fault : std::uint8_t {
  // The network.
  kPartition,
  kCut,
  kDrop,
  kBurst,
  kDelay,
  kReorder,
  kDuplicate,
  kCorrupt,
  kReplay,
  kHold,
  kClog,
  kLostRequest,
  kLostAnswer,
  // Disks.
  kDiskSlow,
  kDiskSpike,
  kDiskStall,
  kReadError,
  kWriteError,
  kCreateError,
  kRenameError,
  kSyncError,
  kLastingError,
  kDiskFull,
  kUnsyncedLost,
  kUnsyncedTorn,
  kUnsyncedReordered,
  kLogRot,
  kSnapshotRot,
  kSectorLost,
  kMisdirected,
  kWriteLost,
  kNameLost,
  kOldNameBack,
  kWiped,
  // Clocks and memory.
  kClockOffset,
  kClockDrift,
  kClockLeap,
  kClockStopped,
  kAltered,
  // Processes.
  kPause,
  kCrash,
  kTurnCrash,
  kDiskCrash,
  kCrashOfSeveral,
  kRollingCrash,
  kCrashLoop,
  kCount,
};
inline constexpr std::size_t kFaultKinds = static_cast<std::size_t>(Fault::kCount);

// What the cluster did. Masked: it went on, with nothing to be mended. Repaired: something was
// noticed and mended. Refused: a request, a frame or a start was, with a reason. Stopped: a node
// stopped itself and said why, or nobody led for long, or no majority was there.
enum class Outcome : std::uint8_t { kMasked, kRepaired, kRefused, kStopped, kCount };
inline constexpr std::size_t kOutcomes = static_cast<std::size_t>(Outcome::kCount);
inline constexpr std::array<std::string_view, kOutcomes> kOutcomeNames = {"masked", "repaired",
                                                                          "refused", "stopped"};

// By what an outcome other than masked is seen.
enum class Evidence : std::uint8_t {
  // Repaired.
  kAppendRejected,  // a follower lacks what comes before: its leader sends more
  kTailDropped,     // a log's tail that was not committed gives way to its leader's
  kTornTailCut,     // a log ends in what was never acknowledged, and starts without it
  kSnapshotTaken,   // a node takes a leader's snapshot for its log
  kDoubtOver,       // a log that damage had shortened is whole again
  kNewLeader,       // somebody else leads, whom nobody asked for
  kSuccessOfRetry,  // a client asked again, and its put is done
  kRoomAgain,       // a disk that was full takes writes again
  kReplaced,        // the cluster goes on without the node, by a change of the members
  // Refused.
  kRequestRefused,  // a node answers that it cannot: no leader, not confirmed, too much to do
  kNoRoom,          // a node answers that its disk is full
  kFrameRefused,    // a frame with other bytes than were sent leaves no trace
  kFrameIgnored,    // a frame that does not belong here is ignored, and told
  kStartRefused,    // a node does not start from what its disk holds
  // Stopped.
  kStoppedByError,  // a node stops over an error of its disk
  kStoppedDamaged,  // a node stops over what does not verify
  kStoppedWrong,    // a node stops because its state is not the others'
  kNoMajority,      // no majority of nodes works and is connected
  kNoLeader,        // a majority is, and nobody has led it for two election timeouts
  kCount,
};
inline constexpr std::size_t kEvidences = static_cast<std::size_t>(Evidence::kCount);

std::string_view name_of(Fault fault);
Outcome outcome_of(Evidence evidence);
// It never comes about without a fault, so one that no fault explains is told.
bool needs_fault(Evidence evidence);
// Whether the fault can by its nature bring this about.
bool can_cause(Fault fault, Evidence evidence);
// Why the fault cannot have this outcome, as a sentence that follows "cannot:"; nothing: it can.
std::string_view why_not(Fault fault, Outcome outcome);

// Of one run.
struct Outcomes {
  struct Row {
    std::uint64_t times = 0;     // injected
    std::uint64_t episodes = 0;  // judged; one may have several outcomes, or none
    std::array<std::uint64_t, kOutcomes> outcomes{};
    // Of these, those that no other fault that was there can have brought about; none is of masked.
    std::array<std::uint64_t, kOutcomes> alone{};
    bool operator==(const Row&) const = default;
    bool is_empty() const { return *this == Row(); }
  };
  std::array<Row, kFaultKinds> rows{};
  // What was seen while no fault was there that can bring it about, by outcome.
  std::array<std::uint64_t, kOutcomes> without_fault{};

  Row& operator[](Fault fault) { return rows[static_cast<std::size_t>(fault)]; }
  const Row& operator[](Fault fault) const { return rows[static_cast<std::size_t>(fault)]; }
  bool operator==(const Outcomes&) const = default;
};

// As numbers, for a line of results: of each fault that there was, and then of what had none, the
// place in the list and the numbers.
std::vector<std::uint64_t> numbers_of(const Outcomes& outcomes);
// Nothing: they are none of numbers_of's.
std::optional<Outcomes> outcomes_of(std::span<const std::uint64_t> numbers);

}  // namespace vesper::sim
