#include "core/raft/codec.h"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "tests/core/generators.h"
#include "tests/core/properties.h"

namespace vesper::raft {
namespace {

std::vector<std::byte> encode(const Message& message) {
  std::vector<std::byte> out;
  encode_message(message, out);
  return out;
}
Result<Message> decode(ByteView bytes) {
  return decode_message(SharedBytes::copy_of(bytes));
}

// A body of the encoder's format by hand, so that it can say what no encoder says.
struct Body {
  std::vector<std::byte> bytes;
  ByteWriter out{bytes};

  Body(std::uint8_t kind, std::uint64_t term) {
    out.u8(kind);
    out.u64(term);
  }
  Body& u8(std::uint8_t value) { return out.u8(value), *this; }
  Body& u32(std::uint32_t value) { return out.u32(value), *this; }
  Body& u64(std::uint64_t value) { return out.u64(value), *this; }
  Body& text(std::string_view value) { return out.bytes(as_bytes(value)), *this; }
  Body& entry(std::uint64_t term, std::uint64_t index, std::string_view payload = "x") {
    out.bytes(Entry::make({Term(term), Index(index)}, EntryKind::kCommand, as_bytes(payload))
                  .record()
                  .view());
    return *this;
  }
};

Body append(std::uint64_t term, LogPosition previous, std::uint32_t count) {
  Body body(5, term);
  body.u64(previous.term.value()).u64(previous.index.value()).u64(0).u32(count);
  return body;
}

TEST_CASE("an entry's record is decoded as it was made, and what follows it is not looked at") {
  CHECK(testing::holds("Entry::decode gives back Entry::make", [] {
    const LogPosition position{Term(*rc::gen::arbitrary<std::uint64_t>()),
                               Index(1 + testing::any_up_to(1ULL << 60))};
    const auto payload = *rc::gen::arbitrary<std::string>();
    const auto kind = *rc::gen::element(EntryKind::kNoop, EntryKind::kCommand);
    const Entry entry = Entry::make(position, kind, as_bytes(payload));
    const auto tail = *rc::gen::arbitrary<std::string>();

    const std::string bytes = std::string(entry.record().text()) + tail;
    const auto decoded = Entry::decode(SharedBytes::copy_of(as_bytes(bytes)));
    RC_ASSERT(decoded.ok());
    RC_ASSERT(decoded.value().position() == position);
    RC_ASSERT(decoded.value().kind() == kind);
    RC_ASSERT(as_text(decoded.value().payload()) == payload);
    RC_ASSERT(decoded.value().checksum() == entry.checksum());
  }));
}

TEST_CASE("every single-bit flip and every truncation of an entry's record is refused") {
  const Entry entry = Entry::make({Term(3), Index(9)}, EntryKind::kCommand, as_bytes("payload"));
  const ByteView record = entry.record().view();

  for (std::size_t bit = 0; bit < record.size() * 8; ++bit) {
    std::vector<std::byte> flipped(record.begin(), record.end());
    flipped[bit / 8] ^= std::byte{1} << (bit % 8);
    CAPTURE(bit);
    CHECK_FALSE(Entry::decode(SharedBytes::copy_of(flipped)).ok());
  }
  for (std::size_t length = 0; length < record.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(Entry::decode(SharedBytes::copy_of(record.first(length))).ok());
  }
}

TEST_CASE(
    "an entry of an unknown kind, of index 0 or over the limit is refused though its sums agree") {
  const Entry entry = Entry::make({Term(3), Index(9)}, EntryKind::kCommand, as_bytes("payload"));
  struct {
    std::size_t offset;
    std::uint32_t word;
    const char* why;
  } const rows[] = {
      {24, 2, "a kind of a later format"},
      {24, 0x101, "a set byte beside the kind"},
      {16, 0, "index 0"},
      {0, limits::kEntryPayloadBytes + 1, "a payload over the limit"},
      {0, 0xffffffff, "a payload of four gigabytes"},
      {0, 8, "a payload longer than the bytes"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    std::vector<std::byte> record(entry.record().view().begin(), entry.record().view().end());
    store_little(record.data() + row.offset, row.word);
    store_little(record.data() + 28, crc32c(ByteView(record).first(28)));
    CHECK_FALSE(Entry::decode(SharedBytes::copy_of(record)).ok());
  }
}

TEST_CASE("every message of every kind is decoded as it was encoded") {
  for (std::size_t kind = 0; kind < testing::kMessageKinds; ++kind) {
    CAPTURE(kind);
    CHECK(testing::holds("decode_message gives back encode_message, kind " + std::to_string(kind),
                         [kind] {
                           const Message message = testing::any_message(kind);
                           const auto decoded = decode(encode(message));
                           RC_ASSERT(decoded.ok());
                           RC_ASSERT(decoded.value().term == message.term);
                           RC_ASSERT(testing::same(decoded.value().body, message.body));
                         }));
  }
}

TEST_CASE("decoded entries share the message's bytes") {
  AppendRequest request;
  request.entries.push_back(Entry::make({Term(1), Index(1)}, EntryKind::kCommand, as_bytes("abc")));
  const SharedBytes bytes =
      SharedBytes::copy_of(encode({NodeId(0), NodeId(1), Term(1), std::move(request)}));

  const auto decoded = decode_message(bytes);

  const auto& entries = std::get<AppendRequest>(decoded.value().body).entries;
  CHECK(entries.at(0).record().view().data() == bytes.view().data() + bytes.size() - 35);
}

TEST_CASE("the encoder appends and leaves what stood before") {
  std::vector<std::byte> out(5, std::byte{0xaa});
  encode_message({NodeId(0), NodeId(1), Term(1), VoteReply{true}}, out);

  CHECK(out.size() == 5 + 10);
  CHECK(out[4] == std::byte{0xaa});
}

TEST_CASE("every truncation of a message and every byte too many is refused") {
  CHECK(testing::holds("a message has exactly one length", [] {
    const std::vector<std::byte> bytes = encode(testing::any_message());
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      RC_ASSERT(!decode(ByteView(bytes).first(length)).ok());
    }
    std::vector<std::byte> longer = bytes;
    longer.push_back(std::byte{0});
    RC_ASSERT(!decode(longer).ok());
  }));
}

TEST_CASE("bytes that break a message's promise are refused") {
  const LogPosition zero{};
  const LogPosition two_five{Term(2), Index(5)};
  struct {
    Body body;
    bool valid;
    const char* why;
  } const rows[] = {
      {Body(0, 1), false, "kind 0"},
      {Body(16, 1).u64(0), false, "a kind of a later format"},
      {Body(15, 3).u64(7).u64(3), true, "a round acknowledged by a voter in doubt"},
      {Body(15, 3).u64(7).u64(4), false, "a doubt about a term above its own"},
      {Body(15, 3).u64(7).u64(0), false, "a doubt about no term"},
      {Body(15, 3).u64(7), false, "a doubt about nothing"},
      {Body(14, 1).u8(1).u64(7).u64(9), true, "a read index"},
      {Body(14, 1).u8(0).u64(7), true, "a refused read index"},
      {Body(14, 1).u8(0).u64(7).u64(9), false, "a refused read index with an index"},
      {Body(14, 1).u8(2).u64(7).u64(9), false, "one that is neither"},
      {Body(9, 1), true, "a TimeoutNow"},
      {Body(9, 1).u8(0), false, "a TimeoutNow with more than its term"},
      {Body(10, 2).u64(2).u64(5), true, "a vote request by transfer"},
      {Body(10, 2).u64(3).u64(5), false, "one with a last entry of a term above the candidate's"},
      {Body(4, 1).u8(0), true, "a refused vote"},
      {Body(4, 1).u8(2), false, "a boolean of 2"},
      {Body(2, 1).u8(255), false, "a boolean of 255"},
      {Body(6, 1).u8(2).u64(1), false, "an append reply that is neither"},
      {Body(3, 2).u64(2).u64(5), true, "a candidate's last entry within its term"},
      {Body(3, 2).u64(3).u64(5), false, "a last entry of a term above the candidate's"},
      {Body(3, 2).u64(0).u64(5), false, "an entry of term 0"},
      {Body(3, 2).u64(2).u64(0), false, "an entry at index 0"},
      {Body(1, 2).u64(3).u64(5), false, "the same for a pre-vote"},
      {Body(6, 9).u8(0).u64(5).u64(1).u64(5), true, "a hint at the rejected index"},
      {Body(6, 9).u8(0).u64(5).u64(1).u64(6), false, "a hint beyond the rejected index"},
      {append(3, zero, 2).entry(1, 1).entry(3, 2), true, "a log from its first entry"},
      {append(3, two_five, 2).entry(2, 6).entry(3, 7), true, "entries that follow"},
      {append(3, two_five, 1).entry(2, 7), false, "a gap after previous"},
      {append(3, two_five, 1).entry(2, 5), false, "an entry at previous itself"},
      {append(3, two_five, 2).entry(2, 6).entry(2, 8), false, "a gap between entries"},
      {append(3, two_five, 2).entry(2, 6).entry(2, 6), false, "an entry twice"},
      {append(3, two_five, 1).entry(1, 6), false, "a term below previous"},
      {append(3, two_five, 2).entry(3, 6).entry(2, 7), false, "terms that go down"},
      {append(3, two_five, 1).entry(4, 6), false, "a term above the message's"},
      {append(3, zero, 1).entry(0, 1), false, "an entry of term 0"},
      {append(1, two_five, 0), false, "previous of a term above the message's"},
      {append(3, two_five, 1).entry(2, 6).entry(2, 7), false, "more entries than counted"},
      {append(3, two_five, 2).entry(2, 6), false, "fewer entries than counted"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    CHECK(decode(row.body.bytes).ok() == row.valid);
  }
}

// A piece of the snapshot to entry 5 of term 2, in a message of term 3.
Body piece_of(std::uint64_t snapshot_bytes, std::uint64_t offset, std::uint32_t length) {
  Body body(11, 3);
  body.u64(2).u64(5).u64(snapshot_bytes).u32(7).u64(offset).u32(length);
  return body;
}
Body piece(std::uint64_t offset, std::uint32_t length, std::size_t bytes) {
  Body body = piece_of(100, offset, length);
  body.text(std::string(bytes, 'x'));
  return body;
}

TEST_CASE("a piece that is not within its snapshot, and a snapshot of nothing, are refused") {
  struct {
    Body body;
    bool valid;
    const char* why;
  } const rows[] = {
      {piece(0, 100, 100), true, "a whole snapshot in one piece"},
      {piece(90, 10, 10), true, "the last piece"},
      {piece(91, 10, 10), false, "a byte beyond the snapshot's end"},
      {piece(100, 1, 1), false, "a piece that begins at its end"},
      {piece(UINT64_MAX, 1, 1), false, "an offset that no sum holds"},
      {piece(0, 0, 0), false, "an empty piece"},
      {piece(0, 10, 9), false, "fewer bytes than counted"},
      {piece(0, 10, 11), false, "more bytes than counted"},
      {Body(11, 3).u64(0).u64(0).u64(9).u32(7).u64(0).u32(1).text("x"), false, "of nothing"},
      {Body(11, 1).u64(2).u64(5).u64(9).u32(7).u64(0).u32(1).text("x"), false,
       "of a term above the sender's"},
      {Body(12, 3).u64(2).u64(5).u64(100).u32(7).u64(100), true, "a follower that has all"},
      {Body(12, 3).u64(2).u64(5).u64(100).u32(7).u64(101), false, "one that has more than all"},
      {Body(12, 3).u64(0).u64(5).u64(100).u32(7).u64(1), false, "an end of term 0"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    CHECK(decode(row.body.bytes).ok() == row.valid);
  }
  const std::string longest(limits::kSnapshotChunkBytes, 'x');
  const auto most = static_cast<std::uint32_t>(longest.size());
  CHECK(decode(piece_of(most + 1, 0, most).text(longest).bytes).ok());
  CHECK(decode(piece_of(most + 1, 0, most + 1).text(longest + "x").bytes).error().code ==
        ErrorCode::kLimit);
  CHECK(decode(piece_of(limits::kSnapshotBytes, 0, 1).text("x").bytes).ok());
  CHECK(decode(piece_of(limits::kSnapshotBytes + 1, 0, 1).text("x").bytes).error().code ==
        ErrorCode::kLimit);
}

TEST_CASE("counts and bytes over the limits are refused, and the limits themselves are not") {
  Body most = append(1, {}, limits::kAppendEntries);
  Body one_more = append(1, {}, limits::kAppendEntries + 1);
  for (std::uint64_t i = 1; i <= limits::kAppendEntries; ++i) {
    most.entry(1, i);
    one_more.entry(1, i);
  }
  one_more.entry(1, limits::kAppendEntries + 1);
  CHECK(decode(most.bytes).ok());
  CHECK(decode(one_more.bytes).error().code == ErrorCode::kLimit);

  const std::string half(limits::kAppendBytes / 2 - Entry::kHeaderBytes, 'x');
  CHECK(decode(append(1, {}, 2).entry(1, 1, half).entry(1, 2, half).bytes).ok());
  const auto too_long = decode(append(1, {}, 2).entry(1, 1, half).entry(1, 2, half + "x").bytes);
  CHECK(too_long.error().code == ErrorCode::kLimit);

  CHECK(decode(Body(8, limits::kTerm).u64(0).bytes).ok());
  CHECK(decode(Body(8, limits::kTerm + 1).u64(0).bytes).error().code == ErrorCode::kLimit);
  CHECK(decode(Body(8, UINT64_MAX).u64(0).bytes).error().code == ErrorCode::kLimit);

  const std::string longest(limits::kEntryPayloadBytes, 'x');
  CHECK(decode(append(1, {}, 1).entry(1, 1, longest).bytes).ok());
}

TEST_CASE("any bytes give a message that encodes to them, or an error") {
  CHECK(testing::holds("decode_message is strict", [] {
    auto bytes = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
    if (!bytes.empty()) bytes[0] = *rc::gen::inRange<std::uint8_t>(0, 16);
    const ByteView view = std::as_bytes(std::span(bytes));
    const auto decoded = decode(view);
    RC_CLASSIFY(decoded.ok(), "a message");
    if (decoded.ok()) RC_ASSERT(as_text(encode(decoded.value())) == as_text(view));
  }));
}

TEST_CASE("a message with some bytes changed encodes to them, or is an error") {
  CHECK(testing::holds("decode_message is strict near a message", [] {
    std::vector<std::byte> bytes = encode(testing::any_message());
    const auto changes = *rc::gen::inRange(1, 4);
    for (int i = 0; i < changes; ++i) {
      const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
      bytes[at] = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
    }
    const auto decoded = decode(bytes);
    RC_CLASSIFY(decoded.ok(), "a message");
    if (decoded.ok()) RC_ASSERT(as_text(encode(decoded.value())) == as_text(bytes));
  }));
}

TEST_CASE("errors say what is wrong and at which offset") {
  const auto decoded = decode(append(3, {}, 1).entry(2, 2).bytes);

  REQUIRE_FALSE(decoded.ok());
  CHECK(decoded.error().message == "message: an entry does not follow the one before at offset 37");
}

}  // namespace
}  // namespace vesper::raft
