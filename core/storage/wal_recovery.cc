#include "core/storage/wal_recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/base/zeros.h"

namespace vesper::storage {

namespace {

Error damage(const std::string& file, std::uint64_t offset, const std::string& what) {
  return {ErrorCode::kCorruption, fmt::format("{} at offset {}: {}", file, offset, what)};
}
Error damage(std::uint64_t segment, std::uint64_t offset, const std::string& what) {
  return damage(format::segment_name(segment), offset, what);
}

}  // namespace

Result<RecoveredLog> Wal::recover(Disk& disk, const Identity& identity, const WalOptions& options,
                                  LogPosition snapshot, LogVisitor* visitor) {
  VESPER_CHECK(identity.formed());
  VESPER_CHECK(options.segment_bytes >= kSegmentBytesMin);
  VESPER_CHECK(options.segment_bytes % kSectorBytes == 0);
  return WalRecovery(disk, identity, options, snapshot, visitor).run();
}

Result<RecoveredLog> WalRecovery::run() {
  VESPER_TRY(read_log());
  VESPER_TRY(join_snapshot());
  return std::move(recovered_);
}

Status WalRecovery::read_log() {
  VESPER_TRY(find_segments());
  std::uint64_t expected = sizes_.begin()->first;
  for (const auto& [number, size] : sizes_) {
    if (number != expected) return hole({expected, 0}, 0, "the segment is missing");
    ++expected;
    if (is_to_be_cut(number, 0)) return hole({number, 0}, 0, "an earlier life found the log cut");
    const auto segment = read_segment(number, size);
    if (ended_) {
      VESPER_TRY(pass_by(number, segment));
    } else {
      if (!segment.ok()) return segment.error();
      VESPER_TRY(read_groups(segment.value()));
    }
  }
  if (!ended_) {
    return hole({expected, 0}, 0,
                fmt::format("the segment is missing: group {} stands in it", sequence_));
  }
  recovered_.wal.hard_state_ = recovered_.hard_state;
  recovered_.wal.submitted_ = recovered_.hard_state;
  return {};
}

// --- Segments ---

Status WalRecovery::find_segments() {
  auto files = disk_.list();
  if (!files.ok()) return files.error();
  for (const FileInfo& file : files.value()) {
    if (const auto number = format::segment_of(file.name)) sizes_[*number] = file.size;
    if (format::is_temporary(file.name)) recovered_.wal.leftovers_.push_back(file.name);
  }
  if (sizes_.empty()) {
    return hole({format::kFirstSegment, 0}, 0, "the log's segments are missing");
  }
  if (sizes_.begin()->first == format::kFirstSegment) return {};
  begin_.reset();
  sequence_ = 0;  // the first group says it
  return {};
}

Result<WalRecovery::Segment> WalRecovery::read_segment(std::uint64_t number,
                                                       std::uint64_t listed_bytes) {
  auto bytes = disk_.read(format::segment_name(number));
  if (!bytes.ok()) return hole({number, 0}, 0, bytes.error().message);
  Segment segment{number, std::move(bytes.value())};
  if (segment.bytes.size() < kSegmentBytesMin || segment.bytes.size() != listed_bytes ||
      segment.bytes.size() % kSectorBytes != 0) {
    return hole({number, 0}, segment.bytes.size(),
                "the file ends here: a segment never has this size");
  }
  VESPER_TRY(check_header(segment));
  return segment;
}

Status WalRecovery::check_header(const Segment& segment) {
  auto header = format::decode_header(segment.from(0).first(kSectorBytes));
  if (!header.ok() && header.error().code == ErrorCode::kInvalid) {
    header = format::decode_header(segment.from(kSectorBytes).first(kSectorBytes));
    if (header.ok()) note(segment, 0, "the header does not verify, its copy does");
  }
  const std::string name = format::segment_name(segment.number);
  if (!header.ok() && header.error().code == ErrorCode::kInvalid) {
    return hole({segment.number, 0}, 0, header.error().message);
  }
  if (!header.ok()) return Error{header.error().code, name + ": " + header.error().message};

  const format::SegmentHeader& found = header.value();
  if (found.node != identity_.node || found.cluster != identity_.cluster ||
      found.incarnation != identity_.incarnation) {
    return Error{
        ErrorCode::kMismatch,
        fmt::format("{} at offset 0: the segment is of n{} of cluster {:016x}, not of this "
                    "data directory's n{} of cluster {:016x}",
                    name, found.node.value(), found.cluster.value(), identity_.node.value(),
                    identity_.cluster.value())};
  }
  if (found.segment != segment.number) {
    return damage(segment.number, 0,
                  fmt::format("the header says that this is segment {}", found.segment));
  }
  if (found.segment_bytes != segment.bytes.size()) {
    return hole({segment.number, 0}, segment.bytes.size(),
                fmt::format("the file ends here, its header says {} bytes", found.segment_bytes));
  }
  return {};
}

// --- Groups ---

Status WalRecovery::read_groups(const Segment& segment) {
  offset_ = format::kGroupsBegin;
  unmarked_.reset();
  recovered_.wal.spans_.push_back(
      {.segment = segment.number, .last_entry = {}, .has_group = false});
  while (!is_to_be_cut(segment.number, offset_)) {
    const auto group = group_at(segment, offset_);
    if (!group) break;
    if (sequence_ == 0) sequence_ = group->sequence;
    recovered_.wal.spans_.back().has_group = true;
    before_group_ = begin_.value_or(Index(0)).plus(recovered_.entries.size());
    VESPER_TRY(apply_body(segment, group->body, offset_));
    VESPER_TRY(check_mark(segment, *group));
    offset_ = group->end;
    ++sequence_;
  }
  if (is_to_be_cut(segment.number, offset_)) {
    return hole({segment.number, offset_}, offset_, "an earlier life found the log cut");
  }
  // Segments before this one were removed only when a whole group of this one was durable.
  if (sequence_ == 0) {
    return hole({segment.number, offset_}, offset_, "the log's first group does not verify");
  }
  recovered_.wal.at_ = {.segment = segment.number,
                        .segment_bytes = segment.bytes.size(),
                        .offset = offset_,
                        .sequence = sequence_};
  const bool is_rest_zero = is_zero(segment.from(offset_).first(segment.groups_end() - offset_));
  if (!is_rest_zero) VESPER_TRY(read_bad_group(segment));
  return read_closing(segment);
}

Status WalRecovery::read_closing(const Segment& segment) {
  const ByteView sector = segment.from(segment.groups_end());
  if (is_zero(sector)) {
    ended_ = true;
    plan_repair(segment);
    return {};
  }
  const auto closing = format::decode_closing(sector, identity_.incarnation);
  if (!closing || closing->segment != segment.number) {
    return hole({segment.number, offset_}, segment.groups_end(), "the closing does not verify");
  }
  if (closing->sequence != sequence_) {
    return hole({segment.number, offset_}, offset_,
                fmt::format("group {} does not verify, and groups up to {} were written", sequence_,
                            closing->sequence - 1));
  }
  return {};
}

// The next group, if a whole and valid one begins here.
std::optional<WalRecovery::GroupAt> WalRecovery::group_at(const Segment& segment,
                                                          std::uint64_t offset) const {
  const std::uint64_t room = segment.groups_end() - offset;
  if (room < format::framed_bytes(0)) return std::nullopt;
  const auto head = format::decode_head(segment.from(offset), identity_.incarnation);
  if (!head || head->place.segment != segment.number) return std::nullopt;
  if (sequence_ != 0 && head->place.sequence != sequence_) return std::nullopt;
  if (format::framed_bytes(head->body_bytes) > room) return std::nullopt;
  const ByteView body = segment.from(offset + format::kHeadBytes).first(head->body_bytes);
  if (format::body_sum(body, identity_.incarnation) != head->body_sum) return std::nullopt;
  return GroupAt{.sequence = head->place.sequence,
                 .body = body,
                 .offset = offset,
                 .mark_offset = offset + format::round_to_sectors(format::kHeadBytes + body.size()),
                 .end = offset + format::framed_bytes(body.size())};
}

// A mark that does not verify beside a group that does takes nothing away.
Status WalRecovery::check_mark(const Segment& segment, const GroupAt& group) {
  unmarked_.reset();
  const auto mark = format::decode_mark(
      segment.from(group.mark_offset).first(group.end - group.mark_offset), identity_.incarnation);
  if (!mark) {
    note(segment, group.mark_offset, "the mark of a group does not verify, the group does");
    unmarked_ = group;
    return {};
  }
  if (mark->place != format::Place{segment.number, sequence_} ||
      mark->group_offset != group.offset) {
    return damage(segment.number, group.mark_offset, "the mark of another group");
  }
  if (mark->hard_state != recovered_.hard_state) {
    return damage(segment.number, group.mark_offset,
                  "term and vote of the mark differ from those of the records");
  }
  return {};
}

// The group that should begin at offset_ does not verify, and the rest is not zeros: torn or
// damage?
Status WalRecovery::read_bad_group(const Segment& segment) {
  std::optional<std::pair<std::uint64_t, format::Mark>> own_mark;
  for (std::uint64_t at = offset_; at < segment.groups_end(); at += kSectorBytes) {
    const ByteView rest = segment.from(at).first(segment.groups_end() - at);
    const auto head = format::decode_head(rest, identity_.incarnation);
    auto mark = head ? std::nullopt : format::decode_mark(rest, identity_.incarnation);
    if (!head && !mark) continue;
    const format::Place place = head ? head->place : mark->place;
    const bool is_own = place == format::Place{segment.number, sequence_} &&
                        (head ? at == offset_ : mark->group_offset == offset_);
    if (!is_own) {
      return hole({segment.number, offset_}, offset_,
                  fmt::format("group {} does not verify, but at offset {} something of group {} "
                              "does: it was written after it",
                              sequence_, at, place.sequence));
    }
    if (mark) own_mark.emplace(at, std::move(*mark));
  }
  return own_mark ? judge_by_mark(segment, own_mark->first, own_mark->second) : Status();
}

// The mark of the last group says what each of its sectors should hold.
Status WalRecovery::judge_by_mark(const Segment& segment, std::uint64_t at,
                                  const format::Mark& mark) {
  if (offset_ + mark.group_bytes != at) {
    return damage(segment.number, at, "a mark that does not follow its group");
  }
  std::size_t wrong = 0;
  std::size_t last_wrong = 0;
  for (std::size_t i = 0; i < mark.sector_sums.size(); ++i) {
    const std::uint64_t offset = offset_ + i * kSectorBytes;
    const ByteView sector = segment.from(offset).first(kSectorBytes);
    if (format::sector_sum(sector) == mark.sector_sums[i]) continue;
    ++wrong;
    last_wrong = i;
    if (!is_zero(sector)) return changed_sector(segment, offset);
  }
  if (wrong == 0) {
    return hole({segment.number, offset_}, offset_,
                fmt::format("group {} does not verify, though its sectors do", sequence_));
  }
  // Zeros that one flipped bit may have made; several sectors of zeros were never written.
  if (wrong == 1 && format::is_sum_of_one_bit(mark.sector_sums[last_wrong])) {
    return changed_sector(segment, offset_ + last_wrong * kSectorBytes);
  }
  return {};
}

Error WalRecovery::changed_sector(const Segment& segment, std::uint64_t offset) {
  return hole({segment.number, offset_}, offset,
              fmt::format("this sector of group {} was written and has changed", sequence_));
}

// The log's end as it should be. Only for the last segment: in one that is closed, nothing is
// written any more, and its closing says that no group is lost.
void WalRecovery::plan_repair(const Segment& segment) {
  std::uint64_t begin = offset_;
  std::vector<std::byte> bytes;
  if (unmarked_) {
    begin = unmarked_->mark_offset;
    const ByteView group = segment.from(unmarked_->offset).first(begin - unmarked_->offset);
    bytes.assign(group.begin(), group.end());
    format::append_mark({.place = {segment.number, sequence_ - 1},
                         .group_offset = unmarked_->offset,
                         .hard_state = recovered_.hard_state},
                        identity_.incarnation, bytes);
    bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(group.size()));
  }
  std::uint64_t end = segment.groups_end();
  while (end > offset_ && is_zero(segment.from(end - kSectorBytes).first(kSectorBytes))) {
    end -= kSectorBytes;
  }
  if (end > offset_) {
    note(segment, offset_,
         fmt::format("a torn tail of {} bytes that was never acknowledged is cut", end - offset_));
    ++recovered_.torn_tails;
    bytes.resize(end - begin);
  }
  if (bytes.empty()) return;
  const WriteId last(unmarked_ ? 1 : 0);
  recovered_.wal.repair_ = Wal::Repair{.offset = begin, .bytes = std::move(bytes), .last = last};
  if (unmarked_) recovered_.unmarked_after = before_group_;
}

