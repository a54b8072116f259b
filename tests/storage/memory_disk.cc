#include "tests/storage/memory_disk.h"

#include <algorithm>

namespace vesper::testing {

using storage::DiskBatch;
using storage::DiskDone;
using storage::DiskLane;
using storage::DiskOp;
using storage::FileInfo;
using storage::kSectorBytes;

namespace {

Error io_error(const std::string& what, const std::string& name) {
  return {ErrorCode::kIo, what + " " + name};
}

Error no_space(const std::string& what, const std::string& name) {
  return {ErrorCode::kNoSpace, what + " " + name};
}

}  // namespace

// --- Start-up ---

Result<std::vector<FileInfo>> MemoryDisk::list() {
  durable_names_ = names_;
  unsynced_names_.clear();
  std::vector<FileInfo> files;
  for (const auto& [name, file] : names_) files.push_back({name, files_[file].now.size()});
  return files;
}

Result<SharedBytes> MemoryDisk::read(const std::string& name) {
  File* const file = find(name);
  if (file == nullptr) return io_error("read", name);
  sync(*file);
  return SharedBytes::copy_of(file->now);
}

// --- Running ---

void MemoryDisk::submit(DiskBatch batch) {
  VESPER_CHECK(!batch.ops.empty());
  queue(batch.lane).push_back(std::move(batch));
}

std::optional<DiskDone> MemoryDisk::step(DiskLane lane) {
  VESPER_CHECK(has_work(lane));
  std::size_t& next_op = next_op_[static_cast<std::size_t>(lane)];
  DiskOp& op = queue(lane).front().ops[next_op];
  const bool fails = fails_at_ == steps_++;
  Status status = fails ? Status(io_error("operation", std::to_string(next_op))) : run(op);
  if (++next_op < queue(lane).front().ops.size() && status.ok()) return std::nullopt;

  DiskDone done{std::move(queue(lane).front()), std::move(status)};
  queue(lane).pop_front();
  next_op = 0;
  return done;
}

Status MemoryDisk::run(DiskOp& op) {
  return std::visit([this](auto& one) { return run(one); }, op);
}

Status MemoryDisk::run(const storage::CreateFile& op) {
  const std::uint64_t size = are_files_limited_ ? op.size / 2 : op.size;
  files_.push_back({{}, std::vector<std::byte>(size), {}, false});
  change({.set = std::pair(op.name, files_.size() - 1), .erase = std::nullopt});
  if (are_files_limited_) return no_space("create", op.name);
  return {};
}

Status MemoryDisk::run(const storage::WriteFile& op) {
  File* const file = find(op.name);
  if (file == nullptr) return io_error("write", op.name);
  VESPER_CHECK(op.offset + op.bytes.size() <= file->now.size());
  const std::uint64_t size =
      std::min<std::uint64_t>(op.bytes.size(), for_writes_.value_or(op.bytes.size()));
  if (for_writes_) *for_writes_ -= size;
  std::copy_n(op.bytes.begin(), size, file->now.begin() + static_cast<std::ptrdiff_t>(op.offset));
  const std::uint64_t end = op.offset + size;
  for (std::uint64_t at = op.offset / kSectorBytes; at * kSectorBytes < end; ++at) {
    file->dirty_sectors.insert(at);
  }
  if (size < op.bytes.size()) return no_space("write", op.name);
  return {};
}

Status MemoryDisk::run(storage::ReadFile& op) {
  const File* const file = find(op.name);
  if (file == nullptr) return io_error("read", op.name);
  VESPER_CHECK(op.offset + op.bytes.size() <= file->now.size());
  std::copy_n(file->now.begin() + static_cast<std::ptrdiff_t>(op.offset), op.bytes.size(),
              op.bytes.begin());
  return {};
}

Status MemoryDisk::run(const storage::RenameFile& op) {
  if (find(op.from) == nullptr) return io_error("rename", op.from);
  change({.set = std::pair(op.to, names_.at(op.from)), .erase = op.from});
  return {};
}

Status MemoryDisk::run(const storage::RemoveFile& op) {
  if (find(op.name) == nullptr) return io_error("remove", op.name);
  change({.set = std::nullopt, .erase = op.name});
  return {};
}

Status MemoryDisk::run(const storage::SyncFile& op) {
  File* const file = find(op.name);
  if (file == nullptr) return io_error("sync", op.name);
  sync(*file);
  return {};
}

Status MemoryDisk::run(const storage::SyncDirectory&) {
  durable_names_ = names_;
  unsynced_names_.clear();
  return {};
}

MemoryDisk::File* MemoryDisk::find(const std::string& name) {
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : &files_[found->second];
}

void MemoryDisk::change(NameChange change) {
  apply(change, names_);
  unsynced_names_.push_back(std::move(change));
}

void MemoryDisk::apply(const NameChange& change, Names& names) {
  if (change.erase) names.erase(*change.erase);
  if (change.set) names[change.set->first] = change.set->second;
}

void MemoryDisk::sync(File& file) {
  file.durable = file.now;
  file.dirty_sectors.clear();
  file.is_size_durable = true;
}

// --- Crashing ---

std::size_t MemoryDisk::unsynced() const {
  std::size_t count = unsynced_names_.size();
  for (const File& file : files_) {
    count += file.dirty_sectors.size() + (file.is_size_durable ? 0 : 1);
  }
  return count;
}

MemoryDisk MemoryDisk::after_crash(const std::function<bool(std::size_t)>& keeps) const {
  std::size_t thing = 0;
  Names names = durable_names_;
  for (const NameChange& change : unsynced_names_) {
    if (keeps(thing++)) apply(change, names);
  }
  std::vector<std::vector<std::byte>> contents;
  for (const File& file : files_) {
    std::vector<std::byte> bytes = file.durable;
    if (!file.is_size_durable && keeps(thing++)) bytes.resize(file.now.size());
    for (const std::size_t sector : file.dirty_sectors) {
      const std::size_t begin = sector * kSectorBytes;
      if (!keeps(thing++) || begin >= bytes.size()) continue;
      const std::size_t size = std::min<std::size_t>(kSectorBytes, bytes.size() - begin);
      std::copy_n(file.now.begin() + static_cast<std::ptrdiff_t>(begin), size,
                  bytes.begin() + static_cast<std::ptrdiff_t>(begin));
    }
    contents.push_back(std::move(bytes));
  }

  MemoryDisk disk;
  for (const auto& [name, file] : names) disk.put(name, contents[file]);
  return disk;
}

// --- A hand from outside ---

std::vector<std::string> MemoryDisk::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : names_) names.push_back(name);
  return names;
}

