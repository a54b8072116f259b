// What a disk that fails does to whoever trusts it, and no more: it hangs, gives errors, and lies
// about writes in ways that can be found out.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "sim/clock.h"
#include "sim/disk.h"

namespace vesper::sim {
namespace {

using storage::DiskBatch;
using storage::DiskLane;
using storage::DiskOp;

constexpr std::uint64_t kSectors = 8;

struct Schedule final : DiskSchedule {
  std::array<int, 2> begun{};
  Duration last;
  void finish_in(DiskLane lane, Duration after) override {
    ++begun[static_cast<std::size_t>(lane)];
    last = after;
  }
};

// A disk with two segments of a log, eight sectors each, all of them 'a'.
struct Bench {
  Schedule schedule;
  SimDisk disk;

  explicit Bench(std::uint64_t seed = 1, const DiskConfig& config = {})
      : disk({.node = NodeId(0), .random = Random(seed), .config = config}, schedule) {
    for (const char* const name : {"segment-1", "segment-2"}) {
      disk.preset({storage::CreateFile{name, kSectors * storage::kSectorBytes},
                   write(name, 0, kSectors, 'a'), storage::SyncFile{name},
                   storage::SyncDirectory{}});
    }
  }

  Status carry_out(std::vector<DiskOp> ops) {
    disk.submit(DiskBatch{DiskLane::kLog, 1, std::move(ops)});
    return disk.finish(DiskLane::kLog).status;
  }
  // As the log writes a group: one write, one sync.
  Status put(const std::string& name, std::uint64_t sector, std::uint64_t sectors, char fill) {
    return carry_out({write(name, sector, sectors, fill), storage::SyncFile{name}});
  }
  static DiskOp write(const std::string& name, std::uint64_t sector, std::uint64_t sectors,
                      char fill) {
    return storage::WriteFile{
        name, sector * storage::kSectorBytes,
        std::vector<std::byte>(sectors * storage::kSectorBytes, static_cast<std::byte>(fill))};
  }
  // One letter a sector.
  std::string sectors(const std::string& name) const {
    const auto bytes = disk.look_at(name);
    if (!bytes.ok()) return "no file";
    std::string letters;
    for (std::size_t at = 0; at < bytes.value().size(); at += storage::kSectorBytes) {
      letters += bytes.value().text()[at];
    }
    return letters;
  }
  std::string all() const { return sectors("segment-1") + sectors("segment-2"); }
};

std::ptrdiff_t count_of(const std::string& text, char letter) {
  return std::count(text.begin(), text.end(), letter);
}

TEST_CASE("nothing is done on a lane that hangs, until it is mended; the other lane goes on") {
  Bench bench;
  bench.disk.stall(DiskLane::kLog);
  bench.disk.submit(DiskBatch{DiskLane::kLog, 1, {Bench::write("segment-1", 0, 1, 'b')}});

  CHECK(bench.disk.has_to_wait(DiskLane::kLog));
  CHECK_FALSE(bench.disk.has_to_wait(DiskLane::kBackground));
  CHECK(bench.schedule.begun[0] == 1);

  CHECK(bench.disk.mend());
  CHECK(bench.schedule.begun[0] == 2);
  CHECK(bench.schedule.last == Duration());
  CHECK_FALSE(bench.disk.has_to_wait(DiskLane::kLog));
  CHECK(bench.disk.finish(DiskLane::kLog).status.ok());
  CHECK_FALSE(bench.disk.mend());
}

TEST_CASE("what waits for a disk that hangs is gone with the process, the hanging is not") {
  Bench bench;
  bench.disk.stall(DiskLane::kLog);
  bench.disk.submit(DiskBatch{DiskLane::kLog, 1, {Bench::write("segment-1", 0, 1, 'b')}});
  REQUIRE(bench.disk.has_to_wait(DiskLane::kLog));

  bench.disk.crash(CrashLoss::kLoseAll);

  CHECK(bench.all() == std::string(2 * kSectors, 'a'));
  bench.disk.submit(DiskBatch{DiskLane::kLog, 2, {Bench::write("segment-1", 0, 1, 'c')}});
  CHECK(bench.disk.has_to_wait(DiskLane::kLog));
}

TEST_CASE("the share of operations that take longer is the one that is asked for") {
  DiskConfig config;
  config.sync = {.distribution = Distribution::kConstant, .min = {}, .mean = {}, .max = {}};
  config.spikes_ppm = 250'000;
  config.spike.min = Duration::seconds(1);
  Bench bench(1, config);
  std::uint64_t slow = 0;
  for (int i = 0; i < 1'000; ++i) {
    REQUIRE(bench.carry_out({storage::SyncFile{"segment-1"}}).ok());
    if (bench.schedule.last >= Duration::seconds(1)) ++slow;
  }
  CHECK(slow > 200);
  CHECK(slow < 300);
  CHECK(bench.disk.take_misdeeds().spikes == slow);
}

TEST_CASE("each operation can be refused, once or until it is mended, and says what and where") {
  struct Case {
    DiskOperation operation;
    DiskOp op;
    const char* error;
  };
  const std::vector<Case> cases = {
      {DiskOperation::kRead, storage::ReadFile{"segment-1", 0, std::vector<std::byte>(1)},
       "read segment-1: input/output error"},
      {DiskOperation::kWrite, Bench::write("segment-1", 0, 1, 'b'),
       "write segment-1: input/output error"},
      {DiskOperation::kCreate, storage::CreateFile{"new", 512}, "create new: input/output error"},
      {DiskOperation::kRename, storage::RenameFile{"segment-2", "other"},
       "rename segment-2: input/output error"},
      {DiskOperation::kSync, storage::SyncFile{"segment-1"}, "sync segment-1: input/output error"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.error);
    for (const bool lasts : {false, true}) {
      Bench bench;
      const std::string before = bench.all();
      bench.disk.refuse({.operation = each.operation, .lasts = lasts});

      const Status first = bench.carry_out({each.op});

      REQUIRE_FALSE(first.ok());
      CHECK(first.error().code == ErrorCode::kIo);
      CHECK(first.error().message == each.error);
      CHECK(bench.all() == before);
      CHECK(bench.disk.take_misdeeds().errors.size() == 1);
      bench.disk.crash(CrashLoss::kKeep);
      CHECK(bench.carry_out({each.op}).ok() != lasts);
      if (!lasts) continue;
      CHECK(bench.disk.mend());
      CHECK(bench.carry_out({each.op}).ok());
    }
  }
}

TEST_CASE("a disk that refuses all reads cannot be read at a start either") {
  Bench bench;
  bench.disk.refuse({.operation = DiskOperation::kRead, .lasts = true});
  CHECK(bench.disk.read("segment-1").error().message == "read segment-1: input/output error");
  bench.disk.mend();
  CHECK(bench.disk.read("segment-1").ok());
}

TEST_CASE("a misdirected write is whole at another place of the log, for good, and nowhere else") {
  std::array<int, 2> landed{};
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    Bench bench(seed);
    bench.disk.misdirect_next_write();

    REQUIRE(bench.put("segment-2", 3, 2, 'b').ok());
    REQUIRE(bench.put("segment-2", 0, 1, 'c').ok());  // the next goes where it should
    bench.disk.crash(CrashLoss::kLoseAll);

    const std::string after = bench.all();
    CHECK(bench.sectors("segment-2").substr(3, 2) != "bb");
    CHECK(after[kSectors] == 'c');
    const bool is_overwritten = count_of(after, 'b') == 1;
    CHECK((is_overwritten || after.find("bb") != std::string::npos));
    CHECK(bench.disk.take_misdeeds().damages.size() == 1);
    ++landed[after.find('b') < kSectors ? 0 : 1];
  }
  CHECK(landed[0] > 10);
  CHECK(landed[1] > 10);
}

TEST_CASE(
    "a lost write is lost once a later one is durable, and had been late if a crash is first") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Bench late(seed);
    late.disk.lose_next_write();
    REQUIRE(late.put("segment-1", 0, 2, 'b').ok());
    CHECK(count_of(late.all(), 'b') < 2);

