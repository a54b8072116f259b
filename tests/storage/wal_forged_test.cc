#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/storage/wal_format.h"
#include "tests/storage/log_history.h"

namespace vesper::storage {
namespace {

using raft::HardState;
using testing::entry_of;
using testing::MemoryDisk;

// A group whose sums all hold, at the front of an otherwise empty log.
struct Forged {
  std::vector<std::byte> body;
  // As the mark has it.
  HardState hard_state;

  Forged& add(const HardState& record) {
    ByteWriter out(body);
    out.u8(1);
    format::append_hard_state(record, out);
    hard_state = record;
    return *this;
  }
  Forged& add_truncation(std::uint64_t from) {
    ByteWriter out(body);
    out.u8(2);
    out.u64(from);
    return *this;
  }
  Forged& add_restart(LogPosition after) {
    ByteWriter out(body);
    out.u8(4);
    format::append_position(after, out);
    return *this;
  }
  Forged& add(const raft::Entry& entry) {
    ByteWriter out(body);
    out.u8(3);
    out.bytes(entry.record().view());
    return *this;
  }
  Forged& cut(std::size_t bytes) {
    body.resize(body.size() - bytes);
    return *this;
  }
};

Result<RecoveredLog> recover(const Forged& forged, std::uint64_t mark_of_offset,
                             LogPosition snapshot = {}) {
  const Identity identity = testing::formed_identity();
  std::vector<std::byte> group;
  ByteWriter out(group);
  out.zeros(format::kHeadBytes);
  out.bytes(forged.body);
  const format::Place place{.segment = 1, .sequence = 1};
  format::write_head(place, identity.incarnation, group);
  group.resize(format::round_to_sectors(group.size()), format::kPadding);
  format::append_mark(
      {.place = place, .group_offset = mark_of_offset, .hard_state = forged.hard_state},
      identity.incarnation, group);

  MemoryDisk disk = testing::formatted_disk(identity, testing::small_segments());
  const std::string name = format::segment_name(1);
  testing::run_to_end(disk, {WriteFile{name, format::kGroupsBegin, std::move(group)}});
  return Wal::recover(disk, identity, testing::small_segments(), snapshot);
}

Forged good() {
  return Forged().add(HardState{Term(3), NodeId(1)}).add(entry_of(Term(3), Index(1), 10));
}

TEST_CASE("a group that is forged well is recovered") {
  const auto recovered =
      recover(good().add_truncation(1).add(entry_of(Term(2), Index(1), 9)), format::kGroupsBegin);

  REQUIRE(recovered.ok());
  CHECK(recovered.value().entries.size() == 1);
  CHECK(recovered.value().hard_state == HardState{Term(3), NodeId(1)});
}

TEST_CASE("a restart that is forged well is recovered beside its snapshot") {
  const LogPosition after{Term(2), Index(7)};
  const auto recovered = recover(good().add_restart(after).add(entry_of(Term(3), Index(8), 9)),
                                 format::kGroupsBegin, after);

  REQUIRE(recovered.ok());
  CHECK(recovered.value().base == after);
  CHECK(recovered.value().entries.size() == 1);
}

TEST_CASE("records that no log writes are reported though every sum holds") {
  Forged unknown_kind = good();
  unknown_kind.body[0] = std::byte{9};
  Forged other_mark = good();
  other_mark.hard_state.vote = NodeId(2);
  struct Case {
    const char* why;
    Forged forged;
  };
  const Case cases[] = {
      {"a term is taken back", good().add(HardState{Term(2), {}})},
      {"a vote is taken back", good().add(HardState{Term(3), {}})},
      {"a vote is given twice", good().add(HardState{Term(3), NodeId(2)})},
      {"an index is left out", good().add(entry_of(Term(3), Index(3), 10))},
      {"an index stands twice", good().add(entry_of(Term(3), Index(1), 10))},
      {"an entry's term is lower than the one before", good().add(entry_of(Term(2), Index(2), 1))},
      {"a truncation of what is not there", good().add_truncation(2)},
      {"a truncation from index 0", good().add_truncation(0)},
      {"a restart after nothing", good().add_restart({})},
      {"a restart of a term that the node has not reached",
       good().add_restart({Term(4), Index(1)})},
      {"an entry that does not follow the restart",
       good().add_restart({Term(2), Index(7)}).add(entry_of(Term(3), Index(2), 10))},
      {"a truncation of what the restart dropped",
       good().add_restart({Term(2), Index(7)}).add_truncation(1)},
      {"a restart is cut short", good().add_restart({Term(2), Index(7)}).cut(1)},
      {"a hard state is cut short", good().add(HardState{Term(4), {}}).cut(1)},
      {"a truncation is cut short", good().add_truncation(1).cut(1)},
      {"an entry's header is cut short", good().add(entry_of(Term(3), Index(2), 0)).cut(1)},
      {"an entry's payload is cut short", good().add(entry_of(Term(3), Index(2), 5)).cut(1)},
      {"an unknown kind of record", unknown_kind},
      {"a mark with another vote", other_mark},
  };
  for (const Case& one : cases) {
    CAPTURE(one.why);

    const auto recovered = recover(one.forged, format::kGroupsBegin);

    REQUIRE(!recovered.ok());
    CHECK(recovered.error().code == ErrorCode::kCorruption);
    CHECK(recovered.error().message.starts_with("segment-0000000000000001.log at offset 1"));
  }
}

TEST_CASE("a mark of a group elsewhere is reported") {
  const auto recovered = recover(good(), format::kGroupsBegin + kSectorBytes);

  REQUIRE(!recovered.ok());
  CHECK(recovered.error().code == ErrorCode::kCorruption);
}

}  // namespace
}  // namespace vesper::storage
