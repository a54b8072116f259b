// What a simulated disk promises across a crash, and that it takes back no more and no less. Every
// test looks at it as the node and the world do.
#include "sim/disk.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "tests/core/properties.h"

namespace vesper::sim {
namespace {

using storage::DiskBatch;
using storage::DiskDone;
using storage::DiskLane;
using storage::DiskOp;
using testing::holds;

constexpr std::uint64_t kSectors = 4;
constexpr std::array kLosses = {CrashLoss::kKeep, CrashLoss::kLoseAll, CrashLoss::kLoseRandom,
                                CrashLoss::kTear};

// Remembers which lanes have been told to finish.
struct Schedule final : DiskSchedule {
  std::array<int, 2> begun{};
  void finish_in(DiskLane lane, Duration) override { ++begun[static_cast<std::size_t>(lane)]; }
};

struct Bench {
  Schedule schedule;
  SimDisk disk;

  explicit Bench(std::uint64_t seed = 1)
      : disk({.node = NodeId(0), .random = Random(seed), .config = {}}, schedule) {}

  void submit(DiskLane lane, std::uint64_t ticket, std::vector<DiskOp> ops) {
    disk.submit(DiskBatch{lane, ticket, std::move(ops)});
  }
  Status carry_out(std::vector<DiskOp> ops) {
    submit(DiskLane::kLog, 1, std::move(ops));
    return disk.finish(DiskLane::kLog).status;
  }
  // A file of kSectors sectors, all of them `fill`, that is durable in every way.
  void lay_down(const std::string& name, char fill) {
    const Status done = carry_out({storage::CreateFile{name, kSectors * storage::kSectorBytes},
                                   write(name, 0, kSectors, fill), storage::SyncFile{name},
                                   storage::SyncDirectory{}});
    REQUIRE(done.ok());
  }
  static DiskOp write(const std::string& name, std::uint64_t sector, std::uint64_t sectors,
                      char fill) {
    return storage::WriteFile{
        name, sector * storage::kSectorBytes,
        std::vector<std::byte>(sectors * storage::kSectorBytes, static_cast<std::byte>(fill))};
  }
  // One letter a sector; '?' for a sector that is a mixture.
  std::string sectors(const std::string& name) {
    const auto bytes = disk.read(name);
    if (!bytes.ok()) return "no file";
    const std::string_view text = bytes.value().text();
    std::string letters;
    for (std::size_t at = 0; at < text.size(); at += storage::kSectorBytes) {
      const std::string_view sector = text.substr(at, storage::kSectorBytes);
      const bool is_whole = sector.find_first_not_of(sector[0]) == std::string_view::npos;
      letters += is_whole ? sector[0] : '?';
    }
    return letters;
  }
  std::string names() {
    std::string all;
    const auto files = disk.list();
    for (const storage::FileInfo& file : files.value()) all += file.name + ' ';
    return all;
  }
};

CrashLoss any_loss() {
  return *rc::gen::elementOf(std::vector(kLosses.begin(), kLosses.end()));
}

// --- Bytes ---

TEST_CASE("whatever a crash loses, what was synced stays and the rest is old or new by sector") {
  CHECK(holds("each sector is as it was at the last sync, or as it was written last",
              [] {
                Bench bench(*rc::gen::arbitrary<std::uint64_t>());
                bench.lay_down("f", 'a');
                std::string synced(kSectors, 'a');
                std::string written = synced;
                const int writes = *rc::gen::inRange(0, 12);
                for (int i = 0; i < writes; ++i) {
                  if (*rc::gen::inRange(0, 4) == 0) {
                    RC_ASSERT(bench.carry_out({storage::SyncFile{"f"}}).ok());
                    synced = written;
                    continue;
                  }
                  const auto sector = *rc::gen::inRange<std::uint64_t>(0, kSectors);
                  const char fill = static_cast<char>('b' + i);
                  RC_ASSERT(bench.carry_out({Bench::write("f", sector, 1, fill)}).ok());
                  written[sector] = fill;
                }
                RC_ASSERT(bench.sectors("f") == written);

                const CrashLoss loss = any_loss();
                bench.disk.crash(loss);

                const std::string after = bench.sectors("f");
                for (std::size_t i = 0; i < kSectors; ++i) {
                  RC_ASSERT(after[i] == synced[i] || after[i] == written[i]);
                }
                if (loss == CrashLoss::kKeep) RC_ASSERT(after == written);
                if (loss == CrashLoss::kLoseAll) RC_ASSERT(after == synced);
                // What survived one crash survives the next.
                bench.disk.crash(CrashLoss::kLoseAll);
                RC_ASSERT(bench.sectors("f") == after);
              },
              {.cases_factor = 10}));
}

TEST_CASE("a write of part of a sector is kept or lost with its whole sector") {
  for (const CrashLoss loss : kLosses) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      Bench bench(seed);
      bench.lay_down("f", 'a');
      // The last bytes of sector 0 and the first of sector 1.
      std::vector<std::byte> bytes(8, std::byte{'b'});
      REQUIRE(bench.carry_out({storage::WriteFile{"f", storage::kSectorBytes - 4, bytes}}).ok());

      bench.disk.crash(loss);

      const SharedBytes after = bench.disk.read("f").value();
      const std::string first(after.text().substr(storage::kSectorBytes - 4, 4));
      const std::string second(after.text().substr(storage::kSectorBytes, 4));
      CHECK((first == "aaaa" || first == "bbbb"));
      CHECK((second == "aaaa" || second == "bbbb"));
    }
  }
}

