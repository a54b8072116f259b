#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/storage/wal.h"
#include "tests/storage/log_history.h"
#include "tests/storage/memory_disk.h"

namespace vesper::storage {
namespace {

using testing::entry_of;
using testing::History;
using testing::Life;
using testing::MemoryDisk;
using Use = Wal::Use;

constexpr const char* kFirst = "segment-0000000000000001.log";

// The next entry of a log, with a term before the first.
raft::Ready next_entry(const History& history, std::size_t payload_bytes) {
  raft::Ready ready;
  if (history.last().entries.empty()) ready.hard_state = raft::HardState{Term(1), {}};
  ready.entries.push_back(
      entry_of(Term(1), Index(history.last().entries.size() + 1), payload_bytes));
  return ready;
}

raft::Ready next_term(const History& history) {
  raft::Ready ready;
  ready.hard_state = raft::HardState{history.last().hard_state.term.next(), {}};
  return ready;
}

// A log with an entry that is durable, and a segment ahead.
struct Log {
  Log() : disk(testing::formatted_disk(testing::formed_identity(), testing::small_segments())) {
    begin();
    life->write(next_entry(history, 100));
    life->settle();
  }
  void begin() {
    std::string problem;
    auto begun = Life::begin(disk, history, testing::small_segments(), problem);
    REQUIRE_MESSAGE(begun, problem);
    life.emplace(std::move(*begun));
  }
  // What stands in the first segment from there on.
  bool is_zero_from(std::size_t offset) const {
    const std::vector<std::byte> bytes = disk.contents(kFirst);
    return std::all_of(bytes.begin() + static_cast<std::ptrdiff_t>(offset), bytes.end(),
                       [](std::byte byte) { return byte == std::byte{0}; });
  }
  std::size_t end() const {
    const std::vector<std::byte> bytes = disk.contents(kFirst);
    std::size_t end = bytes.size();
    while (end > 0 && bytes[end - 1] == std::byte{0}) --end;
    return (end + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  }

  MemoryDisk disk;
  History history;
  std::optional<Life> life;
};

// Head, body of 1,200 bytes and a mark: four sectors.
constexpr std::size_t kPayload = 1'200;
constexpr std::size_t kFramed = 4 * kSectorBytes;

// --- A short append ---

TEST_CASE("an append that is cut short at any byte is cut back, and written when there is room") {
  for (std::size_t cut = 0; cut < kFramed; ++cut) {
    CAPTURE(cut);
    Log log;
    const std::size_t end = log.end();
    log.life->write(next_entry(log.history, kPayload));
    log.disk.limit_writes(cut);
    REQUIRE(log.life->step(DiskLane::kLog));
    log.disk.limit_writes(std::nullopt);
    CHECK(log.is_zero_from(end) == (cut == 0));

    log.life->settle();

    // The last whole record ends the log, durably, and what was refused is not.
    CHECK(log.is_zero_from(end));
    CHECK(log.disk.unsynced() == 0);
    CHECK(log.life->wal().is_full());
    CHECK(log.life->wal().pending_bytes() == kFramed);
    CHECK(log.history.durable().entries.size() == 1);

    log.life->wal().try_again();
    log.life->settle();

    CHECK(!log.life->wal().is_full());
    CHECK(log.life->wal().pending_bytes() == 0);
    CHECK(log.history.durable().entries.size() == 2);
    const auto recovered =
        Wal::recover(log.disk, testing::formed_identity(), testing::small_segments());
    REQUIRE(recovered.ok());
    CHECK(recovered.value().entries.size() == 2);
    CHECK(recovered.value().torn_tails == 0);
  }
}

TEST_CASE("a crash after an append that was cut short at any byte loses nothing that was durable") {
  for (std::size_t cut = 0; cut < kFramed; ++cut) {
    for (const bool is_kept : {false, true}) {
      CAPTURE(cut);
      CAPTURE(is_kept);
      Log log;
      log.life->write(next_entry(log.history, kPayload));
      // The cut finds no room either.
      log.disk.limit_writes(cut);
      log.life->settle();
      REQUIRE(log.life->wal().is_full());

      log.disk = log.disk.after_crash([&](std::size_t) { return is_kept; });
      log.begin();
      log.life->write(next_entry(log.history, 40));
      log.life->settle();

      CHECK(log.history.durable().entries.size() >= 2);
      log.begin();
      CHECK(log.life->notes().empty());
    }
  }
}

TEST_CASE("a cut that found no room itself comes before anything else is written") {
  Log log;
  const std::size_t end = log.end();
  log.life->write(next_entry(log.history, kPayload));
  log.disk.limit_writes(kFramed - kSectorBytes);
  log.life->settle();
  CHECK(!log.is_zero_from(end));
  log.life->write(next_term(log.history));
  log.life->settle();
  CHECK(!log.disk.has_work(DiskLane::kLog));

  log.disk.limit_writes(std::nullopt);
  log.life->wal().try_again();
  std::vector<std::size_t> sizes;
  while (true) {
    log.life->wal().flush();
    if (!log.disk.has_work(DiskLane::kLog)) break;
    const auto& op = log.disk.batch(DiskLane::kLog).ops.front();
    const auto* write = std::get_if<WriteFile>(&op);
    if (write != nullptr && (sizes.empty() || sizes.back() != write->bytes.size())) {
      sizes.push_back(write->bytes.size());
    }
    REQUIRE(log.life->step(DiskLane::kLog));
    // It waits again for its group, once the end is clean.
    if (!log.disk.has_work(DiskLane::kLog)) log.life->wal().try_again();
  }

  CHECK(log.history.durable().entries.size() == 2);
  CHECK(log.history.durable().hard_state.term == Term(2));
  CHECK(sizes.back() == 2 * kSectorBytes);
}

TEST_CASE("what follows an append that was cut short waits for it") {
  Log log;
  log.life->write(next_entry(log.history, kPayload));
  log.life->wal().flush();
  log.life->write(next_term(log.history));
  log.life->write(next_entry(log.history, 10));
  log.disk.limit_writes(700);
  REQUIRE(log.life->step(DiskLane::kLog));
  log.disk.limit_writes(std::nullopt);
  log.life->settle();
  CHECK(log.history.durable().entries.size() == 1);
  CHECK(log.history.durable().hard_state.term == Term(1));

  log.life->wal().try_again();
  log.life->settle();

  CHECK(log.history.durable().entries.size() == 3);
  CHECK(log.history.durable().hard_state.term == Term(2));
}

TEST_CASE("a sync that fails is no full disk") {
  Log log;
  log.life->write(next_entry(log.history, 100));
  log.life->wal().flush();
  log.disk.fail_after(1);

  while (log.life->step(DiskLane::kLog)) continue;

  REQUIRE(log.life->failure());
  CHECK(log.life->failure()->code == ErrorCode::kIo);
}

// --- No room for a segment ---

// Until the first segment is full, and the one after the second is refused.
void fill_to(Log& log, Use use) {
  log.disk.limit_files(true);
  while (log.life->wal().has_room(use, kPayload)) {
    log.life->write(next_entry(log.history, kPayload));
    log.life->settle();
  }
}

TEST_CASE("a log that gets no segment writes on in the room that it holds, but for the reserve") {
  Log log;
  fill_to(log, Use::kClientWrite);
  const std::uint64_t room = log.life->wal().room();

  CHECK(log.life->wal().is_full());
  CHECK(log.history.durable().entries.size() == log.history.last().entries.size());
  CHECK(room >= kSegmentBytesMin / 4);
  CHECK(room < kSegmentBytesMin / 4 + kFramed);
  // What follows a leader, then what a new leader appends, then term and vote go on a little.
  CHECK(log.life->wal().has_room(Use::kEntry, kPayload));
  fill_to(log, Use::kEntry);
  CHECK(log.life->wal().has_room(Use::kProtocolEntry, 0));
  while (log.life->wal().has_room(Use::kProtocolEntry, 0)) {
    log.life->write(next_entry(log.history, 0));
    log.life->settle();
  }
  CHECK(log.life->wal().room() >= 2 * kSectorBytes);
  log.life->write(next_term(log.history));
  log.life->settle();
  CHECK(log.history.durable().hard_state == log.history.last().hard_state);
  CHECK(log.history.durable().entries.size() == log.history.last().entries.size());
}

TEST_CASE("what was promised takes room before it is appended") {
  Log log;
  fill_to(log, Use::kClientWrite);
  const std::uint64_t before = log.life->wal().room();

  log.life->wal().promise(kPayload);

  CHECK(log.life->wal().room() == before - kFramed);
  log.life->wal().flush();
  CHECK(log.life->wal().room() == before);
}

TEST_CASE("a segment that was refused leaves nothing behind, and is made when there is room") {
  Log log;
  fill_to(log, Use::kClientWrite);
  const auto is_temporary = [](const std::string& name) { return name.ends_with(".tmp"); };
  const std::vector<std::string> names = log.disk.names();
  CHECK(std::none_of(names.begin(), names.end(), is_temporary));

  log.life->wal().try_again();
  log.life->settle();
  CHECK(log.life->wal().is_full());
  log.disk.limit_files(false);
  log.life->settle();
  CHECK(log.life->wal().is_full());
  log.life->wal().try_again();
  log.life->settle();

  CHECK(!log.life->wal().is_full());
  CHECK(!log.life->wal().is_limited());
  for (int i = 0; i < 20; ++i) log.life->write(next_entry(log.history, kPayload));
  log.life->settle();
  CHECK(log.history.durable().entries.size() == log.history.last().entries.size());
  log.begin();
}

TEST_CASE("a log that begins on a full disk knows what it holds before it asked") {
  Log log;
  fill_to(log, Use::kClientWrite);
  log.disk = log.disk.after_crash([](std::size_t) { return true; });
  log.disk.limit_files(true);

  log.begin();

  CHECK(log.life->wal().is_limited());
  CHECK(!log.life->wal().has_room(Use::kClientWrite, kPayload));
  CHECK(log.life->wal().has_room(Use::kEntry, kPayload));
}

}  // namespace
}  // namespace vesper::storage
