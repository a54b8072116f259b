// JSON as the API needs it: a strict reader (RFC 8259, UTF-8) that walks over a text and gives back
// pieces of it byte for byte, and a writer of strings. A value is never turned into a number or a
// tree, so a number keeps all its digits, whatever their count or exponent, and a string its
// spelling. (A library that checks a number's range refuses 1e400.)
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace vesper::net {

// Nesting beyond this is refused: the reader's own stack is bounded by it.
inline constexpr int kJsonDepthMax = 128;

// Reads what a stranger sent. The first error stays, and every later call fails.
class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  enum class Kind : std::uint8_t {
    kObject,
    kArray,
    kString,
    kNumber,
    kTrue,
    kFalse,
    kNull,
    kError
  };
  // What the next value is, by its first byte.
  Kind peek();

  // Walks over one whole value. Ensures: `raw` is its text without blanks around it.
  bool value(std::string_view& raw);
  // A string, its escapes decoded. Errors also for half a surrogate pair: that is no Unicode.
  bool string(std::string& decoded);
  // The next member of an object, in a loop: first call after begin_object. False at its end or at
  // an error; then the value is to be read.
  bool begin_object();
  bool next_member(std::string& name);
  // The same of an array's values.
  bool begin_array();
  bool next_element();
  // Nothing but blanks may follow.
  bool end();

  bool ok() const { return why_.empty(); }
  std::size_t offset() const { return at_; }
  // Requires: !ok(). "... at byte N".
  std::string error() const;

 private:
  bool fail(const char* why) {
    if (why_.empty()) why_ = why;
    return false;
  }
  bool at_end() const { return at_ >= text_.size(); }
  char here() const { return at_end() ? '\0' : text_[at_]; }
  bool take(char c);
  void skip_blanks();
  bool skip(int depth);
  bool skip_object(int depth);
  bool skip_array(int depth);
  bool skip_number();
  bool skip_word(std::string_view word);
  bool skip_digits();
  bool read_string(std::string* decoded);
  bool read_escape(std::string* decoded);
  bool read_hex4(unsigned& unit);
  bool read_utf8(std::string* decoded);

  std::string_view text_;
  std::size_t at_ = 0;
  bool is_first_member_ = false;
  std::string why_;
};

// Appends a JSON string of this UTF-8 text.
void append_json_string(std::string_view text, std::string& out);

}  // namespace vesper::net
