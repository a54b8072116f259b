// A disk in memory for the tests of what the core stores. It keeps apart what is durable and what a
// crash may still lose: sectors written and not synced, a new file's size, names created, renamed
// or removed since the directory's last sync. A test runs it one operation at a time, so it can
// crash between any two, and says for each unsynced thing whether it survives.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/storage/disk.h"

namespace vesper::testing {

class MemoryDisk final : public storage::Disk {
 public:
  // Both make durable what they return, as the contract says.
  Result<std::vector<storage::FileInfo>> list() override;
  Result<SharedBytes> read(const std::string& name) override;
  void submit(storage::DiskBatch batch) override;

  bool has_work(storage::DiskLane lane) const { return !queue(lane).empty(); }
  // The batch that this lane is at. Requires: has_work(lane).
  const storage::DiskBatch& batch(storage::DiskLane lane) const { return queue(lane).front(); }
  // Runs the next operation of this lane's first batch. The completion, if that ends the batch.
  // Requires: has_work(lane).
  std::optional<storage::DiskDone> step(storage::DiskLane lane);
  // Operations run so far, both lanes.
  std::uint64_t steps() const { return steps_; }
  // The operation that is the count-th from now (0: the very next) fails and changes nothing.
  void fail_after(std::uint64_t count) { fails_at_ = steps_ + count; }
  // Writes take so many bytes more, and the one that needs more is cut short; nothing: any number.
  void limit_writes(std::optional<std::uint64_t> bytes) { for_writes_ = bytes; }
  // A file that is made while there is none gets half of its size.
  void limit_files(bool are_limited) { are_files_limited_ = are_limited; }

  // How many things a crash may lose, each by itself.
  std::size_t unsynced() const;
  // The disk after a crash that keeps the i-th unsynced thing if keeps(i). Nothing is submitted to
  // it.
  MemoryDisk after_crash(const std::function<bool(std::size_t)>& keeps) const;

  // --- A hand from outside: what it does is durable at once. ---

  std::vector<std::string> names() const;
  bool has(const std::string& name) const { return names_.contains(name); }
  std::vector<std::byte> contents(const std::string& name) const;
  void put(const std::string& name, std::vector<std::byte> bytes);
  void remove(const std::string& name);

 private:
  struct File {
    std::vector<std::byte> durable;
    std::vector<std::byte> now;
    std::set<std::size_t> dirty_sectors;
    bool is_size_durable = false;
  };
  // One change of the directory, all of it or nothing: a rename is one.
  struct NameChange {
    std::optional<std::pair<std::string, std::size_t>> set;
    std::optional<std::string> erase;
  };
  using Names = std::map<std::string, std::size_t>;  // name -> place in files_

  std::deque<storage::DiskBatch>& queue(storage::DiskLane lane) {
    return queues_[static_cast<std::size_t>(lane)];
  }
  const std::deque<storage::DiskBatch>& queue(storage::DiskLane lane) const {
    return queues_[static_cast<std::size_t>(lane)];
  }
  Status run(storage::DiskOp& op);
  Status run(const storage::CreateFile& op);
  Status run(const storage::WriteFile& op);
  Status run(storage::ReadFile& op);
  Status run(const storage::RenameFile& op);
  Status run(const storage::RemoveFile& op);
  Status run(const storage::SyncFile& op);
  Status run(const storage::SyncDirectory& op);
  File* find(const std::string& name);
  void change(NameChange change);
  static void apply(const NameChange& change, Names& names);
  static void sync(File& file);

  std::vector<File> files_;
  Names names_;
  Names durable_names_;
  std::vector<NameChange> unsynced_names_;
  std::deque<storage::DiskBatch> queues_[2];
  std::size_t next_op_[2] = {0, 0};
  std::uint64_t steps_ = 0;
  std::optional<std::uint64_t> fails_at_;
  std::optional<std::uint64_t> for_writes_;
  bool are_files_limited_ = false;
};

// What a disk holds, for reading only, with bits that can be flipped in place: cheap enough for a
// recovery a bit.
class FrozenDisk final : public storage::Disk {
 public:
  explicit FrozenDisk(const MemoryDisk& disk);

  Result<std::vector<storage::FileInfo>> list() override;
  Result<SharedBytes> read(const std::string& name) override;
  void submit(storage::DiskBatch batch) override;

  // The file's bytes, as read() shares them.
  std::span<std::byte> bytes(const std::string& name) { return files_.at(name).writable; }
  // The first `size` bytes are all there is.
  void cut(const std::string& name, std::size_t size) { files_.at(name).size = size; }

 private:
  struct File {
    SharedBytes shared;
    std::span<std::byte> writable;
    std::size_t size = 0;
  };
  std::map<std::string, File> files_;
};

}  // namespace vesper::testing
