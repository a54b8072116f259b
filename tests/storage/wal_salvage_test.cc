// A log that a disk has damaged: what is salvaged, what is known of the rest, and that the doubt
// about it is on disk before anything is cut, wherever a crash comes in between.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/properties.h"
#include "tests/storage/sample_log.h"

namespace vesper::storage {
namespace {

using testing::FrozenDisk;
using testing::LogState;
using testing::MemoryDisk;
using testing::SampleGroup;

const Identity& identity() {
  static const Identity kIdentity = testing::formed_identity();
  return kIdentity;
}

Result<RecoveredLog> salvage(Disk& disk) {
  auto known = read_doubt(disk, identity().incarnation);
  if (!known.ok()) return known.error();
  Wal::Suspicion suspicion;
  suspicion.known = known.value();
  return Wal::salvage(disk, identity(), testing::small_segments(), {}, suspicion);
}

// As a node starts.
Result<RecoveredLog> start(Disk& disk) {
  auto known = read_doubt(disk, identity().incarnation);
  if (!known.ok()) return known.error();
  if (!known.value()) {
    auto log = Wal::recover(disk, identity(), testing::small_segments());
    if (log.ok() || log.error().code != ErrorCode::kCorruption) return log;
  }
  return salvage(disk);
}

// Whether the log is one that stood there at some moment; of the term and vote that were last.
bool is_earlier_log(const RecoveredLog& log, const std::vector<SampleGroup>& groups,
                    const raft::HardState& last) {
  if (log.hard_state != last) return false;
  if (log.entries.empty() && log.base.index == Index(0)) return true;
  for (const SampleGroup& group : groups) {
    LogState state = group.after;
    state.hard_state = last;
    if (state.is_in(log)) return true;
  }
  return false;
}

struct Counts {
  std::uint64_t whole = 0;
  std::uint64_t doubt = 0;
  std::uint64_t refused = 0;
};

void note(const std::string& label, const Counts& counts) {
  testing::count(label + ": whole", counts.whole);
  testing::count(label + ": doubt", counts.doubt);
  testing::count(label + ": refused, naming the file", counts.refused);
}

// Empty: as it must be.
std::string judge(Disk& disk, const std::string& file, const std::vector<SampleGroup>& groups,
                  Counts& counts) {
  const LogState& last = groups.back().after;
  const auto log = start(disk);
  if (!log.ok()) {
    ++counts.refused;
    const std::string& message = log.error().message;
    return message.find(file) == std::string::npos ? "refused without the file: " + message : "";
  }
  const RecoveredLog& found = log.value();
  if (!found.doubt) {
    ++counts.whole;
    return last.is_in(found) ? "" : "whole, and not all that was synced";
  }
  ++counts.doubt;
  const Doubt& doubt = *found.doubt;
  if (!is_earlier_log(found, groups, last.hard_state)) return "a log that never was";
  if (doubt.hard_state != last.hard_state) return "another term or vote";
  if (doubt.first > found.base.index.plus(found.entries.size() + 1)) return "a hole too late";
  if (doubt.last.next() < doubt.first) return "a range that is none";
  return doubt.where.find(file) == std::string::npos ? "another place: " + doubt.where : "";
}

std::uint64_t step() {
  const char* given = std::getenv("VESPER_FLIP_STEP");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10) | 1;
}

TEST_CASE("any flipped bit of the log: all is there, or a doubt begins where it must") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  FrozenDisk disk(groups.back().disk);
  Counts counts;
  for (const std::string& file : groups.back().disk.names()) {
    if (file == "identity") continue;
    const std::uint64_t stride = step() * (file > groups.back().file ? 9 : 1);
    for (std::uint64_t bit = 0; bit < 8 * disk.bytes(file).size(); bit += stride) {
      const auto flip = [&] { disk.bytes(file)[bit / 8] ^= std::byte{1} << (bit % 8); };
      flip();
      const std::string problem = judge(disk, file, groups, counts);
      flip();
      if (!problem.empty()) FAIL(file << ": bit " << bit << ": " << problem);
    }
  }
  CHECK(counts.whole > 0);
  CHECK(counts.doubt > 0);
  CHECK(counts.refused == 0);  // one bit never takes both copies of term and vote
  note("log flips", counts);
}