// --- Records ---

Status WalRecovery::apply_body(const Segment& segment, ByteView body, std::uint64_t offset) {
  std::size_t at = 0;
  while (at < body.size()) {
    const auto kind = static_cast<format::RecordKind>(body[at]);
    const ByteView rest = body.subspan(at + 1);
    std::size_t size = 0;
    ByteReader in(rest);
    Status applied = Error{ErrorCode::kInvalid, "an unknown kind of record"};
    switch (kind) {
      case format::RecordKind::kHardState: {
        const raft::HardState hard_state = format::read_hard_state(in);
        applied = apply_hard_state(hard_state);
        size = in.offset();
        break;
      }
      case format::RecordKind::kTruncation:
        applied = apply_truncation(Index(in.u64()));
        size = in.offset();
        break;
      case format::RecordKind::kRestart:
        applied = apply_restart(format::read_position(in));
        size = in.offset();
        break;
      case format::RecordKind::kEntry:
        applied = apply_entry(rest, size);
        break;
    }
    if (applied.ok() && !in.ok()) applied = Error{ErrorCode::kInvalid, "a record is cut short"};
    if (!applied.ok()) {
      return damage(segment.number, offset + format::kHeadBytes + at, applied.error().message);
    }
    if (visitor_ != nullptr) {
      show({segment.number, offset + format::kHeadBytes + at, sequence_, {}}, kind, rest);
    }
    at += 1 + size;
  }
  return {};
}

