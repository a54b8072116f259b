// The queue of events against the order that it promises.
#include "sim/event_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "core/base/random.h"

namespace vesper::sim {
namespace {

// The order of the queue, without the queue.
struct Waiting {
  Instant at;
  std::uint64_t made = 0;
  std::uint32_t what = 0;
  bool operator<(const Waiting& other) const {
    return at != other.at ? at < other.at : made < other.made;
  }
};

TEST_CASE("events come by time, those of one time in the order in which they were made") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    RandomStream draws(Random(seed), {Purpose::kTest, seed});
    EventQueue queue;
    std::vector<Waiting> expected;  // a heap would be a second opinion from the same book
    Instant now;
    std::uint64_t made = 0;

    for (std::uint32_t what = 0; what < 3'000; ++what) {
      if (expected.empty() || draws.chance_ppm(520'000)) {
        // Few different times, so that many are equal; time limits in and out of their order.
        const bool is_limit = draws.chance_ppm(400'000);
        const std::int64_t after = static_cast<std::int64_t>(draws.below(is_limit ? 900 : 40));
        const bool is_usual = is_limit && draws.chance_ppm(800'000);
        const Instant at = now + Duration::nanoseconds(is_usual ? 500 : after);
        queue.push(
            {.at = at, .what = what, .kind = is_limit ? EventKind::kGiveUp : EventKind::kDeliver});
        expected.push_back({at, made++, what});
        continue;
      }
      const auto first = std::min_element(expected.begin(), expected.end());
      REQUIRE(queue.next_at() == first->at);
      const Event event = queue.pop();
      REQUIRE(event.what == first->what);
      REQUIRE(event.at == first->at);
      now = event.at;
      expected.erase(first);
    }

    std::sort(expected.begin(), expected.end());
    for (const Waiting& waiting : expected) REQUIRE(queue.pop().what == waiting.what);
    CHECK(queue.empty());
    CHECK(queue.next_at() == Instant::never());
  }
}

}  // namespace
}  // namespace vesper::sim
