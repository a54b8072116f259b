// One node's disk: files of 512-byte sectors and one directory, with what a crash may take back. A
// write is durable once its file was synced, a name once the directory was. The node submits
// batches; the world asks when each is done, carries it out at that time, and tells the node. A
// crash comes between any two operations of the batches under way, and then loses of what was not
// synced what its CrashLoss says.
//
// It can also fail (disk_faults.cc): hang, refuse operations, and lie: say that a write is done
// which went elsewhere or never came.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "core/storage/disk.h"
#include "sim/config.h"
#include "sim/sparse_bytes.h"

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
  // Requires: one is under way.
  const storage::DiskBatch& under_way(storage::DiskLane of) const {
    return lanes_[static_cast<std::size_t>(of)].batches.front();
  }
  // The crash that follows comes when so many operations of the batch under way are carried out.
  void stop_at(storage::DiskLane of, std::size_t done) { lane(of).stop_at = done; }
  // Carries operations out at once, and durably: what an earlier life left.
  void preset(std::vector<storage::DiskOp> ops);
  // The batches under way get as far as a draw says; then what was not synced goes as `loss` says.
  // The lanes are empty afterwards. The result: log batches that were carried out whole, by ticket.
  std::vector<std::uint64_t> crash(CrashLoss loss);
  // Whether the last crash took back anything that was not synced.
  bool took_back() const { return took_back_; }
  // An operator looks at it, or a fault strikes it: no operation of the node's.
  Result<SharedBytes> look_at(const std::string& name) const;
  void set_config(const DiskConfig& config) { config_ = config; }
  const DiskConfig& config() const { return config_; }
  // Draws where damage strikes. Apart from a crash's draws.
  RandomStream& damages() { return damages_; }
  // Until the next crash: nothing more that is submitted reaches it.
  void close() { is_closed_ = true; }
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
  // The sector at this offset reads as unreadable from now on, until it is written again.
  void lose_sector(const std::string& name, std::uint64_t offset);

  // --- Faults (disk_faults.cc) ---
  // From now on nothing on this lane is done.
  void stall(storage::DiskLane lane) { stalled_[index(lane)] = true; }
  bool is_stalled(storage::DiskLane lane) const { return stalled_[index(lane)]; }
  // Whether what is due on this lane has to wait; it will be told to finish anew.
  bool has_to_wait(storage::DiskLane lane);
  // The next such operation of the node fails, or, if it lasts, all of them from now on.
  struct Refusal {
    DiskOperation operation = DiskOperation::kSync;
    bool lasts = false;
  };
  void refuse(Refusal refusal);
  // Ends stalls and refusals. False: there were none.
  bool mend();
  // The next record that the log writes, whole sectors of it, goes to another place among the
  // log's segments, durably; what it should have replaced stays.
  void misdirect_next_write() { misdirects_next_ = true; }
  // The next record that the log writes, or one sector of it, is never written, though it is said
  // to be and to be synced. Nobody could tell that from a log that ends before it, so it comes to
  // pass only once a later record is durable; where a crash comes first, it had only been late.
  void lose_next_write() { loses_next_ = true; }
  // Requires, of the next two: the node is down.
  void lose_name(const std::string& name);
  // Files that were removed and could come back, by name, the last removed last.
  std::vector<std::string> removed_names() const;
  void bring_back(const std::string& name);
  // What was done to the node since this was asked last: wrong writes, errors that it was given,
  // operations that took longer.
  struct Misdeeds {
    std::vector<std::string> damages;
    std::vector<std::string> errors;
    std::uint64_t spikes = 0;
  };
  Misdeeds take_misdeeds() { return std::exchange(misdeeds_, {}); }

 private:
  struct File {
    SparseBytes bytes;
    // Sectors written since the last sync, as they were at that sync, in the order of their first
    // write.
    std::vector<std::pair<std::uint32_t, SparseBytes::Sector>> unsynced;
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
    std::optional<std::size_t> stop_at;
  };

  // A write that was never made.
  struct Late {
    std::uint32_t file = 0;
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
    bool is_synced = false;    // as the node believes
    bool is_followed = false;  // by another record
  };
  struct Removed {
    std::string name;
    File file;
  };

  static std::size_t index(storage::DiskLane lane) { return static_cast<std::size_t>(lane); }
  Lane& lane(storage::DiskLane lane) { return lanes_[index(lane)]; }
  void begin(storage::DiskLane lane);
  Status carry_out(storage::DiskOp& op, storage::DiskLane lane);
  Status create(const storage::CreateFile& op);
  Status write(const storage::WriteFile& op, storage::DiskLane lane);
  Status read_part(storage::ReadFile& op);
  Status rename(const storage::RenameFile& op);
  Status remove(const storage::RemoveFile& op);
  Status sync(const storage::SyncFile& op);
  Status sync_directory();
  void put(File& file, std::uint64_t offset, ByteView bytes);
  std::optional<Error> refusal_of(DiskOperation operation, const std::string& name);
  bool strikes(const storage::WriteFile& op, std::uint32_t file);
  bool misdirect(const storage::WriteFile& op);
  void lose(const storage::WriteFile& op, std::uint32_t file);
  void note_synced(std::uint32_t file);
  void catch_up_late_write();
  void keep_removed();
  std::uint64_t used() const;
  void lose_sectors(CrashLoss loss);
  void lose_names(CrashLoss loss);
  void forget_unreachable();

  NodeId node_;
  Random random_;
  DiskConfig config_;
  DiskSchedule& schedule_;
  RandomStream latency_;
  RandomStream crashes_;
  RandomStream damages_;
  std::array<Lane, 2> lanes_;
  std::map<std::uint32_t, File> files_;
  std::map<std::string, std::uint32_t> names_;
  std::map<std::string, std::uint32_t> durable_names_;
  std::vector<NameChange> name_changes_;
  std::uint32_t next_file_ = 1;
  bool is_closed_ = false;
  std::optional<std::uint64_t> capacity_;    // of all files that have a name
  std::optional<std::uint64_t> for_writes_;  // what writes inside files may take still

  RandomStream spikes_;
  RandomStream wrong_places_;
  std::array<bool, 2> stalled_{};  // by lane
  std::array<bool, 2> waits_{};    // by lane: something was due meanwhile
  struct Refusals {
    bool next = false;
    bool all = false;
  };
  std::array<Refusals, kDiskOperations> refusals_{};
  bool misdirects_next_ = false;
  bool loses_next_ = false;
  std::optional<Late> late_;
  std::deque<Removed> removed_;
  Misdeeds misdeeds_;
  bool took_back_ = false;
};

}  // namespace vesper::sim
