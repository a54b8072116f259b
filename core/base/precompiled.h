// What nearly every file includes of other libraries, compiled once for each library of ours in the
// builds that ask for it (b_pch). No file may count on it: each includes what it needs, which the
// usual build sees to, for it does without this.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
