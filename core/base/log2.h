// The binary logarithm in integers, for distributions that must draw the same on every machine.
// log2_by_squaring defines the result; minus_log2 gives the very same one ten times faster, from a
// table and a polynomial, and leaves to the definition the few arguments of which those are not
// sure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace vesper {

namespace log2_detail {

__extension__ using Wide = unsigned __int128;
__extension__ using SignedWide = __int128;

constexpr std::uint64_t high_product(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>(static_cast<Wide>(a) * b >> 64);
}

}  // namespace log2_detail

// log2(mantissa / 2^63) with so many bits behind the point, for mantissa in [2^63, 2^64), bit by
// bit by squaring. Each square is cut to 64 bits, which makes the result too small by at most 2^-62
// before it is cut itself.
constexpr std::uint64_t log2_by_squaring(std::uint64_t mantissa, int bits) {
  std::uint64_t fraction = 0;
  for (int bit = bits - 1; bit >= 0; --bit) {
    const auto square = static_cast<log2_detail::Wide>(mantissa) * mantissa;  // [2^126, 2^128)
    const bool carry = (square >> 127) != 0;
    if (carry) fraction |= std::uint64_t{1} << bit;
    mantissa = static_cast<std::uint64_t>(carry ? square >> 64 : square >> 63);
  }
  return fraction;
}

namespace log2_detail {

constexpr int kResultBits = 32;
// Of what is summed up here.
constexpr int kPointBits = 62;
constexpr std::int64_t kOne = std::int64_t{1} << kPointBits;
// 1 / ln 2.
constexpr std::int64_t kInverseLn2 = 6'653'256'548'922'161'246;

// For each of the 128 parts of [1, 2): about the inverse of the value in its middle, with 64 bits
// behind the point, and minus that inverse's logarithm.
struct Part {
  std::uint64_t inverse = 0;
  std::int64_t log2 = 0;
};
constexpr std::size_t kParts = 128;
constexpr std::array<Part, kParts> make_parts() {
  constexpr int kTableBits = 50;
  std::array<Part, kParts> parts{};
  for (std::size_t i = 0; i < kParts; ++i) {
    parts[i].inverse = static_cast<std::uint64_t>((Wide{1} << 72) / (2 * kParts + 2 * i + 1));
    const std::uint64_t fraction = log2_by_squaring(parts[i].inverse, kTableBits);
    parts[i].log2 = kOne - static_cast<std::int64_t>(fraction << (kPointBits - kTableBits));
  }
  return parts;
}
inline constexpr std::array<Part, kParts> kPartTable = make_parts();

// The sum below is off by less than this: 2^-50 by the table, as much by the polynomial's end, and
// a little by cutting products.
constexpr std::int64_t kUnsure = std::int64_t{1} << (kPointBits - 46);

// log2(mantissa / 2^63), off by less than kUnsure.
constexpr std::int64_t near_log2(std::uint64_t mantissa) {
  const Part& part = kPartTable[mantissa >> 56 & (kParts - 1)];
  // mantissa * inverse is 1 + z with |z| < 2^-7; z has 63 bits behind the point.
  const auto z =
      static_cast<std::int64_t>(high_product(mantissa, part.inverse) - (std::uint64_t{1} << 63));
  const auto times_z = [z](std::int64_t value) {
    return static_cast<std::int64_t>(static_cast<SignedWide>(value) * z >> 63);
  };
  // log2(1 + z) = (z - z^2 / 2 + z^3 / 3 - z^4 / 4 + z^5 / 5 - ...) / ln 2
  std::int64_t sum = kInverseLn2 / 5;
  sum = times_z(sum) - kInverseLn2 / 4;
  sum = times_z(sum) + kInverseLn2 / 3;
  sum = times_z(sum) - kInverseLn2 / 2;
  sum = times_z(sum) + kInverseLn2;
  return times_z(sum) + part.log2;
}

}  // namespace log2_detail

// -log2(u / 2^64) in 32.32 fixed point. Requires: u > 0.
constexpr std::uint64_t minus_log2(std::uint64_t u) {
  using namespace log2_detail;
  constexpr int kCutBits = kPointBits - kResultBits;
  const int zeros = __builtin_clzll(u);
  const std::uint64_t mantissa = u << zeros;
  const std::int64_t near = near_log2(mantissa);
  const std::int64_t cut = near & ((std::int64_t{1} << kCutBits) - 1);
  const bool is_sure = cut > kUnsure && cut < (std::int64_t{1} << kCutBits) - kUnsure;
  const std::uint64_t fraction = is_sure ? static_cast<std::uint64_t>(near) >> kCutBits
                                         : log2_by_squaring(mantissa, kResultBits);
  return ((static_cast<std::uint64_t>(zeros) + 1) << kResultBits) - fraction;
}

}  // namespace vesper
