// Instants and durations in integer nanoseconds. Time comes into the core from outside, through
// Clock (core/node/environment.h); nothing here can read one.
#pragma once

#include <compare>
#include <cstdint>

namespace vesper {

class Duration {
 public:
  constexpr Duration() = default;
  static constexpr Duration nanoseconds(std::int64_t count) { return Duration(count); }
  static constexpr Duration microseconds(std::int64_t count) { return Duration(count * 1'000); }
  static constexpr Duration milliseconds(std::int64_t count) { return Duration(count * 1'000'000); }
  static constexpr Duration seconds(std::int64_t count) { return Duration(count * 1'000'000'000); }

  constexpr std::int64_t nanoseconds() const { return nanoseconds_; }
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration other) const {
    return Duration(nanoseconds_ + other.nanoseconds_);
  }
  constexpr Duration operator-(Duration other) const {
    return Duration(nanoseconds_ - other.nanoseconds_);
  }
  constexpr Duration operator*(std::int64_t factor) const {
    return Duration(nanoseconds_ * factor);
  }
  constexpr Duration operator/(std::int64_t divisor) const {
    return Duration(nanoseconds_ / divisor);
  }

 private:
  constexpr explicit Duration(std::int64_t nanoseconds) : nanoseconds_(nanoseconds) {}
  std::int64_t nanoseconds_ = 0;
};

// A reading of one node's monotonic clock. Readings of different nodes' clocks do not compare.
class Instant {
 public:
  constexpr Instant() = default;
  static constexpr Instant from_nanoseconds(std::int64_t count) { return Instant(count); }
  // Later than any clock can show: "no deadline".
  static constexpr Instant never() { return Instant(INT64_MAX); }

  constexpr std::int64_t nanoseconds() const { return nanoseconds_; }
  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration span) const {
    return Instant(nanoseconds_ + span.nanoseconds());
  }
  constexpr Instant operator-(Duration span) const {
    return Instant(nanoseconds_ - span.nanoseconds());
  }
  constexpr Duration operator-(Instant other) const {
    return Duration::nanoseconds(nanoseconds_ - other.nanoseconds_);
  }

 private:
  constexpr explicit Instant(std::int64_t nanoseconds) : nanoseconds_(nanoseconds) {}
  std::int64_t nanoseconds_ = 0;
};

}  // namespace vesper
