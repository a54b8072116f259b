#include "net/json.h"

#include <array>

namespace vesper::net {

namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

void append_utf8(unsigned code, std::string& out) {
  const auto put = [&out](unsigned byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xc0 | (code >> 6));
  } else {
    if (code < 0x10000) {
      put(0xe0 | (code >> 12));
    } else {
      put(0xf0 | (code >> 18));
      put(0x80 | ((code >> 12) & 0x3f));
    }
    put(0x80 | ((code >> 6) & 0x3f));
  }
  put(0x80 | (code & 0x3f));
}

// The well-formed sequences of the Unicode standard, table 3-7: by first byte, the length and the
// range of the second byte. Later bytes are 80..bf.
struct Utf8Row {
  unsigned char first_min, first_max, second_min, second_max;
  std::size_t length;
};
constexpr std::array<Utf8Row, 8> kUtf8Rows{{
    {0xc2, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3},
    {0xe1, 0xec, 0x80, 0xbf, 3},
    {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3},
    {0xf0, 0xf0, 0x90, 0xbf, 4},
    {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
}};

// The length of the sequence that begins here; 0 if it is not well-formed.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (const Utf8Row& row : kUtf8Rows) {
    if (byte(0) < row.first_min || byte(0) > row.first_max) continue;
    if (text.size() < row.length) return 0;
    if (byte(1) < row.second_min || byte(1) > row.second_max) return 0;
    for (std::size_t i = 2; i < row.length; ++i) {
      if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
    }
    return row.length;
  }
  return 0;
}

}  // namespace

std::string JsonReader::error() const {
  return why_ + " at byte " + std::to_string(at_);
}

void JsonReader::skip_blanks() {
  while (!at_end() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
    ++at_;
  }
}

bool JsonReader::take(char c) {
  if (at_end() || text_[at_] != c) return false;
  ++at_;
  return true;
}

JsonReader::Kind JsonReader::peek() {
  skip_blanks();
  if (!ok()) return Kind::kError;
  const char c = here();
  if (c == '{') return Kind::kObject;
  if (c == '[') return Kind::kArray;
  if (c == '"') return Kind::kString;
  if (c == '-' || is_digit(c)) return Kind::kNumber;
  if (c == 't') return Kind::kTrue;
  if (c == 'f') return Kind::kFalse;
  if (c == 'n') return Kind::kNull;
  fail(at_end() ? "the text ends where a value is wanted" : "no JSON value begins here,");
  return Kind::kError;
}

bool JsonReader::value(std::string_view& raw) {
  skip_blanks();
  const std::size_t begin = at_;
  if (!skip(0)) return false;
  raw = text_.substr(begin, at_ - begin);
  return true;
}

bool JsonReader::skip(int depth) {
  if (depth > kJsonDepthMax) return fail("nested too deep");
  switch (peek()) {
    case Kind::kObject:
      return skip_object(depth);
    case Kind::kArray:
      return skip_array(depth);
    case Kind::kString:
      return read_string(nullptr);
    case Kind::kNumber:
      return skip_number();
    case Kind::kTrue:
      return skip_word("true");
    case Kind::kFalse:
      return skip_word("false");
    case Kind::kNull:
      return skip_word("null");
    case Kind::kError:
      return false;
  }
  VESPER_UNREACHABLE();
}

bool JsonReader::skip_object(int depth) {
  ++at_;
  skip_blanks();
  if (take('}')) return true;
  do {
    skip_blanks();
    if (here() != '"') return fail("a member's name is missing");
    if (!read_string(nullptr)) return false;
    skip_blanks();
    if (!take(':')) return fail("a colon is missing");
    if (!skip(depth + 1)) return false;
    skip_blanks();
  } while (take(','));
  return take('}') || fail("an object does not end");
}

bool JsonReader::skip_array(int depth) {
  ++at_;
  skip_blanks();
  if (take(']')) return true;
  do {
    if (!skip(depth + 1)) return false;
    skip_blanks();
  } while (take(','));
  return take(']') || fail("an array does not end");
}

bool JsonReader::skip_word(std::string_view word) {
  if (text_.substr(at_, word.size()) != word) return fail("no JSON value begins here,");
  at_ += word.size();
  return true;
}

bool JsonReader::skip_digits() {
  if (!is_digit(here())) return fail("a digit is missing");
  while (is_digit(here())) ++at_;
  return true;
}

