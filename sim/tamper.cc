#include "sim/tamper.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace vesper::sim {

namespace {

enum class How : std::uint8_t { kFlipOne, kFlipSome, kCutShort, kAppend, kOverwrite };
constexpr std::uint64_t kHows = 5;
constexpr std::uint64_t kBitsMax = 16;
constexpr std::uint64_t kBytesMax = 64;

void flip(std::vector<std::byte>& bytes, RandomStream& draws) {
  const std::uint64_t at = draws.below(bytes.size());
  bytes[at] ^= static_cast<std::byte>(1U << draws.below(8));
}

// Never by nothing, so that a frame that ends in zeros is another one too.
void append(std::vector<std::byte>& bytes, RandomStream& draws) {
  const std::uint64_t count = draws.between(1, kBytesMax);
  for (std::uint64_t i = 0; i < count; ++i)
    bytes.push_back(static_cast<std::byte>(draws.below(256)));
}

// As a buffer that was used again too early.
void overwrite(std::vector<std::byte>& bytes, RandomStream& draws) {
  const std::uint64_t begin = draws.below(bytes.size());
  const std::uint64_t end =
      std::min<std::uint64_t>(bytes.size(), begin + draws.between(1, kBytesMax));
  for (std::uint64_t i = begin; i < end; ++i) bytes[i] = static_cast<std::byte>(draws.below(256));
}

}  // namespace

SharedBytes tampered(ByteView frame, RandomStream& draws) {
  VESPER_CHECK(!frame.empty());
  std::vector<std::byte> bytes(frame.begin(), frame.end());
  switch (static_cast<How>(draws.below(kHows))) {
    case How::kFlipOne:
      flip(bytes, draws);
      break;
    case How::kFlipSome: {
      const std::uint64_t bits = draws.between(2, kBitsMax);
      for (std::uint64_t i = 0; i < bits; ++i) flip(bytes, draws);
      break;
    }
    case How::kCutShort:
      bytes.resize(draws.below(bytes.size()));
      break;
    case How::kAppend:
      append(bytes, draws);
      break;
    case How::kOverwrite:
      overwrite(bytes, draws);
      break;
  }
  // Two flips of one bit, or what stood there before.
  if (std::equal(bytes.begin(), bytes.end(), frame.begin(), frame.end())) flip(bytes, draws);
  return SharedBytes::copy_of(bytes);
}

}  // namespace vesper::sim
