#include "core/storage/wal.h"

#include <algorithm>
#include <utility>

#include "core/storage/wal_format.h"

namespace vesper::storage {

namespace {

// A group's body grows up to this: larger ones gain nothing from one sync, and would hold up what
// follows.
constexpr std::size_t kGroupBodyBytes = 1024 * 1024;
// Buffers kept for later: the batch in flight, the group that gathers, and one to spare.
constexpr std::size_t kSpareBuffers = 3;
constexpr std::size_t kGroupOps = 2;  // its write and its sync
constexpr std::size_t kTruncationBytes = 8;
constexpr std::size_t kKindBytes = 1;

Wal::Flight flight_of(const DiskBatch& batch, WriteId last) {
  return {.ticket = batch.ticket, .last = last};
}

void append_record(format::RecordKind kind, ByteWriter& out) {
  out.u8(static_cast<std::uint8_t>(kind));
}

void append_entry(const raft::Entry& entry, ByteWriter& out) {
  append_record(format::RecordKind::kEntry, out);
  out.bytes(entry.record().view());
}

// Head, padding and mark around a body that stands at the front of `group`, after the head's room.
void seal(const format::MarkOf& mark, Incarnation incarnation, std::vector<std::byte>& group) {
  format::write_head(mark.place, incarnation, group);
  group.resize(format::round_to_sectors(group.size()), format::kPadding);
  format::append_mark(mark, incarnation, group);
}

// The smallest segment of at least the usual size in which this group fits.
std::uint64_t segment_bytes_for(std::uint64_t framed, const WalOptions& options) {
  return std::max(options.segment_bytes, format::kGroupsBegin + framed + format::kClosingBytes);
}

}  // namespace

std::vector<DiskOp> Wal::format(const Identity& identity, const WalOptions& options) {
  VESPER_CHECK(options.segment_bytes >= kSegmentBytesMin);
  VESPER_CHECK(options.segment_bytes % kSectorBytes == 0);
  std::vector<DiskOp> ops;
  format::add_create_segment(identity, format::kFirstSegment, options.segment_bytes, ops);
  return ops;
}

std::vector<DiskOp> Wal::format(const Identity& identity, const WalOptions& options,
                                const raft::HardState& hard_state,
                                std::span<const raft::Entry> entries) {
  std::vector<std::byte> group(format::kHeadBytes);
  ByteWriter out(group);
  append_record(format::RecordKind::kHardState, out);
  format::append_hard_state(hard_state, out);
  for (const raft::Entry& entry : entries) append_entry(entry, out);
  seal({.place = {.segment = format::kFirstSegment, .sequence = 1},
        .group_offset = format::kGroupsBegin,
        .hard_state = hard_state},
       identity.incarnation, group);
  VESPER_CHECK(format::kGroupsBegin + group.size() <= format::groups_end(options.segment_bytes));

  std::vector<DiskOp> ops = format(identity, options);
  const std::string name = format::segment_name(format::kFirstSegment);
  ops.push_back(WriteFile{name, format::kGroupsBegin, std::move(group)});
  ops.push_back(SyncFile{name});
  return ops;
}

// --- Appending ---

std::uint64_t Wal::group_bytes_max() const {
  // A quarter of a segment, so that small segments are not left half empty by one large group.
  return std::min<std::uint64_t>(kGroupBodyBytes, options_.segment_bytes / 4);
}

std::vector<std::byte> Wal::take_buffer() {
  std::vector<std::byte> buffer;
  if (!spare_.empty()) {
    buffer = std::move(spare_.back());
    spare_.pop_back();
  }
  buffer.assign(format::kHeadBytes, std::byte{0});
  return buffer;
}

// The group that takes the next record; a record that is larger than any group gets one of its own.
Wal::Group& Wal::open_group(std::size_t record_bytes) {
  const bool is_full = !groups_.empty() && groups_.back().bytes.size() > format::kHeadBytes &&
                       groups_.back().bytes.size() + record_bytes > group_bytes_max();
  if (groups_.empty() || is_full)
    groups_.push_back({take_buffer(), last_append_, hard_state_, Index()});
  return groups_.back();
}

void Wal::append(const raft::Ready& ready) {
  VESPER_CHECK(ready.write > last_append_);
  if (ready.hard_state) {
    hard_state_ = *ready.hard_state;
    put_hard_state();
  }
  if (ready.restart_after) restart_after(*ready.restart_after);
  if (ready.truncate_from) {
    ByteWriter out(open_group(kKindBytes + kTruncationBytes).bytes);
    append_record(format::RecordKind::kTruncation, out);
    out.u64(ready.truncate_from->value());
  }
  for (const raft::Entry& entry : ready.entries) {
    Group& group = open_group(kKindBytes + entry.record().size());
    ByteWriter out(group.bytes);
    append_entry(entry, out);
    group.last_entry = std::max(group.last_entry, entry.index());
  }
  VESPER_CHECK(!groups_.empty());
  last_append_ = ready.write;
  groups_.back().last = ready.write;
}

void Wal::put_hard_state() {
  Group& group = open_group(kKindBytes + format::kHardStateBytes);
  ByteWriter out(group.bytes);
  append_record(format::RecordKind::kHardState, out);
  format::append_hard_state(hard_state_, out);
  group.hard_state = hard_state_;
}

void Wal::restart_after(LogPosition position) {
  ByteWriter out(open_group(kKindBytes + format::kPositionBytes).bytes);
  append_record(format::RecordKind::kRestart, out);
  format::append_position(position, out);
}

// --- Writing ---

bool Wal::fits_here(std::uint64_t framed) const {
  return at_.offset + framed <= format::groups_end(at_.segment_bytes);
}

// On a lane of its own: making a segment takes longer than a sync of the log.
void Wal::ask_for_next(std::uint64_t segment_bytes) {
  DiskBatch batch{DiskLane::kBackground, ++last_ticket_, {}};
  for (std::string& name : leftovers_) batch.ops.push_back(RemoveFile{std::move(name)});
  leftovers_.clear();
  format::add_create_segment(identity_, at_.segment + 1, segment_bytes, batch.ops);
  next_ = {.bytes = segment_bytes, .is_there = false, .is_asked = true};
  next_ticket_ = batch.ticket;
  disk_->submit(std::move(batch));
}

// The closing is durable before the first group of the next segment is written.
void Wal::move_to_next(DiskBatch& batch) {
  VESPER_CHECK(next_.is_there);
  const std::string name = format::segment_name(at_.segment);
  batch.ops.push_back(
      WriteFile{name, format::groups_end(at_.segment_bytes),
                format::encode_closing({at_.segment, at_.sequence}, identity_.incarnation)});
  batch.ops.push_back(SyncFile{name});
  at_ = {.segment = at_.segment + 1,
         .segment_bytes = next_.bytes,
         .offset = format::kGroupsBegin,
         .sequence = at_.sequence};
  next_ = {};
  spans_.push_back({.segment = at_.segment, .last_entry = {}, .has_group = false});
}

// What stands in the segments before this one may be removed.
void Wal::begin_with_hard_state(Group& group) {
  std::vector<std::byte> record;
  ByteWriter out(record);
  append_record(format::RecordKind::kHardState, out);
  format::append_hard_state(submitted_, out);
  group.bytes.insert(group.bytes.begin() + format::kHeadBytes, record.begin(), record.end());
}

// One at a time: a crash may undo removals in any order, and a hole in the sequence of segments is
// damage. As long as no snapshot is here all stay, those too in which nothing but terms and votes
// stand: only a snapshot explains a log whose beginning is gone.
void Wal::compact(Index to) {
  if (to == Index(0)) return;
  DiskBatch batch{DiskLane::kBackground, 0, {}};
  while (spans_.size() > 1 && spans_[0].last_entry <= to && spans_[1].has_group) {
    batch.ops.push_back(RemoveFile{format::segment_name(spans_.front().segment)});
    batch.ops.emplace_back(SyncDirectory{});
    spans_.pop_front();
  }
  if (batch.ops.empty()) return;
  batch.ticket = ++last_ticket_;
  disk_->submit(std::move(batch));
}

// A batch in the log's order that holds no group.
void Wal::submit_alone(std::vector<DiskOp> ops, WriteId last) {
  DiskBatch batch{DiskLane::kLog, ++last_ticket_, std::move(ops)};
  flight_ = flight_of(batch, last);
  disk_->submit(std::move(batch));
}

void Wal::submit_repair() {
  const std::string name = format::segment_name(at_.segment);
  std::vector<DiskOp> ops;
  ops.emplace_back(WriteFile{name, repair_->offset, std::move(repair_->bytes)});
  ops.emplace_back(SyncFile{name});
  const WriteId last = std::exchange(repair_, std::nullopt)->last;
  submit_alone(std::move(ops), last);
}

void Wal::flush() {
  promised_ = 0;
  if (!cut_.empty()) {
    is_cutting_ = true;
    return submit_alone(std::exchange(cut_, {}));
  }
  // The cut removes segments: none is made meanwhile.
  if (is_cutting_) return;
  if (is_full()) remove_leftovers();
  if (!next_.is_there && !next_.is_asked) ask_for_next(options_.segment_bytes);
  if (flight_ || submit_refused()) return;
  if (repair_) return submit_repair();
  if (std::exchange(ends_doubt_, false)) return submit_alone(remove_doubt());
  if (groups_.empty()) return;

  const std::uint64_t body_bytes = groups_.front().bytes.size() - format::kHeadBytes;
  const std::uint64_t framed_first =
      format::framed_bytes(body_bytes + kKindBytes + format::kHardStateBytes);
  // After a crash that tore a segment's first group, the next one is its first.
  const bool is_first = at_.offset == format::kGroupsBegin && at_.segment != format::kFirstSegment;
  DiskBatch batch;
  if (!fits_here(is_first ? framed_first : format::framed_bytes(body_bytes))) {
    if (!next_.is_there) return;
    // Only an entry larger than a whole segment: the empty one that was prepared gives way to a
    // larger.
    if (const std::uint64_t needed = segment_bytes_for(framed_first, options_);
        needed > next_.bytes) {
      return ask_for_next(needed);
    }
    begin_with_hard_state(groups_.front());
    move_to_next(batch);
  } else if (is_first) {
    begin_with_hard_state(groups_.front());
  }
  submit_group(std::move(batch));
  if (!next_.is_there && !next_.is_asked) ask_for_next(options_.segment_bytes);
}

// The oldest group, after what `batch` already holds.
void Wal::submit_group(DiskBatch batch) {
  batch.lane = DiskLane::kLog;
  batch.ticket = ++last_ticket_;
  Group group = std::move(groups_.front());
  groups_.pop_front();
  seal({.place = {at_.segment, at_.sequence},
        .group_offset = at_.offset,
        .hard_state = group.hard_state},
       identity_.incarnation, group.bytes);
  submitted_ = group.hard_state;
  spans_.back().last_entry = std::max(spans_.back().last_entry, group.last_entry);
  const std::uint64_t framed = group.bytes.size();
  VESPER_CHECK(fits_here(framed));
  add_group(std::move(group.bytes), batch.ops);
  at_.offset += framed;
  at_.sequence += 1;
  flight_ = flight_of(batch, group.last);
  flight_bytes_ = framed;
  disk_->submit(std::move(batch));
}

void Wal::add_group(std::vector<std::byte> bytes, std::vector<DiskOp>& ops) {
  if (ops.empty() && !spare_ops_.empty() && spare_ops_segment_ == at_.segment) {
    ops.swap(spare_ops_);
    auto& write = std::get<WriteFile>(ops.front());
    write.offset = at_.offset;
    write.bytes = std::move(bytes);
    return;
  }
  const std::string name = format::segment_name(at_.segment);
  ops.reserve(ops.size() + kGroupOps);
  ops.push_back(WriteFile{name, at_.offset, std::move(bytes)});
  ops.push_back(SyncFile{name});
}

Result<WriteId> Wal::on_disk_done(DiskDone done) {
  if (!done.status.ok()) {
    const auto is_write = [](const DiskOp& op) { return std::holds_alternative<WriteFile>(op); };
    const bool writes = std::any_of(done.batch.ops.begin(), done.batch.ops.end(), is_write);
    const bool may_wait = done.batch.lane == DiskLane::kBackground || (writes && !is_cutting_);
    // A doubt that finds no room is for the next start: nothing may go on before it is durable.
    if (done.status.error().code != ErrorCode::kNoSpace || !may_wait) return done.status.error();
    on_refused(std::move(done));
    return WriteId();
  }
  if (done.batch.lane == DiskLane::kBackground) {
    if (done.batch.ticket == next_ticket_) {
      next_.is_there = true;
      next_.is_asked = false;
      on_given();
    }
    return WriteId();
  }
  VESPER_CHECK(flight_ && flight_->ticket == done.batch.ticket);
  is_cutting_ = false;
  for (DiskOp& op : done.batch.ops) {
    auto* write = std::get_if<WriteFile>(&op);
    if (write != nullptr && spare_.size() < kSpareBuffers)
      spare_.push_back(std::move(write->bytes));
  }
  if (std::exchange(flight_bytes_, 0) > 0) {
    spans_.back().has_group = true;
    // With a closing before it, it names the segment before this one too.
    if (done.batch.ops.size() == kGroupOps) {
      spare_ops_ = std::move(done.batch.ops);
      spare_ops_segment_ = at_.segment;
    }
  }
  const WriteId last = std::exchange(flight_, std::nullopt)->last;
  on_given();
  return last;
}

std::size_t Wal::pending_bytes() const {
  std::size_t bytes = flight_bytes_ + (refused_ ? refused_->bytes : 0);
  for (const Group& group : groups_) bytes += group.bytes.size();
  return bytes;
}

}  // namespace vesper::storage
