#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "tests/core/properties.h"
#include "tests/storage/sample_log.h"

namespace vesper::storage {
namespace {

using testing::FrozenDisk;
using testing::LogState;
using testing::SampleGroup;

std::uint64_t flips = 0;

// Bits are numbered from the file's first.
struct Bit {
  std::string file;
  std::uint64_t number = 0;
};

// Under sanitizers every bit would take too long: then every VESPER_FLIP_STEP-th is flipped, an odd
// number, so that all eight bits of a byte take their turns.
std::uint64_t step() {
  const char* given = std::getenv("VESPER_FLIP_STEP");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10) | 1;
}

enum class Verdict { kWhole, kReported, kLost };

// With one bit flipped, recovery gives all that was synced or says where the damage is.
Verdict verdict_on(const Result<RecoveredLog>& recovered, const LogState& synced, const Bit& bit) {
  if (recovered.ok()) return synced.is_in(recovered.value()) ? Verdict::kWhole : Verdict::kLost;
  const Error& error = recovered.error();
  const bool names_place = error.message.starts_with(bit.file + " at offset ");
  return error.code == ErrorCode::kCorruption && names_place ? Verdict::kReported : Verdict::kLost;
}

void flip(FrozenDisk& disk, const Bit& bit) {
  disk.bytes(bit.file)[bit.number / 8] ^= std::byte{1} << (bit.number % 8);
}

Verdict flip_and_recover(FrozenDisk& disk, const Bit& bit, const LogState& synced) {
  ++flips;
  flip(disk, bit);
  const auto recovered = Wal::recover(disk, testing::formed_identity(), testing::small_segments());
  const Verdict verdict = verdict_on(recovered, synced, bit);
  flip(disk, bit);
  return verdict;
}

void must_not_be_lost(Verdict verdict, const Bit& bit) {
  if (verdict == Verdict::kLost) FAIL(bit.file << ": bit " << bit.number);
}

TEST_CASE("any flipped bit of any file is reported, or takes nothing away") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const SampleGroup& last = groups.back();
  FrozenDisk disk(last.disk);
  std::uint64_t whole = 0;
  std::uint64_t reported = 0;

  for (const std::string& file : last.disk.names()) {
    if (file == "identity") continue;
    // Nothing is in use of a segment that stands ready: a bit a byte will do.
    const std::uint64_t stride = step() * (file > last.file ? 9 : 1);
    for (Bit bit{file, 0}; bit.number < 8 * disk.bytes(file).size(); bit.number += stride) {
      const Verdict verdict = flip_and_recover(disk, bit, last.after);
      must_not_be_lost(verdict, bit);
      (verdict == Verdict::kWhole ? whole : reported) += 1;
    }
  }
  CHECK(whole > 0);
  CHECK(reported > 0);
}

// While a group is the last, only its mark tells a flip from a torn write.
TEST_CASE("any flipped bit of a group is reported while the group is the last") {
  for (const SampleGroup& group : testing::sample_log()) {
    FrozenDisk disk(group.disk);
    const std::uint64_t end = 8 * (group.offset + group.bytes);
    for (Bit bit{group.file, 8 * group.offset}; bit.number < end; bit.number += step()) {
      must_not_be_lost(flip_and_recover(disk, bit, group.after), bit);
    }
  }
}

