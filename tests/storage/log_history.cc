#include "tests/storage/log_history.h"

#include <algorithm>

#include "core/base/random.h"

namespace vesper::testing {

using storage::DiskLane;
using storage::RecoveredLog;

namespace {

bool same(const raft::Entry& a, const raft::Entry& b) {
  return a.position() == b.position() && a.kind() == b.kind() &&
         a.record().text() == b.record().text();
}

void apply(const LogRecord& record, LogState& state) {
  if (const auto* hard_state = std::get_if<raft::HardState>(&record)) {
    state.hard_state = *hard_state;
  } else if (const auto* truncation = std::get_if<Truncation>(&record)) {
    state.entries.resize(truncation->from.value() - 1);
  } else {
    state.entries.push_back(std::get<raft::Entry>(record));
  }
}

}  // namespace

storage::Identity formed_identity() {
  storage::Identity identity;
  identity.node = NodeId(3);
  identity.incarnation = Incarnation(0x1234'5678'9abc'def0);
  identity.cluster = ClusterId(0xc105'7e12);
  for (std::uint64_t i = 0; i < 5; ++i) identity.founders.emplace_back(100 + i);
  identity.founders[3] = identity.incarnation;
  return identity;
}

bool LogState::is_in(const RecoveredLog& log) const {
  const std::uint64_t base = log.base.index.value();
  if (hard_state != log.hard_state || base > entries.size()) return false;
  if (base > 0 && entries[base - 1].position() != log.base) return false;
  return std::equal(entries.begin() + static_cast<std::ptrdiff_t>(base), entries.end(),
                    log.entries.begin(), log.entries.end(), same);
}

// --- History ---

void History::add(raft::Ready& ready) {
  last_write_ = last_write_.next();
  ready.write = last_write_;
  Write write{last_write_, {}};
  if (ready.hard_state) write.records.emplace_back(*ready.hard_state);
  if (ready.truncate_from) write.records.emplace_back(Truncation{*ready.truncate_from});
  for (const raft::Entry& entry : ready.entries) write.records.emplace_back(entry);
  for (const LogRecord& record : write.records) apply(record, last_);
  open_.push_back(std::move(write));
}

void History::on_durable(WriteId write) {
  std::size_t done = 0;
  while (done < open_.size() && open_[done].id <= write) {
    for (const LogRecord& record : open_[done].records) apply(record, durable_);
    ++done;
  }
  open_.erase(open_.begin(), open_.begin() + static_cast<std::ptrdiff_t>(done));
}

bool History::restart(const RecoveredLog& log) {
  LogState state = durable_;
  bool is_found = state.is_in(log);
  for (std::size_t i = 0; i < open_.size() && !is_found; ++i) {
    for (const LogRecord& record : open_[i].records) {
      apply(record, state);
      is_found = state.is_in(log);
      if (is_found) break;
    }
  }
  if (!is_found) return false;
  durable_ = state;
  last_ = std::move(state);
  open_.clear();
  last_write_ = WriteId(1);  // which may be the one that makes safe what was found
  return true;
}

// --- What Raft could write ---

raft::Entry entry_of(Term term, Index index, std::size_t payload_bytes) {
  std::vector<std::byte> payload(payload_bytes);
  for (std::size_t i = 0; i < payload.size(); ++i) {
    const std::uint64_t word = mix64(index.value(), i);
    payload[i] = static_cast<std::byte>(static_cast<std::uint8_t>(1 + word % 255));
  }
  return raft::Entry::make({term, index}, raft::EntryKind::kCommand, payload);
}

raft::Ready any_ready(const LogState& state, std::uint64_t seed) {
  RandomStream dice(Random(seed), {Purpose::kTest});
  raft::Ready ready;
  raft::HardState hard_state = state.hard_state;
  if (hard_state.term == Term(0) || dice.below(4) == 0) {
    if (hard_state.term == Term(0) || hard_state.vote) {
      hard_state = {.term = hard_state.term.next(), .vote = std::nullopt};
    }
    if (dice.below(2) == 0) hard_state.vote = NodeId(static_cast<std::uint32_t>(dice.below(5)));
    ready.hard_state = hard_state;
  }

  std::uint64_t length = state.entries.size();
  if (length > 0 && dice.below(5) == 0) {
    length -= dice.between(1, std::min<std::uint64_t>(length, 6));
    ready.truncate_from = Index(length + 1);
  }
  Term term = length == 0 ? Term(1) : state.entries[length - 1].term();
  for (std::uint64_t count = dice.below(6); count > 0; --count) {
    term = Term(dice.between(term.value(), hard_state.term.value()));
    const std::uint64_t size_class = dice.below(40);
    const std::uint64_t bytes_max = size_class < 24   ? 200
                                    : size_class < 36 ? 1'500
                                    : size_class < 39 ? 6'000
                                                      : 24'000;
    ready.entries.push_back(entry_of(term, Index(++length), dice.below(bytes_max)));
  }
  if (!ready.truncate_from && ready.entries.empty()) ready.hard_state = hard_state;
  return ready;
}

// --- Life ---

void run_to_end(MemoryDisk& disk, std::vector<storage::DiskOp> ops) {
  disk.submit({DiskLane::kLog, 0, std::move(ops)});
  std::optional<storage::DiskDone> done;
  while (!done) done = disk.step(DiskLane::kLog);
  VESPER_CHECK(done->status.ok());
}

MemoryDisk formatted_disk(const storage::Identity& identity, const storage::WalOptions& options) {
  MemoryDisk disk;
  run_to_end(disk, storage::Wal::format(identity, options));
  run_to_end(disk, storage::write_identity(identity));
  return disk;
}

std::optional<Life> Life::begin(MemoryDisk& disk, History& history,
                                const storage::WalOptions& options, std::string& problem,
                                LogPosition snapshot) {
  auto recovered = storage::Wal::recover(disk, formed_identity(), options, snapshot);
  if (!recovered.ok()) {
    problem = recovered.error().message;
    return std::nullopt;
  }
  if (!history.restart(recovered.value())) {
    problem = "recovered " + std::to_string(recovered.value().entries.size()) +
              " entries that are no prefix of what was written, or less than was durable (" +
              std::to_string(history.durable().entries.size()) + ")";
    return std::nullopt;
  }
  return Life(disk, history, std::move(recovered.value()));
}

void Life::write(raft::Ready ready) {
  history_->add(ready);
  wal_.append(ready);
}

bool Life::step(DiskLane lane) {
  wal_.flush();
  if (!disk_->has_work(lane)) {
    lane = lane == DiskLane::kLog ? DiskLane::kBackground : DiskLane::kLog;
    if (!disk_->has_work(lane)) return false;
  }
  auto done = disk_->step(lane);
  if (!done) return true;
  const auto durable = wal_.on_disk_done(std::move(*done));
  if (durable.ok()) {
    history_->on_durable(durable.value());
  } else {
    failure_ = durable.error();
  }
  return durable.ok();
}

void Life::settle() {
  while (step(DiskLane::kLog)) continue;
  VESPER_CHECK(!failure_);
}

bool has_torn_tail(const std::vector<std::string>& notes) {
  return std::any_of(notes.begin(), notes.end(), [](const std::string& note) {
    return note.find("torn tail") != std::string::npos;
  });
}

}  // namespace vesper::testing
