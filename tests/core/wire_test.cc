#include "core/node/wire.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "tests/core/generators.h"
#include "tests/core/properties.h"

namespace {
std::size_t bytes_allocated = 0;
}  // namespace

// What a decoder allocates is part of its contract, so this program counts it.
[[gnu::noinline]] void* operator new(std::size_t size) {
  bytes_allocated += size;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace vesper::node {
namespace {

constexpr std::size_t kChecksumOffset = 12;

std::vector<std::byte> encode(const Frame& frame) {
  std::vector<std::byte> out;
  encode_frame(frame, out);
  return out;
}
Result<Frame> decode(ByteView bytes) {
  return decode_frame(SharedBytes::copy_of(bytes));
}

// Gives a frame the length and the checksum that its bytes ask for.
void seal(std::vector<std::byte>& frame) {
  store_little(frame.data() + 8, static_cast<std::uint32_t>(frame.size() - kFrameHeaderBytes));
  const ByteView view = frame;
  const std::uint32_t sum = crc32c(view.subspan(16), crc32c(view.first(kChecksumOffset)));
  store_little(frame.data() + kChecksumOffset, sum);
}

Frame any_frame() {
  Frame frame;
  frame.cluster = ClusterId(*rc::gen::arbitrary<std::uint64_t>());
  frame.incarnation = Incarnation(*rc::gen::arbitrary<std::uint64_t>());
  raft::Message message = testing::any_message();
  frame.from = message.from;
  frame.to = message.to;
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      frame.body = Hello{1 + *rc::gen::inRange<std::uint32_t>(0, limits::kNodes),
                         Incarnation(*rc::gen::arbitrary<std::uint64_t>())};
      break;
    case 1: {
      Form form;
      const auto count = *rc::gen::inRange<std::size_t>(1, limits::kNodes + 1);
      for (std::size_t i = 0; i < count; ++i) {
        form.founders.emplace_back(*rc::gen::arbitrary<std::uint64_t>());
      }
      frame.body = std::move(form);
      break;
    }
    default:
      frame.body = std::move(message);
  }
  return frame;
}

bool same(const Frame& a, const Frame& b) {
  if (a.cluster != b.cluster || a.incarnation != b.incarnation) return false;
  if (a.from != b.from || a.to != b.to || a.body.index() != b.body.index()) return false;
  if (const auto* hello = std::get_if<Hello>(&a.body)) {
    return hello->cluster_size == std::get<Hello>(b.body).cluster_size;
  }
  if (const auto* form = std::get_if<Form>(&a.body)) {
    return form->founders == std::get<Form>(b.body).founders;
  }
  const auto& x = std::get<raft::Message>(a.body);
  const auto& y = std::get<raft::Message>(b.body);
  return x.from == y.from && x.to == y.to && x.term == y.term && testing::same(x.body, y.body);
}

std::vector<std::byte> small_frame(std::size_t kind) {
  using namespace raft;
  const LogPosition last{Term(2), Index(3)};
  AppendRequest append{last, Index(2), {}};
  append.entries.push_back(Entry::make({Term(2), Index(4)}, EntryKind::kCommand, as_bytes("abc")));
  append.entries.push_back(Entry::make({Term(4), Index(5)}, EntryKind::kNoop, {}));
  const SnapshotId snapshot{last, 9, 0x5eed};
  const MessageBody bodies[] = {PreVoteRequest{last},
                                PreVoteReply{true},
                                VoteRequest{last},
                                VoteReply{false},
                                std::move(append),
                                AppendReply{false, Index(0), Index(3), last},
                                HeartbeatRequest{Index(3), Round(7)},
                                HeartbeatReply{Round(7)},
                                TimeoutNow{},
                                SnapshotRequest{snapshot, 6, SharedBytes::copy_of(as_bytes("xyz"))},
                                SnapshotReply{snapshot, 6},
                                ReadIndexRequest{ReadBatch(9)},
                                ReadIndexReply{true, ReadBatch(9), Index(4)}};
  static_assert(std::size(bodies) == testing::kMessageKinds);
  Frame frame{ClusterId(11), Incarnation(12), NodeId(1), NodeId(2), Hello{5, Incarnation(13)}};
  if (kind < std::size(bodies)) {
    frame.body = Message{NodeId(1), NodeId(2), Term(4), bodies[kind]};
  } else if (kind == std::size(bodies)) {
    frame.body = Form{{Incarnation(1), Incarnation(2), Incarnation(3)}};
  }
  return encode(frame);
}
constexpr std::size_t kFrameKinds = testing::kMessageKinds + 2;

TEST_CASE("a frame stands on the wire as its header says") {
  const std::vector<std::byte> hello = small_frame(kFrameKinds - 1);

  REQUIRE(hello.size() == 52);
  CHECK(as_text(ByteView(hello).first(12)) == std::string_view("VSP1\x02\0\0\0\x0c\0\0\0", 12));
  CHECK(load_little<std::uint64_t>(hello.data() + 16) == 11);
  CHECK(load_little<std::uint64_t>(hello.data() + 24) == 12);
  CHECK(load_little<std::uint32_t>(hello.data() + 32) == 1);
  CHECK(load_little<std::uint32_t>(hello.data() + 36) == 2);
  CHECK(load_little<std::uint32_t>(hello.data() + 40) == 5);
  CHECK(load_little<std::uint64_t>(hello.data() + 44) == 13);
}

TEST_CASE("every frame is decoded as it was encoded") {
  CHECK(testing::holds("decode_frame gives back encode_frame", [] {
    const Frame frame = any_frame();
    const std::vector<std::byte> bytes = encode(frame);
    const auto decoded = decode(bytes);
    RC_ASSERT(decoded.ok());
    RC_ASSERT(same(decoded.value(), frame));
    RC_ASSERT(frame_size(bytes).value() == bytes.size());
  }));
}

TEST_CASE("a message framed directly and one framed by way of a Frame are the same bytes") {
  CHECK(testing::holds("encode_raft_frame equals encode_frame", [] {
    const raft::Message message = testing::any_message();
    std::vector<std::byte> direct(3);
    encode_raft_frame({ClusterId(5), Incarnation(6)}, message, direct);
    const auto framed = encode({ClusterId(5), Incarnation(6), message.from, message.to, message});
    RC_ASSERT(as_text(ByteView(direct).subspan(3)) == as_text(framed));
  }));
}

TEST_CASE("frames stand one after another in a stream") {
  std::vector<std::byte> stream = small_frame(0);
  const std::size_t first = stream.size();
  const std::vector<std::byte> second = small_frame(4);
  stream.insert(stream.end(), second.begin(), second.end());

  CHECK(frame_size(stream).value() == first);
  CHECK(frame_size(ByteView(stream).subspan(first)).value() == second.size());
  for (std::size_t length = 0; length < 12; ++length) {
    CHECK(frame_size(ByteView(stream).first(length)).value() == std::nullopt);
  }
  CHECK(frame_size(ByteView(stream).first(12)).value() == first);
}

TEST_CASE("every single-bit flip of every kind of frame is refused") {
  std::size_t flips = 0;
  for (std::size_t kind = 0; kind < kFrameKinds; ++kind) {
    std::vector<std::byte> frame = small_frame(kind);
    REQUIRE(decode(frame).ok());
    for (std::size_t bit = 0; bit < frame.size() * 8; ++bit, ++flips) {
      frame[bit / 8] ^= std::byte{1} << (bit % 8);
      CAPTURE(kind);
      CAPTURE(bit);
      CHECK_FALSE(decode(frame).ok());
      frame[bit / 8] ^= std::byte{1} << (bit % 8);
    }
  }
  CHECK(flips > 5000);
}

TEST_CASE("every truncation of every kind of frame is refused, and so is a byte too many") {
  for (std::size_t kind = 0; kind < kFrameKinds; ++kind) {
    std::vector<std::byte> frame = small_frame(kind);
    CAPTURE(kind);
    for (std::size_t length = 0; length < frame.size(); ++length) {
      CHECK_FALSE(decode(ByteView(frame).first(length)).ok());
    }
    frame.push_back(std::byte{0});
    CHECK_FALSE(decode(frame).ok());
    seal(frame);  // even with a length and a checksum that agree
    CHECK_FALSE(decode(frame).ok());
  }
}

TEST_CASE("a header that no node writes is refused though its checksum agrees") {
  struct {
    std::size_t offset;
    std::uint32_t word;
    const char* why;
  } const rows[] = {
      {0, 0x32505356, "the next version's magic"},
      {4, 0, "kind 0"},
      {4, 4, "a kind of a later format"},
      {4, 0x0102, "a set reserved byte"},
      {4, 0x01000002, "another set reserved byte"},
      {32, limits::kNodeIds, "a sender beyond the limit"},
      {36, 0xffffffff, "a receiver beyond the limit"},
      {40, limits::kNodes + 1, "a cluster beyond the limit"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    std::vector<std::byte> frame = small_frame(kFrameKinds - 1);
    store_little(frame.data() + row.offset, row.word);
    seal(frame);
    CHECK_FALSE(decode(frame).ok());
  }
}

TEST_CASE("a frame longer than the limit is refused by its first twelve bytes") {
  std::vector<std::byte> frame = small_frame(0);
  store_little(frame.data() + 8,
               static_cast<std::uint32_t>(limits::kFrameBytes - kFrameHeaderBytes));
  CHECK(frame_size(frame).value() == limits::kFrameBytes);

  store_little(frame.data() + 8,
               static_cast<std::uint32_t>(limits::kFrameBytes - kFrameHeaderBytes + 1));
  CHECK(frame_size(ByteView(frame).first(12)).error().code == ErrorCode::kLimit);
}

TEST_CASE("the longest request that Raft may send fits into a frame") {
  raft::AppendRequest request;
  const std::string longest(limits::kEntryPayloadBytes, 'x');
  request.entries.push_back(
      raft::Entry::make({Term(1), Index(1)}, raft::EntryKind::kCommand, as_bytes(longest)));
  std::vector<std::byte> out;
  encode_raft_frame({}, {NodeId(0), NodeId(1), Term(1), std::move(request)}, out);

  CHECK(out.size() <= limits::kFrameBytes);
  CHECK(decode(out).ok());
}

TEST_CASE("random bytes are refused") {
  CHECK(testing::holds("no random bytes are a frame", [] {
    auto bytes = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
    if (*rc::gen::arbitrary<bool>()) {
      const char magic[] = {'V', 'S', 'P', '1'};
      bytes.insert(bytes.begin(), std::begin(magic), std::end(magic));
    }
    RC_ASSERT(!decode(std::as_bytes(std::span(bytes))).ok());
  }));
}

TEST_CASE("behind a checksum that agrees, any body is a frame that encodes to it, or an error") {
  CHECK(testing::holds("decode_frame is strict behind the checksum", [] {
    const auto noise = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
    const ByteView body = std::as_bytes(std::span(noise));
    std::vector<std::byte> frame = small_frame(0);
    frame[4] = static_cast<std::byte>(*rc::gen::inRange<std::uint8_t>(1, 4));
    frame.resize(kFrameHeaderBytes);
    frame.insert(frame.end(), body.begin(), body.end());
    seal(frame);
    const auto decoded = decode(frame);
    RC_CLASSIFY(decoded.ok(), "a frame");
    if (decoded.ok()) RC_ASSERT(as_text(encode(decoded.value())) == as_text(frame));
  }));
  CHECK(testing::holds("decode_frame is strict near a frame", [] {
    std::vector<std::byte> frame = encode(any_frame());
    const auto changes = *rc::gen::inRange(1, 4);
    for (int i = 0; i < changes; ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(4, frame.size());
      frame[at] = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
    }
    seal(frame);
    const auto decoded = decode(frame);
    RC_CLASSIFY(decoded.ok(), "a frame");
    if (decoded.ok()) RC_ASSERT(as_text(encode(decoded.value())) == as_text(frame));
  }));
}

// A frame of an AppendRequest that claims `count` entries and brings `bytes` zero bytes.
SharedBytes claim(std::uint32_t count, std::size_t bytes) {
  std::vector<std::byte> frame = small_frame(0);
  frame.resize(kFrameHeaderBytes);
  ByteWriter out(frame);
  out.u8(5);
  out.u64(1);
  out.zeros(24);
  out.u32(count);
  out.zeros(bytes);
  seal(frame);
  return SharedBytes::copy_of(frame);
}

TEST_CASE("a claimed count allocates nothing: only bytes that are there do") {
  struct {
    std::uint32_t count;
    std::size_t bytes;
    const char* why;
  } const rows[] = {
      {0xffffffff, 0, "four billion entries, no byte"},
      {0xffffffff, 4096, "four billion entries, a page"},
      {limits::kAppendEntries, 0, "as many as may be, no byte"},
      {limits::kAppendEntries, 320, "as many as may be, ten headers"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    const SharedBytes frame = claim(row.count, row.bytes);
    const std::size_t before = bytes_allocated;
    const bool ok = decode_frame(frame).ok();
    const std::size_t allocated = bytes_allocated - before;
    CHECK_FALSE(ok);
    CHECK(allocated < 1024);  // the error's text
  }
}

TEST_CASE("decoding allocates at most in proportion to the bytes") {
  CHECK(testing::holds("decode_frame allocates at most 1 KiB and three times the bytes", [] {
    std::vector<std::byte> frame = encode(any_frame());
    if (*rc::gen::arbitrary<bool>()) {
      const auto at = *rc::gen::inRange<std::size_t>(kFrameHeaderBytes, frame.size());
      frame[at] = std::byte{0xff};
      seal(frame);
    }
    const SharedBytes bytes = SharedBytes::copy_of(frame);
    const std::size_t before = bytes_allocated;
    const bool ok = decode_frame(bytes).ok();
    const std::size_t allocated = bytes_allocated - before;
    RC_CLASSIFY(ok, "a frame");
    RC_ASSERT(allocated <= 1024 + 3 * frame.size());
  }));
}

}  // namespace
}  // namespace vesper::node