// A recovery that carries on after a flip must leave a log that the next one reads.
TEST_CASE("what is written after a flip that took nothing away is recovered with all before it") {
  const std::vector<SampleGroup> groups = testing::sample_log();
  const SampleGroup& last = groups.back();
  std::uint64_t written_on = 0;

  for (const std::string& file : last.disk.names()) {
    if (file == "identity") continue;
    FrozenDisk frozen(last.disk);
    for (Bit bit{file, 0}; bit.number < 8 * frozen.bytes(file).size();
         bit.number += (8 * 13 + 1) * step()) {
      if (flip_and_recover(frozen, bit, last.after) != Verdict::kWhole) continue;
      testing::MemoryDisk disk = last.disk;
      std::vector<std::byte> bytes = disk.contents(file);
      bytes[bit.number / 8] ^= std::byte{1} << (bit.number % 8);
      disk.put(file, std::move(bytes));

      testing::History history;
      std::string problem;
      raft::Ready all;
      all.hard_state = last.after.hard_state;
      all.entries = last.after.entries;
      history.add(all);
      history.on_durable(all.write);
      for (std::uint64_t life_count = 0; life_count < 2; ++life_count) {
        auto life = testing::Life::begin(disk, history, testing::small_segments(), problem);
        if (!life) FAIL(file << ": bit " << bit.number << ": " << problem);
        life->write(testing::any_ready(history.last(), bit.number + life_count));
        life->settle();
      }
      const auto end = Wal::recover(disk, testing::formed_identity(), testing::small_segments());
      REQUIRE(end.ok());
      REQUIRE(history.restart(end.value()));
      ++written_on;
    }
  }
  CHECK(written_on > 100 / step());
}

// Up to there both logs are one.
Index common_end(const LogState& a, const LogState& b) {
  std::uint64_t count = 0;
  while (count < std::min(a.entries.size(), b.entries.size()) &&
         a.entries[count].position() == b.entries[count].position()) {
    ++count;
  }
  return Index(count);
}

// A crash tore the group's mark.
void tear_mark(testing::MemoryDisk& disk, const SampleGroup& group) {
  std::vector<std::byte> bytes = disk.contents(group.file);
  const auto end = bytes.begin() + static_cast<std::ptrdiff_t>(group.offset + group.bytes);
  std::fill(end - kSectorBytes, end, std::byte{0});
  disk.put(group.file, std::move(bytes));
}

// Writes the mark again. The write that this makes durable.
WriteId write_mark(testing::MemoryDisk& disk, Wal& wal) {
  wal.flush();
  WriteId durable;
  while (disk.has_work(DiskLane::kLog)) {
    auto done = disk.step(DiskLane::kLog);
    if (done) durable = wal.on_disk_done(std::move(*done)).value();
  }
  return durable;
}

TEST_CASE("what a group without its mark brought is not safe before its mark is there again") {
  for (const SampleGroup& group : testing::sample_log()) {
    CAPTURE(group.file);
    CAPTURE(group.offset);
    testing::MemoryDisk disk = group.disk;
    tear_mark(disk, group);
    auto recovered = Wal::recover(disk, testing::formed_identity(), testing::small_segments());
    REQUIRE(recovered.ok());
    REQUIRE(group.after.is_in(recovered.value()));
    REQUIRE(recovered.value().unmarked_after);
    CHECK(*recovered.value().unmarked_after == common_end(group.before, group.after));
    CHECK(write_mark(disk, recovered.value().wal) == WriteId(1));
    CHECK(disk.contents(group.file) == group.disk.contents(group.file));

    auto again = Wal::recover(disk, testing::formed_identity(), testing::small_segments());
    REQUIRE(again.ok());
    CHECK_FALSE(again.value().unmarked_after);
  }
}

// It must not stay without: a flip would pass for a torn write.
TEST_CASE("a group that stood without its mark has it again before its first flipped bit") {
  const SampleGroup last = testing::sample_log().back();
  testing::MemoryDisk disk = last.disk;
  tear_mark(disk, last);
  auto recovered = Wal::recover(disk, testing::formed_identity(), testing::small_segments());
  REQUIRE(recovered.ok());
  write_mark(disk, recovered.value().wal);

  FrozenDisk frozen(disk);
  const std::uint64_t end = 8 * (last.offset + last.bytes);
  for (Bit bit{last.file, 8 * last.offset}; bit.number < end; bit.number += step()) {
    must_not_be_lost(flip_and_recover(frozen, bit, last.after), bit);
  }
}

TEST_CASE("the number of flips") {
  REQUIRE(flips > 0);
  testing::count("log flips", flips);
}

}  // namespace
}  // namespace vesper::storage
