// The small values that a scenario is made of: ranges that are drawn once a seed, probabilities,
// rates, delays, and who is meant by "leader" or "follower[0]". Plain values with equality; their
// text forms are in text.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/check.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "sim/config.h"

namespace vesper::sim {

// A number, or the bounds between which it is drawn once a seed.
template <class T>
struct Range {
  T low{};
  T high{};

  constexpr Range() = default;
  constexpr Range(T value) : low(value), high(value) {}  // NOLINT: a number is a range
  constexpr Range(T from, T to) : low(from), high(to) {}
  constexpr bool is_drawn() const { return low == high; }
  // The number. Requires: is_drawn().
  constexpr T value() const {
    VESPER_CHECK(is_drawn());
    return low;
  }
  constexpr bool operator==(const Range&) const = default;
};

// A probability in parts in a million.
struct Parts {
  std::uint64_t per_million = 0;
  constexpr auto operator<=>(const Parts&) const = default;
};

// Operations in a thousand seconds: "200/s" is 200'000, "0.5/s" is 500.
struct Rate {
  std::uint64_t per_kilosecond = 0;
  constexpr auto operator<=>(const Rate&) const = default;
};

// A clock's drift in parts in a million: positive runs fast.
struct Drift {
  std::int64_t ppm = 0;
  constexpr auto operator<=>(const Drift&) const = default;
};

struct DelaySpec {
  Distribution distribution = Distribution::kConstant;
  Range<Duration> min;
  Range<Duration> mean;  // kExponential
  Range<Duration> max;   // kUniform
  bool operator==(const DelaySpec&) const = default;
};

// Who is meant, by a rule that is looked up when a step runs or a condition is asked.
struct Selector {
  enum class Kind : std::uint8_t {
    kNode,       // "n3"
    kLeader,     // "leader": of the highest term among nodes that are up
    kFollower,   // "follower[2]": the third node that is up and not the leader, by id
    kAll,        // "all"
    kUp,         // "up": every node that is up
    kDown,       // "down": every node that is not
    kFollowers,  // "followers": every node that is up and not the leader
    kRest,       // "rest": whoever no other selector of the step names
    kName,       // a name that an earlier step gave with `as`
  };
  Kind kind = Kind::kAll;
  std::uint32_t number = 0;  // kNode, kFollower
  std::string name;          // kName
  bool operator==(const Selector&) const = default;

  bool is_one() const {
    return kind == Kind::kNode || kind == Kind::kLeader || kind == Kind::kFollower ||
           kind == Kind::kName;
  }
};

// A time span as `within` writes it: "3s", or "10 election timeouts" (of the longest one).
struct Span {
  Duration fixed;
  std::int64_t election_timeouts = 0;
  bool operator==(const Span&) const = default;
};

}  // namespace vesper::sim
