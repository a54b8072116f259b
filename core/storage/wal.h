// The write-ahead log: entries, truncations, term and vote, in one sequence of fixed-size segment
// files over Disk. Node owns one; Raft never sees it. It groups commits: at most one batch is in
// flight, and whatever is appended meanwhile becomes the next one (one write, one sync). Term and
// vote stand in the same log as the entries because one sync then carries both, in their order, and
// no second file can disagree with it.
//
// On disk (all integers little-endian, all units of 512-byte sectors, so that a synced sector is
// never written again and a torn write can only hurt what was not acknowledged):
//
//   segment-<16 hex digits>.log   fixed size, created as zeros, header written, synced, renamed
//                                 into place and the directory synced before its first use. A
//                                 shorter or longer file is damage.
//     header    sector 0 and a copy in sector 1: magic, format version, segment number, segment
//               size, node, cluster, incarnation, CRC-32C.
//     group*    one per sync. Sequence numbers are one apart over all segments; a group fits in one
//               segment.
//       head    32 bytes: magic, CRC-32C of the body, segment number, sequence, body length, then a
//               CRC-32C of the head itself (the length has its own checksum).
//       body    records: a hard state, a truncation ("drop every entry from this index on"), a
//               restart ("drop every entry; the log goes on after this position", where a snapshot
//               took the place of a log that did not agree with it), or an entry's own record bytes
//               as they travel between nodes (core/raft/entry.h). A segment's first group begins
//               with a hard state, so that the segments before it can go.
//       0xff    up to the next sector: not zeros, so that no short last sector is one flipped bit
//               away from the zeros that the segment was made of.
//       mark    sectors of its own, in the same write and the same sync: magic, segment number,
//               sequence, the group's place and length, the hard state as it stands after the group
//               (term and vote stand twice), and a CRC-32C of each sector of the group; then its
//               own CRC-32C.
//     zeros     up to the last sector.
//     closing   the last sector: zeros, or, once the log goes on in the next segment, magic,
//               segment number, the next group's sequence, CRC-32C. It is synced before that group
//               is written, so that a segment that is lost whole is missed.
// Every sum but the header's starts from the incarnation: the bytes of another life never pass for
// a frame, nor does a value that a client made to look like one.
//
// Segments whose entries a durable snapshot stands for are removed, the oldest first, each removal
// durable before the next; the first that is left holds a whole group. If it is not segment 1, that
// group says which sequence the log begins with.
//
// Recovery reads groups in sequence. What ends the log?
//   - Zeros up to the end, no closing, and nothing in a later segment: the end.
//   - A group that does not verify, while any valid group or mark of a higher sequence follows, in
//     this or a later segment: damage. (Group N+1 is only submitted after N was synced.)
//   - The last group does not verify and its mark does: the mark's sector sums tell which sectors
//     are wrong. If each wrong sector reads as the zeros that the segment was made of, it was never
//     written: torn. If any wrong sector holds something else, it was written and has changed:
//     damage. (So is a group of which a single sector is wrong, reads as zeros and has the sum of a
//     single bit: no telling whether it was torn or flipped.)
//   - The last group does not verify and neither does its mark: torn (two faults at once are not
//     told apart).
//   - The last group verifies and its mark does not: the group stands. From now on it is vouched
//     for, so its mark is written again: without it, damage to the group would pass for a torn tail
//     at the next start.
// A torn tail was never acknowledged. It is zeroed and synced before anything is written after it.
//
// A full disk is no error here (wal_space.cc): the log goes on in the room that it holds, cuts a
// short append back, and tries again when it is told to.
//
// Damage stops recovery with an error that names file and offset; nothing is changed on disk. Where
// the damage is a disk's (a frame that does not verify or is not there, not one that verifies and
// contradicts the others), `salvage` gives the log as it was before the damaged place, with a doubt
// about all that followed (doubt.h), if term and vote can still be known: if every group from the
// last mark or hard state that can be read, up to the last that was written, verifies. Its first
// write makes the doubt durable, and only then cuts what is damaged and all after it, the newest
// segment first. A crash in between leaves a doubt that says where the cut is; it is made again.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/raft/ready.h"
#include "core/storage/disk.h"
#include "core/storage/doubt.h"
#include "core/storage/identity.h"
#include "core/storage/log_visitor.h"