// A record that was applied.
void WalRecovery::show(LogRecord record, format::RecordKind kind, ByteView bytes) const {
  ByteReader in(bytes);
  switch (kind) {
    case format::RecordKind::kHardState:
      record.content = recovered_.hard_state;
      break;
    case format::RecordKind::kTruncation:
      record.content = LogRecord::Truncation{Index(in.u64())};
      break;
    case format::RecordKind::kRestart:
      record.content = LogRecord::Restart{format::read_position(in)};
      break;
    case format::RecordKind::kEntry:
      record.content = recovered_.entries.back();
      break;
  }
  visitor_->on_record(record);
}

Status WalRecovery::apply_hard_state(const raft::HardState& hard_state) {
  const raft::HardState& before = recovered_.hard_state;
  const bool is_later = hard_state.term > before.term;
  const bool keeps_vote =
      hard_state.term == before.term && (!before.vote || hard_state.vote == before.vote);
  if (!is_later && !keeps_vote) return Error{ErrorCode::kInvalid, "a vote or term is taken back"};
  recovered_.hard_state = hard_state;
  return {};
}

Status WalRecovery::apply_truncation(Index from) {
  before_group_ = std::min(before_group_, from.previous());
  auto& entries = recovered_.entries;
  // Of entries that stood in segments that were removed, nothing is known.
  if (!begin_) return {};
  const Index begin = *begin_;
  const Index last = begin.plus(entries.size());
  const bool may_reach_below =
      recovered_.wal.spans_.front().segment != format::kFirstSegment && !was_restarted_;
  if (from <= begin && may_reach_below) {
    entries.clear();
    begin_.reset();
    return {};
  }
  if (from <= begin || from > last) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("a truncation from index {} of a log of entries {} to {}",
                             from.value(), begin.next().value(), last.value())};
  }
  entries.resize(from.value() - begin.value() - 1);
  return {};
}

