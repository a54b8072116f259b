#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/base/random.h"
#include "tests/core/properties.h"
#include "tests/storage/sample_log.h"

namespace vesper::storage {
namespace {

using testing::FrozenDisk;
using testing::History;
using testing::Life;
using testing::MemoryDisk;
using testing::SampleGroup;

std::uint64_t cuts = 0;
std::uint64_t torn_tails = 0;

Result<RecoveredLog> recover(Disk& disk) {
  return Wal::recover(disk, testing::formed_identity(), testing::small_segments());
}

// Which of a few things survive: all of 2^count choices if they are few, else the ones that matter
// and some at random.
std::vector<std::vector<bool>> choices_of(std::size_t count, std::uint64_t seed) {
  std::vector<std::vector<bool>> choices;
  if (count <= 6) {
    for (std::uint64_t mask = 0; mask < std::uint64_t{1} << count; ++mask) {
      std::vector<bool>& choice = choices.emplace_back(count);
      for (std::size_t i = 0; i < count; ++i) choice[i] = (mask >> i & 1) != 0;
    }
    return choices;
  }
  choices.emplace_back(count, false);
  choices.emplace_back(count, true);
  for (std::size_t i = 0; i < count; ++i) {
    choices.emplace_back(count, false)[i] = true;
    choices.emplace_back(count, true)[i] = false;
  }
  RandomStream dice(Random(seed), {Purpose::kTest});
  for (int k = 0; k < 16; ++k) {
    std::vector<bool>& choice = choices.emplace_back(count);
    for (std::size_t i = 0; i < count; ++i) choice[i] = dice.below(2) == 0;
  }
  return choices;
}

// --- Files that end too early or too late ---

TEST_CASE("a segment cut at any byte is damage where it ends, if it is in use") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const MemoryDisk& whole = groups.back().disk;

  for (const std::string& file : whole.names()) {
    if (file == "identity") continue;
    FrozenDisk disk(whole);
    for (std::size_t size = disk.bytes(file).size(); size > 0; --size) {
      ++cuts;
      disk.cut(file, size - 1);
      const auto recovered = recover(disk);
      const std::string place = file + " at offset " + std::to_string(size - 1) + ":";
      // One that stands ready holds nothing: it is made again.
      if (file > groups.back().file) {
        if (recovered.ok() && groups.back().after.is_in(recovered.value())) continue;
        FAIL(file << " cut at " << size - 1 << ": not recovered");
      }
      if (recovered.ok() || recovered.error().code != ErrorCode::kCorruption ||
          !recovered.error().message.starts_with(place)) {
        FAIL(file << " cut at " << size - 1 << ": "
                  << (recovered.ok() ? "recovered" : recovered.error().message));
      }
    }
  }
}

TEST_CASE("a segment that grew is damage where it should have ended") {
  MemoryDisk disk = testing::sample_log().back().disk;
  const std::string file = "segment-0000000000000002.log";
  std::vector<std::byte> bytes = disk.contents(file);
  for (const std::size_t more : {std::size_t{1}, std::size_t{512}, bytes.size()}) {
    std::vector<std::byte> grown = bytes;
    grown.resize(bytes.size() + more);
    disk.put(file, grown);

    const auto recovered = recover(disk);

    REQUIRE(!recovered.ok());
    CHECK(recovered.error().code == ErrorCode::kCorruption);
    CHECK(recovered.error().message.starts_with(file + " at offset "));
  }
}

// --- The last write, torn ---

struct Torn {
  const SampleGroup& group;
  FrozenDisk disk;
  std::span<std::byte> bytes;
  std::vector<std::byte> whole;