TEST_CASE("any cut of a segment: it is made again, or a doubt, or term and vote are lost too") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  FrozenDisk disk(groups.back().disk);
  Counts counts;
  for (const std::string& file : groups.back().disk.names()) {
    if (file == "identity") continue;
    const std::size_t whole = disk.bytes(file).size();
    for (std::size_t size = 0; size < whole; size += step()) {
      disk.cut(file, size);
      const std::string problem = judge(disk, file, groups, counts);
      if (!problem.empty()) FAIL(file << " cut at " << size << ": " << problem);
    }
    disk.cut(file, whole);
  }
  CHECK(counts.whole > 0);
  CHECK(counts.doubt > 0);
  CHECK(counts.refused > 0);
  note("log cuts", counts);
}

TEST_CASE("a missing segment is a doubt, but not the last: it held term and vote") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  for (const std::string& file : groups.back().disk.names()) {
    if (file == "identity") continue;
    MemoryDisk disk = groups.back().disk;
    disk.remove(file);
    Counts counts;
    const std::string problem = judge(disk, file, groups, counts);
    CHECK_MESSAGE(problem.empty(), file << ": " << problem);
    const bool is_last = file == groups.back().file;
    CHECK(counts.refused == (is_last ? 1 : 0));
    CHECK(counts.whole == (file > groups.back().file ? 1 : 0));
  }
}

// The last group, with its mark, at another place of the log and not at its own: what it overwrote
// is gone too. Were it taken for never written, its term and vote would be forgotten.
MemoryDisk misdirected(const SampleGroup& group, const std::string& file, std::uint64_t offset) {
  MemoryDisk disk = group.disk;
  const auto at = [](std::vector<std::byte>& bytes, std::uint64_t place) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(place);
  };
  std::vector<std::byte> own = disk.contents(group.file);
  const std::vector<std::byte> written(at(own, group.offset), at(own, group.offset + group.bytes));
  std::fill(at(own, group.offset), at(own, group.offset + group.bytes), std::byte{0});
  disk.put(group.file, own);
  std::vector<std::byte> other = disk.contents(file);
  std::copy(written.begin(), written.end(), at(other, offset));
  disk.put(file, other);
  return disk;
}

TEST_CASE("a last group that a disk put elsewhere in the log is missed, and tells term and vote") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  std::uint64_t doubts = 0;
  std::uint64_t refusals = 0;
  for (const SampleGroup& group : groups) {
    const raft::HardState& last = group.after.hard_state;
    for (const std::string& file : group.disk.names()) {
      if (file == "identity") continue;
      const std::uint64_t size = group.disk.contents(file).size();
      for (std::uint64_t offset = 0; offset + group.bytes <= size; offset += kSectorBytes) {
        const bool overlaps = file == group.file && offset < group.offset + group.bytes &&
                              group.offset < offset + group.bytes;
        if (overlaps) continue;
        MemoryDisk disk = misdirected(group, file, offset);
        CAPTURE(group.file);
        CAPTURE(group.offset);
        CAPTURE(file);
        CAPTURE(offset);

        const auto log = start(disk);

        if (!log.ok()) {
          ++refusals;
          CHECK(log.error().code == ErrorCode::kCorruption);
          CHECK(log.error().message.find("segment-") != std::string::npos);
          continue;
        }
        ++doubts;
        REQUIRE(log.value().doubt);
        CHECK(is_earlier_log(log.value(), groups, last));
        CHECK(log.value().doubt->hard_state == last);
      }
    }
  }
  // Refused where it overwrote both copies of a header, so that the end is not known.
  CHECK(doubts > 10 * refusals);
  testing::count("misdirected: doubt", doubts);
  testing::count("misdirected: refused", refusals);
}

