// Randomness without a stream. Every draw is a pure function of (seed, purpose, two ids, count), so
// that adding a client, a fault or a line of code reshuffles nothing else, and a stored failing
// seed keeps its meaning. Integers only, and our own distributions: the standard library's differ
// between libraries.
#pragma once

#include <cstdint>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/time.h"

namespace vesper {

// What a draw is for. New purposes go to the end: the number is part of the key.
enum class Purpose : std::uint32_t {
  kElectionTimeout = 1,
  kIdentity = 2,
  kLinkDelay = 3,
  kLinkDrop = 4,
  kLinkDuplicate = 5,
  kDiskLatency = 6,
  kDiskCrash = 7,
  kClient = 8,
  kClockSkew = 9,
  kScenario = 10,
  kHunt = 11,
  kTest = 12,
  kTurnDelay = 13,
  kClientDelay = 14,
  kMessageDelay = 15,
  kRetry = 16,
  kReadBatch = 17,
  kLinkBurst = 18,
  kLinkCorrupt = 19,
  kLinkReplay = 20,
  kClientLoss = 21,
};

// Who a draw is for: a node, a link's two ends, a client. Unused parts stay 0.
struct DrawKey {
  Purpose purpose;
  std::uint64_t a = 0;
  std::uint64_t b = 0;
};

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : seed_(seed) {}

  // The count-th draw of this key.
  constexpr std::uint64_t draw(DrawKey key, std::uint64_t count) const {
    return mix64(start_of(key), count);
  }
  // What all draws of this key begin with.
  constexpr std::uint64_t start_of(DrawKey key) const {
    const std::uint64_t hash = mix64(seed_, static_cast<std::uint64_t>(key.purpose));
    return mix64(mix64(hash, key.a), key.b);
  }
  constexpr std::uint64_t seed() const { return seed_; }

 private:
  std::uint64_t seed_;
};

// One key's draws in turn: remembers only where they begin and how many were taken.
class RandomStream {
 public:
  constexpr RandomStream(Random random, DrawKey key) : start_(random.start_of(key)) {}

  constexpr std::uint64_t next() { return mix64(start_, count_++); }
  // Uniform in [0, bound). Requires: bound > 0. The bias is below 2^-64 * bound.
  std::uint64_t below(std::uint64_t bound) {
    VESPER_CHECK(bound > 0);
    // The high word of the product: maps a uniform word to [0, bound) without a division.
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  // Uniform in [low, high]. Requires: low <= high.
  std::uint64_t between(std::uint64_t low, std::uint64_t high);
  Duration between(Duration low, Duration high);
  // True with probability parts in a million.
  bool chance_ppm(std::uint64_t parts) { return below(1'000'000) < parts; }
  // Exponential with this mean, by a fixed-point logarithm; at most 40 times the mean.
  Duration exponential(Duration mean);

 private:
  std::uint64_t start_;
  std::uint64_t count_ = 0;
};

}  // namespace vesper