bool JsonReader::skip_number() {
  take('-');
  if (!take('0') && !skip_digits()) return false;
  if (is_digit(here())) return fail("a number begins with 0");
  if (take('.') && !skip_digits()) return false;
  if (here() == 'e' || here() == 'E') {
    ++at_;
    if (!take('+')) take('-');
    return skip_digits();
  }
  return true;
}

bool JsonReader::string(std::string& decoded) {
  decoded.clear();
  if (peek() != Kind::kString) return fail("a string is wanted");
  return read_string(&decoded);
}

bool JsonReader::read_string(std::string* decoded) {
  ++at_;
  while (true) {
    if (at_end()) return fail("a string does not end");
    const auto c = static_cast<unsigned char>(text_[at_]);
    if (c == '"') {
      ++at_;
      return true;
    }
    if (c < 0x20) return fail("a bare control character in a string");
    if (c == '\\') {
      if (!read_escape(decoded)) return false;
    } else if (c < 0x80) {
      if (decoded != nullptr) decoded->push_back(static_cast<char>(c));
      ++at_;
    } else if (!read_utf8(decoded)) {
      return false;
    }
  }
}

bool JsonReader::read_utf8(std::string* decoded) {
  const std::size_t length = utf8_length(text_.substr(at_));
  if (length == 0) return fail("not UTF-8");
  if (decoded != nullptr) decoded->append(text_.substr(at_, length));
  at_ += length;
  return true;
}

bool JsonReader::read_hex4(unsigned& unit) {
  unit = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = here();
    unsigned digit = 0;
    if (is_digit(c)) {
      digit = static_cast<unsigned>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<unsigned>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<unsigned>(c - 'A' + 10);
    } else {
      return fail("\\u wants four hexadecimal digits");
    }
    unit = unit * 16 + digit;
  }
  return true;
}

bool JsonReader::read_escape(std::string* decoded) {
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  const std::size_t begin = at_++;
  if (const std::size_t which = kLetters.find(here());
      !at_end() && which != std::string_view::npos) {
    if (decoded != nullptr) decoded->push_back(kMeanings[which]);
    ++at_;
    return true;
  }
  if (!take('u')) return fail("an unknown escape");
  unsigned code = 0;
  if (!read_hex4(code)) return false;
  if (code >= 0xd800 && code <= 0xdfff) {
    unsigned low = 0;
    const bool is_pair = code < 0xdc00 && take('\\') && take('u');
    if (is_pair && !read_hex4(low)) return false;
    if (!is_pair || low < 0xdc00 || low > 0xdfff) {
      at_ = begin;
      return fail("half a surrogate pair");
    }
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (decoded != nullptr) append_utf8(code, *decoded);
  return true;
}

bool JsonReader::begin_object() {
  if (peek() != Kind::kObject) return fail("an object is wanted");
  ++at_;
  is_first_member_ = true;
  return true;
}

bool JsonReader::next_member(std::string& name) {
  if (!ok()) return false;
  skip_blanks();
  if (take('}')) {
    is_first_member_ = false;  // of the object around: that member's value has been read
    return false;
  }
  if (!is_first_member_ && !take(',')) return fail("an object does not end");
  is_first_member_ = false;
  skip_blanks();
  if (here() != '"') return fail("a member's name is missing");
  name.clear();
  if (!read_string(&name)) return false;
  skip_blanks();
  return take(':') || fail("a colon is missing");
}

bool JsonReader::begin_array() {
  if (peek() != Kind::kArray) return fail("an array is wanted");
  ++at_;
  is_first_member_ = true;
  return true;
}

bool JsonReader::next_element() {
  if (!ok()) return false;
  skip_blanks();
  if (take(']')) {
    is_first_member_ = false;
    return false;
  }
  if (!is_first_member_ && !take(',')) return fail("an array does not end");
  is_first_member_ = false;
  return true;
}

bool JsonReader::end() {
  if (!ok()) return false;
  skip_blanks();
  return at_end() || fail("more follows after the value,");
}

void append_json_string(std::string_view text, std::string& out) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out.push_back('"');
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (byte < 0x20) {
      out.append("\\u00");
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    } else {
      out.push_back(c);
    }
  }
  out.push_back('"');
}

}  // namespace vesper::net
