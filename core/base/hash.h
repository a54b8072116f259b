// The two sums of the project. crc32c guards bytes on disk and on the wire against accidents;
// hash64 names states and runs in the simulator and the checkers. Neither resists an attacker.
#pragma once

#include <cstdint>

#include "core/base/bytes.h"

namespace vesper {

// CRC-32C (Castagnoli). `seed` continues the sum of the bytes before: crc32c(b, crc32c(a)) is that
// of ab.
std::uint32_t crc32c(ByteView bytes, std::uint32_t seed = 0);

// XXH3 with a seed: the same on every machine and compiler.
std::uint64_t hash64(ByteView bytes, std::uint64_t seed = 0);

// Stirs one word into a rolling hash (the finaliser of SplitMix64: every input bit moves every
// output bit).
constexpr std::uint64_t mix64(std::uint64_t hash, std::uint64_t word) {
  std::uint64_t z = hash + 0x9e3779b97f4a7c15ULL + (word ^ (hash << 6) ^ (hash >> 2));
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace vesper
