// What a bench's client did and what it was told, as the lines that `vesper-sim check` reads;
// sim/check/history.h tells the form. Written here by itself: a program of the real world holds
// nothing of the simulator.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace vesper::ctl {

enum class Outcome : std::uint8_t { kOk, kFail, kUnknown };

struct Operation {
  std::uint64_t client = 0;
  bool is_put = false;
  std::string key;
  // A put's value; what a get returned: nothing for an absent key.
  std::optional<std::string> value;
  // Of one clock.
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  Outcome outcome = Outcome::kUnknown;
};

// A deque: a long history grows without copying what is there.
using History = std::deque<Operation>;

// One line with its end.
std::string history_line(const Operation& operation);

}  // namespace vesper::ctl
