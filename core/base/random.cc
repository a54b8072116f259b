#include "core/base/random.h"

#include "core/base/log2.h"

namespace vesper {

std::uint64_t RandomStream::between(std::uint64_t low, std::uint64_t high) {
  VESPER_CHECK(low <= high);
  if (high - low == UINT64_MAX) return next();
  return low + below(high - low + 1);
}

Duration RandomStream::between(Duration low, Duration high) {
  VESPER_CHECK(low <= high);
  const auto span = static_cast<std::uint64_t>((high - low).nanoseconds());
  return low + Duration::nanoseconds(static_cast<std::int64_t>(between(0, span)));
}

Duration RandomStream::exponential(Duration mean) {
  VESPER_CHECK(mean >= Duration());
  __extension__ using Wide = unsigned __int128;
  constexpr std::uint64_t kLn2 = 2'977'044'472ULL;  // ln 2 in 0.32 fixed point
  const std::uint64_t word = next();
  const std::uint64_t log2 = minus_log2(word == 0 ? 1 : word);
  const Wide natural = (static_cast<Wide>(log2) * kLn2) >> 32;  // -ln u in 32.32
  const Wide drawn = (static_cast<Wide>(mean.nanoseconds()) * natural) >> 32;
  const Wide most = static_cast<Wide>(mean.nanoseconds()) * 40;
  return Duration::nanoseconds(static_cast<std::int64_t>(drawn < most ? drawn : most));
}

}  // namespace vesper
