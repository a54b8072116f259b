// The bytes of a snapshot file: what is encoded is decoded, and nothing else ever passes.
#include "core/storage/snapshot_format.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/base/hash.h"
#include "tests/core/properties.h"

namespace vesper::storage {
namespace {

std::uint64_t faults = 0;

std::vector<std::byte> content_of(std::size_t bytes, std::uint64_t seed = 1) {
  std::vector<std::byte> content(bytes);
  for (std::size_t i = 0; i < bytes; ++i) {
    content[i] = static_cast<std::byte>(mix64(seed, i) & 0xff);
  }
  return content;
}

SnapshotHeader header_of(std::uint64_t pair_bytes) {
  return {.cluster = ClusterId(0xc105'7e12),
          .last = {Term(3), Index(99)},
          .log_bytes = 12'345,
          .state_hash = 0x5eed,
          .session_bytes = 0,
          .pair_bytes = pair_bytes};
}

struct File {
  std::vector<std::byte> bytes;
  std::uint32_t checksum = 0;
};

// The content goes in at most `piece` bytes at a time.
File encode(const SnapshotHeader& header, ByteView content, std::size_t piece = SIZE_MAX) {
  SnapshotEncoder encoder(header);
  File file;
  do {
    const std::size_t size = std::min(piece, content.size());
    encoder.content().insert(encoder.content().end(), content.begin(),
                             content.begin() + static_cast<std::ptrdiff_t>(size));
    content = content.subspan(size);
    const std::vector<std::byte> blocks = encoder.take_blocks(content.empty());
    file.bytes.insert(file.bytes.end(), blocks.begin(), blocks.end());
  } while (!content.empty());
  file.checksum = encoder.checksum();
  return file;
}

// Feeds the file `blocks` at a time, and takes all content each time.
struct Decoded {
  Status status;
  std::vector<std::byte> content;
  std::uint32_t checksum = 0;
  SnapshotHeader header;
  bool is_complete = false;
};
Decoded decode(ByteView file, std::size_t blocks = 1) {
  SnapshotDecoder decoder(file.size());
  Decoded decoded;
  while (!file.empty() && decoded.status.ok()) {
    const std::size_t size = std::min<std::size_t>(blocks * kSnapshotBlockBytes, file.size());
    decoded.status = decoder.feed(file.first(size));
    if (!decoded.status.ok()) return decoded;
    file = file.subspan(size);
    const ByteView content = decoder.content();
    decoded.content.insert(decoded.content.end(), content.begin(), content.end());
    decoder.take(content.size());
  }
  decoded.checksum = decoder.checksum();
  decoded.is_complete = decoder.is_complete();
  if (decoder.fed() > 0) decoded.header = decoder.header();
  return decoded;
}

TEST_CASE("the name of a snapshot says its last index, and no other name does") {
  CHECK(snapshot_name(Index(255)) == "snapshot-00000000000000ff.snap");
  CHECK(snapshot_of("snapshot-00000000000000ff.snap") == Index(255));
  for (const char* name :
       {"snapshot-00000000000000FF.snap", "snapshot-0000000000000ff.snap", "snapshot.tmp",
        "snapshot-00000000000000ff.snap.tmp", "snapshot-00000000000000fg.snap",
        "snapshot-+0000000000000ff.snap", "incoming.tmp", "segment-00000000000000ff.log", ""}) {
    CAPTURE(name);
    CHECK(snapshot_of(name) == std::nullopt);
  }
}

TEST_CASE("any snapshot is decoded as it was encoded, whatever the pieces") {
  CHECK(testing::holds("decoding gives back what was encoded", [] {
    const auto size = *rc::gen::inRange<std::size_t>(0, 3'000);
    SnapshotHeader header = header_of(size);
    header.cluster = ClusterId(*rc::gen::arbitrary<std::uint64_t>());
    header.last.term = Term(*rc::gen::arbitrary<std::uint64_t>());
    header.last.index = Index(1 + *rc::gen::inRange<std::uint64_t>(0, UINT64_MAX / 2));
    header.log_bytes = *rc::gen::arbitrary<std::uint64_t>();
    header.state_hash = *rc::gen::arbitrary<std::uint64_t>();
    header.session_bytes = *rc::gen::inRange<std::uint64_t>(0, size + 1);
    header.pair_bytes -= header.session_bytes;
    const std::vector<std::byte> content = content_of(size);

    const File file = encode(header, content, *rc::gen::inRange<std::size_t>(1, 1'200));
    const Decoded decoded = decode(file.bytes, *rc::gen::inRange<std::size_t>(1, 5));

    RC_ASSERT(file.bytes.size() == header.file_bytes());
    RC_ASSERT(file.bytes == encode(header, content).bytes);
    RC_ASSERT(decoded.status.ok());
    RC_ASSERT(decoded.is_complete);
    RC_ASSERT(decoded.content == content);
    RC_ASSERT(decoded.checksum == file.checksum);
    RC_ASSERT(decoded.header.cluster == header.cluster);
    RC_ASSERT(decoded.header.last == header.last);
    RC_ASSERT(decoded.header.log_bytes == header.log_bytes);
    RC_ASSERT(decoded.header.state_hash == header.state_hash);
    RC_ASSERT(decoded.header.session_bytes == header.session_bytes);
    RC_ASSERT(decoded.header.pair_bytes == header.pair_bytes);
  }));
}

TEST_CASE("a file's length follows from its header at every length of the last block") {
  for (std::uint64_t size = 0; size < 3 * kSnapshotBlockBytes; ++size) {
    CAPTURE(size);
    const File file = encode(header_of(size), content_of(size), 100);
    REQUIRE(file.bytes.size() == header_of(size).file_bytes());
    REQUIRE(decode(file.bytes).is_complete);
  }
}

// A file of four blocks, the last one short.
File sample() {
  return encode(header_of(1'700), content_of(1'700));
}

TEST_CASE("every flipped bit of a snapshot is an error that says where") {
  const File file = sample();
  for (std::size_t bit = 0; bit < 8 * file.bytes.size(); ++bit) {
    std::vector<std::byte> bytes = file.bytes;
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    CAPTURE(bit);
    ++faults;

    const Decoded decoded = decode(bytes);

    REQUIRE_FALSE(decoded.status.ok());
    CHECK(decoded.status.error().code == ErrorCode::kCorruption);
    // The lengths in the header are checked against the file's, whose end is then the place.
    const bool is_length = bit / 8 >= 56 && bit / 8 < 80;
    const std::size_t block = bit / 8 / kSnapshotBlockBytes * kSnapshotBlockBytes;
    const std::string place = "at offset " + std::to_string(block) + ":";
    const std::string end = "at offset " + std::to_string(bytes.size()) + ":";
    INFO(decoded.status.error().message);
    CHECK((decoded.status.error().message.starts_with(place) ||
           (is_length && decoded.status.error().message.starts_with(end))));
  }
}

// The first block's sum, as block_sum makes it.
TEST_CASE("another format version is told from a flipped bit by the first block's sum") {
  File file = sample();
  file.bytes[8] = std::byte{2};
  std::byte place[32];
  store_little(place, std::uint64_t{0xc105'7e12});
  store_little(place + 8, std::uint64_t{3});
  store_little(place + 16, std::uint64_t{99});
  store_little(place + 24, std::uint64_t{0});
  const ByteView payload = ByteView(file.bytes).first(kSnapshotBlockBytes - 4);
  CHECK(decode(file.bytes).status.error().code == ErrorCode::kCorruption);

  store_little(file.bytes.data() + kSnapshotBlockBytes - 4, crc32c(payload, crc32c(place)));

  const Decoded decoded = decode(file.bytes);
  CHECK(decoded.status.error().code == ErrorCode::kMismatch);
  CHECK(decoded.status.error().message.starts_with("at offset 0: format version 2"));
}

TEST_CASE("every cut of a snapshot, and every byte too many, is an error that says where") {
  const File file = sample();
  for (std::size_t size = 1; size < file.bytes.size(); ++size) {
    CAPTURE(size);
    ++faults;
    const Decoded decoded = decode(ByteView(file.bytes).first(size));
    REQUIRE_FALSE(decoded.status.ok());
    CHECK(decoded.status.error().code == ErrorCode::kCorruption);
    CHECK(decoded.status.error().message.starts_with("at offset "));
    // The same where the length is known from elsewhere: the last block is short.
    SnapshotDecoder known(file.bytes.size());
    Status fed;
    for (std::size_t at = 0; at < size && fed.ok(); at += kSnapshotBlockBytes) {
      fed = known.feed(ByteView(file.bytes)
                           .first(size)
                           .subspan(at, std::min<std::size_t>(kSnapshotBlockBytes, size - at)));
    }
    CHECK_FALSE((fed.ok() && known.is_complete()));
    CHECK(fed.ok() == (size % kSnapshotBlockBytes == 0));
  }
  std::vector<std::byte> longer = file.bytes;
  longer.push_back(std::byte{0});
  CHECK_FALSE(decode(longer).status.ok());
  SnapshotDecoder decoder(file.bytes.size());
  CHECK_FALSE(decoder.feed(longer).ok());
}

TEST_CASE("a block of another snapshot, place or cluster never passes") {
  const File file = sample();
  const SnapshotHeader header = header_of(1'700);
  SnapshotHeader cluster = header;
  cluster.cluster = ClusterId(header.cluster.value() + 1);
  SnapshotHeader term = header;
  term.last.term = Term(4);
  SnapshotHeader index = header;
  index.last.index = Index(100);
  for (const SnapshotHeader& other : {cluster, term, index}) {
    const File stranger = encode(other, content_of(1'700));  // of the same content
    for (std::size_t block = 1; block < 4; ++block) {
      const std::size_t at = block * kSnapshotBlockBytes;
      const std::size_t size = std::min<std::size_t>(kSnapshotBlockBytes, file.bytes.size() - at);
      std::vector<std::byte> mixed = file.bytes;
      std::copy_n(stranger.bytes.begin() + static_cast<std::ptrdiff_t>(at), size,
                  mixed.begin() + static_cast<std::ptrdiff_t>(at));
      ++faults;
      const Decoded decoded = decode(mixed);
      REQUIRE_FALSE(decoded.status.ok());
      CHECK(decoded.status.error().message.starts_with("at offset " + std::to_string(at) + ":"));
    }
  }
  // Two blocks that changed places.
  std::vector<std::byte> swapped = file.bytes;
  std::swap_ranges(swapped.begin() + 512, swapped.begin() + 1024, swapped.begin() + 1024);
  CHECK_FALSE(decode(swapped).status.ok());
}

// Both files are whole, and a part of each: only the checksum over all blocks tells them apart.
TEST_CASE("two snapshots of one position and other contents have other checksums") {
  const File one = encode(header_of(1'700), content_of(1'700, 1));
  const File other = encode(header_of(1'700), content_of(1'700, 2));
  std::vector<std::byte> mixed = one.bytes;
  std::copy(other.bytes.begin() + 1024, other.bytes.end(), mixed.begin() + 1024);
  const Decoded decoded = decode(mixed);
  REQUIRE(decoded.status.ok());
  CHECK(decoded.checksum != one.checksum);
  CHECK(decoded.checksum != other.checksum);
  CHECK(one.checksum != other.checksum);
}

TEST_CASE("verify_blocks takes what was written there, and no flipped bit of it") {
  const File file = sample();
  const SnapshotPlace place{.cluster = ClusterId(0xc105'7e12),
                            .last = {Term(3), Index(99)},
                            .file_bytes = file.bytes.size()};
  const ByteView all(file.bytes);
  CHECK(verify_blocks(place, 0, all).ok());
  for (std::size_t at = 0; at < all.size(); at += kSnapshotBlockBytes) {
    CHECK(verify_blocks(place, at, all.subspan(at)).ok());
    const std::size_t size = std::min<std::size_t>(kSnapshotBlockBytes, all.size() - at);
    CHECK(verify_blocks(place, at, all.subspan(at, size)).ok());
    const std::size_t elsewhere = at == 0 ? kSnapshotBlockBytes : 0;
    CHECK_FALSE(verify_blocks(place, elsewhere, all.subspan(at, size)).ok());
  }
  for (const SnapshotPlace& other :
       {SnapshotPlace{ClusterId(1), place.last, place.file_bytes},
        SnapshotPlace{place.cluster, {Term(4), Index(99)}, place.file_bytes},
        SnapshotPlace{place.cluster, {Term(3), Index(98)}, place.file_bytes}}) {
    CHECK_FALSE(verify_blocks(other, 512, all.subspan(512)).ok());
  }
  for (std::size_t bit = 8 * 512; bit < 8 * all.size(); ++bit) {
    std::vector<std::byte> bytes(all.begin() + 512, all.end());
    bytes[bit / 8 - 512] ^= std::byte{1} << (bit % 8);
    ++faults;
    const Status status = verify_blocks(place, 512, bytes);
    REQUIRE_FALSE(status.ok());
    const std::size_t block = bit / 8 / kSnapshotBlockBytes * kSnapshotBlockBytes;
    CHECK(status.error().message.starts_with("at offset " + std::to_string(block) + ":"));
  }
}

TEST_CASE("a header that contradicts itself is refused though its sum agrees") {
  SnapshotHeader nothing = header_of(10);
  nothing.last = {};
  CHECK_FALSE(decode(encode(nothing, content_of(10)).bytes).status.ok());
  // It promises more than the file has, or less.
  CHECK_FALSE(decode(encode(header_of(11), content_of(10)).bytes).status.ok());
  CHECK_FALSE(decode(encode(header_of(9), content_of(10)).bytes).status.ok());
  CHECK_FALSE(decode(encode(header_of(UINT64_MAX - 80), content_of(10)).bytes).status.ok());
}

TEST_CASE("the format is pinned: two nodes must make the same bytes, of whatever version") {
  const File file = sample();
  CHECK(as_text(ByteView(file.bytes).first(12)) == std::string_view("VSPKSNAP\x01\0\0\0", 12));
  CHECK(file.bytes.size() == 1'796);
  CHECK(load_little<std::uint64_t>(file.bytes.data() + 16) == 0xc105'7e12);
  CHECK(load_little<std::uint64_t>(file.bytes.data() + 24) == 3);
  CHECK(load_little<std::uint64_t>(file.bytes.data() + 32) == 99);
  CHECK(load_little<std::uint64_t>(file.bytes.data() + 64) == 1'700);
}

TEST_CASE("the number of faults") {
  REQUIRE(faults > 0);
  testing::count("snapshot faults", faults);
}

}  // namespace
}  // namespace vesper::storage
