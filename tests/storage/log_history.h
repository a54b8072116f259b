// What a test of the log knows: which records it handed to the log, in which order, and which of
// them the log called durable. After any crash, what is recovered must be the state after some
// prefix of those records that holds at least the durable ones. Life runs a log on a MemoryDisk and
// keeps its History.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/storage/wal.h"
#include "tests/storage/memory_disk.h"

namespace vesper::testing {

// Node 3 of five, in a formed cluster.
storage::Identity formed_identity();
inline storage::WalOptions small_segments() {
  return {.segment_bytes = storage::kSegmentBytesMin};
}

// Term, vote and entries: what a log stands for.
struct LogState {
  raft::HardState hard_state;
  std::vector<raft::Entry> entries;  // all since index 1

  // A log that begins after a base holds only what follows, and its base is the entry there.
  bool is_in(const storage::RecoveredLog& log) const;
};

struct Truncation {
  Index from;
};
using LogRecord = std::variant<raft::HardState, Truncation, raft::Entry>;

class History {
 public:
  // Numbers the Ready and remembers its records.
  void add(raft::Ready& ready);
  void on_durable(WriteId write);
  // False if the recovered log is not the state after a prefix of the records that holds every
  // durable one. If it is, that is where the next life begins, and all of it durable.
  bool restart(const storage::RecoveredLog& log);

  // After everything that was handed to the log.
  const LogState& last() const { return last_; }
  const LogState& durable() const { return durable_; }

 private:
  struct Write {
    WriteId id;
    std::vector<LogRecord> records;
  };
  LogState durable_;
  LogState last_;
  std::vector<Write> open_;  // not known to be durable, oldest first
  WriteId last_write_;
};

// A Ready that Raft could hand out after `state`: terms, votes, truncations and entries of all
// sizes, drawn from `seed` alone. Payloads hold no zero bytes (see wal.h on sectors of a single
// bit).
raft::Ready any_ready(const LogState& state, std::uint64_t seed);
raft::Entry entry_of(Term term, Index index, std::size_t payload_bytes);

// An identity and an empty log, durable.
MemoryDisk formatted_disk(const storage::Identity& identity, const storage::WalOptions& options);
// Runs all of a batch. Requires: no operation fails.
void run_to_end(MemoryDisk& disk, std::vector<storage::DiskOp> ops);

class Life {
 public:
  // The log of `disk` as `history` knows it, beside a snapshot to there. Nothing if recovery fails
  // or gives something else: `problem` says.
  static std::optional<Life> begin(MemoryDisk& disk, History& history,
                                   const storage::WalOptions& options, std::string& problem,
                                   LogPosition snapshot = {});

  void write(raft::Ready ready);
  // Lets the log submit what it can, then runs one operation on the lane, or on the other if it has
  // none. False: there is nothing to do.
  bool step(storage::DiskLane lane);
  // Until there is nothing to do. Every operation must succeed.
  void settle();

  storage::Wal& wal() { return wal_; }
  const std::vector<std::string>& notes() const { return notes_; }
  const std::optional<Error>& failure() const { return failure_; }

 private:
  Life(MemoryDisk& disk, History& history, storage::RecoveredLog log)
      : disk_(&disk), history_(&history), notes_(std::move(log.notes)), wal_(std::move(log.wal)) {}

  MemoryDisk* disk_;
  History* history_;
  std::vector<std::string> notes_;
  storage::Wal wal_;
  std::optional<Error> failure_;
};

bool has_torn_tail(const std::vector<std::string>& notes);

}  // namespace vesper::testing
