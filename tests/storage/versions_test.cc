// Every file and every frame says its format's version. One of the next version, whose checksums
// are right, is refused with both versions and the file; a version that changed under its checksum
// is damage like any other.
#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/node/wire.h"
#include "core/storage/snapshot_format.h"
#include "core/storage/wal_format.h"
#include "tests/storage/fixture.h"

namespace vesper::storage {
namespace {

using testing::MemoryDisk;
using Bytes = std::vector<std::byte>;

constexpr std::uint32_t kNext = 2;
constexpr std::size_t kVersionOffset = 8;
constexpr const char* kSays = "format version 2, this program reads 1";

void set_version(Bytes& bytes, std::size_t start) {
  REQUIRE(load_little<std::uint32_t>(bytes.data() + start + kVersionOffset) == 1);
  store_little(bytes.data() + start + kVersionOffset, kNext);
}

// --- How each kind of file is summed: written down here once more ---

void sum_at_end(Bytes& bytes) {
  const std::size_t size = bytes.size() - sizeof(std::uint32_t);
  store_little(bytes.data() + size, crc32c(ByteView(bytes).first(size)));
}

void sum_headers(Bytes& bytes) {
  for (const std::size_t copy : {std::size_t{0}, std::size_t{kSectorBytes}}) {
    store_little(bytes.data() + copy + 64, crc32c(ByteView(bytes).subspan(copy, 64)));
  }
}

// The sum of a snapshot's block starts from cluster, term, index and the block's number.
void sum_first_block(Bytes& bytes) {
  std::byte place[32] = {};
  std::copy_n(bytes.begin() + 16, 24, place);
  const std::size_t size = kSnapshotBlockBytes - sizeof(std::uint32_t);
  store_little(bytes.data() + size, crc32c(ByteView(bytes).first(size), crc32c(place)));
}

struct Kind {
  std::string directory;
  NodeId node;
  std::string file;
  std::string message;              // the whole of it
  std::vector<std::size_t> copies;  // where each copy of its header begins
  std::function<void(Bytes&)> sum;
};

std::vector<Kind> kinds() {
  const std::string first = format::segment_name(1);
  const std::string snapshot = snapshot_name(testing::kFixtureSnapshot.index);
  std::string ready;
  for (const std::string& file : testing::fixture_directory("member").names()) {
    if (format::segment_of(file)) ready = file;
  }
  return {
      {"member", NodeId(1), "identity", "identity: ", {0}, sum_at_end},
      {"member", NodeId(1), first, first + ": ", {0, kSectorBytes}, sum_headers},
      {"member", NodeId(1), ready, ready + ": ", {0, kSectorBytes}, sum_headers},
      {"member", NodeId(1), snapshot, snapshot + " at offset 0: ", {0}, sum_first_block},
      {"doubtful", NodeId(2), "doubt", "doubt: ", {0}, sum_at_end},
  };
}

TEST_CASE("a file of the next format version is refused by its name, with both versions") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.file);
    MemoryDisk disk = testing::fixture_directory(kind.directory);
    Bytes bytes = disk.contents(kind.file);
    for (const std::size_t copy : kind.copies) set_version(bytes, copy);
    kind.sum(bytes);
    disk.put(kind.file, bytes);
    const std::size_t steps = disk.steps();

    const testing::Started started = testing::start_on(disk, kind.node);

    REQUIRE_FALSE(started.status.ok());
    CHECK(started.status.error().code == ErrorCode::kMismatch);
    CHECK(started.status.error().message == kind.message + kSays);
    CHECK(disk.steps() == steps);
    CHECK_FALSE(disk.has_work(DiskLane::kLog));
    CHECK_FALSE(disk.has_work(DiskLane::kBackground));
  }
}

TEST_CASE("a version that its checksum does not cover is damage, not another version") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.file);
    MemoryDisk disk = testing::fixture_directory(kind.directory);
    Bytes bytes = disk.contents(kind.file);
    for (const std::size_t copy : kind.copies) set_version(bytes, copy);
    disk.put(kind.file, bytes);

    const testing::Started started = testing::start_on(disk, kind.node);

    if (!started.status.ok()) {
      CHECK(started.status.error().code == ErrorCode::kCorruption);
      CHECK(started.status.error().message.starts_with(kind.file + " at offset 0: "));
    } else if (started.view.doubt) {
      CHECK(started.view.doubt->where.starts_with(kind.file + " at offset 0: "));
    } else {
      // An empty segment is made again.
      CHECK(kind.file == kinds()[2].file);
    }
  }
}

TEST_CASE("a note that the node diverged keeps it from starting, whatever its version") {
  const std::string advice =
      "; this directory must not serve again: move it away and let the node join anew";
  struct {
    std::string note;
    ErrorCode code;
    std::string message;
  } const rows[] = {
      {"diverged, format version 1\nwhy", ErrorCode::kDiverged, "diverged: why" + advice},
      {"diverged, format version 2\nwhy", ErrorCode::kMismatch, std::string("diverged: ") + kSays},
      // Its writer died before it was whole.
      {"", ErrorCode::kDiverged, "diverged: " + advice},
      {"diverged, form", ErrorCode::kDiverged, "diverged: diverged, form" + advice},
      {"diverged, format version 1", ErrorCode::kDiverged, "diverged: " + advice},
  };
  for (const auto& row : rows) {
    CAPTURE(row.note);
    MemoryDisk disk = testing::fixture_directory("member");
    const ByteView note = as_bytes(row.note);
    disk.put("diverged", {note.begin(), note.end()});

    const testing::Started started = testing::start_on(disk, NodeId(1));

    REQUIRE_FALSE(started.status.ok());
    CHECK(started.status.error().code == row.code);
    CHECK(started.status.error().message == row.message);
  }
}

TEST_CASE("a frame of another format version is refused with both versions, whatever follows") {
  const node::Frame frames[] = {
      {ClusterId(1), Incarnation(2), NodeId(0), NodeId(1), node::Hello{3, Incarnation(4)}},
      {ClusterId(1), Incarnation(2), NodeId(0), NodeId(1), node::Form{{Incarnation(1)}}},
      {ClusterId(1), Incarnation(2), NodeId(0), NodeId(1), node::Refusal{}},
      {ClusterId(1), Incarnation(2), NodeId(0), NodeId(1), node::Fingerprint{Index(1), 2}},
      {ClusterId(1), Incarnation(2), NodeId(0), NodeId(1),
       raft::Message{NodeId(0), NodeId(1), Term(3), raft::AppendRequest{}}},
  };
  for (const node::Frame& frame : frames) {
    CAPTURE(frame.body.index());
    Bytes bytes;
    node::encode_frame(frame, bytes);
    REQUIRE(node::decode_frame(SharedBytes::copy_of(bytes)).ok());
    REQUIRE(as_text(ByteView(bytes).first(4)) == "VSP1");
    bytes[3] = std::byte{'2'};
    store_little(bytes.data() + 12,
                 crc32c(ByteView(bytes).subspan(16), crc32c(ByteView(bytes).first(12))));

    for (const std::size_t size : {bytes.size(), std::size_t{12}}) {
      const auto decoded = node::decode_frame(SharedBytes::copy_of(ByteView(bytes).first(size)));
      REQUIRE_FALSE(decoded.ok());
      CHECK(decoded.error().code == ErrorCode::kMismatch);
      CHECK(decoded.error().message == std::string("frame: ") + kSays);
    }
  }
}

}  // namespace
}  // namespace vesper::storage
