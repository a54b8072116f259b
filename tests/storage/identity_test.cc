#include "core/storage/identity.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/storage/wal.h"
#include "tests/storage/log_history.h"

namespace vesper::storage {
namespace {

using testing::MemoryDisk;

constexpr const char* kName = "identity";

Identity unformed_identity() {
  Identity identity;
  identity.node = NodeId(3);
  identity.incarnation = Incarnation(77);
  return identity;
}

MemoryDisk disk_of(const Identity& identity) {
  MemoryDisk disk;
  testing::run_to_end(disk, write_identity(identity));
  return disk;
}

// The file's bytes with `change` made and the checksum put right.
template <class Change>
MemoryDisk forged(const Identity& identity, Change change) {
  MemoryDisk disk = disk_of(identity);
  std::vector<std::byte> bytes = disk.contents(kName);
  bytes.resize(bytes.size() - 4);
  change(bytes);
  const std::uint32_t sum = crc32c(bytes);
  ByteWriter(bytes).u32(sum);
  disk.put(kName, std::move(bytes));
  return disk;
}

bool is_reported(const Result<std::optional<Identity>>& read) {
  return !read.ok() && read.error().code == ErrorCode::kCorruption &&
         read.error().message.starts_with("identity at offset ");
}

TEST_CASE("an empty directory has no identity") {
  MemoryDisk disk;

  const auto read = read_identity(disk);

  REQUIRE(read.ok());
  CHECK(!read.value());
}

TEST_CASE("an identity is read as it was written, formed or not") {
  for (const Identity& identity : {unformed_identity(), testing::formed_identity()}) {
    MemoryDisk disk = disk_of(identity);

    const auto read = read_identity(disk);

    REQUIRE(read.ok());
    CHECK(read.value() == identity);
    CHECK(disk.names() == std::vector<std::string>{kName});
  }
}

TEST_CASE("any flipped bit of an identity is reported") {
  for (const Identity& identity : {unformed_identity(), testing::formed_identity()}) {
    MemoryDisk disk = disk_of(identity);
    const std::vector<std::byte> bytes = disk.contents(kName);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::vector<std::byte> flipped = bytes;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      disk.put(kName, flipped);
      if (!is_reported(read_identity(disk))) FAIL("bit " << bit);
    }
  }
}

TEST_CASE("an identity cut at any byte, or grown, is reported") {
  MemoryDisk disk = disk_of(testing::formed_identity());
  std::vector<std::byte> bytes = disk.contents(kName);
  bytes.push_back(std::byte{0});
  disk.put(kName, bytes);
  CHECK(is_reported(read_identity(disk)));

  bytes.pop_back();
  while (!bytes.empty()) {
    bytes.pop_back();
    disk.put(kName, bytes);
    if (!is_reported(read_identity(disk))) FAIL("cut to " << bytes.size() << " bytes");
  }
}

TEST_CASE("an identity of another format version is a mismatch that names both") {
  MemoryDisk disk = forged(testing::formed_identity(),
                           [](std::vector<std::byte>& bytes) { bytes[8] = std::byte{9}; });

  const auto read = read_identity(disk);

  REQUIRE(!read.ok());
  CHECK(read.error().code == ErrorCode::kMismatch);
  CHECK(read.error().message.find("version 9") != std::string::npos);
}

TEST_CASE("an identity whose parts contradict each other is reported though its checksum holds") {
  struct Case {
    const char* why;
    std::size_t offset;
    std::uint64_t value;
  };
  const Case cases[] = {
      {"no incarnation", 16, 0},
      {"founders of a cluster that is not formed", 24, 0},
      {"fewer founders than it counts", 32, 6},
      {"more founders than it counts", 32, 4},
      {"more founders than any cluster has", 32, limits::kNodes + 1},
      {"a count that no memory holds", 32, UINT32_MAX},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);
    MemoryDisk disk = forged(testing::formed_identity(), [&](std::vector<std::byte>& bytes) {
      store_little(bytes.data() + one.offset, one.value);
    });

    CHECK(is_reported(read_identity(disk)));
  }
}

TEST_CASE("a log without an identity is reported") {
  MemoryDisk disk = testing::formatted_disk(testing::formed_identity(), testing::small_segments());
  disk.remove(kName);

  CHECK(is_reported(read_identity(disk)));
}

// All ways in which a crash may cut `ops` on `disk` short; what is unsynced survives in every
// combination.
template <class Look>
void crash_everywhere(const MemoryDisk& disk, const std::vector<DiskOp>& ops, Look look) {
  for (std::size_t steps = 0; steps <= ops.size(); ++steps) {
    MemoryDisk running = disk;
    running.submit({DiskLane::kLog, 1, ops});
    for (std::size_t i = 0; i < steps; ++i) running.step(DiskLane::kLog);
    const std::size_t unsynced = running.unsynced();
    REQUIRE(unsynced < 12);
    for (std::uint64_t kept = 0; kept < std::uint64_t{1} << unsynced; ++kept) {
      MemoryDisk crashed = running.after_crash([&](std::size_t i) { return (kept >> i & 1) != 0; });
      look(crashed, steps == ops.size());
    }
  }
}

TEST_CASE("a crash while an identity is replaced leaves the old one or the new one") {
  const Identity before = unformed_identity();
  Identity after = testing::formed_identity();
  after.incarnation = before.incarnation;
  std::size_t old_ones = 0;
  std::size_t new_ones = 0;

  crash_everywhere(disk_of(before), write_identity(after), [&](MemoryDisk& disk, bool is_done) {
    const auto read = read_identity(disk);
    REQUIRE(read.ok());
    REQUIRE(read.value());
    CHECK((*read.value() == after || (!is_done && *read.value() == before)));
    (*read.value() == after ? new_ones : old_ones) += 1;
  });
  CHECK(old_ones > 0);
  CHECK(new_ones > 0);
}

TEST_CASE(
    "a crash while a cluster is formed leaves a directory that is formed with a log, or not "
    "formed") {
  Identity before = unformed_identity();
  Identity after = testing::formed_identity();
  before.incarnation = after.incarnation;
  std::vector<DiskOp> ops = Wal::format(after, testing::small_segments());
  for (DiskOp& op : write_identity(after)) ops.push_back(std::move(op));
  std::size_t formed = 0;

  crash_everywhere(disk_of(before), ops, [&](MemoryDisk& disk, bool is_done) {
    const auto read = read_identity(disk);
    REQUIRE(read.ok());
    REQUIRE(read.value());
    CHECK((read.value()->formed() || !is_done));
    if (read.value()->formed()) {
      ++formed;
      const auto log = Wal::recover(disk, *read.value(), testing::small_segments());
      REQUIRE(log.ok());
      CHECK(log.value().entries.empty());
      return;
    }
    // It can be formed again, into another cluster too.
    Identity other = after;
    other.cluster = ClusterId(4711);
    testing::run_to_end(disk, Wal::format(other, testing::small_segments()));
    testing::run_to_end(disk, write_identity(other));
    CHECK(Wal::recover(disk, other, testing::small_segments()).ok());
  });
  CHECK(formed > 0);
}

}  // namespace
}  // namespace vesper::storage
