// The operating system's monotonic clock, as the core's Clock.
#pragma once

#include <chrono>

#include "core/node/environment.h"

namespace vesper::net {

class RealClock : public node::Clock {
 public:
  Instant now() const override {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return Instant::from_nanoseconds(
        std::chrono::duration_cast<std::chrono::nanoseconds>(since).count());
  }
};

// The same instant for a wait of the standard library.
inline std::chrono::steady_clock::time_point to_time_point(Instant instant) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(instant.nanoseconds()));
}

}  // namespace vesper::net
