#include "sim/scenario/text.h"

#include <fmt/format.h>

#include <array>
#include <utility>
#include <variant>

namespace vesper::sim {

namespace {

Error expected(std::string_view what, std::string_view text) {
  return {ErrorCode::kInvalid, fmt::format("expected {}, not \"{}\"", what, text)};
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A decimal number at the front of `text`, in units of 1/scale (a power of ten); takes it off.
std::optional<std::int64_t> take_decimal(std::string_view& text, std::int64_t scale) {
  constexpr std::int64_t kMost = std::int64_t{1} << 52;
  std::size_t at = 0;
  std::int64_t whole = 0;
  for (; at < text.size() && is_digit(text[at]); ++at) {
    whole = whole * 10 + (text[at] - '0');
    if (whole > kMost / scale) return std::nullopt;
  }
  if (at == 0) return std::nullopt;
  std::int64_t result = whole * scale;
  if (at < text.size() && text[at] == '.') {
    ++at;
    const std::size_t first = at;
    for (; at < text.size() && is_digit(text[at]); ++at) {
      scale /= 10;
      // More digits than the unit has are an error, not a rounding.
      if (scale == 0 && text[at] != '0') return std::nullopt;
      result += (text[at] - '0') * scale;
    }
    if (at == first) return std::nullopt;
  }
  text.remove_prefix(at);
  return result;
}

struct DurationUnit {
  const char* name;
  std::int64_t nanoseconds;
};
constexpr std::array<DurationUnit, 5> kUnits = {
    {{"m", 60'000'000'000}, {"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}}};

template <class Enum, std::size_t N>
using Names = std::array<std::pair<const char*, Enum>, N>;

constexpr Names<Distribution, 3> kDistributions = {{{"constant", Distribution::kConstant},
                                                    {"uniform", Distribution::kUniform},
                                                    {"exponential", Distribution::kExponential}}};
constexpr Names<CrashLoss, 4> kCrashLosses = {{{"keep", CrashLoss::kKeep},
                                               {"lose-all", CrashLoss::kLoseAll},
                                               {"lose-random-unsynced", CrashLoss::kLoseRandom},
                                               {"tear", CrashLoss::kTear}}};
constexpr Names<DamagePart, 10> kDamageParts = {{{"record", DamagePart::kRecord},
                                                 {"first-record", DamagePart::kFirstRecord},
                                                 {"last-record", DamagePart::kLastRecord},
                                                 {"segment", DamagePart::kSegment},
                                                 {"snapshot", DamagePart::kSnapshot},
                                                 {"sector", DamagePart::kSector},
                                                 {"name", DamagePart::kName},
                                                 {"old-name", DamagePart::kOldName},
                                                 {"misdirected-write", DamagePart::kMisdirected},
                                                 {"lost-write", DamagePart::kLostWrite}}};
constexpr Names<DiskOperation, kDiskOperations> kOperations = {{{"read", DiskOperation::kRead},
                                                                {"write", DiskOperation::kWrite},
                                                                {"create", DiskOperation::kCreate},
                                                                {"rename", DiskOperation::kRename},
                                                                {"sync", DiskOperation::kSync}}};
constexpr Names<storage::DiskLane, 2> kLanes = {
    {{"log", storage::DiskLane::kLog}, {"background", storage::DiskLane::kBackground}}};
constexpr Names<Action, 37> kActions = {{{"partition", Action::kPartition},
                                         {"cut", Action::kCut},
                                         {"mend", Action::kMend},
                                         {"heal", Action::kHeal},
                                         {"crash", Action::kCrash},
                                         {"restart", Action::kRestart},
                                         {"pause", Action::kPause},
                                         {"resume", Action::kResume},
                                         {"fail-sync", Action::kFailSync},
                                         {"link", Action::kLink},
                                         {"network", Action::kNetwork},
                                         {"disk", Action::kDisk},
                                         {"put", Action::kPut},
                                         {"get", Action::kGet},
                                         {"clients", Action::kClients},
                                         {"hold", Action::kHold},
                                         {"drop", Action::kDrop},
                                         {"duplicate", Action::kDuplicate},
                                         {"delay", Action::kDelay},
                                         {"release", Action::kRelease},
                                         {"calm", Action::kCalm},
                                         {"note", Action::kNote},
                                         {"transfer", Action::kTransfer},
                                         {"members", Action::kMembers},
                                         {"wipe", Action::kWipe},
                                         {"timeout", Action::kTimeout},
                                         {"disk-full", Action::kDiskFull},
                                         {"disk-room", Action::kDiskRoom},
                                         {"damage", Action::kDamage},
                                         {"alter", Action::kAlter},
                                         {"disk-stall", Action::kDiskStall},
                                         {"disk-error", Action::kDiskError},
                                         {"disk-mend", Action::kDiskMend},
                                         {"clock", Action::kClock},
                                         {"clog", Action::kClog},
                                         {"unclog", Action::kUnclog},
                                         {"replay", Action::kReplay}}};
constexpr Names<Expectation::Kind, 4> kExpectations = {
    {{"within", Expectation::Kind::kWithin},
     {"eventually", Expectation::Kind::kEventually},
     {"always", Expectation::Kind::kAlways},
     {"never", Expectation::Kind::kNever}}};
constexpr Names<Selector::Kind, 6> kGroupSelectors = {{{"leader", Selector::Kind::kLeader},
                                                       {"all", Selector::Kind::kAll},
                                                       {"up", Selector::Kind::kUp},
                                                       {"down", Selector::Kind::kDown},
                                                       {"followers", Selector::Kind::kFollowers},
                                                       {"rest", Selector::Kind::kRest}}};
constexpr std::array<const char*, 13> kMessageTypes = {
    "PreVoteRequest", "PreVoteReply",     "VoteRequest",    "VoteReply",  "AppendRequest",
    "AppendReply",    "HeartbeatRequest", "HeartbeatReply", "TimeoutNow", "SnapshotRequest",
    "SnapshotReply",  "ReadIndexRequest", "ReadIndexReply"};
// In the order of storage::DiskOp.
constexpr std::array<const char*, std::variant_size_v<storage::DiskOp>> kDiskOps = {
    "create", "write", "rename", "remove", "sync", "sync-directory", "read"};
constexpr std::array<const char*, 2> kDiskLanes = {"log", "background"};
// Words of the condition language that a step may not give as a name.
constexpr std::array<const char*, 47> kReserved = {
    "follower", "candidate", "pre-candidate",  "and",           "or",      "not",      "exists",
    "term",     "commit",    "applied",        "last",          "durable", "keys",     "role",
    "hash",     "vote",      "operations",     "successes",     "faults",  "leaders",  "running",
    "none",     "redirects", "unknown",        "overdue",       "torn",    "at",       "transfers",
    "sessions", "retries",   "repeated",       "refused",       "base",    "snapshot", "restored",
    "leased",   "relayed",   "follower_reads", "configuration", "members", "voting",   "joint",
    "changes",  "checks",    "differences",    "corrupted",     "replayed"};

template <class Enum, std::size_t N>
const char* name_of(const Names<Enum, N>& names, Enum value) {
  for (const auto& [name, candidate] : names) {
    if (candidate == value) return name;
  }
  VESPER_UNREACHABLE();
}
template <class Enum, std::size_t N>
std::optional<Enum> value_of(const Names<Enum, N>& names, std::string_view text) {
  for (const auto& [name, candidate] : names) {
    if (text == name) return candidate;
  }
  return std::nullopt;
}
template <class Enum, std::size_t N>
std::string list_of(const Names<Enum, N>& names) {
  std::string list;
  for (const auto& [name, value] : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

template <std::size_t N>
bool is_one_of(const std::array<const char*, N>& words, std::string_view text) {
  for (const char* word : words) {
    if (text == word) return true;
  }
  return false;
}
template <std::size_t N>
std::string list_of(const std::array<const char*, N>& words) {
  std::string list;
  for (const char* word : words) list += (list.empty() ? "" : ", ") + std::string(word);
  return list;
}

std::optional<std::uint32_t> parse_small_number(std::string_view text) {
  if (text.empty() || text.size() > 4 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  std::uint32_t number = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return number;
}

// From 1, and below a billion: more than any run sends.
std::optional<std::uint64_t> parse_frame_number(std::string_view text) {
  if (text.empty() || text.size() > 9 || text[0] == '0') return std::nullopt;
  std::uint64_t number = 0;
  for (const char c : text) {
    if (!is_digit(c)) return std::nullopt;
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return number;
}

std::string format_scaled(std::int64_t value, std::int64_t scale) {
  const std::int64_t whole = value / scale;
  std::int64_t rest = value % scale;
  std::string text = std::to_string(whole);
  if (rest == 0) return text;
  text += '.';
  while (rest != 0) {
    scale /= 10;
    text += static_cast<char>('0' + rest / scale);
    rest %= scale;
  }
  return text;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  constexpr std::string_view kWanted = "a duration such as \"150ms\" (units ns, us, ms, s, m)";
  std::string_view rest = text;
  const bool negative = !rest.empty() && rest[0] == '-';
  if (negative) rest.remove_prefix(1);
  for (const DurationUnit& unit : kUnits) {
    std::string_view number = rest;
    const auto count =
        take_decimal(number, unit.nanoseconds == 60'000'000'000 ? 1'000'000'000 : unit.nanoseconds);
    if (!count || number != unit.name) continue;
    const std::int64_t factor = unit.nanoseconds == 60'000'000'000 ? 60 : 1;
    return Duration::nanoseconds((negative ? -1 : 1) * *count * factor);
  }
  return expected(kWanted, text);
}

std::string format_duration(Duration duration) {
  std::int64_t count = duration.nanoseconds();
  const std::string sign = count < 0 ? "-" : "";
  if (count < 0) count = -count;
  if (count == 0) return "0s";
  for (std::size_t i = 1; i < kUnits.size(); ++i) {
    if (count >= kUnits[i].nanoseconds || i + 1 == kUnits.size()) {
      return sign + format_scaled(count, kUnits[i].nanoseconds) + kUnits[i].name;
    }
  }
  VESPER_UNREACHABLE();
}

Result<Span> parse_span(std::string_view text) {
  std::string_view rest = text;
  const auto count = take_decimal(rest, 1);
  if (count && (rest == " election timeouts" || rest == " election timeout")) {
    return Span{.fixed = {}, .election_timeouts = *count};
  }
  const Result<Duration> fixed = parse_duration(text);
  if (!fixed.ok() || fixed.value() < Duration()) {
    return expected("a span such as \"3s\" or \"10 election timeouts\"", text);
  }
  return Span{.fixed = fixed.value(), .election_timeouts = 0};
}

std::string format_span(const Span& span) {
  if (span.election_timeouts == 0) return format_duration(span.fixed);
  return fmt::format("{} election timeouts", span.election_timeouts);
}

Result<Rate> parse_rate(std::string_view text) {
  std::string_view rest = text;
  const auto count = take_decimal(rest, 1000);
  if (!count || rest != "/s") return expected("a rate such as \"200/s\"", text);
  return Rate{static_cast<std::uint64_t>(*count)};
}

std::string format_rate(Rate rate) {
  return format_scaled(static_cast<std::int64_t>(rate.per_kilosecond), 1000) + "/s";
}

std::string format_parts(Parts parts) {
  std::string text = format_scaled(static_cast<std::int64_t>(parts.per_million), 1'000'000);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

Result<FrameSpan> parse_frame_span(std::string_view text) {
  const auto problem = [&] { return expected("frames such as \"3\", \"5..8\" or \"12..\"", text); };
  const std::size_t dots = text.find("..");
  const auto first = parse_frame_number(text.substr(0, dots));
  if (!first) return problem();
  if (dots == std::string_view::npos) return FrameSpan{*first, *first};
  const std::string_view rest = text.substr(dots + 2);
  if (rest.empty()) return FrameSpan{*first, FrameSpan::kNoLast};
  const auto last = parse_frame_number(rest);
  if (!last || *last <= *first) return problem();
  return FrameSpan{*first, *last};
}

std::string format_frame_span(const FrameSpan& span) {
  if (span.first == span.last) return fmt::format("{}", span.first);
  if (span.last == FrameSpan::kNoLast) return fmt::format("{}..", span.first);
  return fmt::format("{}..{}", span.first, span.last);
}

std::optional<std::uint32_t> parse_node(std::string_view text) {
  if (text.empty() || text[0] != 'n') return std::nullopt;
  return parse_small_number(text.substr(1));
}

bool is_free_name(std::string_view text) {
  if (text.empty() || text.size() > 40 || !is_letter(text[0])) return false;
  for (const char c : text) {
    if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_') return false;
  }
  for (const char* word : kReserved) {
    if (text == word) return false;
  }
  return !parse_node(text) && !value_of(kGroupSelectors, text);
}

Result<Selector> parse_selector(std::string_view text) {
  if (const auto node = parse_node(text)) {
    return Selector{.kind = Selector::Kind::kNode, .number = *node, .name = {}};
  }
  if (const auto kind = value_of(kGroupSelectors, text)) {
    return Selector{.kind = *kind, .number = 0, .name = {}};
  }
  constexpr std::string_view kFollower = "follower[";
  if (text.starts_with(kFollower) && text.ends_with(']')) {
    const std::string_view inside =
        text.substr(kFollower.size(), text.size() - kFollower.size() - 1);
    if (const auto number = parse_small_number(inside)) {
      return Selector{.kind = Selector::Kind::kFollower, .number = *number, .name = {}};
    }
  }
  if (is_free_name(text)) {
    return Selector{.kind = Selector::Kind::kName, .number = 0, .name = std::string(text)};
  }
  return expected(
      "a node: n0, leader, follower[0], followers, all, up, down, rest or a name given by `as`",
      text);
}

std::string format_selector(const Selector& selector) {
  switch (selector.kind) {
    case Selector::Kind::kNode:
      return fmt::format("n{}", selector.number);
    case Selector::Kind::kFollower:
      return fmt::format("follower[{}]", selector.number);
    case Selector::Kind::kName:
      return selector.name;
    case Selector::Kind::kLeader:
    case Selector::Kind::kAll:
    case Selector::Kind::kUp:
    case Selector::Kind::kDown:
    case Selector::Kind::kFollowers:
    case Selector::Kind::kRest:
      return name_of(kGroupSelectors, selector.kind);
  }
  VESPER_UNREACHABLE();
}

const char* distribution_name(Distribution value) {
  return name_of(kDistributions, value);
}
const char* crash_loss_name(CrashLoss value) {
  return name_of(kCrashLosses, value);
}
const char* damage_part_name(DamagePart value) {
  return name_of(kDamageParts, value);
}
const char* operation_name(DiskOperation value) {
  return name_of(kOperations, value);
}
const char* lane_name(storage::DiskLane value) {
  return name_of(kLanes, value);
}
const char* action_name(Action value) {
  return name_of(kActions, value);
}
const char* expectation_name(Expectation::Kind value) {
  return name_of(kExpectations, value);
}
std::optional<Distribution> parse_distribution(std::string_view text) {
  return value_of(kDistributions, text);
}
std::optional<CrashLoss> parse_crash_loss(std::string_view text) {
  return value_of(kCrashLosses, text);
}
std::optional<DamagePart> parse_damage_part(std::string_view text) {
  return value_of(kDamageParts, text);
}
std::optional<DiskOperation> parse_operation(std::string_view text) {
  return value_of(kOperations, text);
}
std::optional<storage::DiskLane> parse_lane(std::string_view text) {
  return value_of(kLanes, text);
}
std::optional<Action> parse_action(std::string_view text) {
  return value_of(kActions, text);
}
std::string distribution_names() {
  return list_of(kDistributions);
}
std::string crash_loss_names() {
  return list_of(kCrashLosses);
}
std::string damage_part_names() {
  return list_of(kDamageParts);
}
std::string operation_names() {
  return list_of(kOperations);
}
std::string lane_names() {
  return list_of(kLanes);
}
std::string action_names() {
  return list_of(kActions);
}

bool is_message_type(std::string_view text) {
  return is_one_of(kMessageTypes, text);
}
std::string message_types() {
  return list_of(kMessageTypes);
}

const char* disk_op_name(const storage::DiskOp& op) {
  return kDiskOps[op.index()];
}
bool is_disk_op(std::string_view text) {
  return is_one_of(kDiskOps, text);
}
std::string disk_ops() {
  return list_of(kDiskOps);
}
const char* disk_lane_name(storage::DiskLane lane) {
  return kDiskLanes[static_cast<std::size_t>(lane)];
}
bool is_disk_lane(std::string_view text) {
  return is_one_of(kDiskLanes, text);
}
std::string disk_lanes() {
  return list_of(kDiskLanes);
}

}  // namespace vesper::sim
