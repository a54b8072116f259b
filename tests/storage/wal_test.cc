#include "core/storage/wal.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "tests/storage/sample_log.h"

namespace vesper::storage {
namespace {

using testing::entry_of;
using testing::History;
using testing::Life;
using testing::LogState;
using testing::MemoryDisk;

constexpr const char* kFirst = "segment-0000000000000001.log";
constexpr const char* kSecond = "segment-0000000000000002.log";
constexpr const char* kThird = "segment-0000000000000003.log";
constexpr const char* kFourth = "segment-0000000000000004.log";

Result<RecoveredLog> recover(Disk& disk, const Identity& identity = testing::formed_identity()) {
  return Wal::recover(disk, identity, testing::small_segments());
}

MemoryDisk empty_log() {
  return testing::formatted_disk(testing::formed_identity(), testing::small_segments());
}

// A log begins with the term of its first entry.
raft::Ready ready_of(std::uint64_t write, std::vector<raft::Entry> entries) {
  raft::Ready ready;
  ready.write = WriteId(write);
  if (!entries.empty() && entries.front().index() == Index(1)) {
    ready.hard_state = raft::HardState{entries.front().term(), {}};
  }
  ready.entries = std::move(entries);
  return ready;
}

// Runs what is submitted, without letting the log submit more; the highest write that became
// durable.
Result<WriteId> run_submitted(MemoryDisk& disk, Wal& wal) {
  WriteId highest;
  for (const DiskLane lane : {DiskLane::kLog, DiskLane::kBackground}) {
    while (disk.has_work(lane)) {
      auto done = disk.step(lane);
      if (!done) continue;
      const auto durable = wal.on_disk_done(std::move(*done));
      if (!durable.ok()) return durable.error();
      highest = std::max(highest, durable.value());
    }
  }
  return highest;
}

void is_reported(const Result<RecoveredLog>& recovered, ErrorCode code, const std::string& place) {
  REQUIRE(!recovered.ok());
  CHECK(recovered.error().code == code);
  INFO(recovered.error().message);
  CHECK(recovered.error().message.starts_with(place));
}

// --- What is written is recovered ---

TEST_CASE("a new log is empty") {
  MemoryDisk disk = empty_log();

  const auto recovered = recover(disk);

  REQUIRE(recovered.ok());
  CHECK(recovered.value().entries.empty());
  CHECK(recovered.value().hard_state == raft::HardState());
  CHECK(recovered.value().notes.empty());
}

TEST_CASE("terms, votes, truncations and entries over many segments are recovered as written") {
  MemoryDisk disk = empty_log();
  History history;
  std::string problem;
  for (std::uint64_t life_count = 0; life_count < 3; ++life_count) {
    auto life = Life::begin(disk, history, testing::small_segments(), problem);
    REQUIRE_MESSAGE(life, problem);
    CHECK(life->notes().empty());
    for (std::uint64_t i = 0; i < 100; ++i) {
      life->write(testing::any_ready(history.last(), 1'000 * life_count + i));
      if (i % 3 == 0) life->settle();
    }
    life->settle();
    CHECK(life->wal().pending_bytes() == 0);
  }

  const auto recovered = recover(disk);

  REQUIRE(recovered.ok());
  CHECK(history.last().is_in(recovered.value()));
  CHECK(disk.names().size() > 10);
}

TEST_CASE("a log formatted with a hard state and entries is recovered with them") {
  LogState state;
  state.hard_state = {.term = Term(4), .vote = NodeId(1)};
  for (std::uint64_t i = 1; i <= 9; ++i) {
    state.entries.push_back(entry_of(Term(1 + i / 3), Index(i), 40));
  }
  MemoryDisk disk;
  testing::run_to_end(disk, Wal::format(testing::formed_identity(), testing::small_segments(),
                                        state.hard_state, state.entries));
  CHECK(disk.unsynced() == 0);

  auto recovered = recover(disk);

  REQUIRE(recovered.ok());
  CHECK(state.is_in(recovered.value()));
  CHECK(recovered.value().notes.empty());
  recovered.value().wal.append(ready_of(1, {entry_of(Term(4), Index(10), 5)}));
  recovered.value().wal.flush();
  REQUIRE(run_submitted(disk, recovered.value().wal).ok());
  CHECK(recover(disk).value().entries.size() == 10);
}

TEST_CASE("an entry of the greatest size fits, whatever the segments' size") {
  MemoryDisk disk = empty_log();
  History history;
  std::string problem;
  auto life = Life::begin(disk, history, testing::small_segments(), problem);
  REQUIRE(life);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    raft::Ready ready = ready_of(0, {entry_of(Term(1), Index(2 * i - 1), 30),
                                     entry_of(Term(1), Index(2 * i), limits::kEntryPayloadBytes)});
    life->write(std::move(ready));
    life->settle();
  }

  const auto recovered = recover(disk);

  REQUIRE(recovered.ok());
  CHECK(history.durable().entries.size() == 6);
  CHECK(history.durable().is_in(recovered.value()));
}

TEST_CASE("a log goes on with segments of another size") {
  MemoryDisk disk = empty_log();
  History history;
  std::string problem;
  for (const std::uint64_t size : {1U, 4U, 2U, 1U}) {
    const WalOptions options{.segment_bytes = size * kSegmentBytesMin};
    auto life = Life::begin(disk, history, options, problem);
    REQUIRE_MESSAGE(life, problem);
    for (std::uint64_t i = 0; i < 60; ++i) {
      life->write(testing::any_ready(history.last(), 100 * size + i));
      life->settle();
    }
  }

  const auto recovered = recover(disk);

  REQUIRE(recovered.ok());
  CHECK(history.last().is_in(recovered.value()));
}

// --- Groups ---

TEST_CASE("what is appended while a batch is in flight becomes one batch more") {
  MemoryDisk disk = empty_log();
  auto recovered = recover(disk);
  Wal& wal = recovered.value().wal;
  wal.append(ready_of(1, {entry_of(Term(1), Index(1), 10)}));
  wal.flush();
  REQUIRE(wal.in_flight());
  CHECK(wal.in_flight()->last == WriteId(1));
  for (std::uint64_t i = 2; i <= 9; ++i) {
    wal.append(ready_of(i, {entry_of(Term(1), Index(i), 10)}));
    wal.flush();
    CHECK(wal.in_flight()->last == WriteId(1));
  }
  CHECK(run_submitted(disk, wal).value() == WriteId(1));

  wal.flush();

  CHECK(wal.in_flight()->last == WriteId(9));
  CHECK(run_submitted(disk, wal).value() == WriteId(9));
  CHECK(!wal.in_flight());
  CHECK(wal.pending_bytes() == 0);
}

TEST_CASE("a write that takes several groups is durable with the last of them") {
  MemoryDisk disk = empty_log();
  auto recovered = recover(disk);
  Wal& wal = recovered.value().wal;
  std::vector<raft::Entry> entries;
  for (std::uint64_t i = 1; i <= 8; ++i) entries.push_back(entry_of(Term(1), Index(i), 3'000));
  wal.append(ready_of(1, std::move(entries)));
  int batches = 0;

  for (WriteId durable; durable == WriteId(); ++batches) {
    REQUIRE(batches < 20);
    wal.flush();
    durable = run_submitted(disk, wal).value();
    if (durable == WriteId()) CHECK(wal.pending_bytes() > 0);
  }

  CHECK(batches > 1);
  CHECK(wal.pending_bytes() == 0);
  CHECK(recover(disk).value().entries.size() == 8);
}

TEST_CASE("a log waits at a segment's end until the next one is there, and nothing is lost") {
  MemoryDisk disk = empty_log();
  auto recovered = recover(disk);
  Wal& wal = recovered.value().wal;
  std::uint64_t write = 0;
  bool is_waiting = false;
  while (!is_waiting) {
    ++write;
    REQUIRE(write < 100);
    wal.append(ready_of(write, {entry_of(Term(1), Index(write), 900)}));
    wal.flush();
    is_waiting = !disk.has_work(DiskLane::kLog);
    while (disk.has_work(DiskLane::kLog)) {
      auto done = disk.step(DiskLane::kLog);
      if (done) REQUIRE(wal.on_disk_done(std::move(*done)).value() == WriteId(write));
    }
  }
  CHECK(!disk.has(kSecond));
  CHECK(recover(disk).value().entries.size() == write - 1);

  REQUIRE(run_submitted(disk, wal).value() == WriteId());
  wal.flush();

  CHECK(disk.has(kSecond));
  CHECK(run_submitted(disk, wal).value() == WriteId(write));
  CHECK(recover(disk).value().entries.size() == write);
}

// Hunt's seed 12981 of its day: terms alone filled the first segment, it was removed as holding no
// entry, and the next start missed it.
TEST_CASE("without a snapshot no segment goes, though nothing but terms and votes stand in it") {
  MemoryDisk disk = empty_log();
  History history;
  std::string problem;
  auto life = Life::begin(disk, history, testing::small_segments(), problem);
  REQUIRE(life);
  for (std::uint64_t term = 1; !disk.has(kFourth); ++term) {
    REQUIRE(term < 1000);
    raft::Ready ready;
    ready.hard_state = raft::HardState{Term(term), {}};
    life->write(std::move(ready));
    life->settle();
    life->wal().compact(Index(0));
  }
  life->settle();
  CHECK(disk.has(kFirst));
  const auto recovered = recover(disk);
  if (!recovered.ok()) FAIL(recovered.error().message);
  CHECK(history.last().is_in(recovered.value()));
}

TEST_CASE("a segment left half made is removed") {
  MemoryDisk disk = empty_log();
  disk.put("segment-0000000000000007.log.tmp", std::vector<std::byte>(10));
  disk.put("segment-0000000000000002.log.tmp", std::vector<std::byte>(10));
  disk.put("someone-elses.tmp", {});
  auto recovered = recover(disk);
  REQUIRE(recovered.ok());

  recovered.value().wal.flush();
  REQUIRE(run_submitted(disk, recovered.value().wal).ok());

  CHECK(disk.names() == std::vector<std::string>{"identity", kFirst, kSecond, "someone-elses.tmp"});
}

// --- A disk that fails ---

TEST_CASE("a failed operation is an error whichever it is, and makes nothing durable") {
  std::uint64_t failures = 0;
  for (std::uint64_t count = 0;; ++count) {
    MemoryDisk disk = empty_log();
    History history;
    std::string problem;
    auto life = Life::begin(disk, history, testing::small_segments(), problem);
    REQUIRE(life);
    disk.fail_after(count);
    for (std::uint64_t i = 0; i < 25 && !life->failure(); ++i) {
      life->write(testing::any_ready(history.last(), i));
      while (life->step(DiskLane::kLog)) continue;
    }
    if (!life->failure()) break;
    ++failures;
    CHECK(life->failure()->code == ErrorCode::kIo);
    // What was durable before is there after, whatever the failed sync left behind.
    for (const bool keeps : {false, true}) {
      MemoryDisk crashed = disk.after_crash([&](std::size_t) { return keeps; });
      History after = history;
      const auto next = Life::begin(crashed, after, testing::small_segments(), problem);
      CHECK_MESSAGE(next, problem);
    }
  }
  CHECK(failures > 50);
}

// --- Segments that are not what they should be ---

TEST_CASE("a missing segment is reported by its name") {
  const MemoryDisk whole = testing::sample_log().back().disk;
  REQUIRE(whole.has(kFourth));
  for (const char* name : {kSecond, kThird}) {
    MemoryDisk disk = whole;
    disk.remove(name);
    is_reported(recover(disk), ErrorCode::kCorruption, std::string(name) + " at offset 0:");
  }
  SUBCASE("the first, which no snapshot stands for") {
    MemoryDisk disk = whole;
    disk.remove(kFirst);
    is_reported(recover(disk), ErrorCode::kCorruption, std::string(kSecond) + " at offset 1024:");
  }
  SUBCASE("the last one in use, with none after it") {
    MemoryDisk disk = whole;
    disk.remove(kThird);
    disk.remove(kFourth);
    is_reported(recover(disk), ErrorCode::kCorruption, std::string(kThird) + " at offset 0:");
  }
  SUBCASE("all of them") {
    MemoryDisk disk = whole;
    for (const char* name : {kFirst, kSecond, kThird, kFourth}) disk.remove(name);
    is_reported(recover(disk), ErrorCode::kCorruption, std::string(kFirst) + " at offset 0:");
  }
  SUBCASE("one that stands ready and was never used is made again") {
    MemoryDisk disk = whole;
    disk.remove(kFourth);
    CHECK(recover(disk).ok());
  }
}

TEST_CASE("segments that changed places, or stand twice, are reported") {
  const MemoryDisk whole = testing::sample_log().back().disk;
  SUBCASE("swapped") {
    MemoryDisk disk = whole;
    disk.put(kFirst, whole.contents(kSecond));
    disk.put(kSecond, whole.contents(kFirst));
    is_reported(recover(disk), ErrorCode::kCorruption, std::string(kFirst) + " at offset 0:");
  }
  SUBCASE("one copied over another") {
    MemoryDisk disk = whole;
    disk.put(kThird, whole.contents(kSecond));
    is_reported(recover(disk), ErrorCode::kCorruption, std::string(kThird) + " at offset 0:");
  }
  SUBCASE("one copied to the end") {
    MemoryDisk disk = whole;
    disk.put("segment-0000000000000005.log", whole.contents(kThird));
    is_reported(recover(disk), ErrorCode::kCorruption, "segment-0000000000000005.log at offset 0:");
  }
  SUBCASE(
      "an earlier state of the last one: a segment stands ready behind it, so the log goes on") {
    const auto groups = testing::sample_log();
    MemoryDisk disk = whole;
    const auto in_first = [](const auto& group) { return group.file == kFirst; };
    const auto first = std::find_if(groups.begin(), groups.end(), in_first);
    disk.put(kFirst, first->disk.contents(kFirst));
    const auto recovered = recover(disk);
    REQUIRE(!recovered.ok());
    CHECK(recovered.error().code == ErrorCode::kCorruption);
  }
}

TEST_CASE("a log of another node, cluster or incarnation is refused") {
  const MemoryDisk whole = testing::sample_log().back().disk;
  Identity identity = testing::formed_identity();
  SUBCASE("node") {
    identity.node = NodeId(1);
  }
  SUBCASE("cluster") {
    identity.cluster = ClusterId(5);
  }
  SUBCASE("incarnation") {
    identity.incarnation = Incarnation(5);
  }
  MemoryDisk disk = whole;
  is_reported(recover(disk, identity), ErrorCode::kMismatch, std::string(kFirst) + " at offset 0:");
}

TEST_CASE("a single segment of another directory among one's own is refused") {
  MemoryDisk disk = testing::sample_log().back().disk;
  Identity other = testing::formed_identity();
  other.incarnation = Incarnation(5);
  MemoryDisk others;
  testing::run_to_end(others, Wal::format(other, testing::small_segments()));
  disk.put(kFirst, others.contents(kFirst));
  is_reported(recover(disk), ErrorCode::kMismatch, std::string(kFirst) + " at offset 0:");
}

TEST_CASE("a segment of another format version is refused") {
  MemoryDisk disk = empty_log();
  std::vector<std::byte> bytes = disk.contents(kFirst);
  for (const std::size_t copy : {std::size_t{0}, std::size_t{kSectorBytes}}) {
    store_little(bytes.data() + copy + 8, std::uint32_t{2});
    store_little(bytes.data() + copy + 64, crc32c(ByteView(bytes).subspan(copy, 64)));
  }
  disk.put(kFirst, bytes);
  is_reported(recover(disk), ErrorCode::kMismatch, std::string(kFirst) + ": format version 2");
}

// --- Stale bytes ---

// Where the last group of the sample log ends.
std::size_t end_of(const testing::SampleGroup& group) {
  return static_cast<std::size_t>(group.offset + group.bytes);
}

TEST_CASE("a group of another life behind the last one is cut, not read") {
  const auto groups = testing::sample_log();
  const auto& last = groups.back();
  Identity other = testing::formed_identity();
  other.incarnation = Incarnation(5);
  MemoryDisk others;
  testing::run_to_end(others, Wal::format(other, testing::small_segments(), {.term = Term(9)},
                                          std::vector{entry_of(Term(9), Index(1), 10)}));
  MemoryDisk disk = last.disk;
  std::vector<std::byte> bytes = disk.contents(last.file);
  const std::vector<std::byte> stale = others.contents(kFirst);
  std::copy_n(stale.begin() + 1024, 1024, bytes.begin() + static_cast<long>(end_of(last)));
  disk.put(last.file, bytes);

  const auto recovered = recover(disk);

  REQUIRE(recovered.ok());
  CHECK(last.after.is_in(recovered.value()));
  CHECK(testing::has_torn_tail(recovered.value().notes));
  CHECK(recovered.value().torn_tails == 1);
}

TEST_CASE(
    "a group of this life in another's place is reported, not read, with or without its mark") {
  const auto groups = testing::sample_log();
  const auto& last = groups.back();
  for (const auto& group : groups) {
    if (end_of(last) + group.bytes + kSectorBytes > kSegmentBytesMin) continue;
    for (const std::uint64_t without : {std::uint64_t{0}, kSectorBytes}) {
      MemoryDisk disk = last.disk;
      std::vector<std::byte> bytes = disk.contents(last.file);
      const std::vector<std::byte> source = disk.contents(group.file);
      std::copy_n(source.begin() + static_cast<long>(group.offset), group.bytes - without,
                  bytes.begin() + static_cast<long>(end_of(last)));
      disk.put(last.file, bytes);
      is_reported(recover(disk), ErrorCode::kCorruption, last.file + " at offset ");
    }
  }
}

}  // namespace
}  // namespace vesper::storage
