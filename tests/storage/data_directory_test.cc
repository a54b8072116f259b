// A whole data directory of a node, and what it starts as with any bit of it flipped and any file
// cut at any byte: with all that it held, or in doubt, to be repaired by its peers, or not at all,
// with a message that names the file. Two directories: one whose log goes back to the beginning,
// one whose log begins where the snapshot ends.
#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "core/kv/command.h"
#include "core/kv/state_machine.h"
#include "core/node/snapshot_writer.h"
#include "core/raft/configuration.h"
#include "core/storage/snapshot_format.h"
#include "tests/core/properties.h"
#include "tests/storage/log_history.h"
#include "tests/storage/still_world.h"

namespace vesper::storage {
namespace {

using testing::FrozenDisk;
using testing::MemoryDisk;

constexpr std::uint64_t kEntries = 30;
constexpr std::uint64_t kSnapshot = 12;
constexpr raft::HardState kHardState{Term(3), NodeId(1)};

raft::Entry put(std::uint64_t index) {
  std::vector<std::byte> payload;
  const std::string value = "\"" + std::string(1'000, static_cast<char>('a' + index % 26)) + "\"";
  kv::encode_put(as_bytes("key" + std::to_string(index)), as_bytes(value), payload);
  return raft::Entry::make({Term(2), Index(index)}, raft::EntryKind::kCommand, payload);
}

void add_snapshot(MemoryDisk& disk) {
  kv::StateMachine machine;
  std::uint64_t log_bytes = 0;
  for (std::uint64_t i = 1; i <= kSnapshot; ++i) {
    const raft::Entry entry = put(i);
    log_bytes += entry.record().size();
    REQUIRE(machine.apply(entry.index(), entry.shared_payload()).ok());
  }
  const SharedBytes file = node::whole_snapshot(
      {.cluster = testing::formed_identity().cluster,
       .last = {Term(2), Index(kSnapshot)},
       .log_bytes = log_bytes},
      raft::Configuration::of_founders(testing::formed_identity().founders), machine);
  disk.put(snapshot_name(Index(kSnapshot)), {file.view().begin(), file.view().end()});
}

MemoryDisk directory(bool is_compacted) {
  MemoryDisk disk = testing::formatted_disk(testing::formed_identity(), testing::small_segments());
  testing::History history;
  std::string problem;
  auto life = testing::Life::begin(disk, history, testing::small_segments(), problem);
  REQUIRE(life.has_value());
  for (std::uint64_t i = 1; i <= kEntries; ++i) {
    raft::Ready ready;
    if (i == 1) ready.hard_state = raft::HardState{Term(2), NodeId(0)};
    if (i == kEntries) ready.hard_state = kHardState;
    ready.entries.push_back(put(i));
    life->write(std::move(ready));
    life->settle();
  }
  add_snapshot(disk);
  if (is_compacted) life->wal().compact(Index(kSnapshot));
  life->settle();
  return disk.after_crash([](std::size_t) { return true; });
}

testing::Started start(Disk& disk) {
  node::NodeConfig config;
  config.id = NodeId(3);
  config.cluster_size = 5;
  config.wal = testing::small_segments();
  return testing::start_on(disk, std::move(config));
}

struct Counts {
  std::uint64_t whole = 0;
  std::uint64_t doubt = 0;
  std::uint64_t refused = 0;
};

// Empty: as it must be.
std::string judge(Disk& disk, const std::string& file, Counts& counts) {
  const testing::Started started = start(disk);
  if (!started.status.ok()) {
    ++counts.refused;
    const std::string& message = started.status.error().message;
    return message.find(file) == std::string::npos ? "refused without the file: " + message : "";
  }
  const node::NodeView& view = started.view;
  if (view.term != kHardState.term || view.vote != kHardState.vote) return "a vote is forgotten";
  if (view.doubt) {
    ++counts.doubt;
    return view.doubt->where.find(file) == std::string::npos ? "elsewhere: " + view.doubt->where
                                                             : "";
  }
  ++counts.whole;
  return view.last == Index(kEntries) ? "" : "entries are lost";
}

std::uint64_t step() {
  const char* given = std::getenv("VESPER_FLIP_STEP");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10) | 1;
}

// "segment", "snapshot" or "identity".
std::string kind_of(const std::string& file) {
  return file.substr(0, file.find('-'));
}

void note(const std::string& label, const Counts& counts) {
  testing::count(label + ", whole", counts.whole);
  testing::count(label + ", doubt", counts.doubt);
  testing::count(label + ", refused", counts.refused);
}

TEST_CASE("a data directory with any bit flipped") {
  for (const bool is_compacted : {false, true}) {
    const MemoryDisk whole = directory(is_compacted);
    FrozenDisk disk(whole);
    REQUIRE(start(disk).view.last == Index(kEntries));
    for (const std::string& file : whole.names()) {
      Counts counts;
      // Of the log wal_salvage_test flips every bit.
      const std::uint64_t stride = file.starts_with("segment") ? 7 * step() : step();
      for (std::uint64_t bit = 0; bit < 8 * disk.bytes(file).size(); bit += stride) {
        const auto flip = [&] { disk.bytes(file)[bit / 8] ^= std::byte{1} << (bit % 8); };
        flip();
        const std::string problem = judge(disk, file, counts);
        flip();
        if (!problem.empty()) FAIL(file << ": bit " << bit << ": " << problem);
      }
      note("flips of a directory's " + kind_of(file), counts);
    }
  }
}

TEST_CASE("a data directory with any file cut at any byte, or gone") {
  for (const bool is_compacted : {false, true}) {
    const MemoryDisk whole = directory(is_compacted);
    for (const std::string& file : whole.names()) {
      FrozenDisk disk(whole);
      Counts counts;
      const std::uint64_t stride = file.starts_with("segment") ? 5 * step() : step();
      for (std::size_t size = 0; size < whole.contents(file).size(); size += stride) {
        disk.cut(file, size);
        const std::string problem = judge(disk, file, counts);
        if (!problem.empty()) FAIL(file << " cut at " << size << ": " << problem);
      }
      MemoryDisk without = whole;
      without.remove(file);
      const bool is_snapshot = snapshot_of(file).has_value();
      // A log that goes back to the beginning needs no snapshot, and does not know of one.
      const std::string problem =
          judge(without, is_snapshot && is_compacted ? "segment-" : file, counts);
      if (!problem.empty()) FAIL(file << " removed: " << problem);
      note("cuts of a directory's " + kind_of(file), counts);
    }
  }
}

}  // namespace
}  // namespace vesper::storage
