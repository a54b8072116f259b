// Reads the write-ahead log back: the rules of wal.h's opening comment, one function each. Made and
// used once, by Wal::recover, at start.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/storage/wal.h"
#include "core/storage/wal_format.h"

namespace vesper::storage {

class WalRecovery {
 public:
  WalRecovery(Disk& disk, const Identity& identity, const WalOptions& options, LogPosition snapshot,
              LogVisitor* visitor)
      : disk_(disk),
        options_(options),
        identity_(identity),
        snapshot_(snapshot),
        visitor_(visitor),
        recovered_{{}, {}, {}, Wal(disk, identity, options), 0, {}, {}} {}

  Result<RecoveredLog> run();
  Result<RecoveredLog> salvage(const Wal::Suspicion& suspicion);

 private:
  struct Segment {
    std::uint64_t number = 0;
    SharedBytes bytes;
    std::uint64_t groups_end() const { return format::groups_end(bytes.size()); }
    ByteView from(std::uint64_t offset) const { return bytes.view().subspan(offset); }
  };
  struct GroupAt {
    std::uint64_t sequence = 0;
    ByteView body;
    std::uint64_t offset = 0;
    std::uint64_t mark_offset = 0;
    std::uint64_t end = 0;  // where the next group may begin
  };

  // What is still to be read of the groups behind a hole, by sequence.
  struct Seen {
    bool is_whole = false;  // the group verifies
    std::optional<raft::HardState> hard_state;
    Index last_entry;
  };
  using Survey = std::map<std::uint64_t, Seen>;

  Status read_log();
  Status find_segments();
  Result<Segment> read_segment(std::uint64_t number, std::uint64_t listed_bytes);
  Status check_header(const Segment& segment);
  Status read_groups(const Segment& segment);
  Status read_closing(const Segment& segment);
  std::optional<GroupAt> group_at(const Segment& segment, std::uint64_t offset) const;
  Status check_mark(const Segment& segment, const GroupAt& group);
  Status read_bad_group(const Segment& segment);
  Status judge_by_mark(const Segment& segment, std::uint64_t at, const format::Mark& mark);
  Error changed_sector(const Segment& segment, std::uint64_t offset);
  void plan_repair(const Segment& segment);
  Status apply_body(const Segment& segment, ByteView body, std::uint64_t offset);
  void show(LogRecord record, format::RecordKind kind, ByteView bytes) const;
  Status apply_hard_state(const raft::HardState& hard_state);
  Status apply_truncation(Index from);
  Status apply_restart(LogPosition after);
  Status join_snapshot();
  Status apply_entry(ByteView bytes, std::size_t& size);
  void note(const Segment& segment, std::uint64_t offset, const std::string& what);
  Error hole(LogCut at, std::uint64_t offset, const std::string& what);
  bool is_to_be_cut(std::uint64_t segment, std::uint64_t offset) const;
  Status pass_by(std::uint64_t number, const Result<Segment>& segment);
  bool holds_frames(ByteView bytes) const;

  // wal_salvage.cc
  bool joins_snapshot() const;
  Result<Doubt> doubt_about(const Wal::Suspicion& suspicion, const Status& read);
  std::optional<raft::HardState> hard_state_beyond(const Survey& survey) const;
  Survey survey(bool& reaches_end) const;
  bool has_its_size(const Segment& segment) const;
  void look_into(const Segment& segment, std::uint64_t from, Survey& survey) const;
  void look_at_body(ByteView body, Seen& seen) const;
  void forget_log();
  void plan_cut(const Doubt& doubt, const std::vector<std::string>& snapshot_files);
  void resume_with(const raft::HardState& hard_state);

  Disk& disk_;
  const WalOptions& options_;
  const Identity& identity_;
  const LogPosition snapshot_;
  LogVisitor* const visitor_;                     // nullptr: nobody watches
  std::map<std::uint64_t, std::uint64_t> sizes_;  // segment -> bytes
  bool ended_ = false;                            // nothing may follow
  std::uint64_t offset_ = format::kGroupsBegin;   // where the next group begins
  std::uint64_t sequence_ = 1;                    // of the next group
  // Where the log begins: the last position before its first entry. Unknown at first if segments
  // were removed; then the first entry says its index.
  std::optional<Index> begin_ = Index(0);
  bool was_restarted_ = false;
  Index before_group_;               // of the entries here, the last that an earlier group brought
  std::optional<GroupAt> unmarked_;  // the last group read, if its mark does not verify
  std::optional<LogCut> hole_;       // where the log breaks off, if by a disk's fault
  std::optional<LogCut> known_cut_;  // an earlier life's, which may be made in part
  RecoveredLog recovered_;
};

}  // namespace vesper::storage