TEST_CASE("random loss keeps any sectors, tearing keeps a prefix in the order of writing") {
  std::map<std::string, int> random;
  std::map<std::string, int> torn;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    for (const CrashLoss loss : {CrashLoss::kLoseRandom, CrashLoss::kTear}) {
      Bench bench(seed);
      bench.lay_down("f", 'a');
      for (const std::uint64_t sector : {2U, 0U, 3U}) {
        REQUIRE(bench.carry_out({Bench::write("f", sector, 1, 'b')}).ok());
      }
      bench.disk.crash(loss);
      ++(loss == CrashLoss::kTear ? torn : random)[bench.sectors("f")];
    }
  }

  CHECK(random.size() == 8);
  CHECK(torn.size() == 4);
  for (const char* prefix : {"aaaa", "aaba", "baba", "babb"}) CHECK(torn[prefix] > 0);
}

// --- Names ---

TEST_CASE("names are undone only until the directory is synced") {
  Bench bench;
  bench.lay_down("f", 'a');
  bench.lay_down("g", 'b');

  REQUIRE(bench
              .carry_out({storage::RenameFile{"f", "h"}, storage::RemoveFile{"g"},
                          storage::CreateFile{"i", 512}})
              .ok());
  CHECK(bench.names() == "h i ");
  bench.disk.crash(CrashLoss::kLoseAll);
  CHECK(bench.names() == "f g ");
  CHECK(bench.sectors("f") == "aaaa");
  CHECK(bench.sectors("g") == "bbbb");

  REQUIRE(bench
              .carry_out({storage::RenameFile{"f", "h"}, storage::RemoveFile{"g"},
                          storage::CreateFile{"i", 512}, storage::SyncDirectory{}})
              .ok());
  for (const CrashLoss loss : kLosses) {
    bench.disk.crash(loss);
    CHECK(bench.names() == "h i ");
  }
  CHECK(bench.sectors("h") == "aaaa");
}

TEST_CASE("a file that was replaced by a rename holds its old bytes or its new ones") {
  std::map<std::string, int> found;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Bench bench(seed);
    bench.lay_down("f", 'a');
    REQUIRE(bench
                .carry_out({storage::CreateFile{"t", kSectors * storage::kSectorBytes},
                            Bench::write("t", 0, kSectors, 'b'), storage::SyncFile{"t"},
                            storage::RenameFile{"t", "f"}})
                .ok());
    bench.disk.crash(CrashLoss::kLoseRandom);
    ++found[bench.sectors("f")];
  }

  CHECK(found.size() == 2);
  CHECK(found["aaaa"] > 0);
  CHECK(found["bbbb"] > 0);
}

// --- Batches ---

TEST_CASE("a crash carries out a prefix of the batch under way, and nothing of those behind it") {
  std::map<std::string, int> found;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    Bench bench(seed);
    bench.lay_down("f", 'a');
    bench.submit(DiskLane::kLog, 7,
                 {Bench::write("f", 0, 1, 'b'), Bench::write("f", 1, 1, 'b'),
                  Bench::write("f", 2, 1, 'b'), storage::SyncFile{"f"}});
    bench.submit(DiskLane::kLog, 8, {Bench::write("f", 3, 1, 'c'), storage::SyncFile{"f"}});

    const std::vector<std::uint64_t> durable = bench.disk.crash(CrashLoss::kKeep);

    const std::string after = bench.sectors("f");
    ++found[after];
    if (!durable.empty()) CHECK(durable == std::vector<std::uint64_t>{7});
    if (!durable.empty()) CHECK(after == "bbba");
  }
  CHECK(found.size() == 4);
  for (const char* prefix : {"aaaa", "baaa", "bbaa", "bbba"}) CHECK(found[prefix] > 0);
}

