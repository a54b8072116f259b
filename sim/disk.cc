#include "sim/disk.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "sim/draws.h"

namespace vesper::sim {

namespace {

// An operation that waits for no platter.
constexpr Duration kQuickOperation = Duration::microseconds(5);
constexpr std::uint64_t kHalf = 500'000;

bool is_sync(const storage::DiskOp& op) {
  return std::holds_alternative<storage::SyncFile>(op) ||
         std::holds_alternative<storage::SyncDirectory>(op);
}

Error no_such_file(const char* operation, const std::string& name) {
  return {ErrorCode::kIo, fmt::format("{} {}: no such file", operation, name)};
}

Error no_space(const char* operation, const std::string& name) {
  return {ErrorCode::kNoSpace, fmt::format("{} {}: no space left", operation, name)};
}

}  // namespace

SimDisk::SimDisk(const Options& options, DiskSchedule& schedule)
    : node_(options.node),
      random_(options.random),
      config_(options.config),
      schedule_(schedule),
      latency_(random_, DrawKey{Purpose::kDiskLatency, node_.value()}),
      crashes_(random_, DrawKey{Purpose::kDiskCrash, node_.value()}),
      damages_(random_, DrawKey{Purpose::kDiskCrash, node_.value(), 1}),
      spikes_(random_, DrawKey{Purpose::kDiskLatency, node_.value(), 1}),
      wrong_places_(random_, DrawKey{Purpose::kDiskCrash, node_.value(), 2}) {}

// --- Room ---

std::uint64_t SimDisk::used() const {
  std::uint64_t bytes = 0;
  for (const auto& [name, file] : names_) bytes += files_.at(file).bytes.size();
  return bytes;
}

void SimDisk::set_room(std::optional<Room> room) {
  capacity_.reset();
  for_writes_.reset();
  if (!room) return;
  capacity_ = used() + room->bytes;
  if (room->is_in_place) for_writes_ = room->bytes;
}

// --- As the node sees it ---

Result<std::vector<storage::FileInfo>> SimDisk::list() {
  std::vector<storage::FileInfo> files;
  for (const auto& [name, file] : names_) files.push_back({name, files_.at(file).bytes.size()});
  return files;
}

Result<SharedBytes> SimDisk::read(const std::string& name) {
  // One that does not last is for an operation: at start there is no telling which read it hits.
  if (refusals_[static_cast<std::size_t>(DiskOperation::kRead)].all) {
    return *refusal_of(DiskOperation::kRead, name);
  }
  return look_at(name);
}

Result<SharedBytes> SimDisk::look_at(const std::string& name) const {
  const auto found = names_.find(name);
  if (found == names_.end()) return no_such_file("read", name);
  const SparseBytes& bytes = files_.at(found->second).bytes;
  return SharedBytes::make(bytes.size(), [&](std::span<std::byte> to) { bytes.read(0, to); });
}

void SimDisk::submit(storage::DiskBatch batch) {
  if (is_closed_) return;
  const storage::DiskLane where = batch.lane;
  Lane& to = lane(where);
  to.batches.push_back(std::move(batch));
  if (to.batches.size() == 1) begin(where);
}

void SimDisk::begin(storage::DiskLane where) {
  Duration duration;
  for (const storage::DiskOp& op : lane(where).batches.front().ops) {
    duration = duration + (is_sync(op) ? draw_delay(config_.sync, latency_) : kQuickOperation);
    if (config_.spikes_ppm == 0 || !spikes_.chance_ppm(config_.spikes_ppm)) continue;
    duration = duration + draw_delay(config_.spike, spikes_);
    ++misdeeds_.spikes;
  }
  schedule_.finish_in(where, duration);
}

storage::DiskDone SimDisk::finish(storage::DiskLane where) {
  Lane& from = lane(where);
  VESPER_CHECK(!from.batches.empty());
  storage::DiskDone done{std::move(from.batches.front()), {}};
  from.batches.pop_front();
  for (storage::DiskOp& op : done.batch.ops) {
    if (done.status.ok()) done.status = carry_out(op, where);
  }
  if (!from.batches.empty()) begin(where);
  return done;
}

// --- Operations ---

Status SimDisk::carry_out(storage::DiskOp& op, storage::DiskLane where) {
  if (const auto* create_file = std::get_if<storage::CreateFile>(&op)) return create(*create_file);
  if (const auto* write_file = std::get_if<storage::WriteFile>(&op))
    return write(*write_file, where);
  if (auto* read_file = std::get_if<storage::ReadFile>(&op)) return read_part(*read_file);
  if (const auto* rename_file = std::get_if<storage::RenameFile>(&op)) return rename(*rename_file);
  if (const auto* remove_file = std::get_if<storage::RemoveFile>(&op)) return remove(*remove_file);
  if (const auto* sync_file = std::get_if<storage::SyncFile>(&op)) return sync(*sync_file);
  return sync_directory();
}

Status SimDisk::sync_directory() {
  // A single refusal of a sync is for a file.
  if (refusals_[static_cast<std::size_t>(DiskOperation::kSync)].all) {
    return *refusal_of(DiskOperation::kSync, "the directory");
  }
  keep_removed();
  durable_names_ = names_;
  name_changes_.clear();
  forget_unreachable();
  return {};
}

Status SimDisk::create(const storage::CreateFile& op) {
  if (const auto refused = refusal_of(DiskOperation::kCreate, op.name)) return *refused;
  names_.erase(op.name);
  std::uint64_t size = op.size;
  if (capacity_) size = std::min(size, *capacity_ - std::min(*capacity_, used()));
  const std::uint32_t number = next_file_++;
  File& file = files_[number];
  file.bytes = SparseBytes(size);
  file.is_unsynced.resize((size + storage::kSectorBytes - 1) / storage::kSectorBytes);
  names_[op.name] = number;
  name_changes_.push_back({.removed = {}, .added = op.name, .file = number});
  return size == op.size ? Status() : Status(no_space("create", op.name));
}

Status SimDisk::write(const storage::WriteFile& op, storage::DiskLane where) {
  if (const auto refused = refusal_of(DiskOperation::kWrite, op.name)) return *refused;
  const auto found = names_.find(op.name);
  if (found == names_.end()) return no_such_file("write", op.name);
  File& file = files_.at(found->second);
  VESPER_CHECK(op.offset <= file.bytes.size() && op.bytes.size() <= file.bytes.size() - op.offset);
  const std::uint64_t room = for_writes_.value_or(op.bytes.size());
  const std::uint64_t size = std::min<std::uint64_t>(room, op.bytes.size());
  if (for_writes_) *for_writes_ -= size;
  const bool is_whole = size == op.bytes.size();
  if (is_whole && where == storage::DiskLane::kLog && strikes(op, found->second)) return {};
  if (size > 0) put(file, op.offset, ByteView(op.bytes).first(size));
  return size == op.bytes.size() ? Status() : Status(no_space("write", op.name));
}

void SimDisk::put(File& file, std::uint64_t offset, ByteView bytes) {
  while (!bytes.empty()) {
    const std::size_t count = SparseBytes::within_sector(offset, bytes.size());
    const std::uint64_t sector = offset / storage::kSectorBytes;
    SparseBytes::Sector before = file.bytes.replace(offset, bytes.first(count));
    if (!file.is_unsynced[sector]) {
      file.is_unsynced[sector] = true;
      file.unsynced.emplace_back(static_cast<std::uint32_t>(sector), std::move(before));
    }
    bytes = bytes.subspan(count);
    offset += count;
  }
}

Status SimDisk::read_part(storage::ReadFile& op) {
  if (const auto refused = refusal_of(DiskOperation::kRead, op.name)) return *refused;
  const auto found = names_.find(op.name);
  if (found == names_.end()) return no_such_file("read", op.name);
  const File& file = files_.at(found->second);
  VESPER_CHECK(op.offset <= file.bytes.size() && op.bytes.size() <= file.bytes.size() - op.offset);
  file.bytes.read(op.offset, op.bytes);
  return {};
}

Status SimDisk::rename(const storage::RenameFile& op) {
  if (const auto refused = refusal_of(DiskOperation::kRename, op.from)) return *refused;
  const auto found = names_.find(op.from);
  if (found == names_.end()) return no_such_file("rename", op.from);
  const std::uint32_t number = found->second;
  names_.erase(found);
  names_[op.to] = number;
  name_changes_.push_back({.removed = op.from, .added = op.to, .file = number});
  return {};
}

Status SimDisk::remove(const storage::RemoveFile& op) {
  if (names_.erase(op.name) == 0) return {};  // what was wanted
  name_changes_.push_back({.removed = op.name, .added = {}, .file = 0});
  return {};
}

Status SimDisk::sync(const storage::SyncFile& op) {
  if (const auto refused = refusal_of(DiskOperation::kSync, op.name)) return *refused;
  const auto found = names_.find(op.name);
  if (found == names_.end()) return no_such_file("sync", op.name);
  File& file = files_.at(found->second);
  for (const auto& [sector, before] : file.unsynced) file.is_unsynced[sector] = false;
  file.unsynced.clear();
  note_synced(found->second);
  return {};
}

// --- What the world does to it ---

void SimDisk::preset(std::vector<storage::DiskOp> ops) {
  for (storage::DiskOp& op : ops) {
    VESPER_CHECK(carry_out(op, storage::DiskLane::kBackground).ok());
  }
  VESPER_CHECK(name_changes_.empty());
}

void SimDisk::wipe() {
  files_.clear();
  names_.clear();
  durable_names_.clear();
  name_changes_.clear();
  late_.reset();
  removed_.clear();
}

std::vector<std::uint64_t> SimDisk::crash(CrashLoss loss) {
  std::vector<std::uint64_t> durable;
  for (Lane& each : lanes_) {
    if (each.batches.empty()) continue;
    // Later batches of a lane had not begun.
    storage::DiskBatch& batch = each.batches.front();
    const std::optional<std::size_t> stop = std::exchange(each.stop_at, std::nullopt);
    const std::uint64_t done = stop ? *stop : crashes_.below(batch.ops.size() + 1);
    Status status;
    for (std::uint64_t i = 0; i < done && status.ok(); ++i)
      status = carry_out(batch.ops[i], batch.lane);
    if (status.ok() && done == batch.ops.size() && batch.lane == storage::DiskLane::kLog) {
      durable.push_back(batch.ticket);
    }
    each.batches.clear();
  }
  catch_up_late_write();
  took_back_ = false;
  lose_sectors(loss);
  lose_names(loss);
  waits_ = {};
  for (Refusals& each : refusals_) each.next = false;
  misdirects_next_ = false;
  loses_next_ = false;
  is_closed_ = false;
  return durable;
}

void SimDisk::lose_sectors(CrashLoss loss) {
  for (auto& [number, file] : files_) {
    const std::uint64_t kept_prefix =
        loss == CrashLoss::kTear ? crashes_.below(file.unsynced.size() + 1) : 0;
    for (std::uint64_t i = 0; i < file.unsynced.size(); ++i) {
      auto& [sector, before] = file.unsynced[i];
      file.is_unsynced[sector] = false;
      bool is_kept = loss == CrashLoss::kKeep || i < kept_prefix;
      if (loss == CrashLoss::kLoseRandom) is_kept = crashes_.chance_ppm(kHalf);
      if (is_kept) continue;
      took_back_ = true;
      file.bytes.put_back(sector, std::move(before));
    }
    file.unsynced.clear();
  }
}

void SimDisk::lose_names(CrashLoss loss) {
  const std::uint64_t kept_prefix =
      loss == CrashLoss::kTear ? crashes_.below(name_changes_.size() + 1) : 0;
  names_ = durable_names_;
  for (std::uint64_t i = 0; i < name_changes_.size(); ++i) {
    const NameChange& change = name_changes_[i];
    bool is_kept = loss == CrashLoss::kKeep || i < kept_prefix;
    if (loss == CrashLoss::kLoseRandom) is_kept = crashes_.chance_ppm(kHalf);
    if (!is_kept) took_back_ = true;
    if (!is_kept) continue;
    if (!change.removed.empty()) names_.erase(change.removed);
    if (!change.added.empty()) names_[change.added] = change.file;
  }
  keep_removed();
  durable_names_ = names_;
  name_changes_.clear();
  forget_unreachable();
}

// Files that no name leads to any more, whichever way a crash goes.
void SimDisk::forget_unreachable() {
  VESPER_CHECK(name_changes_.empty());
  std::vector<std::uint32_t> reachable;
  for (const auto& [name, number] : names_) reachable.push_back(number);
  std::sort(reachable.begin(), reachable.end());
  std::erase_if(files_, [&](const auto& entry) {
    return !std::binary_search(reachable.begin(), reachable.end(), entry.first);
  });
}

void SimDisk::flip_bit(const std::string& name, std::uint64_t offset, unsigned bit) {
  File& file = files_.at(names_.at(name));
  VESPER_CHECK(offset < file.bytes.size() && bit < 8);
  std::array<std::byte, 1> byte;
  file.bytes.read(offset, byte);
  byte[0] ^= static_cast<std::byte>(1U << bit);
  file.bytes.write(offset, byte);
}

void SimDisk::lose_sector(const std::string& name, std::uint64_t offset) {
  File& file = files_.at(names_.at(name));
  VESPER_CHECK(offset < file.bytes.size());
  const std::uint64_t begin = offset / storage::kSectorBytes * storage::kSectorBytes;
  const std::uint64_t end = std::min(begin + storage::kSectorBytes, file.bytes.size());
  file.bytes.write(begin, std::vector<std::byte>(end - begin, storage::kUnreadable));
}

}  // namespace vesper::sim
