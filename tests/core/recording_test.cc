// The format of a recording: what is written reads back; where it is cut, it ends before; what is
// damaged or another's is told.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "core/node/recorder.h"
#include "core/node/recording_reader.h"
#include "tests/core/generators.h"
#include "tests/core/memory_room.h"
#include "tests/core/properties.h"

namespace vesper::node {
namespace {

using testing::MemoryRoom;

constexpr std::size_t kRoom = 256 * 1024;

void write_frame(RecordingWriter& writer, std::string_view text) {
  REQUIRE(writer.begin(RecordKind::kFrame, RecordingWriter::bytes_max(text.size())));
  writer.bytes(as_bytes(text));
  writer.end();
}

void write_turn_end(RecordingWriter& writer) {
  REQUIRE(writer.begin(RecordKind::kTurnEnd, kVarintBytes));
  writer.number(0);
  writer.end();
  writer.end_turn();
}

struct ReadBack {
  std::vector<std::string> frames;
  std::size_t turns = 0;
  bool is_cut = false;
  std::optional<Error> damage;
};

ReadBack read_back(RecordingReader reader, bool goes_on = false) {
  ReadBack result;
  result.is_cut = reader.is_cut();
  result.damage = reader.damage();
  if (goes_on) reader.go_on_unfinished();
  for (RecordKind kind = reader.next(); kind != RecordKind::kNone; kind = reader.next()) {
    if (kind == RecordKind::kFrame) {
      const ByteView frame = take_bytes(reader.fields());
      if (!reader.fields().ok()) break;
      result.frames.emplace_back(as_text(frame));
    } else {
      REQUIRE(kind == RecordKind::kTurnEnd);
      REQUIRE(take_varint(reader.fields()) == 0);
      ++result.turns;
    }
  }
  REQUIRE(reader.status().ok());
  return result;
}

ReadBack read_back(ByteView file, bool goes_on = false) {
  auto reader = RecordingReader::open(file);
  REQUIRE(reader.ok());
  return read_back(std::move(reader.value()), goes_on);
}

// Three turns of two frames each, and where each turn's end stands.
struct Sample {
  MemoryRoom room{kRoom};
  std::vector<std::size_t> ends;

