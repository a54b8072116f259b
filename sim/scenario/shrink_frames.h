// Which frames between nodes a scenario loses by their numbers, and scenarios that lose more of
// them: so a failing run is brought down to the frames that it needs. For shrink.h.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

struct Direction {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
};
std::vector<Direction> directions_of(const Scenario& scenario);

// What still arrives of one direction: of frames 1 to end - 1 those in `numbers`, ascending, and
// none from `end` on. No end: nothing is lost for good, and `numbers` is not filled.
struct Arriving {
  std::vector<std::uint64_t> numbers;
  std::uint64_t end = FrameSpan::kNoLast;
  bool has_end() const { return end != FrameSpan::kNoLast; }
};
Arriving arriving(const Scenario& scenario, const Direction& direction);
// The scenario with this alone arriving. Requires: has_end().
Scenario with_arriving(Scenario scenario, const Direction& direction, const Arriving& arriving);

// The scenario with all frames of this direction arriving that nothing else loses.
Scenario without_losses(Scenario scenario, const Direction& direction);

// Of frames that all arrive, those before 1, 2, 3, 5, 9 and so on, the fewest first.
std::vector<Arriving> shortest_first();
// Without one stretch of `size` of its numbers, for each such stretch.
std::vector<Arriving> without_stretches(const Arriving& arriving, std::size_t size);
// The first that arrive, before `end`.
Arriving first_frames(std::uint64_t end);

}  // namespace vesper::sim
