#include "sim/coverage.h"

#include <fmt/format.h>

#include <vector>

namespace vesper::sim {

void Coverage::add(const Marks& run) {
  ++runs_;
  for (std::size_t i = 0; i < kMarks; ++i) {
    const std::uint64_t times = run.times()[i];
    if (times > 0) ++reached_[i];
    total_.times()[i] += times;
  }
}

std::string Coverage::report() const {
  std::string text =
      fmt::format("{:<36}{:>8}{:>9}{:>12}\n", "what happened", "seeds", "share", "times");
  std::vector<std::string> never;
  for (std::size_t i = 0; i < kMarks; ++i) {
    if (reached_[i] == 0) {
      never.emplace_back(kMarkNames[i]);
      continue;
    }
    // In tenths of a percent, rounded down: 100.0 % is said of all alone.
    const std::uint64_t share = reached_[i] * 1000 / runs_;
    text += fmt::format("{:<36}{:>8}{:>5}.{} %{:>12}\n", kMarkNames[i], reached_[i], share / 10,
                        share % 10, total_.times()[i]);
  }
  return text + fmt::format("never happened: {}\n",
                            never.empty() ? "nothing of the list"
                                          : fmt::format("{}", fmt::join(never, ", ")));
}

std::string Coverage::json() const {
  std::vector<std::string> reached;
  std::vector<std::string> never;
  for (std::size_t i = 0; i < kMarks; ++i) {
    if (reached_[i] == 0) {
      never.push_back(fmt::format("\"{}\"", kMarkNames[i]));
    } else {
      reached.push_back(fmt::format("\"{}\": {{\"runs\": {}, \"times\": {}}}", kMarkNames[i],
                                    reached_[i], total_.times()[i]));
    }
  }
  return fmt::format("{{\"runs\": {}, \"reached\": {{{}}}, \"never_reached\": [{}]}}", runs_,
                     fmt::join(reached, ", "), fmt::join(never, ", "));
}

}  // namespace vesper::sim
