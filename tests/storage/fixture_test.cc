// Today's code reads the data directories that format 1 left (fixture.h): every record, the
// snapshot, the members, the sessions, and a node that starts on them. Whatever the next format is
// like, this must hold.
#include "tests/storage/fixture.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/kv/command.h"
#include "core/node/snapshot_loader.h"
#include "core/storage/doubt.h"
#include "core/storage/snapshot_format.h"
#include "core/storage/wal.h"
#include "core/storage/wal_format.h"

namespace vesper::storage {
namespace {

using testing::fixture_directory;
using testing::MemoryDisk;

constexpr const char* kKeep = "the on-disk format changed: keep reading format 1";

// The log's records in their words. A segment's first group repeats term and vote.
class Listener final : public LogVisitor {
 public:
  void on_record(const LogRecord& record) override {
    const std::string line = testing::line_of(record);
    if (std::holds_alternative<raft::HardState>(record.content)) {
      if (line == hard_state_) {
        ++repeated;
        return;
      }
      hard_state_ = line;
    }
    lines.push_back(line);
  }
  std::vector<std::string> lines;
  std::size_t repeated = 0;

 private:
  std::string hard_state_;
};

void append(const std::vector<std::string>& more, std::vector<std::string>& lines) {
  lines.insert(lines.end(), more.begin(), more.end());
}

void check_lines(const std::vector<std::string>& found, const std::vector<std::string>& expected) {
  REQUIRE_MESSAGE(expected.size() > 1, "the fixture is not there");
  for (std::size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    CHECK_MESSAGE(found[i] == expected[i], kKeep);
  }
  CHECK_MESSAGE(found.size() == expected.size(), kKeep);
}

Identity identity_in(MemoryDisk& disk) {
  const auto read = read_identity(disk);
  REQUIRE_MESSAGE(read.ok(), kKeep << ": " << read.error().message);
  REQUIRE_MESSAGE(read.value(), kKeep);
  return *read.value();
}

node::SnapshotLoader load_snapshot(MemoryDisk& disk, ClusterId cluster) {
  const std::vector<std::byte> file = disk.contents(snapshot_name(testing::kFixtureSnapshot.index));
  node::SnapshotLoader loader(file.size(), cluster, kv::SessionBounds());
  const Status fed = loader.feed(file);
  REQUIRE_MESSAGE(fed.ok(), kKeep << ": " << fed.error().message);
  const Status finished = loader.finish();
  REQUIRE_MESSAGE(finished.ok(), kKeep << ": " << finished.error().message);
  return loader;
}

kv::Verdict try_again(kv::StateMachine& machine, Index index, kv::IdempotencyKey once,
                      std::uint64_t first) {
  std::vector<std::byte> payload;
  kv::encode_put_once(once, as_bytes(testing::fixture_key(first % testing::kFixtureKeys)),
                      as_bytes(testing::fixture_value(first)), payload);
  const auto verdict = machine.apply(index, SharedBytes::copy_of(payload));
  REQUIRE(verdict.ok());
  return verdict.value();
}

TEST_CASE("a data directory of format 1 holds what was written into it") {
  MemoryDisk disk = fixture_directory("member");
  const Identity identity = identity_in(disk);
  std::vector<std::string> found{testing::line_of(identity)};
  Listener listener;
  const auto log = Wal::recover(disk, identity, {.segment_bytes = kSegmentBytesMin},
                                testing::kFixtureSnapshot, &listener);
  REQUIRE_MESSAGE(log.ok(), kKeep << ": " << log.error().message);
  append(listener.lines, found);
  node::SnapshotLoader loader = load_snapshot(disk, identity.cluster);
  append(testing::lines_of(loader.take_configuration()), found);
  append(testing::lines_of(loader.take_machine()), found);
  check_lines(found, testing::fixture_lines("member"));

  CHECK(listener.repeated >= 1);  // a log of that many more segments
  CHECK(log.value().notes.empty());
  CHECK(log.value().hard_state == raft::HardState{Term(5), NodeId(2)});
  CHECK(log.value().base == testing::kFixtureSnapshot);
  REQUIRE(log.value().entries.size() == 24);
  CHECK(log.value().entries.front().position() == LogPosition{Term(2), Index(41)});
  CHECK(log.value().entries.back().position() == LogPosition{Term(5), Index(64)});
}

TEST_CASE("what came after the snapshot is applied to it, and its sessions go on") {
  MemoryDisk disk = fixture_directory("member");
  const Identity identity = identity_in(disk);
  kv::StateMachine machine = load_snapshot(disk, identity.cluster).take_machine();
  const auto log =
      Wal::recover(disk, identity, {.segment_bytes = kSegmentBytesMin}, testing::kFixtureSnapshot);
  REQUIRE_MESSAGE(log.ok(), kKeep << ": " << log.error().message);
  for (const raft::Entry& entry : log.value().entries) {
    if (entry.kind() != raft::EntryKind::kCommand) continue;
    REQUIRE_MESSAGE(machine.apply(entry.index(), entry.shared_payload()).ok(), kKeep);
  }
  for (std::uint64_t index = 58; index < 65; ++index) {
    const SharedBytes* value =
        machine.store().get(testing::fixture_key(index % testing::kFixtureKeys));
    REQUIRE(value != nullptr);
    CHECK_MESSAGE(value->text() == testing::fixture_value(index), kKeep);
  }

  constexpr SessionId kOne = testing::kFixtureSession;
  constexpr SessionId kOther = testing::kFixtureOtherSession;
  struct {
    kv::IdempotencyKey once;
    std::uint64_t first;
    kv::Verdict verdict;
  } const rows[] = {
      {{kOne, RequestNumber(1)}, 5, kv::Verdict::kRepeated},
      {{kOne, RequestNumber(2)}, 6, kv::Verdict::kRepeated},
      {{kOne, RequestNumber(2)}, 5, kv::Verdict::kOtherBody},
      {{kOne, RequestNumber(4)}, 21, kv::Verdict::kRepeated},
      {{kOther, RequestNumber(1)}, 8, kv::Verdict::kRepeated},
      {{kOther, RequestNumber(2)}, 48, kv::Verdict::kRepeated},
      {{kOne, RequestNumber(3)}, 9, kv::Verdict::kApplied},
      {{SessionId(41), RequestNumber(1)}, 9, kv::Verdict::kNeverIssued},
  };
  Index index(65);
  for (const auto& row : rows) {
    CAPTURE(row.once.session.value());
    CAPTURE(row.once.number.value());
    CHECK_MESSAGE(try_again(machine, index, row.once, row.first) == row.verdict, kKeep);
    index = index.next();
  }
}

TEST_CASE("a node starts on a data directory of format 1") {
  MemoryDisk disk = fixture_directory("member");
  const std::vector<std::string> expected = testing::fixture_lines("member");

  const testing::Started started = testing::start_on(disk, NodeId(1));

  REQUIRE_MESSAGE(started.status.ok(), kKeep << ": " << started.status.error().message);
  const node::NodeView& view = started.view;
  CHECK(view.term == Term(5));
  CHECK(view.vote == NodeId(2));
  CHECK(view.cluster == ClusterId(0x0123456789abcdef));
  CHECK(view.incarnation == Incarnation(0xb0b1b2b3b4b5b6b7));
  CHECK(view.snapshot == Index(40));
  CHECK(view.base == Index(40));
  CHECK(view.last == Index(64));
  CHECK(view.applied == Index(40));
  // The voters changed, n0 for n3, behind the snapshot.
  CHECK(view.configuration == Index(55));
  CHECK(view.members == 3);
  CHECK(view.is_voter);
  CHECK_FALSE(view.is_joint);
  CHECK(view.keys == testing::kFixtureKeys);
  CHECK(view.sessions == 2);
  CHECK_FALSE(view.doubt);
}

TEST_CASE("a doubt of format 1 goes on") {
  MemoryDisk disk = fixture_directory("doubtful");
  const Identity identity = identity_in(disk);
  std::vector<std::string> found{testing::line_of(identity)};
  Listener listener;
  const auto log = Wal::recover(disk, identity, {.segment_bytes = kSegmentBytesMin}, {}, &listener);
  REQUIRE_MESSAGE(log.ok(), kKeep << ": " << log.error().message);
  append(listener.lines, found);
  const auto doubt = read_doubt(disk, identity.incarnation);
  REQUIRE_MESSAGE(doubt.ok(), kKeep << ": " << doubt.error().message);
  REQUIRE_MESSAGE(doubt.value(), kKeep);
  found.push_back(testing::line_of(*doubt.value()));
  check_lines(found, testing::fixture_lines("doubtful"));

  const testing::Started started = testing::start_on(disk, NodeId(2));

  REQUIRE_MESSAGE(started.status.ok(), kKeep << ": " << started.status.error().message);
  REQUIRE(started.view.doubt);
  CHECK(started.view.doubt->term == Term(3));
  CHECK(started.view.doubt->first == Index(5));
  CHECK(started.view.doubt->last == Index(9));
  CHECK(started.view.term == Term(3));
  CHECK(started.view.vote == NodeId(1));
  CHECK(started.view.last == Index(4));
}

}  // namespace
}  // namespace vesper::storage
