// How the world draws: one stream for each (purpose, place), so that no draw reshuffles another.
#pragma once

#include "core/base/random.h"
#include "sim/config.h"

namespace vesper::sim {

inline Duration draw_delay(const Delay& delay, RandomStream& stream) {
  switch (delay.distribution) {
    case Distribution::kConstant:
      return delay.min;
    case Distribution::kUniform:
      return stream.between(delay.min, delay.max);
    case Distribution::kExponential:
      return delay.min + stream.exponential(delay.mean - delay.min);
  }
  VESPER_UNREACHABLE();
}

}  // namespace vesper::sim