    late.disk.crash(CrashLoss::kLoseAll);

    CHECK(late.sectors("segment-1") == "bbaaaaaa");
    CHECK(late.disk.take_misdeeds().damages.empty());

    Bench lost(seed);
    lost.disk.lose_next_write();
    REQUIRE(lost.put("segment-1", 0, 2, 'b').ok());
    REQUIRE(lost.put("segment-1", 2, 1, 'c').ok());

    lost.disk.crash(CrashLoss::kKeep);

    CHECK(count_of(lost.all(), 'b') < 2);
    CHECK(lost.sectors("segment-1")[2] == 'c');
    CHECK(lost.disk.take_misdeeds().damages.size() == 1);
  }
}

TEST_CASE("only records are misdirected or lost: zeros and files under way come to their place") {
  for (const bool is_lost : {false, true}) {
    Bench bench;
    is_lost ? bench.disk.lose_next_write() : bench.disk.misdirect_next_write();
    REQUIRE(bench.put("segment-1", 0, 1, '\0').ok());
    REQUIRE(bench
                .carry_out({storage::CreateFile{"doubt.tmp", 512},
                            Bench::write("doubt.tmp", 0, 1, 'd'), storage::SyncFile{"doubt.tmp"}})
                .ok());
    CHECK(bench.sectors("segment-1")[0] == '\0');
    CHECK(bench.sectors("doubt.tmp") == "d");
    REQUIRE(bench.put("segment-1", 1, 1, 'b').ok());
    CHECK(bench.sectors("segment-1")[1] == 'a');
  }
}