Status WalRecovery::apply_restart(LogPosition after) {
  if (after.index == Index(0) || after.term > recovered_.hard_state.term) {
    return Error{ErrorCode::kInvalid, "a restart after a position that no snapshot can have"};
  }
  before_group_ = after.index;
  recovered_.entries.clear();
  recovered_.base = after;
  begin_ = after.index;
  was_restarted_ = true;
  return {};
}

// The log as the snapshot leaves it. The snapshot was durable before anything it stands for was
// dropped.
Status WalRecovery::join_snapshot() {
  auto& entries = recovered_.entries;
  const Index begin = begin_.value_or(Index(0));
  const Index last = begin.plus(entries.size());
  if (!begin_ && snapshot_.index == Index(0)) {
    return hole({sizes_.begin()->first, 0}, format::kGroupsBegin,
                "segments before this one were removed, and no snapshot stands for them");
  }
  if (begin_ && begin > snapshot_.index) {
    return hole({sizes_.begin()->first, 0}, format::kGroupsBegin,
                fmt::format("the log begins with entry {}, and the newest snapshot ends with {}",
                            begin.next().value(), snapshot_.index.value()));
  }
  if (snapshot_.index == Index(0)) return {};

  const auto at = [&](Index index) {
    return entries.begin() + static_cast<std::ptrdiff_t>(index.value() - begin.value() - 1);
  };
  const bool agrees = begin_ && snapshot_.index <= last &&
                      (snapshot_.index == begin || at(snapshot_.index)->term() == snapshot_.term);
  if (!agrees) {
    // The crash came before the log could say that the snapshot took its place.
    entries.clear();
    recovered_.base = snapshot_;
    recovered_.wal.restart_after(snapshot_);
    return {};
  }
  if (begin == snapshot_.index) {
    recovered_.base = snapshot_;
  } else if (begin != Index(0) && recovered_.base.index != begin) {
    // No term is known for what comes before the first entry: that entry becomes the base.
    recovered_.base = entries.front().position();
    entries.erase(entries.begin());
  }
  return {};
}

