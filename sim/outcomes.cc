#include "sim/outcomes.h"

namespace vesper::sim {

namespace {

using Set = std::uint32_t;
static_assert(kEvidences <= 32);

constexpr Set set_of(Evidence evidence) {
  return Set{1} << static_cast<unsigned>(evidence);
}
template <class... More>
constexpr Set set_of(Evidence first, More... more) {
  return (set_of(first) | ... | set_of(more));
}

// Who is not heard, or too late, is asked again, replaced as a leader, overruled; or can only
// refuse.
constexpr Set kLeadership = set_of(Evidence::kNewLeader, Evidence::kRequestRefused);
constexpr Set kUnheard = kLeadership | set_of(Evidence::kAppendRejected, Evidence::kTailDropped,
                                              Evidence::kSnapshotTaken, Evidence::kNoLeader);
constexpr Set kMissing = kUnheard | set_of(Evidence::kNoMajority);
constexpr Set kDead = kMissing | set_of(Evidence::kTornTailCut);
constexpr Set kError = kDead | set_of(Evidence::kStoppedByError, Evidence::kStartRefused);
// What a log has lost is noticed at the next start, at the latest, and fetched.
constexpr Set kDamage =
    set_of(Evidence::kDoubtOver, Evidence::kAppendRejected, Evidence::kSnapshotTaken,
           Evidence::kStartRefused, Evidence::kStoppedDamaged, Evidence::kNoMajority);
constexpr Set kShortLog =
    set_of(Evidence::kTornTailCut, Evidence::kAppendRejected, Evidence::kSnapshotTaken);

struct FaultKind {
  std::string_view name;
  Set evidence = 0;
  // By outcome; nothing: it can be.
  std::array<std::string_view, kOutcomes> why_not{};
};

constexpr std::string_view kErrorIsHeard = "the node that gets the error stops";
constexpr std::string_view kNothingIsLost = "what comes late or twice takes no leader from anybody";
constexpr std::string_view kNotAtNodes = "no node has any part in it: the client asks again";
constexpr std::string_view kNotAcknowledged =
    "what was not synced was acknowledged to nobody, so nobody misses it";
constexpr std::string_view kNotCompared = "clocks of different nodes are never compared";
constexpr std::string_view kMovesLimits =
    "it moves the moment of a try, and the next try is as good";

constexpr std::array<FaultKind, kFaultKinds> kKinds = {{
    {"partition", kMissing, {}},
    {"one direction cut", kMissing, {}},
    {"frame dropped", kUnheard, {}},
    {"frame lost in a burst", kUnheard, {}},
    {"frame delayed", kUnheard, {}},
    {"frame overtaken",
     set_of(Evidence::kAppendRejected),
     {"", "", kNothingIsLost, kNothingIsLost}},
    {"frame repeated", set_of(Evidence::kAppendRejected), {"", "", kNothingIsLost, kNothingIsLost}},
    {"frame corrupted",
     kUnheard | set_of(Evidence::kFrameRefused),
     {"each that arrives is refused by its checksum"}},
    {"frame of the past replayed",
     set_of(Evidence::kAppendRejected, Evidence::kFrameIgnored),
     {"", "", "", kNothingIsLost}},
    {"frames held back", kUnheard, {}},
    {"link clogged", kMissing, {}},
    {"client's request lost",
     set_of(Evidence::kSuccessOfRetry),
     {"", "", kNotAtNodes, kNotAtNodes}},
    {"client's answer lost", set_of(Evidence::kSuccessOfRetry), {"", "", kNotAtNodes, kNotAtNodes}},
    {"disk slow", kUnheard, {}},
    {"disk operation took longer", kUnheard, {}},
    {"disk stalled", kUnheard, {}},
    {"disk error: read", kError, {kErrorIsHeard}},
    {"disk error: write", kError, {kErrorIsHeard}},
    {"disk error: create", kError, {kErrorIsHeard}},
    {"disk error: rename", kError, {kErrorIsHeard}},
    {"disk error: sync", kError, {kErrorIsHeard}},
    {"disk error that lasts", kError, {kErrorIsHeard}},
    {"disk full",
     kUnheard | set_of(Evidence::kRoomAgain, Evidence::kNoRoom, Evidence::kStartRefused,
                       Evidence::kStoppedByError),
     {}},
    {"unsynced writes lost", kShortLog, {"", "", kNotAcknowledged, kNotAcknowledged}},
    {"unsynced writes torn", kShortLog, {"", "", kNotAcknowledged, kNotAcknowledged}},
    {"unsynced writes reordered", kShortLog, {"", "", kNotAcknowledged, kNotAcknowledged}},
    {"bit rot in the log", kDamage, {}},
    {"bit rot in a snapshot", kDamage, {}},
    {"sector unreadable", kDamage, {}},
    {"write misdirected", kDamage, {}},
    {"write lost", kDamage, {}},
    {"file's name lost", kDamage, {}},
    {"removed file back", kDamage, {}},
    {"disk wiped", set_of(Evidence::kReplaced, Evidence::kStartRefused, Evidence::kNoMajority), {}},
    {"clock offset", 0, {"", kNotCompared, kNotCompared, kNotCompared}},
    {"clock drift", kLeadership, {"", "", "", kMovesLimits}},
    {"clock leap", kLeadership, {"", "", "", kMovesLimits}},
    {"clock stands still", kUnheard, {}},
    {"memory altered",
     set_of(Evidence::kNewLeader, Evidence::kDoubtOver, Evidence::kStartRefused,
            Evidence::kStoppedWrong, Evidence::kNoMajority),
     {}},
    {"pause", kMissing, {}},
    {"crash", kDead, {}},
    {"crash in the middle of a turn", kDead, {}},
    {"crash at a disk's operation", kDead, {}},
    {"crash of several at once", kDead, {}},
    {"crash after another's restart", kDead, {}},
    {"crash soon after its restart", kDead, {}},
}};

// Every outcome is either seen by something or told why it cannot be.
constexpr bool is_whole() {
  constexpr Set kRepaired = set_of(Evidence::kRequestRefused) - 1;
  constexpr Set kRefused = (set_of(Evidence::kStoppedByError) - 1) & ~kRepaired;
  for (const FaultKind& kind : kKinds) {
    const std::array<bool, kOutcomes> can = {
        kind.why_not[0].empty(), (kind.evidence & kRepaired) != 0, (kind.evidence & kRefused) != 0,
        (kind.evidence & ~kRepaired & ~kRefused) != 0};
    for (std::size_t i = 0; i < kOutcomes; ++i) {
      if (can[i] != kind.why_not[i].empty()) return false;
    }
  }
  return true;
}
static_assert(is_whole());

const FaultKind& kind_of(Fault fault) {
  return kKinds[static_cast<std::size_t>(fault)];
}

}  // namespace

std::string_view name_of(Fault fault) {
  return kind_of(fault).name;
}

Outcome outcome_of(Evidence evidence) {
  if (evidence < Evidence::kRequestRefused) return Outcome::kRepaired;
  return evidence < Evidence::kStoppedByError ? Outcome::kRefused : Outcome::kStopped;
}

bool needs_fault(Evidence evidence) {
  constexpr Set kNever =
      set_of(Evidence::kTornTailCut, Evidence::kDoubtOver, Evidence::kRoomAgain, Evidence::kNoRoom,
             Evidence::kFrameRefused, Evidence::kStartRefused, Evidence::kStoppedByError,
             Evidence::kStoppedDamaged, Evidence::kStoppedWrong);
  return (kNever & set_of(evidence)) != 0;
}

bool can_cause(Fault fault, Evidence evidence) {
  return (kind_of(fault).evidence & set_of(evidence)) != 0;
}

std::string_view why_not(Fault fault, Outcome outcome) {
  return kind_of(fault).why_not[static_cast<std::size_t>(outcome)];
}

// --- As numbers ---

std::vector<std::uint64_t> numbers_of(const Outcomes& outcomes) {
  std::vector<std::uint64_t> numbers;
  const auto append = [&](std::size_t place, const Outcomes::Row& row) {
    if (row.is_empty()) return;
    numbers.insert(numbers.end(), {place, row.times, row.episodes});
    numbers.insert(numbers.end(), row.outcomes.begin(), row.outcomes.end());
    numbers.insert(numbers.end(), row.alone.begin(), row.alone.end());
  };
  for (std::size_t i = 0; i < kFaultKinds; ++i) append(i, outcomes.rows[i]);
  append(kFaultKinds, {.outcomes = outcomes.without_fault});
  return numbers;
}

std::optional<Outcomes> outcomes_of(std::span<const std::uint64_t> numbers) {
  constexpr std::size_t kNumbers = 3 + 2 * kOutcomes;
  Outcomes outcomes;
  for (; numbers.size() >= kNumbers; numbers = numbers.subspan(kNumbers)) {
    if (numbers[0] > kFaultKinds) return std::nullopt;
    Outcomes::Row row{.times = numbers[1], .episodes = numbers[2]};
    for (std::size_t i = 0; i < kOutcomes; ++i) row.outcomes[i] = numbers[3 + i];
    for (std::size_t i = 0; i < kOutcomes; ++i) row.alone[i] = numbers[3 + kOutcomes + i];
    if (numbers[0] == kFaultKinds) {
      outcomes.without_fault = row.outcomes;
    } else {
      outcomes.rows[numbers[0]] = row;
    }
  }
  return numbers.empty() ? std::optional(outcomes) : std::nullopt;
}

}  // namespace vesper::sim