TEST_CASE("a removed file comes back as it was, and a lost name takes its file with it") {
  Bench bench;
  CHECK(bench.disk.removed_names().empty());
  REQUIRE(bench.put("segment-1", 0, 1, 'b').ok());
  REQUIRE(bench.carry_out({storage::RemoveFile{"segment-1"}, storage::SyncDirectory{}}).ok());
  REQUIRE(bench.disk.removed_names() == std::vector<std::string>{"segment-1"});

  bench.disk.bring_back("segment-1");
  CHECK(bench.sectors("segment-1") == "baaaaaaa");
  CHECK(bench.disk.removed_names().empty());

  bench.disk.lose_name("segment-2");
  bench.disk.crash(CrashLoss::kKeep);
  CHECK(bench.sectors("segment-2") == "no file");
}

// --- Clocks ---

TEST_CASE("a clock never goes back, whatever is done to it, and meets its deadlines exactly") {
  Instant world;
  SimClock clock(world, {.offset = Duration::seconds(5), .drift_ppm = -300});
  RandomStream draws(Random(1), {.purpose = Purpose::kTest, .a = 0, .b = 0});
  Instant before = clock.now();
  for (int i = 0; i < 2'000; ++i) {
    world = world + Duration::nanoseconds(static_cast<std::int64_t>(draws.below(5'000'000)));
    CHECK(clock.now() >= before);
    before = clock.now();
    ClockChange change;
    if (draws.chance_ppm(300'000)) change.jump = Duration::microseconds(3);
    if (draws.chance_ppm(300'000)) {
      change.drift_ppm = static_cast<std::int64_t>(draws.below(1'000'000)) - 500'000;
    }
    if (draws.chance_ppm(300'000)) change.stands_still = draws.chance_ppm(500'000);
    clock.change(change);
    REQUIRE(clock.now() == before + change.jump);
    before = clock.now();

    const auto ahead = 1 + static_cast<std::int64_t>(draws.below(1'000'000));
    const Instant deadline = before + Duration::nanoseconds(ahead);
    const Instant at = clock.world_at(deadline);
    CHECK((at == Instant::never()) == clock.stands_still());
    if (at == Instant::never()) continue;
    CHECK(clock.local_at(at) >= deadline);
    CHECK(clock.local_at(at - Duration::nanoseconds(1)) < deadline);
  }
}

}  // namespace
}  // namespace vesper::sim
