// Looks over a scenario's text before the TOML library reads it, for what would exhaust the
// library's stack or time: a text that is too long, and keys of too many parts.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace vesper::sim {

struct TextProblem {
  std::size_t line = 1;
  std::size_t column = 1;
  std::string what;
};

// Nothing: the library may read it, which may still find errors.
std::optional<TextProblem> find_text_problem(std::string_view text);

}  // namespace vesper::sim