TEST_CASE("a batch that a crash reports as done outlives the loss of everything unsynced") {
  int done = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    Bench bench(seed);
    bench.lay_down("f", 'a');
    bench.submit(DiskLane::kLog, 7, {Bench::write("f", 0, kSectors, 'b'), storage::SyncFile{"f"}});
    const bool is_done = !bench.disk.crash(CrashLoss::kLoseAll).empty();
    done += is_done ? 1 : 0;
    CHECK(bench.sectors("f") == (is_done ? "bbbb" : "aaaa"));
  }
  CHECK(done > 0);
  CHECK(done < 100);
}

TEST_CASE("batches of a lane go one after the other, the lanes side by side") {
  Bench bench;
  bench.lay_down("f", 'a');
  bench.schedule.begun = {};

  bench.submit(DiskLane::kLog, 1, {Bench::write("f", 0, 1, 'b')});
  bench.submit(DiskLane::kLog, 2, {Bench::write("f", 0, 1, 'c')});
  bench.submit(DiskLane::kBackground, 3, {Bench::write("f", 1, 1, 'd')});
  CHECK(bench.schedule.begun == std::array<int, 2>{1, 1});

  CHECK(bench.disk.finish(DiskLane::kBackground).batch.ticket == 3);
  CHECK(bench.sectors("f") == "adaa");
  CHECK(bench.disk.finish(DiskLane::kLog).batch.ticket == 1);
  CHECK(bench.schedule.begun == std::array<int, 2>{2, 1});
  CHECK(bench.sectors("f") == "bdaa");
  CHECK(bench.disk.finish(DiskLane::kLog).batch.ticket == 2);
  CHECK(bench.sectors("f") == "cdaa");
}

TEST_CASE("a sync that fails ends its batch, names its file, and makes nothing durable") {
  Bench bench;
  bench.lay_down("f", 'a');

  bench.disk.refuse({.operation = DiskOperation::kSync, .lasts = false});
  const Status failed = bench.carry_out(
      {Bench::write("f", 0, 1, 'b'), storage::SyncFile{"f"}, Bench::write("f", 1, 1, 'b')});

  REQUIRE_FALSE(failed.ok());
  CHECK(failed.error().code == ErrorCode::kIo);
  CHECK(failed.error().message == "sync f: input/output error");
  CHECK(bench.sectors("f") == "baaa");
  bench.disk.crash(CrashLoss::kLoseAll);
  CHECK(bench.sectors("f") == "aaaa");
  CHECK(bench.carry_out({storage::SyncFile{"f"}}).ok());
}

TEST_CASE("an operation on a file that is not there fails and names it") {
  Bench bench;
  CHECK(bench.carry_out({Bench::write("x", 0, 1, 'b')}).error().message == "write x: no such file");
  CHECK(bench.carry_out({storage::RenameFile{"x", "y"}}).error().message ==
        "rename x: no such file");
  CHECK(bench.carry_out({storage::RemoveFile{"x"}}).ok());  // it is gone, as was wanted
  CHECK(bench.disk.read("x").error().message == "read x: no such file");
}

// --- Room ---

TEST_CASE("a full disk gives a new file what there is, and says so") {
  Bench bench;
  bench.lay_down("old", 'a');
  bench.disk.set_room(SimDisk::Room{.bytes = 1024});

  const Status done = bench.carry_out({storage::CreateFile{"new", 1536}, storage::SyncDirectory{}});

  REQUIRE(!done.ok());
  CHECK(done.error().code == ErrorCode::kNoSpace);
  CHECK(bench.sectors("new").size() == 2);
  // What there is of it takes the room from others, until it is replaced or removed.
  CHECK(!bench.carry_out({storage::CreateFile{"other", 512}}).ok());
  CHECK(bench.carry_out({storage::CreateFile{"new", 1024}}).ok());
  CHECK(bench
            .carry_out({storage::RemoveFile{"new"}, storage::RemoveFile{"other"},
                        storage::CreateFile{"other", 1024}})
            .ok());
  bench.disk.set_room(std::nullopt);
  CHECK(bench.carry_out({storage::CreateFile{"new", 1536}}).ok());
}

TEST_CASE("a write inside a file needs room only where nothing is overwritten in place") {
  Bench bench;
  bench.lay_down("f", 'a');
  bench.disk.set_room(SimDisk::Room{.bytes = 512});
  CHECK(bench.carry_out({Bench::write("f", 0, 4, 'b')}).ok());

  bench.disk.set_room(SimDisk::Room{.bytes = 512, .is_in_place = true});
  const Status done = bench.carry_out({Bench::write("f", 1, 2, 'c'), storage::SyncFile{"f"}});

  REQUIRE(!done.ok());
  CHECK(done.error().code == ErrorCode::kNoSpace);
  CHECK(bench.sectors("f") == "bcbb");
  bench.disk.set_room(std::nullopt);
  CHECK(bench.carry_out({Bench::write("f", 1, 2, 'c')}).ok());
}

}  // namespace
}  // namespace vesper::sim
