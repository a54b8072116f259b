// A log beside a snapshot: segments that the snapshot stands for are removed, and recovery joins
// what is left with it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/storage/wal_format.h"
#include "tests/core/properties.h"
#include "tests/storage/sample_log.h"

namespace vesper::storage {
namespace {

using testing::entry_of;
using testing::FrozenDisk;
using testing::History;
using testing::Life;
using testing::LogState;
using testing::MemoryDisk;

std::uint64_t faults = 0;

LogPosition at(std::uint64_t term, std::uint64_t index) {
  return {Term(term), Index(index)};
}

Result<RecoveredLog> recover(Disk& disk, LogPosition snapshot) {
  return Wal::recover(disk, testing::formed_identity(), testing::small_segments(), snapshot);
}

std::vector<std::string> segments_of(const MemoryDisk& disk) {
  std::vector<std::string> names = disk.names();
  std::erase_if(names, [](const std::string& name) { return !format::segment_of(name); });
  return names;
}

LogPosition position_in(const LogState& state, std::uint64_t index) {
  return index == 0 ? LogPosition() : state.entries.at(index - 1).position();
}

void run_all(MemoryDisk& disk, Wal& wal) {
  for (const DiskLane lane : {DiskLane::kLog, DiskLane::kBackground}) {
    while (disk.has_work(lane)) {
      auto done = disk.step(lane);
      if (done) REQUIRE(wal.on_disk_done(std::move(*done)).ok());
    }
  }
}

// What a snapshot to `snapshot` leaves must be the log of `state`, nothing missing after it.
void must_be(const Result<RecoveredLog>& recovered, const LogState& state, LogPosition snapshot) {
  if (!recovered.ok()) FAIL(recovered.error().message);
  CHECK(state.is_in(recovered.value()));
  CHECK(recovered.value().base.index <= snapshot.index);
}

// --- Removing ---

TEST_CASE("whole segments go, the oldest first, each for good before the next, never the last") {
  const auto group = testing::sample_log().back();
  const LogState& state = group.after;
  const std::vector<std::string> before = segments_of(group.disk);
  REQUIRE(before.size() == 4);  // two full ones, the current one, one that stands ready
  std::size_t removed_most = 0;
  for (std::uint64_t to = 0; to <= state.entries.size(); ++to) {
    CAPTURE(to);
    const LogPosition snapshot = position_in(state, to);
    MemoryDisk disk = group.disk;
    auto recovered = recover(disk, snapshot);
    REQUIRE(recovered.ok());

    recovered.value().wal.compact(Index(to));

    std::size_t removed = 0;
    if (disk.has_work(DiskLane::kBackground)) {
      const auto& ops = disk.batch(DiskLane::kBackground).ops;
      REQUIRE(ops.size() % 2 == 0);
      for (std::size_t i = 0; i < ops.size(); i += 2) {
        CHECK(std::get<RemoveFile>(ops[i]).name == before[removed++]);
        CHECK(std::holds_alternative<SyncDirectory>(ops[i + 1]));
      }
    }
    CHECK(removed < before.size() - 1);
    CHECK(removed >= removed_most);
    removed_most = std::max(removed_most, removed);
    CHECK((to > 0 || removed == 0));

    // After any part of it, whatever of that a crash undoes, all that follows the snapshot is
    // there.
    bool more = true;
    while (more) {
      for (const bool keeps : {false, true}) {
        MemoryDisk crashed = disk.after_crash([&](std::size_t) { return keeps; });
        must_be(recover(crashed, snapshot), state, snapshot);
        ++faults;
      }
      more = disk.has_work(DiskLane::kBackground);
      if (more) disk.step(DiskLane::kBackground);
    }
    CHECK(segments_of(disk).size() == before.size() - removed);
  }
  CHECK(removed_most == 2);
}

TEST_CASE("a segment stays until a group in the one after it is durable") {
  MemoryDisk disk = testing::formatted_disk(testing::formed_identity(), testing::small_segments());
  History history;
  std::string problem;
  auto life = Life::begin(disk, history, testing::small_segments(), problem);
  REQUIRE(life);
  const auto is_in_second = [&] {
    if (!disk.has_work(DiskLane::kLog)) return false;
    const auto& ops = disk.batch(DiskLane::kLog).ops;
    const auto* write = std::get_if<WriteFile>(&ops[ops.size() - 2]);
    return write != nullptr && write->name == format::segment_name(2);
  };
  for (std::uint64_t i = 1; !is_in_second(); ++i) {
    REQUIRE(i < 100);
    life->settle();
    raft::Ready ready;
    if (i == 1) ready.hard_state = raft::HardState{Term(1), {}};
    ready.entries = {entry_of(Term(1), Index(i), 900)};
    life->write(std::move(ready));
    life->wal().flush();
  }
  const Index last(history.last().entries.size());

  life->wal().compact(last.previous());
  const bool asked_early =
      disk.has_work(DiskLane::kBackground) &&
      std::holds_alternative<RemoveFile>(disk.batch(DiskLane::kBackground).ops.front());
  CHECK_FALSE(asked_early);
  life->settle();
  CHECK(disk.has(format::segment_name(1)));

  life->wal().compact(last.previous());
  life->settle();
  CHECK_FALSE(disk.has(format::segment_name(1)));
  const LogPosition snapshot = position_in(history.last(), last.value() - 1);
  must_be(recover(disk, snapshot), history.last(), snapshot);
}

// --- What is left, and the snapshot ---

TEST_CASE("a log that begins after its snapshot is damage, named by the first segment left") {
  const auto group = testing::sample_log().back();
  for (const std::size_t gone : {1U, 2U}) {
    MemoryDisk disk = group.disk;
    const std::vector<std::string> names = segments_of(disk);
    for (std::size_t i = 0; i < gone; ++i) disk.remove(names[i]);
    bool has_been_ok = false;
    for (std::uint64_t index = 0; index <= group.after.entries.size(); ++index) {
      CAPTURE(index);
      const LogPosition snapshot = position_in(group.after, index);
      const auto recovered = recover(disk, snapshot);
      if (recovered.ok()) {
        has_been_ok = true;
        must_be(recovered, group.after, snapshot);
        continue;
      }
      CHECK_FALSE(has_been_ok);
      CHECK(recovered.error().code == ErrorCode::kCorruption);
      CHECK(recovered.error().message.starts_with(names[gone] + " at offset 1024:"));
    }
    CHECK(has_been_ok);
  }
}

TEST_CASE("segments that are all gone are damage, whatever the snapshot") {
  MemoryDisk disk = testing::sample_log().back().disk;
  for (const std::string& name : segments_of(disk)) disk.remove(name);
  CHECK_FALSE(recover(disk, {}).ok());
  const auto recovered = recover(disk, at(9, 999));
  REQUIRE_FALSE(recovered.ok());
  CHECK(recovered.error().code == ErrorCode::kCorruption);
}

// Entries 1 to 5 of terms 1, 1, 2, 2, 2, in term 4.
LogState five_entries() {
  LogState state;
  state.hard_state = {.term = Term(4), .vote = NodeId(1)};
  for (std::uint64_t i = 1; i <= 5; ++i) {
    state.entries.push_back(entry_of(Term(i < 3 ? 1 : 2), Index(i), 40));
  }
  return state;
}

MemoryDisk disk_of(const LogState& state) {
  MemoryDisk disk;
  testing::run_to_end(disk, Wal::format(testing::formed_identity(), testing::small_segments(),
                                        state.hard_state, state.entries));
  return disk;
}

struct Relation {
  LogPosition snapshot;
  LogPosition base;
  std::size_t entries;
  const char* why;
};
const Relation kRelations[] = {
    {{}, {}, 5, "no snapshot"},
    {at(1, 1), {}, 5, "within the log"},
    {at(2, 5), {}, 5, "at its end"},
    {at(2, 6), at(2, 6), 0, "one beyond its end"},
    {at(4, 90), at(4, 90), 0, "far beyond its end"},
    {at(2, 2), at(2, 2), 0, "another term there"},
    {at(3, 5), at(3, 5), 0, "another term at its end"},
};

TEST_CASE("a log is joined with the snapshot, and goes on after it") {
  for (const Relation& row : kRelations) {
    INFO(std::string(row.why));
    const LogState state = five_entries();
    MemoryDisk disk = disk_of(state);
    auto recovered = recover(disk, row.snapshot);
    REQUIRE(recovered.ok());
    CHECK(recovered.value().base == row.base);
    CHECK(recovered.value().entries.size() == row.entries);
    CHECK(recovered.value().hard_state == state.hard_state);

    Wal& wal = recovered.value().wal;
    raft::Ready ready;
    ready.write = WriteId(1);
    const Index next = row.base.index.plus(row.entries + 1);
    ready.entries = {entry_of(Term(4), next, 10)};
    wal.append(ready);
    for (int i = 0; i < 3; ++i) {
      wal.flush();
      run_all(disk, wal);
    }

    const auto again = recover(disk, row.snapshot);
    REQUIRE(again.ok());
    CHECK(again.value().base == row.base);
    CHECK(again.value().entries.size() == row.entries + 1);
    CHECK(again.value().entries.back().position() == at(4, next.value()));
    CHECK(again.value().wal.pending_bytes() == 0);  // it says so by itself now
    const bool has_restarted = row.base != LogPosition();
    CHECK(recover(disk, {}).ok() == !has_restarted);
  }
}

// The snapshot was renamed into place, and the log does not say so yet.
TEST_CASE("a crash anywhere between a snapshot's rename and the log's restart changes nothing") {
  for (const Relation& row : kRelations) {
    if (row.base == LogPosition()) continue;
    INFO(std::string(row.why));
    for (std::uint64_t steps = 0;; ++steps) {
      MemoryDisk disk = disk_of(five_entries());
      auto recovered = recover(disk, row.snapshot);
      REQUIRE(recovered.ok());
      recovered.value().wal.flush();
      std::uint64_t ran = 0;
      while (ran < steps && disk.has_work(DiskLane::kLog)) {
        disk.step(DiskLane::kLog);
        ++ran;
      }
      const std::size_t things = disk.unsynced();
      for (std::size_t way = 0; way < things + 2; ++way) {
        MemoryDisk crashed = disk.after_crash([&](std::size_t i) {
          return way == things ? true : way > things ? false : i == way;
        });
        const auto again = recover(crashed, row.snapshot);
        ++faults;
        if (!again.ok()) FAIL(again.error().message);
        CHECK(again.value().base == row.base);
        CHECK(again.value().entries.empty());
        CHECK(again.value().hard_state == five_entries().hard_state);
      }
      if (ran < steps) break;
    }
  }
}

TEST_CASE("a restart drops what stood before it, and the log goes on after its position") {
  MemoryDisk disk = disk_of(five_entries());
  {
    auto recovered = recover(disk, {});
    REQUIRE(recovered.ok());
    raft::Ready ready;
    ready.write = WriteId(1);
    ready.hard_state = raft::HardState{Term(6), NodeId(2)};
    ready.restart_after = at(5, 9);
    ready.entries = {entry_of(Term(5), Index(10), 10), entry_of(Term(6), Index(11), 10)};
    recovered.value().wal.append(ready);
    recovered.value().wal.flush();
    run_all(disk, recovered.value().wal);
  }
  struct {
    LogPosition snapshot;
    LogPosition base;
    std::size_t entries;
    const char* why;
  } const rows[] = {
      {at(5, 9), at(5, 9), 2, "the snapshot it was for"},
      {at(5, 10), at(5, 9), 2, "a newer one within the log"},
      {at(6, 11), at(5, 9), 2, "one at the log's end"},
      {at(6, 12), at(6, 12), 0, "one beyond it"},
      {at(6, 10), at(6, 10), 0, "one of another term"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    const auto recovered = recover(disk, row.snapshot);
    REQUIRE(recovered.ok());
    CHECK(recovered.value().base == row.base);
    CHECK(recovered.value().entries.size() == row.entries);
    CHECK(recovered.value().hard_state == raft::HardState{Term(6), NodeId(2)});
  }
  for (const LogPosition older : {LogPosition(), at(2, 5), at(5, 8)}) {
    const auto recovered = recover(disk, older);
    REQUIRE_FALSE(recovered.ok());
    CHECK(recovered.error().code == ErrorCode::kCorruption);
  }
}

// --- Flips and cuts of what is left ---

std::uint64_t step() {
  const char* given = std::getenv("VESPER_FLIP_STEP");
  return given == nullptr ? 7 : 7 * std::strtoull(given, nullptr, 10) | 1;
}

struct Left {
  MemoryDisk disk;
  LogState state;
  LogPosition snapshot;
};

// The sample log without its first segments, beside the oldest snapshot that stands for them.
Left without_first(std::size_t gone) {
  const auto group = testing::sample_log().back();
  Left left{group.disk, group.after, {}};
  const std::vector<std::string> names = segments_of(left.disk);
  for (std::size_t i = 0; i < gone; ++i) left.disk.remove(names[i]);
  std::uint64_t index = 0;
  while (!recover(left.disk, left.snapshot).ok()) {
    left.snapshot = position_in(left.state, ++index);
  }
  return left;
}

// All that follows the snapshot, or an error that names a file.
bool is_whole_or_reported(FrozenDisk& disk, const Left& left) {
  ++faults;
  const auto recovered = recover(disk, left.snapshot);
  if (recovered.ok()) return left.state.is_in(recovered.value());
  return recovered.error().code == ErrorCode::kCorruption &&
         recovered.error().message.starts_with("segment-");
}

TEST_CASE("any flipped bit of a log whose first segments are gone is reported, or takes nothing") {
  for (const std::size_t gone : {1U, 2U}) {
    const Left left = without_first(gone);
    FrozenDisk disk(left.disk);
    for (const std::string& file : segments_of(left.disk)) {
      for (std::uint64_t bit = 0; bit < 8 * disk.bytes(file).size(); bit += step()) {
        disk.bytes(file)[bit / 8] ^= std::byte{1} << (bit % 8);
        if (!is_whole_or_reported(disk, left)) FAIL(file << ": bit " << bit);
        disk.bytes(file)[bit / 8] ^= std::byte{1} << (bit % 8);
      }
    }
  }
}

TEST_CASE("any cut file of a log whose first segments are gone is reported, or takes nothing") {
  for (const std::size_t gone : {1U, 2U}) {
    const Left left = without_first(gone);
    for (const std::string& file : segments_of(left.disk)) {
      FrozenDisk disk(left.disk);
      for (std::size_t size = 0; size < disk.bytes(file).size(); size += step()) {
        disk.cut(file, size);
        if (!is_whole_or_reported(disk, left)) FAIL(file << " cut to " << size);
      }
    }
  }
}

// --- All of it at random ---

enum class Action { kWrite, kStep, kStepBackground, kCompact, kCrash };

struct Step {
  Action action = Action::kWrite;
  std::uint32_t dice = 0;
};
std::ostream& operator<<(std::ostream& out, const Step& step) {
  const char* names[] = {"write", "step", "step background", "compact", "crash"};
  return out << names[static_cast<int>(step.action)] << " " << step.dice;
}

std::uint64_t removals = 0;

struct Run {
  MemoryDisk disk = testing::formatted_disk(testing::formed_identity(), testing::small_segments());
  History history;
  LogPosition snapshot;              // durable; nothing at or below it is truncated
  std::uint64_t uncut = UINT64_MAX;  // no truncation under way reaches below
  std::optional<Life> life;

  Run() { begin(); }
  void begin() {
    std::string problem;
    auto next = Life::begin(disk, history, testing::small_segments(), problem, snapshot);
    if (!next) RC_FAIL(problem);
    life.emplace(std::move(*next));
    uncut = UINT64_MAX;
  }
  void write(std::uint32_t dice) {
    for (std::uint64_t seed = dice;; ++seed) {
      raft::Ready ready = testing::any_ready(history.last(), seed);
      if (ready.truncate_from && *ready.truncate_from <= snapshot.index) continue;
      if (ready.truncate_from) uncut = std::min(uncut, ready.truncate_from->value() - 1);
      life->write(std::move(ready));
      return;
    }
  }
  // A snapshot to some entry that is durable, and that no write under way takes back.
  void compact(std::uint32_t dice) {
    const auto& durable = history.durable().entries;
    const auto& last = history.last().entries;
    if (life->wal().pending_bytes() == 0) uncut = UINT64_MAX;
    const std::uint64_t most = std::min({durable.size(), last.size(), uncut});
    const std::uint64_t to = most - std::min<std::uint64_t>(most, dice % 4);
    if (Index(to) > snapshot.index) snapshot = durable[to - 1].position();
    const std::size_t before = segments_of(disk).size();
    life->wal().compact(Index(snapshot.index.value() -
                              std::min<std::uint64_t>(snapshot.index.value(), dice / 4 % 3)));
    while (dice % 2 == 0 && life->step(DiskLane::kBackground)) continue;
    removals += segments_of(disk).size() < before;
  }
  void crash(std::uint32_t dice) {
    RandomStream stream(Random(dice), {Purpose::kTest});
    life.reset();
    disk = disk.after_crash([&](std::size_t) { return stream.below(2) == 0; });
    begin();
  }
};

void run(const std::vector<Step>& steps) {
  Run run;
  for (const Step& step : steps) {
    switch (step.action) {
      case Action::kWrite:
        run.write(step.dice);
        break;
      case Action::kStep:
      case Action::kStepBackground:
        for (std::uint32_t i = step.dice % 6; i > 0; --i) {
          run.life->step(step.action == Action::kStep ? DiskLane::kLog : DiskLane::kBackground);
        }
        break;
      case Action::kCompact:
        run.compact(step.dice);
        break;
      case Action::kCrash:
        run.crash(step.dice);
        break;
    }
  }
  run.life->settle();
  const auto end = recover(run.disk, run.snapshot);
  if (!end.ok()) RC_FAIL(end.error().message);
  RC_ASSERT(run.history.last().is_in(end.value()));
}

TEST_CASE("wherever it crashes while segments go, what follows the snapshot is recovered") {
  const auto action = rc::gen::weightedElement<Action>({{10, Action::kWrite},
                                                        {12, Action::kStep},
                                                        {4, Action::kStepBackground},
                                                        {3, Action::kCompact},
                                                        {1, Action::kCrash}});
  const auto step =
      rc::gen::build<Step>(rc::gen::set(&Step::action, action),
                           rc::gen::set(&Step::dice, rc::gen::arbitrary<std::uint32_t>()));
  CHECK(testing::holds(
      "the recovered log holds all that is durable after the snapshot, and nothing else",
      [&step] { run(*rc::gen::scale(5.0, rc::gen::container<std::vector<Step>>(step))); },
      {.cases_factor = 10}));
  CHECK(removals > 100);
}

TEST_CASE("the number of faults") {
  REQUIRE(faults > 0);
  testing::count("log faults beside a snapshot", faults);
}

}  // namespace
}  // namespace vesper::storage