// --- The order of writes ---

struct Strike {
  std::string file;
  std::uint64_t offset;
};

// Every segment struck in its middle, and the first group of all.
std::vector<Strike> strikes(const MemoryDisk& disk, const std::string& last) {
  std::vector<Strike> places;
  for (const std::string& file : disk.names()) {
    if (file == "identity" || file > last) continue;
    places.push_back({file, 1'024 + 50});
    places.push_back({file, 5'000});
  }
  return places;
}

MemoryDisk struck(const MemoryDisk& disk, const Strike& strike) {
  MemoryDisk result = disk;
  std::vector<std::byte> bytes = result.contents(strike.file);
  const auto sector = static_cast<std::ptrdiff_t>(strike.offset / 512 * 512);
  std::fill(bytes.begin() + sector, bytes.begin() + sector + 512, kUnreadable);
  result.put(strike.file, std::move(bytes));
  return result;
}

// Runs the log on this disk until nothing is left to do, or `operations` are done.
void run(MemoryDisk& disk, Wal& wal, std::uint64_t operations = UINT64_MAX) {
  wal.flush();
  for (std::uint64_t i = 0; i < operations; ++i) {
    const DiskLane lane = disk.has_work(DiskLane::kLog) ? DiskLane::kLog : DiskLane::kBackground;
    if (!disk.has_work(lane)) return;
    if (auto done = disk.step(lane)) {
      REQUIRE(wal.on_disk_done(std::move(*done)).ok());
      wal.flush();
    }
  }
}

TEST_CASE("a crash at any point of the cut leaves a doubt about the same, with term and vote") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const raft::HardState hard_state = groups.back().after.hard_state;
  std::uint64_t crashes = 0;
  for (const Strike& strike : strikes(groups.back().disk, groups.back().file)) {
    const MemoryDisk damaged = struck(groups.back().disk, strike);
    MemoryDisk first_disk = damaged;
    const auto first = start(first_disk);
    REQUIRE(first.ok());
    if (!first.value().doubt) continue;  // a mark, which takes nothing away
    const std::size_t kept = first.value().entries.size();

    for (std::uint64_t operations = 0;; ++operations) {
      MemoryDisk disk = damaged;
      auto life = start(disk);
      REQUIRE(life.ok());
      run(disk, life.value().wal, operations);
      const bool is_over = !life.value().wal.is_cutting();
      for (std::uint64_t choice = 0; choice < 4; ++choice) {
        MemoryDisk after = disk.after_crash([&](std::size_t i) {
          return choice == 0 ? false : choice == 1 ? true : (i + choice) % 2 == 0;
        });
        ++crashes;
        auto again = start(after);
        INFO(strike.file << " at " << strike.offset << ", " << operations << " operations, choice "
                         << choice);
        REQUIRE(again.ok());
        REQUIRE(again.value().doubt.has_value());
        CHECK(again.value().doubt->hard_state == hard_state);
        CHECK(again.value().hard_state == hard_state);
        CHECK(again.value().entries.size() == kept);
        // And it can be finished from there.
        run(after, again.value().wal);
        const auto end = Wal::recover(after, identity(), testing::small_segments());
        REQUIRE(end.ok());
        CHECK(end.value().entries.size() == kept);
        CHECK(end.value().hard_state == hard_state);
      }
      if (is_over) break;
    }
  }
  CHECK(crashes > 100);
  testing::count("crashes in a cut", crashes);
}

TEST_CASE("what is written after a cut is recovered, in doubt until the doubt is ended") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const raft::HardState hard_state = groups.back().after.hard_state;
  for (const Strike& strike : strikes(groups.back().disk, groups.back().file)) {
    MemoryDisk disk = struck(groups.back().disk, strike);
    auto life = start(disk);
    REQUIRE(life.ok());
    if (!life.value().doubt) continue;
    const std::uint64_t kept = life.value().entries.size();
    raft::Ready ready;
    ready.write = WriteId(1);
    ready.hard_state = raft::HardState{hard_state.term.next(), {}};
    for (std::uint64_t i = 1; i <= 30; ++i) {
      ready.entries.push_back(testing::entry_of(hard_state.term.next(), Index(kept + i), 900));
    }
    life.value().wal.append(ready);
    run(disk, life.value().wal);

    auto next = start(disk);
    REQUIRE(next.ok());
    REQUIRE(next.value().doubt.has_value());
    CHECK(next.value().doubt->hard_state == hard_state);  // not the new term: that one repairs it
    CHECK(next.value().hard_state == *ready.hard_state);
    CHECK(next.value().entries.size() == kept + 30);
    next.value().wal.end_doubt();
    run(disk, next.value().wal);

    const auto last = start(disk);
    REQUIRE(last.ok());
    CHECK_FALSE(last.value().doubt.has_value());
    CHECK(last.value().entries.size() == kept + 30);
    CHECK_FALSE(disk.has("doubt"));
  }
}

// --- The file ---

TEST_CASE("an old segment that comes back takes back neither term nor vote") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const std::string old_name = groups.back().file;
  const std::vector<std::byte> old_segment = groups.back().disk.contents(old_name);
  // The log is lost, and begins anew.
  MemoryDisk disk = struck(groups.back().disk, {"segment-0000000000000001.log", 1'024});
  {
    auto log = start(disk);
    REQUIRE(log.ok());
    run(disk, log.value().wal);
    raft::Ready ready;
    ready.write = WriteId(1);
    ready.hard_state = raft::HardState{Term(1'000), NodeId(2)};
    log.value().wal.append(ready);
    run(disk, log.value().wal);
    log.value().wal.end_doubt();
    run(disk, log.value().wal);
  }
  REQUIRE_FALSE(disk.has("doubt"));
  REQUIRE_FALSE(disk.has(old_name));

  disk.put(old_name, old_segment);

  const auto log = start(disk);
  REQUIRE(log.ok());
  REQUIRE(log.value().doubt);
  CHECK(log.value().hard_state == raft::HardState{Term(1'000), NodeId(2)});
  // The doubt is about all that the node promised, not only what that old segment tells.
  CHECK(log.value().doubt->hard_state == log.value().hard_state);
}

TEST_CASE("a doubt is read as it was written; any flip or cut of its file is refused by name") {
  const Doubt doubt{.hard_state = {Term(7), NodeId(2)},
                    .first = Index(20),
                    .last = Index(41),
                    .where = "segment-0000000000000002.log at offset 1024: a test",
                    .cut = LogCut{.segment = 2, .offset = 1024}};
  MemoryDisk disk;
  testing::run_to_end(disk, write_doubt(doubt, identity().incarnation));
  REQUIRE(read_doubt(disk, identity().incarnation).ok());
  CHECK(read_doubt(disk, identity().incarnation).value() == doubt);
  CHECK(read_doubt(disk, Incarnation(5)).error().code == ErrorCode::kMismatch);

  FrozenDisk frozen(disk);
  const std::size_t size = frozen.bytes("doubt").size();
  for (std::size_t bit = 0; bit < 8 * size; ++bit) {
    frozen.bytes("doubt")[bit / 8] ^= std::byte{1} << (bit % 8);
    const auto read = read_doubt(frozen, identity().incarnation);
    frozen.bytes("doubt")[bit / 8] ^= std::byte{1} << (bit % 8);
    REQUIRE_FALSE(read.ok());
    CHECK(read.error().message.starts_with("doubt at offset 0: "));
  }
  for (std::size_t end = 0; end < size; ++end) {
    frozen.cut("doubt", end);
    REQUIRE_FALSE(read_doubt(frozen, identity().incarnation).ok());
  }
  testing::run_to_end(disk, remove_doubt());
  CHECK_FALSE(read_doubt(disk, identity().incarnation).value().has_value());
}

}  // namespace
}  // namespace vesper::storage
