// Reads a scenario's text (TOML, see README.md for the language by example). Strict: an unknown
// key, a value of the wrong kind and a reference to nobody are errors, and every error names file,
// line and column and what was expected. Reads no file: the caller has the text.
#pragma once

#include <string_view>

#include "core/base/result.h"
#include "sim/scenario/scenario.h"

namespace vesper::sim {

// `file` is what errors call the text. Errors: kInvalid, "file:line:column: expected ...".
Result<Scenario> parse_scenario(std::string_view text, std::string_view file);

}  // namespace vesper::sim