namespace vesper::storage {

// The smallest useful segment. An entry that fits in no segment of the chosen size gets a larger
// one of its own.
inline constexpr std::uint64_t kSegmentBytesMin = 16 * 1024;

struct WalOptions {
  // A multiple of kSectorBytes, at least kSegmentBytesMin.
  std::uint64_t segment_bytes = 64 * 1024 * 1024;
};

struct RecoveredLog;

class Wal {
 public:
  // The operations that make the first segment of an empty log durable. They come before the
  // identity that says "formed" in the same batch, so that a formed directory without a segment is
  // damage.
  static std::vector<DiskOp> format(const Identity& identity, const WalOptions& options);
  // The same for a log that already holds a hard state and entries: a directory as an earlier life
  // left it, for scenarios and tests. Requires: the entries' indexes are 1.. and they fit in one
  // segment.
  static std::vector<DiskOp> format(const Identity& identity, const WalOptions& options,
                                    const raft::HardState& hard_state,
                                    std::span<const raft::Entry> entries);

  // Reads and verifies everything. Blocking; start-up only.
  // `snapshot` is the last position of the durable snapshot, {0, 0} if there is none: of the
  // entries at and below it, only what is still there comes back.
  // `visitor` is shown each record; none need watch.
  // Errors: kCorruption (damage: names file and offset), kMismatch (another node's, cluster's or
  // version's segments), kIo.
  static Result<RecoveredLog> recover(Disk& disk, const Identity& identity,
                                      const WalOptions& options, LogPosition snapshot = {},
                                      LogVisitor* visitor = nullptr);

  // The same for a log that is damaged, or whose snapshot is, or that a doubt of an earlier life is
  // about. Ensures: the result has a doubt, and nothing is changed on disk before the first flush.
  // Errors: those of recover, where the damage is none of a disk, or term and vote are not known.
  struct Suspicion {
    std::optional<Doubt> known;               // an earlier life's
    std::optional<Error> snapshot;            // why the newest snapshot cannot be used
    std::vector<std::string> snapshot_files;  // to go with it
  };
  static Result<RecoveredLog> salvage(Disk& disk, const Identity& identity,
                                      const WalOptions& options, LogPosition snapshot,
                                      const Suspicion& suspicion);

  Wal(Wal&&) = default;
  Wal& operator=(Wal&&) = delete;

  // Buffers the write of this Ready: hard state, truncation, entries. Requires: ready.write is
  // higher than every one before.
  void append(const raft::Ready& ready);
  // Submits what is buffered, unless a batch is in flight or the next segment is not there yet;
  // asks for that segment ahead of its time. Its first batch after a crash may be the repair of the
  // log's end alone. Call it once a turn.
  void flush();
  // A snapshot to `to` is durable (0: there is none). Segments that hold no later entry are
  // removed; without a snapshot none is.
  void compact(Index to);
  // The doubt is over: its file is removed once all that was submitted before is durable.
  void end_doubt() { ends_doubt_ = true; }
  // Takes the completion of any batch this log submitted.
  // Ensures: the result is the highest WriteId that is now durable; 0 if this completion made none
  // durable.
  // Errors: the disk's, but for kNoSpace. After one the log must not be used any more: the node
  // stops. A failed sync is never tried again, for nobody knows what the operating system kept.
  Result<WriteId> on_disk_done(DiskDone done);

  // Whether a doubt is not yet durable, or the log not yet cut: the first batch is about to be
  // submitted or under way. The caller says nothing to anyone meanwhile.
  bool is_cutting() const { return is_cutting_ || !cut_.empty(); }
  // Bytes appended and not yet durable.
  std::size_t pending_bytes() const;

  // --- Room (wal_space.cc) ---
  // What an entry is to the reserve.
  enum class Use : std::uint8_t {
    kClientWrite,    // refused before any of the reserve is touched
    kEntry,          // what a leader took and this node follows with
    kProtocolEntry,  // a new leader's
  };
  // Whether has_room may say no: not while the disk has given all that it was asked for.
  bool is_limited() const { return space_ != Space::kGiven; }
  // Whether an entry of this size may be appended.
  bool has_room(Use use, std::size_t record_bytes) const;
  // It will be appended within this turn.
  void promise(std::size_t record_bytes);
  // What is left of the room that the log holds.
  std::uint64_t room() const;
  // Whether the disk refused to give room, and has not given it since.
  bool is_full() const { return space_ == Space::kRefused; }
  // There may be room again: flush tries what was refused.
  void try_again();
  // The ticket and the last WriteId of the batch in flight, if one is (for observers); 0 for a
  // batch that makes no write of this life durable.
  struct Flight {
    std::uint64_t ticket = 0;
    WriteId last;
  };
  const std::optional<Flight>& in_flight() const { return flight_; }

