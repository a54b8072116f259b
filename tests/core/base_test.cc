#include <doctest/doctest.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

#include <array>
#include <numeric>
#include <string>
#include <type_traits>

#include "core/base/bytes.h"
#include "core/base/hash.h"
#include "core/base/result.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "tests/core/properties.h"

namespace vesper {
namespace {

static_assert(!std::is_convertible_v<std::uint64_t, Term>, "a number is not a term by accident");
static_assert(!std::is_convertible_v<Term, std::uint64_t>, "and a term is not a number");
static_assert(!std::is_constructible_v<Term, Index>, "a term is never an index");
static_assert(!std::is_constructible_v<NodeId, Term>, "nor a node");
static_assert(!std::is_convertible_v<std::int64_t, Duration>, "a time has a unit");

std::vector<std::byte> bytes_of(std::initializer_list<int> values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

TEST_CASE("strong ids order, compare and step") {
  CHECK(Term(3) < Term(4));
  CHECK(Term(3).next() == Term(4));
  CHECK(Term(4).previous() == Term(3));
  CHECK(Index(7).plus(5) == Index(12));
  CHECK(Index() == Index(0));
  CHECK(NodeId(2) > NodeId(1));
}

TEST_CASE("log positions order by term before index: the vote rule's order") {
  CHECK(LogPosition{Term(2), Index(1)} > LogPosition{Term(1), Index(9)});
  CHECK(LogPosition{Term(2), Index(3)} > LogPosition{Term(2), Index(2)});
  CHECK(LogPosition{} < LogPosition{Term(1), Index(1)});
}

TEST_CASE("instants and durations add, subtract and compare in nanoseconds") {
  const Instant start = Instant::from_nanoseconds(5);

  CHECK(start + Duration::microseconds(2) == Instant::from_nanoseconds(2005));
  CHECK((start + Duration::milliseconds(3)) - start == Duration::microseconds(3000));
  CHECK(start - Duration::nanoseconds(5) == Instant());
  CHECK(Duration::seconds(1) / 4 == Duration::milliseconds(250));
  CHECK(Duration::milliseconds(250) * 4 == Duration::seconds(1));
  CHECK(Instant::never() > start + Duration::seconds(1'000'000'000));
}

TEST_CASE("a status and a result hold either the good or the error") {
  const Status good;
  const Status bad = Error{ErrorCode::kIo, "disk on fire"};
  const Result<int> value = 7;
  const Result<int> error = Error{ErrorCode::kLimit, "too many"};

  CHECK(good.ok());
  CHECK_FALSE(bad.ok());
  CHECK(bad.error().code == ErrorCode::kIo);
  CHECK(bad.error().message == "disk on fire");
  CHECK(value.value() == 7);
  CHECK_FALSE(error.ok());
  CHECK(error.error().code == ErrorCode::kLimit);
}

Status try_both(Status first, bool& reached) {
  VESPER_TRY(first);
  reached = true;
  return {};
}

TEST_CASE("VESPER_TRY returns the first error and passes a success") {
  bool reached = false;

  CHECK(try_both({}, reached).ok());
  CHECK(reached);

  reached = false;
  CHECK(try_both(Error{ErrorCode::kIo, "no"}, reached).error().message == "no");
  CHECK_FALSE(reached);
}

TEST_CASE("integers are written little-endian, field by field") {
  std::vector<std::byte> out;
  ByteWriter writer(out);

  writer.u8(0x01);
  writer.u16(0x0302);
  writer.u32(0x07060504);
  writer.u64(0x0f0e0d0c0b0a0908);
  writer.zeros(2);

  CHECK(out == bytes_of({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0}));
  writer.patch_u32(3, 0xfffefdfc);
  CHECK(out == bytes_of({1, 2, 3, 0xfc, 0xfd, 0xfe, 0xff, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0}));
}

TEST_CASE("a reader past the end gives zeros and stays not ok") {
  const auto three = bytes_of({9, 8, 7});
  ByteReader in(three);

  CHECK(in.u16() == 0x0809);
  CHECK(in.u32() == 0);
  CHECK_FALSE(in.ok());
  CHECK(in.u8() == 0);
  CHECK(in.bytes(1).empty());
  CHECK_FALSE(in.ok());
}

TEST_CASE("a reader refuses a length that would wrap around") {
  const auto three = bytes_of({9, 8, 7});
  ByteReader in(three);
  in.u8();

  CHECK(in.bytes(SIZE_MAX).empty());
  CHECK_FALSE(in.ok());
}

TEST_CASE("whatever is written is read back") {
  CHECK(testing::holds("written integers and bytes are read back", [] {
    const auto a = *rc::gen::arbitrary<std::uint8_t>();
    const auto b = *rc::gen::arbitrary<std::uint16_t>();
    const auto c = *rc::gen::arbitrary<std::uint32_t>();
    const auto d = *rc::gen::arbitrary<std::uint64_t>();
    const auto text = *rc::gen::arbitrary<std::string>();
    std::vector<std::byte> out;
    ByteWriter writer(out);
    writer.u8(a);
    writer.u16(b);
    writer.bytes(as_bytes(text));
    writer.u32(c);
    writer.u64(d);

    ByteReader in(out);
    RC_ASSERT(in.u8() == a);
    RC_ASSERT(in.u16() == b);
    RC_ASSERT(as_text(in.bytes(text.size())) == text);
    RC_ASSERT(in.u32() == c);
    RC_ASSERT(in.u64() == d);
    RC_ASSERT(in.ok());
    RC_ASSERT(in.remaining() == 0U);
  }));
}

TEST_CASE("a slice of shared bytes outlives the whole it was cut from") {
  SharedBytes slice;
  {
    const SharedBytes whole = SharedBytes::copy_of(as_bytes("hello world"));
    slice = whole.slice(6, 5);
    CHECK(slice.view().data() == whole.view().data() + 6);
  }

  CHECK(slice.text() == "world");
  CHECK(slice.slice(5, 0).empty());
  CHECK(SharedBytes().empty());
  CHECK(SharedBytes::copy_of({}).empty());
}

TEST_CASE("crc32c gives the published sums") {
  struct {
    std::vector<std::byte> bytes;
    std::uint32_t sum;
    const char* why;
  } const rows[] = {
      {{}, 0, "nothing sums to nothing"},
      {std::vector<std::byte>(32, std::byte{0}), 0x8a9136aa, "RFC 3720 B.4: 32 bytes of zeroes"},
      {std::vector<std::byte>(32, std::byte{0xff}), 0x62a8ab43, "RFC 3720 B.4: 32 bytes of ones"},
      {bytes_of({0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31}),
       0x46dd794e, "RFC 3720 B.4: 32 bytes of incrementing 00..1f"},
      {bytes_of({31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
                 15, 14, 13, 12, 11, 10, 9,  8,  7,  6,  5,  4,  3,  2,  1,  0}),
       0x113fdb5c, "RFC 3720 B.4: 32 bytes of decrementing 1f..00"},
      {bytes_of({1,    0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0, 0,
                 0x14, 0,    0, 0, 0, 0, 4, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18,
                 0x28, 0,    0, 0, 0, 0, 0, 0, 2, 0, 0, 0,    0, 0, 0, 0}),
       0xd9963a56, "RFC 3720 B.4: an iSCSI read command"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    CHECK(crc32c(row.bytes) == row.sum);
  }
  CHECK(crc32c(as_bytes("123456789")) == 0xe3069283);  // the check value of the CRC catalogues
}

TEST_CASE("crc32c continues a sum over parts") {
  CHECK(testing::holds("crc32c(b, crc32c(a)) is that of ab", [] {
    const auto a = *rc::gen::arbitrary<std::string>();
    const auto b = *rc::gen::arbitrary<std::string>();
    RC_ASSERT(crc32c(as_bytes(b), crc32c(as_bytes(a))) == crc32c(as_bytes(a + b)));
  }));
}

TEST_CASE("crc32c notices every flip of one bit") {
  std::vector<std::byte> bytes(64);
  std::iota(reinterpret_cast<std::uint8_t*>(bytes.data()),
            reinterpret_cast<std::uint8_t*>(bytes.data() + bytes.size()), std::uint8_t{1});
  const std::uint32_t sum = crc32c(bytes);

  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    CHECK(crc32c(bytes) != sum);
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  CHECK(crc32c(bytes) == sum);
}

#if defined(__x86_64__)
// Whether the upper halves of ymm or zmm registers are in use (XINUSE, Intel's manual, volume 1,
// 13.6).
__attribute__((target("xsave"))) bool upper_halves_in_use() {
  constexpr std::uint64_t kYmm = 1U << 2, kZmm = 1U << 6;
  return (static_cast<std::uint64_t>(_xgetbv(1)) & (kYmm | kZmm)) != 0;
}

// Whether this processor can be asked: it may not say at all, or say "in use" for good.
__attribute__((target("avx"))) bool tells_upper_halves() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kSystemUsesXsave = 1U << 27, kTellsInUse = 1U << 2;
  if (!__builtin_cpu_supports("avx")) return false;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kSystemUsesXsave) == 0) return false;
  if (__get_cpuid_count(13, 1, &a, &b, &c, &d) == 0 || (a & kTellsInUse) == 0) return false;
  _mm256_zeroupper();
  return !upper_halves_in_use();
}

TEST_CASE("crc32c leaves the upper halves of vector registers clear") {
  if (!tells_upper_halves()) {
    MESSAGE("not looked at: this processor does not say which parts of its registers are in use");
    return;
  }
  const std::vector<std::byte> bytes(4096);
  for (const std::size_t size : std::array<std::size_t, 7>{0, 16, 100, 255, 256, 257, 4096}) {
    const std::uint32_t sum = crc32c(ByteView(bytes).first(size));
    const bool in_use = upper_halves_in_use();
    CHECK_FALSE(in_use);
    CHECK(crc32c(ByteView(bytes).first(size)) == sum);
  }
}
#endif

TEST_CASE("hash64 is XXH3 with its published values, and the seed matters") {
  CHECK(hash64({}) == 0x2d06800538d394c2);
  CHECK(hash64(as_bytes("a")) == 0xe6c632b61e964e1f);
  CHECK(hash64(as_bytes("abc")) == 0x78af5f94892f3950);
  CHECK(hash64(as_bytes("abc"), 1) != hash64(as_bytes("abc")));
}

TEST_CASE("mix64 depends on every word and on their order") {
  static_assert(mix64(0, 1) != mix64(0, 2));
  CHECK(mix64(mix64(0, 1), 2) != mix64(mix64(0, 2), 1));
  for (int bit = 0; bit < 64; ++bit) {
    const std::uint64_t changed = mix64(42, 7) ^ mix64(42, 7 ^ (1ULL << bit));
    CAPTURE(bit);
    CHECK(__builtin_popcountll(changed) > 12);
  }
}

}  // namespace
}  // namespace vesper
