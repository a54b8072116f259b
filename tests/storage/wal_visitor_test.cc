#include "core/storage/log_visitor.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/storage/wal.h"
#include "tests/storage/log_history.h"
#include "tests/storage/memory_disk.h"

namespace vesper::storage {
namespace {

using testing::History;
using testing::Life;
using testing::LogState;
using testing::MemoryDisk;

// Plays back what it is shown.
class Player final : public LogVisitor {
 public:
  void on_record(const LogRecord& record) override {
    places.emplace_back(record.segment, record.offset);
    if (const auto* hard_state = std::get_if<raft::HardState>(&record.content)) {
      state.hard_state = *hard_state;
    } else if (const auto* cut = std::get_if<LogRecord::Truncation>(&record.content)) {
      state.entries.resize(cut->from.value() - 1);
    } else {
      state.entries.push_back(std::get<raft::Entry>(record.content));
    }
  }
  LogState state;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> places;
};

MemoryDisk written_log(History& history) {
  MemoryDisk disk = testing::formatted_disk(testing::formed_identity(), testing::small_segments());
  std::string problem;
  auto life = Life::begin(disk, history, testing::small_segments(), problem);
  REQUIRE_MESSAGE(life, problem);
  for (std::uint64_t i = 0; i < 60; ++i) {
    life->write(testing::any_ready(history.last(), i));
    life->settle();
  }
  return disk;
}

TEST_CASE("who watches recovery sees every record once, in the log's order and where it stands") {
  History history;
  MemoryDisk disk = written_log(history);
  Player player;

  const auto log =
      Wal::recover(disk, testing::formed_identity(), testing::small_segments(), {}, &player);

  REQUIRE(log.ok());
  CHECK(player.state.is_in(log.value()));
  CHECK(history.last().is_in(log.value()));
  CHECK(player.places.size() > 60);
  CHECK(std::is_sorted(player.places.begin(), player.places.end()));
  CHECK(std::adjacent_find(player.places.begin(), player.places.end()) == player.places.end());
}

TEST_CASE("up to damage, it sees what stands before it") {
  History history;
  MemoryDisk disk = written_log(history);
  Player whole;
  REQUIRE(
      Wal::recover(disk, testing::formed_identity(), testing::small_segments(), {}, &whole).ok());
  const auto [segment, offset] = whole.places[whole.places.size() / 2];
  const std::string name = "segment-000000000000000" + std::to_string(segment) + ".log";
  std::vector<std::byte> bytes = disk.contents(name);
  bytes[offset] ^= std::byte{1};
  disk.put(name, bytes);
  Player player;

  const auto log =
      Wal::recover(disk, testing::formed_identity(), testing::small_segments(), {}, &player);

  REQUIRE(!log.ok());
  CHECK(log.error().message.starts_with(name));
  CHECK(!player.places.empty());
  CHECK(player.places.size() <= whole.places.size() / 2);
  CHECK(std::equal(player.places.begin(), player.places.end(), whole.places.begin()));
}

}  // namespace
}  // namespace vesper::storage
