#include "sim/scenario/text_guard.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/scenario/bounds.h"

namespace vesper::sim {

namespace {

bool is_bare_key(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// Just behind the string that begins here, or the end of the text. A string on one line ends with
// the line at the latest: the library says what is wrong with it.
std::size_t end_of_string(std::string_view text, std::size_t at) {
  const char quote = text[at];
  const std::string_view triple(quote == '"' ? "\"\"\"" : "'''");
  const bool is_long = text.substr(at).starts_with(triple);
  at += is_long ? triple.size() : 1;
  while (at < text.size()) {
    if (quote == '"' && text[at] == '\\') {
      at = std::min(at + 2, text.size());
    } else if (is_long && text.substr(at).starts_with(triple)) {
      return at + triple.size();
    } else if (!is_long && text[at] == quote) {
      return at + 1;
    } else if (!is_long && text[at] == '\n') {
      return at;
    } else {
      ++at;
    }
  }
  return at;
}

TextProblem problem_at(std::string_view text, std::size_t at, std::string what) {
  const std::string_view before = text.substr(0, at);
  const auto newlines = static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n'));
  const std::size_t line_start = before.find_last_of('\n') + 1;  // npos + 1 is 0
  return {.line = newlines + 1, .column = at - line_start + 1, .what = std::move(what)};
}

}  // namespace

std::optional<TextProblem> find_text_problem(std::string_view text) {
  if (text.size() > bounds::kTextBytes) {
    return TextProblem{.what = fmt::format("a text of {} bytes: expected at most {}", text.size(),
                                           bounds::kTextBytes)};
  }
  // Parts of a key are bare words and strings with dots between; a number has one dot at most.
  std::size_t dots = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"' || c == '\'') {
      at = end_of_string(text, at);
      continue;
    }
    if (c == '#') {
      at = std::min(text.find('\n', at), text.size());
      continue;
    }
    if (c == '.') {
      if (++dots >= bounds::kKeyParts) {
        return problem_at(text, at,
                          fmt::format("expected a key of at most {} parts", bounds::kKeyParts));
      }
    } else if (!is_bare_key(c) && c != ' ' && c != '\t') {
      dots = 0;
    }
    ++at;
  }
  return std::nullopt;
}

}  // namespace vesper::sim
