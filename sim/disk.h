// One node's disk: files of 512-byte sectors and one directory, with what a crash may take back. A
// write is durable once its file was synced, a name once the directory was. The node submits
// batches; the world asks when each is done, carries it out at that time, and tells the node. A
// crash comes between any two operations of the batches under way, and then loses of what was not
// synced what its CrashLoss says.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/storage/disk.h"
#include "sim/config.h"

namespace vesper::sim {

// Where the disk says that a batch begins, so that its end becomes an event.
class DiskSchedule {
 public:
  virtual ~DiskSchedule() = default;
  virtual void finish_in(storage::DiskLane lane, Duration after) = 0;
};

class SimDisk final : public storage::Disk {
 public:
  struct Options {
    NodeId node;
    Random random;
    DiskConfig config;
  };
  // The schedule must outlive the disk.
  SimDisk(const Options& options, DiskSchedule& schedule);

  // --- As the node sees it ---
  Result<std::vector<storage::FileInfo>> list() override;
  Result<SharedBytes> read(const std::string& name) override;
  void submit(storage::DiskBatch batch) override;

  // --- As the world drives it ---
  // Carries out the batch at the head of the lane and begins the next. Requires: one is under way.
  storage::DiskDone finish(storage::DiskLane lane);
  // Carries operations out at once, and durably: what an earlier life left.
  void preset(std::vector<storage::DiskOp> ops);
  // The batches under way get as far as a draw says; then what was not synced goes as `loss` says.
  // The lanes are empty afterwards. The result: log batches that were carried out whole, by ticket.
  std::vector<std::uint64_t> crash(CrashLoss loss);
  void set_config(const DiskConfig& config) { config_ = config; }
  const DiskConfig& config() const { return config_; }
  void fail_next_sync() { fail_next_sync_ = true; }
  // From now on the disk is nearly full; nothing: as large as anyone may want. A file that there is
  // no room for gets what there is; with is_in_place, so does a write inside a file.
  struct Room {
    std::uint64_t bytes = 0;   // for new files; what is removed makes more
    bool is_in_place = false;  // writes inside files take room too, as where nothing is overwritten
    bool operator==(const Room&) const = default;
  };
  void set_room(std::optional<Room> room);
  bool has_limit() const { return capacity_.has_value(); }
  void flip_bit(const std::string& name, std::uint64_t offset, unsigned bit);
  // Nothing is left. Requires: the node is down.
  void wipe();

 private:
  using Sector = std::array<std::byte, storage::kSectorBytes>;
  struct File {
    std::vector<std::byte> bytes;
    // Sectors written since the last sync, as they were at that sync, in the order of their first
    // write.
    std::vector<std::pair<std::uint32_t, Sector>> unsynced;
    std::vector<bool> is_unsynced;  // by sector
  };
  // A change of names since the last sync of the directory.
  struct NameChange {
    std::string removed;  // empty: none
    std::string added;    // empty: none
    std::uint32_t file = 0;
  };
  struct Lane {
    std::deque<storage::DiskBatch> batches;
  };

  Lane& lane(storage::DiskLane lane) { return lanes_[static_cast<std::size_t>(lane)]; }
  void begin(storage::DiskLane lane);
  Status carry_out(storage::DiskOp& op);
  Status create(const storage::CreateFile& op);
  Status write(const storage::WriteFile& op);
  Status read_part(storage::ReadFile& op);
  Status rename(const storage::RenameFile& op);
  Status remove(const storage::RemoveFile& op);
  Status sync(const storage::SyncFile& op);
  std::uint64_t used() const;
  void mark_unsynced(File& file, std::uint64_t sector);
  void lose_sectors(CrashLoss loss);
  void lose_names(CrashLoss loss);
  void forget_unreachable();

  NodeId node_;
  Random random_;
  DiskConfig config_;
  DiskSchedule& schedule_;
  RandomStream latency_;
  RandomStream crashes_;
  std::array<Lane, 2> lanes_;
  std::map<std::uint32_t, File> files_;
  std::map<std::string, std::uint32_t> names_;
  std::map<std::string, std::uint32_t> durable_names_;
  std::vector<NameChange> name_changes_;
  std::uint32_t next_file_ = 1;
  bool fail_next_sync_ = false;
  std::optional<std::uint64_t> capacity_;    // of all files that have a name
  std::optional<std::uint64_t> for_writes_;  // what writes inside files may take still
};

}  // namespace vesper::sim
