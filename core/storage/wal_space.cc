// The log on a full disk. What it needs to go on is held, not measured: a segment is allocated
// whole before its first use, and the next one while there is still most of the one before, so that
// no other user of the disk can take the room away, and a write inside it asks the file system for
// nothing. Only when the next segment cannot be made does the log have an end in sight: what is
// left of the current one. The last of that is the reserve. Client writes stop above it; entries
// that follow a leader may use half of it, or a log that came a little later to the same end than
// its leader's could never take the leader's last ones, nor the entry with which the next leader
// begins; that entry may use the next quarter, and term and vote all of it.
//
// Nothing is given back that was promised: an entry is appended only if its group fits into what is
// held, with all that waits before it, so term and vote never wait behind one that does not. (One
// exception: entries that came while a segment was being made that the disk then refused, and are
// larger than the rest of the one before: that is the work of a moment against a segment.)
//
// Where a file system does not overwrite in place (copy on write, thin volumes), a write inside a
// file may want room after all, and end half done. The log is then cut back to its last whole group
// at once: were it not, a stop while it waits would leave a torn tail to be judged, and whatever is
// written next would stand before the rest of it. What was cut is written anew, whole, when there
// is room; until then nothing after it is, and none of it counts as durable.
#include <algorithm>
#include <utility>

#include "core/base/limits.h"
#include "core/storage/wal.h"
#include "core/storage/wal_format.h"

namespace vesper::storage {

namespace {

constexpr std::size_t kKindBytes = 1;

std::uint64_t framed_record(std::size_t record_bytes) {
  return format::framed_bytes(kKindBytes + record_bytes);
}

std::uint64_t kept_from(Wal::Use use, const WalOptions& options) {
  const std::uint64_t reserve = std::min(limits::kReserveBytes, options.segment_bytes / 4);
  switch (use) {
    case Wal::Use::kClientWrite:
      return reserve;
    case Wal::Use::kEntry:
      return reserve / 2;
    case Wal::Use::kProtocolEntry:
      return reserve / 4;
  }
  VESPER_UNREACHABLE();
}

}  // namespace

bool Wal::has_room(Use use, std::size_t record_bytes) const {
  if (!is_limited()) return true;
  return room() >= kept_from(use, options_) + framed_record(record_bytes);
}

void Wal::promise(std::size_t record_bytes) {
  promised_ += framed_record(record_bytes);
}

// The next segment takes whatever is left when the current one is done, so its room alone counts.
std::uint64_t Wal::room() const {
  if (refused_ || repair_waits_) return 0;
  const std::uint64_t held = next_.is_there ? format::groups_end(next_.bytes) - format::kGroupsBegin
                                            : format::groups_end(at_.segment_bytes) - at_.offset;
  std::uint64_t taken = promised_;
  for (const Group& group : groups_) {
    taken += format::framed_bytes(group.bytes.size() - format::kHeadBytes);
  }
  return held > taken ? held - taken : 0;
}

void Wal::try_again() {
  repair_waits_ = false;
  if (refused_) refused_->waits = false;
  if (is_full() && !next_.is_there) next_.is_asked = false;
}

void Wal::on_refused(DiskDone done) {
  space_ = Space::kRefused;
  if (done.batch.lane == DiskLane::kBackground) {
    // A segment: what there is of it only takes room from others.
    for (const DiskOp& op : done.batch.ops) {
      if (const auto* create = std::get_if<CreateFile>(&op)) leftovers_.push_back(create->name);
    }
    return;
  }
  VESPER_CHECK(flight_ && flight_->ticket == done.batch.ticket);
  const std::size_t bytes = std::exchange(flight_bytes_, 0);
  const WriteId last = std::exchange(flight_, std::nullopt)->last;
  const auto is_write = [](const DiskOp& op) { return std::holds_alternative<WriteFile>(op); };
  const auto written = std::find_if(done.batch.ops.rbegin(), done.batch.ops.rend(), is_write);
  VESPER_CHECK(written != done.batch.ops.rend());
  auto& write = std::get<WriteFile>(*written);
  if (bytes == 0) {
    // The cut itself, or what recovery had to put right.
    repair_ = Repair{.offset = write.offset, .bytes = std::move(write.bytes), .last = last};
    repair_waits_ = true;
    return;
  }
  repair_ = Repair{.offset = write.offset,
                   .bytes = std::vector<std::byte>(write.bytes.size()),
                   .last = WriteId()};
  refused_ = Refused{.batch = std::move(done.batch), .last = last, .bytes = bytes};
}

void Wal::on_given() {
  if (next_.is_there && !refused_ && !repair_) space_ = Space::kGiven;
}

// Whether nothing else may be written now: what was refused comes first.
bool Wal::submit_refused() {
  if (repair_waits_) return true;
  if (!refused_ || repair_) return false;
  if (refused_->waits) return true;
  Refused again = *std::exchange(refused_, std::nullopt);
  again.batch.ticket = ++last_ticket_;
  flight_ = Flight{.ticket = again.batch.ticket, .last = again.last};
  flight_bytes_ = again.bytes;
  disk_->submit(std::move(again.batch));
  return true;
}

void Wal::remove_leftovers() {
  if (leftovers_.empty()) return;
  DiskBatch batch{DiskLane::kBackground, ++last_ticket_, {}};
  for (std::string& name : std::exchange(leftovers_, {})) {
    batch.ops.push_back(RemoveFile{std::move(name)});
  }
  disk_->submit(std::move(batch));
}

}  // namespace vesper::storage
