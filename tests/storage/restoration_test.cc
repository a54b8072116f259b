#include "core/node/restoration.h"
#include "core/node/snapshot_writer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/kv/command.h"
#include "core/kv/state_machine.h"
#include "core/node/snapshot_loader.h"
#include "tests/storage/log_history.h"
#include "tests/storage/memory_disk.h"

namespace vesper::node {
namespace {

constexpr ClusterId kOld(0x1111);
constexpr ClusterId kNew(0x2222);
constexpr LogPosition kLast{Term(7), Index(900)};

std::string key_of(int number) {
  return "key " + std::to_string(number);
}

const std::vector<Incarnation> kFounders = {Incarnation(11), Incarnation(12), Incarnation(13)};

// A client's session of entry 1, and many pairs.
kv::StateMachine old_state() {
  kv::StateMachine machine;
  std::vector<std::byte> payload;
  kv::encode_register(payload);
  REQUIRE(machine.apply(Index(1), SharedBytes::copy_of(payload)).ok());
  for (int i = 2; i <= 900; ++i) {
    payload.clear();
    const std::string value(static_cast<std::size_t>(i % 70), '7');
    kv::encode_put_once({SessionId(1), RequestNumber(static_cast<std::uint64_t>(i))},
                        as_bytes(key_of(i)), as_bytes(value), payload);
    REQUIRE(
        machine.apply(Index(static_cast<std::uint64_t>(i)), SharedBytes::copy_of(payload)).ok());
  }
  return machine;
}

std::vector<std::byte> backup_of(kv::StateMachine& machine) {
  // Of a cluster that has lost a founder and has a learner, with addresses.
  raft::Configuration members =
      raft::Configuration::of_founders(std::vector<Incarnation>(5, Incarnation(3)));
  members.fill_addresses({"http://one:1", "http://two:2"});
  members = members.with_change({.promote = {}, .remove = {NodeId(2)}}).value().settled();
  members = members.with_learner("http://six:6").value();
  const SharedBytes file =
      whole_snapshot({.cluster = kOld, .last = kLast, .log_bytes = 12'345}, members, machine);
  return {file.view().begin(), file.view().end()};
}

// In pieces of so many blocks.
Result<std::vector<std::byte>> rewritten(ByteView backup, std::size_t blocks) {
  SnapshotRewriter rewriter(backup.size(), kNew, kFounders);
  std::vector<std::byte> file;
  while (!backup.empty()) {
    const std::size_t size = std::min(backup.size(), blocks * storage::kSnapshotBlockBytes);
    auto piece = rewriter.feed(backup.first(size));
    if (!piece.ok()) return piece.error();
    file.insert(file.end(), piece.value().begin(), piece.value().end());
    backup = backup.subspan(size);
  }
  CHECK(rewriter.is_complete());
  CHECK(rewriter.file_bytes() == file.size());
  CHECK(rewriter.last() == LogPosition{kLast.term, kLast.index.plus(kRestorationGap)});
  return file;
}

TEST_CASE("a restored snapshot holds the same state for another cluster, far above the old log") {
  kv::StateMachine machine = old_state();
  const std::vector<std::byte> backup = backup_of(machine);

  for (const std::size_t blocks : {std::size_t{1}, std::size_t{3}, std::size_t{1000}}) {
    CAPTURE(blocks);
    const auto file = rewritten(backup, blocks);

    REQUIRE(file.ok());
    SnapshotLoader loader(file.value().size(), kNew, kv::SessionBounds());
    REQUIRE(loader.feed(file.value()).ok());
    REQUIRE(loader.finish().ok());
    CHECK(loader.header().log_bytes == 12'345);
    CHECK(loader.take_configuration() == raft::Configuration::of_founders(kFounders));
    kv::StateMachine restored = loader.take_machine();
    CHECK(restored.state_hash() == machine.state_hash());
    CHECK(restored.store().size() == 899);
    // The next session's name is the index of its registration: above whatever the old cluster
    // issued since.
    CHECK(loader.header().last.index > Index(kLast.index.value() + (std::uint64_t{1} << 39)));
    // And the old session goes on where it was.
    std::vector<std::byte> retry;
    kv::encode_put_once({SessionId(1), RequestNumber(900)}, as_bytes(key_of(900)),
                        as_bytes(std::string(900 % 70, '7')), retry);
    const auto verdict =
        restored.apply(loader.header().last.index.next(), SharedBytes::copy_of(retry));
    REQUIRE(verdict.ok());
    CHECK(verdict.value() == kv::Verdict::kRepeated);
  }
}

TEST_CASE("a backup that changed anywhere is not restored") {
  kv::StateMachine machine = old_state();
  std::vector<std::byte> backup = backup_of(machine);
  for (std::size_t at = 0; at < backup.size(); at += 97) {
    CAPTURE(at);
    backup[at] ^= std::byte{16};
    CHECK(!rewritten(backup, 7).ok());
    backup[at] ^= std::byte{16};
  }
  CHECK(!rewritten(ByteView(backup).first(backup.size() - 1), 7).ok());
}

TEST_CASE("a restored directory begins after the snapshot, in its term, with no vote given") {
  storage::Identity identity = testing::formed_identity();
  const LogPosition last{Term(7), Index(900 + kRestorationGap)};
  testing::MemoryDisk disk;
  testing::run_to_end(disk, restored_directory(identity, last, testing::small_segments()));
  CHECK(disk.unsynced() == 0);

  const auto found = storage::read_identity(disk);
  REQUIRE(found.ok());
  CHECK(found.value() == identity);
  const auto log = storage::Wal::recover(disk, identity, testing::small_segments(), last);
  REQUIRE(log.ok());
  CHECK(log.value().base == last);
  CHECK(log.value().entries.empty());
  CHECK(log.value().hard_state == raft::HardState{Term(7), std::nullopt});
}

}  // namespace
}  // namespace vesper::node