 private:
  // What becomes one group: its buffer begins with room for the head.
  struct Group {
    std::vector<std::byte> bytes;
    WriteId last;                // the last write that is whole in this group and those before it
    raft::HardState hard_state;  // after it
    Index last_entry;            // the highest index in it
  };
  // A segment that is there.
  struct Span {
    std::uint64_t segment = 0;
    Index last_entry;        // the highest index in it; 0: none
    bool has_group = false;  // a durable one
  };
  // What a crash left at the end of the last segment, as it should be: the last group's mark again,
  // zeros for a torn tail. Written and synced before anything else.
  struct Repair {
    std::uint64_t offset = 0;
    std::vector<std::byte> bytes;
    WriteId last;  // durable with it
  };
  struct Position {
    std::uint64_t segment = 0;
    std::uint64_t segment_bytes = 0;
    std::uint64_t offset = 0;
    std::uint64_t sequence = 0;  // of the next group
  };
  // The segment after the current one.
  struct Next {
    std::uint64_t bytes = 0;
    bool is_there = false;
    bool is_asked = false;
  };

  // Whether the disk gives room for the next segment.
  enum class Space : std::uint8_t { kUnknown, kGiven, kRefused };
  // A batch that ended for want of room.
  struct Refused {
    DiskBatch batch;
    WriteId last;
    std::size_t bytes = 0;
    bool waits = true;  // until it is told to try again
  };

  Wal(Disk& disk, Identity identity, const WalOptions& options)
      : disk_(&disk), identity_(std::move(identity)), options_(options) {}

  Group& open_group(std::size_t record_bytes);
  std::uint64_t group_bytes_max() const;
  bool fits_here(std::uint64_t framed) const;
  void ask_for_next(std::uint64_t segment_bytes);
  void move_to_next(DiskBatch& batch);
  void restart_after(LogPosition position);
  void put_hard_state();
  void begin_with_hard_state(Group& group);
  void submit_alone(std::vector<DiskOp> ops, WriteId last = WriteId());
  void submit_repair();
  void submit_group(DiskBatch batch);
  void add_group(std::vector<std::byte> bytes, std::vector<DiskOp>& ops);
  std::vector<std::byte> take_buffer();

  void on_refused(DiskDone done);
  void on_given();
  bool submit_refused();
  void remove_leftovers();

  friend class WalRecovery;

  Disk* disk_;
  Identity identity_;
  WalOptions options_;
  std::vector<std::string> leftovers_;  // temporary files of an earlier life, to be removed
  std::deque<Span> spans_;              // oldest first, the current segment last
  std::optional<Refused> refused_;
  std::optional<Repair> repair_;
  std::vector<DiskOp> cut_;    // salvage: the doubt, then the cut; before anything else
  bool is_cutting_ = false;    // it is under way
  bool repair_waits_ = false;  // until it is told to try again
  bool ends_doubt_ = false;
  Space space_ = Space::kUnknown;
  std::size_t promised_ = 0;
  Position at_;
  Next next_;
  std::uint64_t next_ticket_ = 0;  // of the batch that makes it
  raft::HardState hard_state_;     // after everything appended
  raft::HardState submitted_;      // after everything submitted
  WriteId last_append_;
  std::optional<Flight> flight_;
  std::size_t flight_bytes_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::deque<Group> groups_;                   // appended, not submitted; oldest first
  std::vector<std::vector<std::byte>> spare_;  // buffers to be used again
  // The operations of a group that is done, likewise: they name this segment.
  std::vector<DiskOp> spare_ops_;
  std::uint64_t spare_ops_segment_ = 0;
};

struct RecoveredLog {
  raft::HardState hard_state;
  LogPosition base;                  // the log begins after it
  std::vector<raft::Entry> entries;  // without a gap
  Wal wal;
  std::uint64_t torn_tails = 0;  // cut by recovery
  std::optional<Doubt> doubt;    // salvage only
  // Set if the last group has no mark, so that a damage of it would pass for a write that never
  // came: the entries after this one, and term and vote, are safe once the mark is written again.
  // The log reports that as the durability of WriteId(1); the first Ready's write is a later one.
  std::optional<Index> unmarked_after;
  std::vector<std::string> notes;  // what recovery cut, a line each: file, offset, bytes
};

}  // namespace vesper::storage
