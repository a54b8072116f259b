// What recovery makes of a log that a disk has damaged: how far it is intact, which term and vote
// the node had, how much may be lost, and the writes that make the doubt durable and cut the log.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/storage/wal_recovery.h"

namespace vesper::storage {

namespace {

std::string place(std::uint64_t segment, std::uint64_t offset, const std::string& what) {
  return fmt::format("{} at offset {}: {}", format::segment_name(segment), offset, what);
}

bool is_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Of one life: the later of two. A vote is given after the term is reached.
raft::HardState later(const raft::HardState& a, const raft::HardState& b) {
  if (a.term != b.term) return a.term > b.term ? a : b;
  return a.vote ? a : b;
}

}  // namespace

Result<RecoveredLog> Wal::salvage(Disk& disk, const Identity& identity, const WalOptions& options,
                                  LogPosition snapshot, const Suspicion& suspicion) {
  VESPER_CHECK(identity.formed());
  return WalRecovery(disk, identity, options, snapshot, nullptr).salvage(suspicion);
}

Result<RecoveredLog> WalRecovery::salvage(const Wal::Suspicion& suspicion) {
  if (suspicion.known) known_cut_ = suspicion.known->cut;
  const Status read = read_log();
  if (!read.ok() && !hole_) return read.error();
  auto found = doubt_about(suspicion, read);
  if (!found.ok()) return found.error();
  Doubt& doubt = found.value();

  doubt.cut = hole_;
  // A cut that an earlier life has made but for saying so.
  const Wal::Position& end = recovered_.wal.at_;
  if (known_cut_ && !hole_) doubt.cut = LogCut{.segment = end.segment, .offset = end.offset};
  const bool is_whole_log =
      sizes_.empty() || (hole_ && hole_->offset == 0 && hole_->segment <= sizes_.begin()->first);
  if (is_whole_log || sequence_ == 0 || !joins_snapshot()) {
    // Nothing is left of the log, or nothing that can be told from where it begins.
    doubt.cut = LogCut{};
    forget_log();
  }
  resume_with(doubt.hard_state);
  VESPER_TRY(join_snapshot());
  doubt.first = recovered_.base.index.plus(recovered_.entries.size() + 1);
  if (suspicion.known) {
    doubt.first = std::min(doubt.first, suspicion.known->first);
    doubt.last = std::max(doubt.last, suspicion.known->last);
  }
  doubt.last = std::max(doubt.last, doubt.first.previous());
  plan_cut(doubt, suspicion.snapshot_files);
  doubt.cut.reset();
  recovered_.doubt = std::move(doubt);
  return std::move(recovered_);
}

// --- What is known ---

bool WalRecovery::joins_snapshot() const {
  return begin_ ? *begin_ <= snapshot_.index : snapshot_.index > Index(0);
}

Result<Doubt> WalRecovery::doubt_about(const Wal::Suspicion& suspicion, const Status& read) {
  Doubt doubt;
  doubt.hard_state = recovered_.hard_state;
  doubt.last = begin_.value_or(Index(0)).plus(recovered_.entries.size());
  if (suspicion.snapshot) doubt.where = suspicion.snapshot->message;
  if (!read.ok()) doubt.where = read.error().message;
  if (doubt.where.empty() && !joins_snapshot()) {
    const std::uint64_t first = sizes_.begin()->first;
    const bool is_cut = first > format::kFirstSegment;
    doubt.where =
        is_cut ? place(first - 1, 0, "the segment is gone, and no snapshot stands for what it held")
               : place(first, format::kGroupsBegin,
                       "no snapshot stands for what comes before this log");
  }
  // While the cut is to be made nothing is written: all is as the earlier life found it.
  if (known_cut_) {
    doubt.hard_state = suspicion.known->hard_state;
    doubt.where = suspicion.known->where;
    return doubt;
  }
  if (hole_) {
    bool reaches_end = false;
    const Survey seen = survey(reaches_end);
    const auto hard_state = reaches_end ? hard_state_beyond(seen) : std::nullopt;
    if (!hard_state) {
      return Error{ErrorCode::kCorruption,
                   read.error().message +
                       ", and term and vote of this node cannot be told from what is left: it may "
                       "have forgotten a vote, so it must be replaced"};
    }
    doubt.hard_state = *hard_state;
    for (const auto& [sequence, group] : seen) doubt.last = std::max(doubt.last, group.last_entry);
  }
  if (!suspicion.known) return doubt;
  doubt.hard_state = later(doubt.hard_state, suspicion.known->hard_state);
  if (doubt.where.empty()) {
    // No new damage: the doubt is about what was promised before it was found, not since.
    doubt.hard_state = suspicion.known->hard_state;
    doubt.where = suspicion.known->where;
  }
  return doubt;
}

// Term and vote after the last group that was written. A mark tells them, and so does a record of
// them; a group that verifies and holds none changes nothing. What is seen may also be of a log
// that was cut long ago, if the disk has brought back a segment of it: neither is ever taken back,
// so the latest of all that are seen stands.
std::optional<raft::HardState> WalRecovery::hard_state_beyond(const Survey& survey) const {
  std::optional<raft::HardState> known = recovered_.hard_state;
  raft::HardState latest = recovered_.hard_state;
  std::uint64_t sequence = sequence_;
  if (sequence == 0) {
    if (survey.empty()) return std::nullopt;
    known.reset();
    sequence = survey.begin()->first;
  }
  // Of a segment that cannot be read one group at least was written, as its predecessor says.
  std::uint64_t end = survey.empty() ? sequence : survey.rbegin()->first + 1;
  if (hole_->offset == 0 && !ended_) end = std::max(end, sequence + 1);
  for (; sequence < end; ++sequence) {
    const auto at = survey.find(sequence);
    if (at == survey.end()) {
      known.reset();
    } else if (at->second.hard_state) {
      known = at->second.hard_state;
      latest = later(latest, *known);
    } else if (!at->second.is_whole) {
      known.reset();
    }
  }
  return known ? std::optional(latest) : std::nullopt;
}

// `reaches_end`: what was written last can be seen. Not where the last segment that was in use is
// cut short or gone; one that stands ready behind it is empty and tells nothing.
WalRecovery::Survey WalRecovery::survey(bool& reaches_end) const {
  Survey seen;
  reaches_end = false;
  if (sizes_.empty()) return seen;
  for (const auto& [number, size] : sizes_) {
    if (number < hole_->segment) continue;
    const auto bytes = disk_.read(format::segment_name(number));
    if (!bytes.ok()) {
      reaches_end = false;
      continue;
    }
    const Segment segment{number, bytes.value()};
    const bool is_hole = number == hole_->segment && hole_->offset > 0;
    const std::size_t before = seen.size();
    look_into(segment, is_hole ? hole_->offset : 0, seen);
    const bool is_whole = has_its_size(segment);
    bool goes_on = false;
    if (is_whole) {
      const auto closing =
          format::decode_closing(segment.from(segment.groups_end()), identity_.incarnation);
      goes_on = closing && closing->segment == number;
      if (goes_on) seen.try_emplace(closing->sequence - 1);
    }
    if (!is_whole || is_hole || seen.size() > before) reaches_end = is_whole && !goes_on;
  }
  // A gap at the very end: what stood there is not to be seen at all.
  if (hole_->segment > sizes_.rbegin()->first) reaches_end = false;
  return seen;
}

// By either copy of its header.
bool WalRecovery::has_its_size(const Segment& segment) const {
  if (segment.bytes.size() < kSegmentBytesMin || segment.bytes.size() % kSectorBytes != 0) {
    return false;
  }
  auto header = format::decode_header(segment.from(0).first(kSectorBytes));
  if (!header.ok()) header = format::decode_header(segment.from(kSectorBytes).first(kSectorBytes));
  return header.ok() && header.value().segment_bytes == segment.bytes.size();
}

// Every group and every mark from `from` on, wherever they stand: the lengths of those before them
// may be lost. Those of another segment too: a disk may have put there what was to go elsewhere,
// and the last term and vote may be told nowhere else.
void WalRecovery::look_into(const Segment& segment, std::uint64_t from, Survey& survey) const {
  const std::uint64_t end = segment.bytes.size() / kSectorBytes * kSectorBytes;
  std::uint64_t at = from;
  while (at < end) {
    const ByteView rest = segment.from(at).first(end - at);
    at += kSectorBytes;
    const auto head = format::decode_head(rest, identity_.incarnation);
    if (head) {
      Seen& seen = survey[head->place.sequence];
      if (rest.size() < format::kHeadBytes + head->body_bytes) continue;
      const ByteView body = rest.subspan(format::kHeadBytes, head->body_bytes);
      if (format::body_sum(body, identity_.incarnation) != head->body_sum) continue;
      seen.is_whole = true;
      look_at_body(body, seen);
      at += format::round_to_sectors(format::kHeadBytes + body.size()) - kSectorBytes;
      continue;
    }
    const auto mark = format::decode_mark(rest, identity_.incarnation);
    if (mark) survey[mark->place.sequence].hard_state = mark->hard_state;
  }
}

void WalRecovery::look_at_body(ByteView body, Seen& seen) const {
  ByteReader in(body);
  while (in.ok() && in.remaining() > 0) {
    switch (static_cast<format::RecordKind>(in.u8())) {
      case format::RecordKind::kHardState:
        seen.hard_state = format::read_hard_state(in);
        break;
      case format::RecordKind::kTruncation:
        in.u64();
        break;
      case format::RecordKind::kRestart:
        seen.last_entry = std::max(seen.last_entry, format::read_position(in).index);
        break;
      case format::RecordKind::kEntry: {
        const ByteView rest = body.subspan(in.offset());
        if (rest.size() < raft::Entry::kHeaderBytes) return;
        const std::size_t size =
            raft::Entry::kHeaderBytes + load_little<std::uint32_t>(rest.data());
        if (size > rest.size()) return;
        const auto entry = raft::Entry::decode(SharedBytes::copy_of(rest.first(size)));
        if (entry.ok()) seen.last_entry = std::max(seen.last_entry, entry.value().index());
        in.bytes(size);
        break;
      }
      default:
        return;
    }
  }
}

// --- What is done about it ---

void WalRecovery::forget_log() {
  recovered_.entries.clear();
  recovered_.base = {};
  recovered_.hard_state = {};
  begin_ = Index(0);
}

// The records of term and vote may be among what is cut: the first group has them.
void WalRecovery::resume_with(const raft::HardState& hard_state) {
  Wal& wal = recovered_.wal;
  const raft::HardState in_log = recovered_.hard_state;
  recovered_.hard_state = later(in_log, hard_state);
  wal.hard_state_ = recovered_.hard_state;
  wal.submitted_ = recovered_.hard_state;
  if (recovered_.hard_state != in_log) wal.put_hard_state();
}

// The doubt is durable before anything goes. Segments go one at a time, the newest first, so that a
// crash leaves no gap; what stays of the last one that stays is zeros again.
void WalRecovery::plan_cut(const Doubt& doubt, const std::vector<std::string>& snapshot_files) {
  if (!doubt.cut && snapshot_files.empty()) return;
  Wal& wal = recovered_.wal;
  std::vector<DiskOp> ops = write_doubt(doubt, identity_.incarnation);
  for (const std::string& name : snapshot_files) ops.emplace_back(RemoveFile{name});
  if (!snapshot_files.empty()) ops.emplace_back(SyncDirectory{});
  if (!doubt.cut) {
    wal.cut_ = std::move(ops);
    return;
  }

  const LogCut& cut = *doubt.cut;
  for (auto at = sizes_.rbegin(); at != sizes_.rend(); ++at) {
    if (at->first < cut.segment || (at->first == cut.segment && cut.offset > 0)) continue;
    ops.emplace_back(RemoveFile{format::segment_name(at->first)});
    ops.emplace_back(SyncDirectory{});
  }
  wal.next_ = {};
  wal.repair_.reset();
  recovered_.unmarked_after.reset();
  if (cut.segment == 0) {
    format::add_create_segment(identity_, format::kFirstSegment, options_.segment_bytes, ops);
    wal.spans_ = {{.segment = format::kFirstSegment, .last_entry = {}, .has_group = false}};
    wal.at_ = {.segment = format::kFirstSegment,
               .segment_bytes = options_.segment_bytes,
               .offset = format::kGroupsBegin,
               .sequence = 1};
  } else {
    const std::uint64_t last = cut.offset > 0 ? cut.segment : cut.segment - 1;
    const std::uint64_t size = sizes_.at(last);
    ops.emplace_back(
        WriteFile{format::segment_name(last), offset_, std::vector<std::byte>(size - offset_)});
    ops.emplace_back(SyncFile{format::segment_name(last)});
    wal.at_ = {.segment = last, .segment_bytes = size, .offset = offset_, .sequence = sequence_};
  }
  Doubt done = doubt;
  done.cut.reset();
  for (DiskOp& op : write_doubt(done, identity_.incarnation)) ops.push_back(std::move(op));
  wal.cut_ = std::move(ops);
}

// --- Where the log cannot be read on ---

// A segment behind the log's end: ready to be used, so nothing stands in it. One that cannot be
// used is made again; but not where a group stands, which the log may lack.
Status WalRecovery::pass_by(std::uint64_t number, const Result<Segment>& segment) {
  if (!segment.ok() && !hole_) return segment.error();
  if (!segment.ok()) {
    const auto bytes = disk_.read(format::segment_name(number));
    if (bytes.ok() && holds_frames(bytes.value().view())) return segment.error();
  }
  hole_.reset();
  if (segment.ok() && is_zero(segment.value().from(format::kGroupsBegin))) {
    if (number == recovered_.wal.at_.segment + 1) {
      recovered_.wal.next_ = {
          .bytes = segment.value().bytes.size(), .is_there = true, .is_asked = false};
    }
    return {};
  }
  if (segment.ok() && holds_frames(segment.value().bytes.view())) {
    const ByteView bytes = segment.value().bytes.view();
    const auto first = std::find_if(bytes.begin() + format::kGroupsBegin, bytes.end(),
                                    [](std::byte b) { return b != std::byte{0}; });
    return hole({number, 0}, static_cast<std::uint64_t>(first - bytes.begin()),
                fmt::format("bytes that follow no log: the segment before does not say that group "
                            "{} is here",
                            sequence_));
  }
  recovered_.wal.leftovers_.push_back(format::segment_name(number));
  recovered_.notes.push_back(fmt::format("{}: an empty segment is damaged, it is made again",
                                         format::segment_name(number)));
  return {};
}

bool WalRecovery::holds_frames(ByteView bytes) const {
  for (std::uint64_t at = 0; at + kSectorBytes <= bytes.size(); at += kSectorBytes) {
    const ByteView rest = bytes.subspan(at);
    if (format::decode_head(rest, identity_.incarnation)) return true;
    if (format::decode_mark(rest, identity_.incarnation)) return true;
  }
  return false;
}

// The log cannot be read on from here, and that is a disk's fault.
Error WalRecovery::hole(LogCut at, std::uint64_t offset, const std::string& what) {
  hole_ = at;
  return {ErrorCode::kCorruption, place(at.segment, offset, what)};
}

bool WalRecovery::is_to_be_cut(std::uint64_t segment, std::uint64_t offset) const {
  if (!known_cut_) return false;
  return segment > known_cut_->segment ||
         (segment == known_cut_->segment && offset >= known_cut_->offset);
}

}  // namespace vesper::storage