  Sample() {
    RecordingWriter writer(room);
    for (int turn = 0; turn < 3; ++turn) {
      write_frame(writer, std::string(static_cast<std::size_t>(20 + turn), 'a'));
      write_frame(writer, "");
      write_turn_end(writer);
      ends.push_back(whole_end());
    }
    writer.finish();
  }
  // Behind the last block whose header is written.
  std::size_t whole_end() const {
    std::size_t end = kRecordingHeaderBytes;
    while (end + kBlockHeaderBytes <= room.file().size()) {
      const auto length = load_little<std::uint32_t>(room.file().data() + end) & ~kBlockEndsTurn;
      if (length == 0) break;
      end += (kBlockHeaderBytes + length + 7) / 8 * 8;
    }
    return end;
  }
};

NodeConfig any_config() {
  NodeConfig config;
  config.cluster_size = *rc::gen::inRange<std::size_t>(1, limits::kNodes + 1);
  const auto nodes = static_cast<std::uint32_t>(config.cluster_size);
  config.id = NodeId(*rc::gen::inRange<std::uint32_t>(0, nodes));
  config.addresses = *rc::gen::arbitrary<std::vector<std::string>>();
  for (std::uint32_t i = 0; i < nodes; ++i) config.join_by.emplace_back(i);
  config.raft.heartbeat_interval = Duration::nanoseconds(*rc::gen::inRange(1, 1000));
  config.raft.election_timeout_min =
      config.raft.heartbeat_interval + Duration::nanoseconds(*rc::gen::inRange(1, 1000));
  config.raft.election_timeout_max =
      config.raft.election_timeout_min + Duration::nanoseconds(*rc::gen::inRange(1, 1000));
  config.raft.lease_reads = *rc::gen::arbitrary<bool>();
  config.raft.lease_drift_ppm = *rc::gen::arbitrary<std::int64_t>();
  for (std::size_t* size : {&config.raft.append_entries_max, &config.raft.append_bytes_max,
                            &config.raft.inflight_appends_max, &config.raft.uncommitted_bytes_max,
                            &config.raft.waiting_reads_max, &config.waiting_requests_max,
                            &config.unwritten_bytes_max}) {
    *size = *rc::gen::arbitrary<std::size_t>();
  }
  for (std::uint64_t* size : {&config.wal.segment_bytes, &config.snapshots.entries,
                              &config.snapshots.bytes, &config.snapshots.trailing_entries,
                              &config.snapshots.trailing_bytes, &config.snapshots.chunk_bytes}) {
    *size = *rc::gen::arbitrary<std::uint64_t>();
  }
  config.sessions = {*rc::gen::inRange<std::size_t>(1, 100), *rc::gen::inRange<std::size_t>(1, 9)};
  config.request_timeout = Duration::nanoseconds(*rc::gen::arbitrary<std::int64_t>());
  config.check_interval = Duration::nanoseconds(*rc::gen::arbitrary<std::int64_t>());
  config.hello_interval = Duration::nanoseconds(*rc::gen::arbitrary<std::int64_t>());
  config.scrub_pairs = *rc::gen::inRange<std::size_t>(1, 1000);
  config.form = *rc::gen::arbitrary<bool>();
  return config;
}

void check_equal(const NodeConfig& a, const NodeConfig& b) {
  RC_ASSERT(a.id == b.id);
  RC_ASSERT(a.cluster_size == b.cluster_size);
  RC_ASSERT(a.addresses == b.addresses);
  RC_ASSERT(a.join_by == b.join_by);
  RC_ASSERT(a.raft.election_timeout_min == b.raft.election_timeout_min);
  RC_ASSERT(a.raft.election_timeout_max == b.raft.election_timeout_max);
  RC_ASSERT(a.raft.heartbeat_interval == b.raft.heartbeat_interval);
  RC_ASSERT(a.raft.lease_reads == b.raft.lease_reads);
  RC_ASSERT(a.raft.lease_drift_ppm == b.raft.lease_drift_ppm);
  RC_ASSERT(a.raft.append_entries_max == b.raft.append_entries_max);
  RC_ASSERT(a.raft.append_bytes_max == b.raft.append_bytes_max);
  RC_ASSERT(a.raft.inflight_appends_max == b.raft.inflight_appends_max);
  RC_ASSERT(a.raft.uncommitted_bytes_max == b.raft.uncommitted_bytes_max);
  RC_ASSERT(a.raft.waiting_reads_max == b.raft.waiting_reads_max);
  RC_ASSERT(a.wal.segment_bytes == b.wal.segment_bytes);
  RC_ASSERT(a.snapshots.entries == b.snapshots.entries);
  RC_ASSERT(a.snapshots.bytes == b.snapshots.bytes);
  RC_ASSERT(a.snapshots.trailing_entries == b.snapshots.trailing_entries);
  RC_ASSERT(a.snapshots.trailing_bytes == b.snapshots.trailing_bytes);
  RC_ASSERT(a.snapshots.chunk_bytes == b.snapshots.chunk_bytes);
  RC_ASSERT(a.request_timeout == b.request_timeout);
  RC_ASSERT(a.waiting_requests_max == b.waiting_requests_max);
  RC_ASSERT(a.unwritten_bytes_max == b.unwritten_bytes_max);
  RC_ASSERT(a.sessions.sessions == b.sessions.sessions);
  RC_ASSERT(a.sessions.numbers == b.sessions.numbers);
  RC_ASSERT(a.check_interval == b.check_interval);
  RC_ASSERT(a.scrub_pairs == b.scrub_pairs);
  RC_ASSERT(a.hello_interval == b.hello_interval);
  RC_ASSERT(a.form == b.form);
}

Request any_request(const std::string& key, const std::string& value, const std::string& address) {
  Request request;
  request.kind = static_cast<RequestKind>(
      *rc::gen::inRange(0, static_cast<int>(RequestKind::kSnapshotPart) + 1));
  const bool has_key = request.kind == RequestKind::kGet || request.kind == RequestKind::kPut;
  if (has_key) request.key = key;
  request.value = value;
  request.address = address;
  request.at_follower = *rc::gen::arbitrary<bool>();
  request.snapshot = Index(*rc::gen::arbitrary<std::uint64_t>());
  request.offset = *rc::gen::arbitrary<std::uint64_t>();
  if (*rc::gen::arbitrary<bool>()) {
    request.once = {SessionId(1 + testing::any_up_to(1000)), RequestNumber(UINT64_MAX)};
  }
  if (*rc::gen::arbitrary<bool>()) request.target = NodeId(*rc::gen::inRange(0U, 1000U));
  for (std::uint32_t i = *rc::gen::inRange(0U, 4U); i > 0; --i) {
    request.change.promote.emplace_back(i);
    request.change.remove.emplace_back(100 * i);
  }
  return request;
}

TEST_CASE("a configuration reads back as it was, and no other bytes are one") {
  CHECK(testing::holds("configurations", [] {
    const NodeConfig config = any_config();
    std::vector<std::byte> bytes;
    encode_config(config, bytes);

    const auto decoded = decode_config(bytes);

    RC_ASSERT(decoded.ok());
    check_equal(decoded.value(), config);
    bytes.push_back(std::byte{0});
    RC_ASSERT(!decode_config(bytes).ok());
    RC_ASSERT(!decode_config(ByteView(bytes).first(bytes.size() - 2)).ok());
  }));
}

TEST_CASE("a request reads back as it was") {
  CHECK(testing::holds("requests", [] {
    const std::string key = *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
    const std::string value = *rc::gen::arbitrary<std::string>();
    const std::string address = *rc::gen::arbitrary<std::string>();
    const Request request = any_request(key, value, address);
    std::vector<std::byte> head;
    encode_request(request, head);

    const RecordedRequest read =
        decode_request(head, as_bytes(request.key), as_bytes(request.value));

    RC_ASSERT(read.is_good);
    RC_ASSERT(read.request.kind == request.kind);
    RC_ASSERT(read.request.key == request.key);
    RC_ASSERT(read.request.value == request.value);
    RC_ASSERT(read.request.once.has_value() == request.once.has_value());
    if (request.once) {
      RC_ASSERT(read.request.once->session == request.once->session);
      RC_ASSERT(read.request.once->number == request.once->number);
    }
    RC_ASSERT(read.request.target == request.target);
    RC_ASSERT(read.request.address == request.address);
    RC_ASSERT(read.request.change.promote == request.change.promote);
    RC_ASSERT(read.request.change.remove == request.change.remove);
    RC_ASSERT(read.request.at_follower == request.at_follower);
    RC_ASSERT(read.request.snapshot == request.snapshot);
    RC_ASSERT(read.request.offset == request.offset);
    for (std::size_t cut = 0; cut < head.size(); ++cut) {
      RC_ASSERT(!decode_request(ByteView(head).first(cut), as_bytes(request.key), {}).is_good);
    }
  }));
}

TEST_CASE("a request that no node may be given is refused") {
  std::vector<std::byte> head;
  encode_request({.kind = RequestKind::kGet, .key = "k"}, head);

  CHECK(decode_request(head, as_bytes("k"), {}).is_good);
  CHECK_FALSE(decode_request(head, {}, {}).is_good);
  const std::string long_key(limits::kKeyBytes + 1, 'k');
  CHECK_FALSE(decode_request(head, as_bytes(long_key), {}).is_good);
}

TEST_CASE("sparse bytes read back as they were, and zeros cost nothing") {
  CHECK(testing::holds("sparse bytes", [] {
    std::vector<std::byte> bytes;
    for (int runs = *rc::gen::inRange(0, 6); runs > 0; --runs) {
      bytes.resize(bytes.size() + *rc::gen::inRange<std::size_t>(0, 300));
      const auto text = *rc::gen::arbitrary<std::string>();
      bytes.insert(bytes.end(), as_bytes(text).begin(), as_bytes(text).end());
    }
    std::vector<std::byte> stored(sparse_bytes_max(bytes.size()));
    const auto size = static_cast<std::size_t>(store_sparse(stored.data(), bytes) - stored.data());
    RC_ASSERT(size <= stored.size());
    std::vector<std::byte> loaded(bytes.size(), std::byte{7});
    ByteReader in{ByteView(stored).first(size)};

    RC_ASSERT(load_sparse(in, loaded));
    RC_ASSERT(loaded == bytes);
    RC_ASSERT(in.remaining() == 0);
    for (std::size_t cut = 0; cut < size; ++cut) {
      ByteReader less{ByteView(stored).first(cut)};
      RC_ASSERT(!load_sparse(less, loaded));
    }
  }));
  std::vector<std::byte> zeros(kRecordingPartBytes);
  std::vector<std::byte> stored(sparse_bytes_max(zeros.size()));
  CHECK(store_sparse(stored.data(), zeros) - stored.data() < 16);
}

TEST_CASE("what is written comes back in its turns") {
  const Sample sample;

  const ReadBack read = read_back(sample.room.file());

  CHECK(read.turns == 3);
  CHECK(read.frames.size() == 6);
  CHECK(read.frames[2] == std::string(21, 'a'));
  CHECK_FALSE(read.is_cut);
  CHECK_FALSE(read.damage.has_value());
  CHECK(sample.room.is_finished());
  CHECK(sample.ends.back() == sample.room.file().size());
}

TEST_CASE("wherever a recording is cut off, it ends with the last turn that is whole") {
  const Sample sample;
  const ByteView file = sample.room.file();
  for (std::size_t cut = 0; cut < file.size(); ++cut) {
    CAPTURE(cut);
    auto reader = RecordingReader::open(file.first(cut));
    REQUIRE(reader.ok() == (cut >= kRecordingHeaderBytes));
    if (!reader.ok()) {
      CHECK(reader.error().code == ErrorCode::kInvalid);
      continue;
    }

    const ReadBack read = read_back(std::move(reader.value()));

    const auto begun = std::upper_bound(sample.ends.begin(), sample.ends.end(), cut);
    // The last bytes of a block may be what only fills it up.
    const auto turns = static_cast<std::size_t>(begun - sample.ends.begin());
    CHECK(read.turns >= turns);
    CHECK(read.turns <= turns + (*begun - cut < 8 ? 1 : 0));
    CHECK(read.frames.size() == 2 * read.turns);
    CHECK_FALSE(read.damage.has_value());
    testing::count("cuts of a recording", 1);
  }
}

TEST_CASE("a flipped bit anywhere is damage behind the turns before it") {
  Sample sample;
  const std::span<std::byte> file = sample.room.writable();
  for (std::size_t bit = 0; bit < 8 * file.size(); ++bit) {
    CAPTURE(bit);
    const std::byte mask{static_cast<std::uint8_t>(1U << (bit % 8))};
    file[bit / 8] ^= mask;
    auto reader = RecordingReader::open(file);
    const bool is_in_header = bit / 8 < kRecordingHeaderBytes;
    CHECK(reader.ok() == !is_in_header);
    if (reader.ok()) {
      const ReadBack read = read_back(std::move(reader.value()));
      const auto begun = std::upper_bound(sample.ends.begin(), sample.ends.end(), bit / 8);
      const auto before = static_cast<std::size_t>(begun - sample.ends.begin());
      // But for what only fills up a block.
      const bool is_filling = !read.damage && read.turns == 3 && *begun - bit / 8 < 8;
      CHECK((is_filling || (read.damage.has_value() && read.turns == before)));
      if (read.damage) CHECK(read.damage->message.find("at offset ") != std::string::npos);
      if (read.damage) CHECK(read.damage->code == ErrorCode::kCorruption);
    }
    file[bit / 8] ^= mask;
    testing::count("flips of a recording", 1);
  }
}

TEST_CASE("blocks that are not in their places are damage") {
  Sample sample;
  const std::span<std::byte> file = sample.room.writable();
  const std::size_t size = sample.ends[1] - sample.ends[0];
  std::vector<std::byte> second(file.begin() + static_cast<std::ptrdiff_t>(sample.ends[0]),
                                file.begin() + static_cast<std::ptrdiff_t>(sample.ends[1]));
  REQUIRE(sample.ends[0] - kRecordingHeaderBytes == size);
  std::copy(second.begin(), second.end(), file.begin() + kRecordingHeaderBytes);

  const ReadBack read = read_back(file);

  REQUIRE(read.damage.has_value());
  CHECK(read.damage->message == "damaged at offset 16: it is not block 0, which belongs there");
  CHECK(read.turns == 0);
}

TEST_CASE("what is no recording, or of another version, is told apart") {
  Sample sample;
  const std::span<std::byte> file = sample.room.writable();

  CHECK(RecordingReader::open(as_bytes("{\"a\": 1}")).error().code == ErrorCode::kInvalid);
  CHECK(RecordingReader::open({}).error().code == ErrorCode::kInvalid);
  store_little(file.data() + 8, kRecordingVersion + 1);
  CHECK(RecordingReader::open(file).error().code == ErrorCode::kCorruption);
  store_little(file.data() + 12, crc32c(file.first(12)));
  const Error error = RecordingReader::open(file).error();
  CHECK(error.code == ErrorCode::kMismatch);
  CHECK(error.message == "at offset 8: recording format version 2, this program reads 1");
}

TEST_CASE("of a turn that has not ended the records come when they are asked for") {
  MemoryRoom room(kRoom);
  RecordingWriter writer(room);
  write_frame(writer, "one");
  write_turn_end(writer);
  write_frame(writer, "two");
  write_frame(writer, "three");

  const ReadBack whole = read_back(room.file());
  const ReadBack all = read_back(room.file(), true);

  CHECK(whole.is_cut);
  CHECK(whole.frames == std::vector<std::string>{"one"});
  CHECK(all.frames == std::vector<std::string>{"one", "two", "three"});
  CHECK(all.turns == 1);
}

TEST_CASE("a turn that is longer than a block is whole with its last one") {
  MemoryRoom room(8 * kRecordingBlockBytes, 4096);
  RecordingWriter writer(room);
  const std::string frame(kRecordingBlockBytes * 2 / 3, 'x');
  for (int i = 0; i < 5; ++i) write_frame(writer, frame);

  CHECK(read_back(room.file()).frames.empty());
  CHECK(read_back(room.file(), true).frames.size() == 5);
  write_turn_end(writer);
  writer.finish();
  CHECK(read_back(room.file()).frames.size() == 5);
  CHECK(read_back(room.file()).turns == 1);
  // Cut off in the second of its blocks, nothing of the turn counts; what is there can be read.
  const ByteView half = room.file().first(kRecordingBlockBytes * 3 / 2);
  CHECK(read_back(half).frames.empty());
  CHECK(read_back(half).is_cut);
  CHECK(read_back(half, true).frames.size() == 2);
}

TEST_CASE("without room, or with a record that is too long, recording ends and what was is whole") {
  MemoryRoom small(4096);
  RecordingWriter full(small);
  std::size_t turns = 0;
  while (full.begin(RecordKind::kFrame, 512)) {
    full.bytes(as_bytes(std::string(400, 'x')));
    full.end();
    if (!full.begin(RecordKind::kTurnEnd, kVarintBytes)) break;
    full.number(0);
    full.end();
    full.end_turn();
    ++turns;
  }
  CHECK_FALSE(full.is_open());
  CHECK_FALSE(full.begin(RecordKind::kTurn, 0));
  CHECK(turns > 5);
  CHECK(read_back(small.file()).turns == turns);

  MemoryRoom large(kRoom);
  RecordingWriter writer(large);
  write_turn_end(writer);
  CHECK_FALSE(writer.begin(RecordKind::kFrame, kRecordingRecordBytes));
  CHECK_FALSE(writer.is_open());
  writer.finish();
  CHECK(read_back(large.file()).turns == 1);
}

TEST_CASE("numbers of any size read back, and none that is longer") {
  for (const std::uint64_t number :
       {std::uint64_t{0}, std::uint64_t{127}, std::uint64_t{128}, UINT64_MAX, UINT64_MAX / 2}) {
    std::byte bytes[kVarintBytes];
    const std::byte* const end = store_varint(bytes, number);
    ByteReader in({bytes, static_cast<std::size_t>(end - bytes)});
    CHECK(take_varint(in) == number);
    CHECK(in.ok());
  }
  std::byte bytes[kVarintBytes + 1];
  std::fill(std::begin(bytes), std::end(bytes), std::byte{0x80});
  bytes[9] = std::byte{2};
  ByteReader in(bytes);
  CHECK(take_varint(in) == 0);
  CHECK_FALSE(in.ok());
}

}  // namespace
}  // namespace vesper::node
