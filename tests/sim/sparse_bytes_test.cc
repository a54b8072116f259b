// The bytes of a simulated file, against plain ones.
#include "sim/sparse_bytes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "core/base/random.h"

namespace vesper::sim {
namespace {

TEST_CASE("sparse bytes read as zeros where nothing was written, and as written elsewhere") {
  constexpr std::uint64_t kSize = 20'001;
  RandomStream draws(Random(1), {Purpose::kTest});
  SparseBytes sparse(kSize);
  std::vector<std::byte> plain(kSize);
  for (int round = 0; round < 200; ++round) {
    const std::uint64_t at = draws.below(kSize);
    const std::uint64_t size = draws.below(std::min<std::uint64_t>(kSize - at, 9'000) + 1);
    std::vector<std::byte> bytes(size);
    // Many end as a sector that was not written whole does: in one byte again and again.
    const std::uint64_t varied = draws.below(size + 1);
    for (std::uint64_t i = 0; i < size; ++i) {
      bytes[i] = static_cast<std::byte>(i < varied ? draws.below(256) : varied % 3);
    }
    if (round % 3 == 0) {
      sparse.write(at, bytes);
      std::copy(bytes.begin(), bytes.end(), plain.begin() + static_cast<std::ptrdiff_t>(at));
    }
    sparse.read(at, bytes);
    const auto begin = plain.begin() + static_cast<std::ptrdiff_t>(at);
    REQUIRE(std::equal(bytes.begin(), bytes.end(), begin));
  }
  std::vector<std::byte> all(kSize);
  sparse.read(0, all);
  CHECK(all == plain);
}

}  // namespace
}  // namespace vesper::sim