  explicit Torn(const SampleGroup& of) : group(of), disk(of.disk) {
    bytes = disk.bytes(group.file).subspan(group.offset, group.bytes);
    whole.assign(bytes.begin(), bytes.end());
  }
  // All that was synced before the group, and the group whole or not at all.
  void must_recover(const std::string& what) {
    ++cuts;
    const auto recovered = recover(disk);
    if (!recovered.ok()) {
      FAIL(group.file << " at " << group.offset << ", " << what << ": "
                      << recovered.error().message);
    }
    if (testing::has_torn_tail(recovered.value().notes)) ++torn_tails;
    if (!group.before.is_in(recovered.value()) && !group.after.is_in(recovered.value())) {
      FAIL(group.file << " at " << group.offset << ", " << what << ": another log");
    }
  }
};

TEST_CASE("a last write of which only the first bytes arrived takes nothing synced away") {
  for (const SampleGroup& group : testing::sample_log()) {
    Torn torn(group);
    for (std::size_t kept = torn.bytes.size(); kept > 0; --kept) {
      torn.bytes[kept - 1] = std::byte{0};
      torn.must_recover("first " + std::to_string(kept - 1) + " bytes");
    }
    const auto recovered = recover(torn.disk);
    REQUIRE(recovered.ok());
    CHECK(group.before.is_in(recovered.value()));
  }
}

int bits_in(std::span<const std::byte> sector) {
  int bits = 0;
  for (const std::byte byte : sector) bits += std::popcount(static_cast<std::uint8_t>(byte));
  return bits;
}

TEST_CASE("a last write of which only some sectors arrived takes nothing synced away") {
  std::set<std::pair<std::string, std::uint64_t>> in_doubt;
  for (const SampleGroup& group : testing::sample_log()) {
    Torn torn(group);
    const std::size_t sectors = torn.bytes.size() / kSectorBytes;
    for (const std::vector<bool>& keeps : choices_of(sectors, group.offset)) {
      std::copy(torn.whole.begin(), torn.whole.end(), torn.bytes.begin());
      int lost_bits = 0;
      for (std::size_t i = 0; i < sectors; ++i) {
        const auto sector = torn.bytes.subspan(i * kSectorBytes, kSectorBytes);
        if (!keeps[i]) lost_bits += bits_in(sector);
        if (!keeps[i]) std::fill(sector.begin(), sector.end(), std::byte{0});
      }
      // Torn or flipped: where one bit is all that is lost, recovery cannot know, and must say so.
      const bool is_in_doubt = lost_bits == 1;
      const auto recovered = recover(torn.disk);
      if (is_in_doubt && !recovered.ok()) {
        CHECK(recovered.error().message.starts_with(group.file + " at offset "));
        in_doubt.emplace(group.file, group.offset);
        ++cuts;
        continue;
      }
      torn.must_recover("some sectors");
    }
  }
  // The sample log has two entries that hold one; a group's short last sector never is one.
  CHECK(in_doubt.size() == 2);
}

// Groups are written one after the other was synced: what follows tells that this one was there.
TEST_CASE("a group of zeros, or of anything else, before the last one is damage where it began") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const MemoryDisk& whole = groups.back().disk;
  for (std::size_t i = 0; i + 1 < groups.size(); ++i) {
    for (const std::byte junk : {std::byte{0}, std::byte{0xa5}}) {
      ++cuts;
      FrozenDisk disk(whole);
      const auto bytes = disk.bytes(groups[i].file).subspan(groups[i].offset, groups[i].bytes);
      std::fill(bytes.begin(), bytes.end(), junk);
      const auto recovered = recover(disk);
      REQUIRE(!recovered.ok());
      CHECK(recovered.error().code == ErrorCode::kCorruption);
      const std::string place = std::to_string(groups[i].offset) + ":";
      CHECK(recovered.error().message.starts_with(groups[i].file + " at offset " + place));
    }
  }
}

// A crash may come after the closing and before the group that it announces.
TEST_CASE("the last group of a closed segment is missed though no group follows it") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  for (std::size_t i = 0; i + 1 < groups.size(); ++i) {
    if (groups[i].file == groups[i + 1].file) continue;
    MemoryDisk disk = groups[i].disk;
    disk.put(groups[i].file, groups.back().disk.contents(groups[i].file));
    REQUIRE(groups[i].after.is_in(recover(disk).value()));

    std::vector<std::byte> bytes = disk.contents(groups[i].file);
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(groups[i].offset), groups[i].bytes,
                std::byte{0});
    disk.put(groups[i].file, std::move(bytes));
    const auto recovered = recover(disk);
    REQUIRE(!recovered.ok());
    const std::string place = std::to_string(groups[i].offset) + ":";
    CHECK(recovered.error().message.starts_with(groups[i].file + " at offset " + place));
  }
}

