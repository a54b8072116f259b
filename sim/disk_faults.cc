// How a disk fails: it hangs, it gives errors, it lies about a write, it loses a name or finds an
// old one. What no checksum shows the order of the log's groups does; but a lost write that nothing
// durable follows no single disk could be found out in, so none stays.
#include <fmt/format.h>

#include <algorithm>

#include "sim/disk.h"

namespace vesper::sim {

namespace {

constexpr std::array<const char*, kDiskOperations> kOperations = {"read", "write", "create",
                                                                  "rename", "sync"};
// Of a file that may come back.
constexpr std::size_t kRemovedFiles = 3;
constexpr std::size_t kRemovedBytes = 1024 * 1024;
constexpr int kPlacesTried = 20;

bool is_temporary(const std::string& name) {
  return name.ends_with(".tmp");
}

// "segment" or "snapshot", of those that have a number.
std::string_view kind_of(std::string_view name) {
  return name.substr(0, name.find('-'));
}

bool is_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace

// --- Hanging and refusing ---

bool SimDisk::has_to_wait(storage::DiskLane where) {
  if (!stalled_[index(where)]) return false;
  waits_[index(where)] = true;
  return true;
}

void SimDisk::refuse(Refusal refusal) {
  Refusals& of = refusals_[static_cast<std::size_t>(refusal.operation)];
  (refusal.lasts ? of.all : of.next) = true;
}

bool SimDisk::mend() {
  bool had_any = false;
  for (const storage::DiskLane where : {storage::DiskLane::kLog, storage::DiskLane::kBackground}) {
    had_any = std::exchange(stalled_[index(where)], false) || had_any;
    if (std::exchange(waits_[index(where)], false)) schedule_.finish_in(where, Duration());
  }
  for (Refusals& each : refusals_) {
    had_any = had_any || each.next || each.all;
    each = {};
  }
  return had_any;
}

std::optional<Error> SimDisk::refusal_of(DiskOperation operation, const std::string& name) {
  Refusals& of = refusals_[static_cast<std::size_t>(operation)];
  if (!std::exchange(of.next, false) && !of.all) return std::nullopt;
  const char* const what = kOperations[static_cast<std::size_t>(operation)];
  misdeeds_.errors.emplace_back(what);
  return Error{ErrorCode::kIo, fmt::format("{} {}: input/output error", what, name)};
}

// --- Lying ---

// Whether a fault makes something else of this write. Only of records: of zeros, which clear what a
// crash or a cut has left, nothing could be told.
bool SimDisk::strikes(const storage::WriteFile& op, std::uint32_t file) {
  if (is_temporary(op.name) || is_zero(op.bytes)) return false;
  if (late_) late_->is_followed = true;
  if (std::exchange(misdirects_next_, false)) return misdirect(op);
  if (!loses_next_ || late_) return false;
  loses_next_ = false;
  lose(op, file);
  return true;
}

bool SimDisk::misdirect(const storage::WriteFile& op) {
  std::vector<std::string> targets;
  for (const auto& [name, number] : names_) {
    if (kind_of(name) == kind_of(op.name) && !is_temporary(name)) targets.push_back(name);
  }
  const std::uint64_t sectors = op.bytes.size() / storage::kSectorBytes;
  VESPER_CHECK(op.bytes.size() == sectors * storage::kSectorBytes);
  for (int tried = 0; tried < kPlacesTried; ++tried) {
    const std::string& target = targets[wrong_places_.below(targets.size())];
    File& to = files_.at(names_.at(target));
    const std::uint64_t all = to.bytes.size() / storage::kSectorBytes;
    if (all < sectors) continue;
    const std::uint64_t first = wrong_places_.below(all - sectors + 1);
    const std::uint64_t right = op.offset / storage::kSectorBytes;
    if (target == op.name && first < right + sectors && right < first + sectors) continue;
    // What a crash may still take back would take this with it.
    const auto begin = to.is_unsynced.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::find(begin, begin + static_cast<std::ptrdiff_t>(sectors), true) !=
        begin + static_cast<std::ptrdiff_t>(sectors)) {
      continue;
    }
    to.bytes.write(first * storage::kSectorBytes, op.bytes);
    misdeeds_.damages.push_back(fmt::format("misdirects the write of {} at {} to {} at {}", op.name,
                                            op.offset, target, first * storage::kSectorBytes));
    return true;
  }
  return false;
}

void SimDisk::lose(const storage::WriteFile& op, std::uint32_t file) {
  std::uint64_t from = 0;
  std::uint64_t size = op.bytes.size();
  if (wrong_places_.chance_ppm(500'000)) {
    from = wrong_places_.below(size / storage::kSectorBytes) * storage::kSectorBytes;
    size = storage::kSectorBytes;
  }
  const ByteView all(op.bytes);
  File& to = files_.at(file);
  if (from > 0) put(to, op.offset, all.first(from));
  if (from + size < all.size()) put(to, op.offset + from + size, all.subspan(from + size));
  const ByteView lost = all.subspan(from, size);
  late_ = Late{.file = file, .offset = op.offset + from, .bytes = {lost.begin(), lost.end()}};
}

// A sync of the log, which the node believes.
void SimDisk::note_synced(std::uint32_t file) {
  if (!late_) return;
  if (late_->file == file) late_->is_synced = true;
  if (!late_->is_followed) return;
  if (files_.contains(late_->file)) {
    misdeeds_.damages.push_back(fmt::format("loses a write of {} bytes at {} of a segment",
                                            late_->bytes.size(), late_->offset));
  }
  late_.reset();
}

void SimDisk::catch_up_late_write() {
  if (!late_) return;
  const auto of = files_.find(late_->file);
  if (of != files_.end()) {
    File& file = of->second;
    if (late_->is_synced) {
      file.bytes.write(late_->offset, late_->bytes);
    } else {
      put(file, late_->offset, late_->bytes);
    }
  }
  late_.reset();
}

// --- Names ---

void SimDisk::lose_name(const std::string& name) {
  VESPER_CHECK(name_changes_.empty());
  files_.erase(names_.at(name));
  names_.erase(name);
  durable_names_.erase(name);
}

// What had a durable name and has none now, before it is forgotten.
void SimDisk::keep_removed() {
  for (const auto& [name, file_number] : durable_names_) {
    const std::uint32_t number = file_number;
    const bool has_name = std::any_of(names_.begin(), names_.end(),
                                      [&](const auto& entry) { return entry.second == number; });
    File& file = files_.at(number);
    if (has_name || is_temporary(name) || file.bytes.size() > kRemovedBytes) continue;
    removed_.push_back({.name = name, .file = std::move(file)});
    if (removed_.size() > kRemovedFiles) removed_.pop_front();
  }
}

std::vector<std::string> SimDisk::removed_names() const {
  std::vector<std::string> names;
  for (const Removed& each : removed_) {
    if (!names_.contains(each.name)) names.push_back(each.name);
  }
  return names;
}

void SimDisk::bring_back(const std::string& name) {
  VESPER_CHECK(name_changes_.empty() && !names_.contains(name));
  const auto is_it = [&](const Removed& each) { return each.name == name; };
  const auto found = std::find_if(removed_.rbegin(), removed_.rend(), is_it);
  VESPER_CHECK(found != removed_.rend());
  const std::uint32_t number = next_file_++;
  files_[number] = std::move(found->file);
  names_[name] = number;
  durable_names_[name] = number;
  std::erase_if(removed_, is_it);
}

}  // namespace vesper::sim
