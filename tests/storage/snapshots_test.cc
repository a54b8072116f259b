// The snapshots of one node on a disk that the test runs one operation at a time.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/kv/command.h"
#include "core/node/snapshots.h"
#include "tests/storage/memory_disk.h"

namespace vesper::node {
namespace {

using storage::DiskLane;

constexpr ClusterId kCluster(7);
constexpr Index kLast(3);

raft::Entry put_entry(Index index) {
  std::vector<std::byte> command;
  kv::encode_put(as_bytes("k" + std::to_string(index.value())), as_bytes("\"v\""), command);
  return raft::Entry::make({Term(1), index}, raft::EntryKind::kCommand, command);
}

raft::Log log_to(Index last) {
  raft::Log log({}, {});
  for (Index i(1); i <= last; i = i.next()) log.append(put_entry(i));
  return log;
}

raft::RaftConfig config() {
  raft::RaftConfig config;
  config.configuration = raft::Configuration::of_founders(std::vector<Incarnation>(3));
  return config;
}

// A node that has applied entries to kLast, all durable here, and is asked for a snapshot of that.
class Maker {
 public:
  Maker() : snapshots_(disk_, {}, {}), raft_(config(), {Term(1), {}}, log_to(kLast), {}) {
    raft::Configuration members;
    REQUIRE(snapshots_.recover(kCluster, machine_, members).ok());
    const raft::AppendRequest commit{.previous = {Term(1), kLast}, .commit = kLast, .entries = {}};
    raft_.step(Instant(), {NodeId(1), NodeId(0), Term(1), commit});
    raft::Ready ready;
    REQUIRE(raft_.collect(ready));
    for (Index i(1); i <= kLast; i = i.next()) {
      const raft::Entry entry = put_entry(i);
      REQUIRE(machine_.apply(i, entry.shared_payload()).ok());
      snapshots_.on_applied(entry, raft_, machine_);
    }
    snapshots_.want(kLast);
  }

  Snapshots& snapshots() { return snapshots_; }
  testing::MemoryDisk& disk() { return disk_; }

  // A turn, and then one operation of the disk. False: there is none.
  bool step() {
    snapshots_.turn(Instant(), raft_, machine_);
    if (!disk_.has_work(DiskLane::kBackground)) return false;
    if (auto done = disk_.step(DiskLane::kBackground)) {
      REQUIRE(snapshots_.on_disk_done(std::move(*done), Instant(), raft_).ok());
    }
    return true;
  }

 private:
  testing::MemoryDisk disk_;
  Snapshots snapshots_;
  raft::Raft raft_;
  kv::StateMachine machine_;
};

// What a start after a crash that loses all that is unsynced finds.
Index recovered(const testing::MemoryDisk& disk) {
  testing::MemoryDisk after = disk.after_crash([](std::size_t) { return false; });
  Snapshots snapshots(after, {}, {});
  kv::StateMachine machine;
  raft::Configuration members;
  REQUIRE(snapshots.recover(kCluster, machine, members).ok());
  CHECK(machine.store().size() == snapshots.newest().last.index.value());
  return snapshots.newest().last.index;
}

TEST_CASE("a snapshot is made of what was applied, and found by the next start") {
  Maker maker;
  while (maker.step()) {
  }
  CHECK(maker.snapshots().newest().last == LogPosition{Term(1), kLast});
  CHECK(recovered(maker.disk()) == kLast);
}

// Hunt's seed 257 of its day: the removal of what came in stood behind the rename of the node's
// own, whose name is the same.
TEST_CASE("one that came in and is of no use takes the node's own of that position not with it") {
  std::size_t tried = 0;
  for (std::size_t at = 0;; ++at) {
    Maker maker;
    bool is_making = true;
    for (std::size_t i = 0; i <= at && is_making; ++i) is_making = maker.step();
    if (!is_making) break;
    CAPTURE(at);
    maker.snapshots().discard({{Term(1), kLast}, 1, 1});
    while (maker.step()) {
    }
    CHECK(recovered(maker.disk()) == kLast);
    ++tried;
  }
  CHECK(tried >= 5);
}

TEST_CASE("one that came in and is of no use goes, where the node makes another or none") {
  Maker maker;
  const Index other(2);
  maker.disk().put(storage::snapshot_name(other), std::vector<std::byte>(512));
  REQUIRE(maker.step());
  maker.snapshots().discard({{Term(1), other}, 512, 1});
  while (maker.step()) {
  }
  CHECK_FALSE(maker.disk().has(storage::snapshot_name(other)));
  CHECK(recovered(maker.disk()) == kLast);
}

}  // namespace
}  // namespace vesper::node
