#include "core/base/hash.h"

#include <isa-l.h>
#include <xxhash.h>

#include <limits>

namespace vesper {

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  VESPER_CHECK(bytes.size() <= std::numeric_limits<int>::max());
  // ISA-L takes a mutable pointer that it only reads, and leaves both inversions to the caller.
  auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
  return ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~seed);
}

std::uint64_t hash64(ByteView bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace vesper