// Each entry gets bytes of its own: a segment holds much else, and would stay in memory as long as
// any of its entries.
Status WalRecovery::apply_entry(ByteView bytes, std::size_t& size) {
  if (bytes.size() < raft::Entry::kHeaderBytes) {
    return Error{ErrorCode::kInvalid, "an entry is cut short"};
  }
  size = raft::Entry::kHeaderBytes + load_little<std::uint32_t>(bytes.data());
  if (size > bytes.size()) return Error{ErrorCode::kInvalid, "an entry is cut short"};
  auto entry = raft::Entry::decode(SharedBytes::copy_of(bytes.first(size)));
  if (!entry.ok()) return entry.error();

  if (!begin_) begin_ = entry.value().index().previous();
  const Index expected = begin_->plus(recovered_.entries.size() + 1);
  const Term last_term = recovered_.entries.empty() ? Term() : recovered_.entries.back().term();
  if (entry.value().index() != expected || entry.value().term() < last_term) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("entry {} of term {} where index {} of term {} or later must follow",
                             entry.value().index().value(), entry.value().term().value(),
                             expected.value(), last_term.value())};
  }
  if (entry.value().term() > recovered_.hard_state.term) {
    return Error{
        ErrorCode::kInvalid,
        fmt::format("entry {} of term {}, and the node has reached term {} only", expected.value(),
                    entry.value().term().value(), recovered_.hard_state.term.value())};
  }
  Index& last_entry = recovered_.wal.spans_.back().last_entry;
  last_entry = std::max(last_entry, entry.value().index());
  recovered_.entries.push_back(std::move(entry.value()));
  return {};
}

void WalRecovery::note(const Segment& segment, std::uint64_t offset, const std::string& what) {
  recovered_.notes.push_back(
      fmt::format("{} at offset {}: {}", format::segment_name(segment.number), offset, what));
}

}  // namespace vesper::storage
