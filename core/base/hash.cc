#include "core/base/hash.h"

#include <isa-l.h>
#include <xxhash.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <limits>

namespace vesper {
namespace {

// ISA-L 2.30 returns from its AVX-512 routine (256 bytes and more) with the upper halves of the
// vector registers in use. From then on each SSE instruction of ours, and g++ copies a struct with
// them, waits for the one before it, until something else clears the halves: a loaded simulation
// ran at two thirds of its speed.
#if defined(__x86_64__)
__attribute__((target("avx"))) void clear_with_avx() {
  _mm256_zeroupper();
}
void clear_upper_halves() {
  if (__builtin_cpu_supports("avx")) clear_with_avx();
}
#else
void clear_upper_halves() {}
#endif

}  // namespace

std::uint32_t crc32c(ByteView bytes, std::uint32_t seed) {
  VESPER_CHECK(bytes.size() <= std::numeric_limits<int>::max());
  // ISA-L takes a mutable pointer that it only reads, and leaves both inversions to the caller.
  auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
  const std::uint32_t sum = ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~seed);
  clear_upper_halves();
  return sum;
}

std::uint64_t hash64(ByteView bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace vesper