std::vector<std::byte> MemoryDisk::contents(const std::string& name) const {
  return files_[names_.at(name)].now;
}

void MemoryDisk::put(const std::string& name, std::vector<std::byte> bytes) {
  files_.push_back({bytes, bytes, {}, true});
  names_[name] = files_.size() - 1;
  durable_names_[name] = files_.size() - 1;
}

void MemoryDisk::remove(const std::string& name) {
  VESPER_CHECK(names_.erase(name) == 1);
  durable_names_.erase(name);
}

// --- FrozenDisk ---

FrozenDisk::FrozenDisk(const MemoryDisk& disk) {
  for (const std::string& name : disk.names()) {
    const std::vector<std::byte> bytes = disk.contents(name);
    File& file = files_[name];
    file.size = bytes.size();
    file.shared = SharedBytes::make(bytes.size(), [&](std::span<std::byte> to) {
      std::copy(bytes.begin(), bytes.end(), to.begin());
      file.writable = to;
    });
  }
}

Result<std::vector<FileInfo>> FrozenDisk::list() {
  std::vector<FileInfo> files;
  for (const auto& [name, file] : files_) files.push_back({name, file.size});
  return files;
}

Result<SharedBytes> FrozenDisk::read(const std::string& name) {
  const auto found = files_.find(name);
  if (found == files_.end()) return io_error("read", name);
  return found->second.shared.slice(0, found->second.size);
}

void FrozenDisk::submit(DiskBatch) {
  VESPER_UNREACHABLE();
}

}  // namespace vesper::testing
