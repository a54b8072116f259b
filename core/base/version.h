// The version of the programs, as they tell it: `vesperd --version`, /status, and the first record
// of a recording.
#pragma once

namespace vesper {

inline constexpr const char* kVesperVersion = "0.1.0";

}  // namespace vesper
