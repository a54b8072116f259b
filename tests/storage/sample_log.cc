#include "tests/storage/sample_log.h"

namespace vesper::testing {

namespace {

using storage::DiskLane;

raft::Ready ready_of(std::optional<raft::HardState> hard_state, std::vector<raft::Entry> entries) {
  raft::Ready ready;
  ready.hard_state = hard_state;
  ready.entries = std::move(entries);
  return ready;
}

raft::Entry one_bit_entry(Term term, Index index) {
  std::vector<std::byte> payload(2'000);
  payload[1'000] = std::byte{0x10};
  return raft::Entry::make({term, index}, raft::EntryKind::kCommand, payload);
}

// An entry whose record ends one byte after a sector of its group does: head 32, kind 1, header 32.
raft::Entry spilling_entry(Term term, Index index) {
  std::vector<std::byte> payload(storage::kSectorBytes - 32 - 1 - 32 + 1, std::byte{'v'});
  payload.back() = std::byte{0x40};
  return raft::Entry::make({term, index}, raft::EntryKind::kCommand, payload);
}

std::vector<raft::Ready> sample_readys() {
  const auto entry = [](std::uint64_t term, std::uint64_t index, std::size_t bytes) {
    return entry_of(Term(term), Index(index), bytes);
  };
  std::vector<raft::Ready> readys;
  readys.push_back(ready_of(raft::HardState{Term(1), NodeId(3)}, {}));
  readys.push_back(ready_of({}, {entry(1, 1, 0)}));
  for (std::uint64_t i = 2; i < 8; ++i) readys.push_back(ready_of({}, {entry(1, i, 20 * i)}));
  readys.push_back(ready_of(raft::HardState{Term(2), {}}, {}));
  readys.push_back(ready_of({}, {entry(2, 6, 30), entry(2, 7, 40)}));
  readys.back().truncate_from = Index(6);
  readys.push_back(
      ready_of({}, {entry(2, 8, 1'800), one_bit_entry(Term(2), Index(9)), entry(2, 10, 7)}));
  readys.push_back(ready_of({}, {spilling_entry(Term(2), Index(11))}));
  readys.push_back(ready_of({}, {entry(2, 12, 12'500)}));
  readys.push_back(ready_of(raft::HardState{Term(4), NodeId(0)}, {entry(3, 13, 3)}));
  readys.push_back(ready_of({}, {entry(4, 14, 100), entry(4, 15, 200), entry(4, 16, 300)}));
  readys.push_back(ready_of({}, {}));
  readys.back().truncate_from = Index(15);
  readys.push_back(ready_of({}, {one_bit_entry(Term(4), Index(15))}));
  readys.push_back(ready_of({}, {entry(4, 16, 50)}));
  readys.push_back(ready_of({}, {spilling_entry(Term(4), Index(17))}));
  readys.push_back(ready_of(raft::HardState{Term(5), NodeId(1)}, {}));
  readys.push_back(ready_of({}, {entry(5, 18, 700)}));
  return readys;
}

}  // namespace

std::vector<SampleGroup> sample_log() {
  MemoryDisk disk = formatted_disk(formed_identity(), small_segments());
  History history;
  std::string problem;
  auto life = Life::begin(disk, history, small_segments(), problem);
  VESPER_CHECK(life.has_value());
  std::vector<SampleGroup> groups;
  life->settle();
  for (raft::Ready& ready : sample_readys()) {
    SampleGroup group;
    group.before = history.last();
    life->write(std::move(ready));
    life->wal().flush();
    const auto& ops = disk.batch(DiskLane::kLog).ops;
    const auto& write = std::get<storage::WriteFile>(ops[ops.size() - 2]);
    group.file = write.name;
    group.offset = write.offset;
    group.bytes = write.bytes.size();
    life->settle();
    group.after = history.durable();
    group.disk = disk.after_crash([](std::size_t) { return false; });
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace vesper::testing