TEST_CASE("zeros from any byte of a closed segment on are reported, or take nothing away") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const SampleGroup& last = groups.back();
  for (const std::string& file : last.disk.names()) {
    if (file == "identity" || file >= last.file) continue;
    FrozenDisk disk(last.disk);
    for (std::size_t at = disk.bytes(file).size(); at > 0; --at) {
      ++cuts;
      disk.bytes(file)[at - 1] = std::byte{0};
      const auto recovered = recover(disk);
      const bool is_whole = recovered.ok() && last.after.is_in(recovered.value());
      if (!is_whole && (recovered.ok() || recovered.error().code != ErrorCode::kCorruption)) {
        FAIL(file << " zero from " << at - 1 << " on");
      }
    }
  }
}

TEST_CASE("a torn tail whose mark arrived is damage once a sector holds something else") {
  const SampleGroup group = testing::sample_log()[9];
  Torn torn(group);
  std::fill(torn.bytes.begin(), torn.bytes.begin() + 20, std::byte{0x77});

  const auto recovered = recover(torn.disk);

  REQUIRE(!recovered.ok());
  CHECK(recovered.error().code == ErrorCode::kCorruption);
  CHECK(recovered.error().message.starts_with(group.file + " at offset " +
                                              std::to_string(group.offset) + ":"));
}

// --- Crashes between any two operations, and again while the log is repaired ---

// Writes `count` Readys, lanes in turn, until `steps_max` operations have run.
void live(MemoryDisk& disk, Life& life, History& history, std::uint64_t count,
          std::uint64_t steps_max) {
  std::uint64_t written = 0;
  const std::uint64_t begin = disk.steps();
  while (disk.steps() - begin < steps_max) {
    if (written < count && life.wal().pending_bytes() < 4'000) {
      life.write(testing::any_ready(history.last(), 1'000 + written++));
    }
    const auto lane = disk.steps() % 3 == 0 ? DiskLane::kBackground : DiskLane::kLog;
    if (!life.step(lane) && written == count) return;
  }
}

// One more life on what a crash left, then a crash in the midst of it, and a last look.
void live_again(const MemoryDisk& crashed, const History& before, std::uint64_t steps,
                std::uint64_t seed) {
  MemoryDisk disk = crashed;
  History history = before;
  std::string problem;
  ++cuts;
  auto life = Life::begin(disk, history, testing::small_segments(), problem);
  if (!life) FAIL("after " << steps << " steps: " << problem);
  if (!testing::has_torn_tail(life->notes())) return;
  ++torn_tails;
  // Ever further into the repair and what follows it.
  live(disk, *life, history, 2, seed % 6);
  RandomStream dice(Random(seed), {Purpose::kTest});
  MemoryDisk again = disk.after_crash([&](std::size_t) { return dice.below(2) == 0; });
  auto next = Life::begin(again, history, testing::small_segments(), problem);
  if (!next) FAIL("after " << steps << " steps and a crash in the repair: " << problem);
  live(again, *next, history, 3, UINT64_MAX);
  const auto end = recover(again);
  REQUIRE(end.ok());
  CHECK(history.restart(end.value()));
}

TEST_CASE("a crash after any operation, whatever of it survives, takes nothing durable away") {
  const MemoryDisk formatted =
      testing::formatted_disk(testing::formed_identity(), testing::small_segments());
  constexpr std::uint64_t kReadys = 60;
  std::uint64_t seed = 0;

  for (std::uint64_t steps = 0;; ++steps) {
    MemoryDisk disk = formatted;
    History history;
    std::string problem;
    auto life = Life::begin(disk, history, testing::small_segments(), problem);
    REQUIRE(life);
    const std::uint64_t begin = disk.steps();
    live(disk, *life, history, kReadys, steps);
    for (const std::vector<bool>& keeps : choices_of(disk.unsynced(), steps)) {
      const MemoryDisk crashed = disk.after_crash([&](std::size_t i) { return keeps[i]; });
      live_again(crashed, history, steps, ++seed);
    }
    if (disk.steps() - begin < steps) break;
  }
  CHECK(torn_tails > 0);
}

TEST_CASE("the number of cuts") {
  REQUIRE(cuts > 0);
  testing::count("log cuts", cuts);
  testing::count("torn tails", torn_tails);
}

}  // namespace
}  // namespace vesper::storage
