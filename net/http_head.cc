#include "net/http_head.h"

#include <algorithm>
#include <optional>

namespace vesper::net {

namespace {

// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto is_token_character = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           kMarks.find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool list_has(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equals_ignoring_case(trimmed(list.substr(0, comma)), word)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

Error invalid(std::string why) {
  return {ErrorCode::kInvalid, std::move(why)};
}

// Collects the headers that mean something to us: all but one decide where this request ends.
class Framing {
 public:
  Status header(std::string_view name, std::string_view value) {
    if (equals_ignoring_case(name, "content-length")) return content_length(value);
    if (equals_ignoring_case(name, "transfer-encoding")) return transfer_encoding(value);
    if (equals_ignoring_case(name, "host")) {
      if (has_host_) return invalid("two Host headers");
      has_host_ = true;
    } else if (equals_ignoring_case(name, "connection")) {
      close_ = close_ || list_has(value, "close");
      keep_ = keep_ || list_has(value, "keep-alive");
      upgrades_ = upgrades_ || list_has(value, "upgrade");
    } else if (equals_ignoring_case(name, "upgrade")) {
      upgrade_ = value;
    } else if (equals_ignoring_case(name, "expect")) {
      if (!equals_ignoring_case(value, "100-continue")) return invalid("an unknown expectation");
      expects_continue_ = true;
    } else if (equals_ignoring_case(name, "idempotency-key")) {
      if (idempotency_key_) return invalid("two Idempotency-Key headers");
      idempotency_key_ = value;
    }
    return {};
  }

  Status finish(HttpHead& head) const {
    if (is_chunked_ && length_) {
      return invalid("both Transfer-Encoding and Content-Length");
    }
    if (is_chunked_ && head.is_http10) return invalid("Transfer-Encoding in HTTP/1.0");
    head.is_chunked = is_chunked_;
    head.content_length = length_.value_or(0);
    head.keep_alive = !close_ && (!head.is_http10 || keep_);
    head.expects_continue = expects_continue_ && !head.is_http10;
    head.idempotency_key = idempotency_key_;
    if (upgrades_ && !head.is_http10) head.upgrade = upgrade_;
    return {};
  }

 private:
  Status content_length(std::string_view value) {
    if (length_) return invalid("two Content-Length headers");
    // Digits only: no sign, no list, no blank inside; 18 of them cannot overflow.
    const bool is_number = !value.empty() && value.size() <= 18 &&
                           value.find_first_not_of("0123456789") == std::string_view::npos;
    if (!is_number) return invalid("a bad Content-Length");
    std::uint64_t length = 0;
    for (const char c : value) length = length * 10 + static_cast<std::uint64_t>(c - '0');
    length_ = length;
    return {};
  }
  Status transfer_encoding(std::string_view value) {
    if (is_chunked_) return invalid("two Transfer-Encoding headers");
    if (!equals_ignoring_case(value, "chunked")) return invalid("an unknown Transfer-Encoding");
    is_chunked_ = true;
    return {};
  }

  std::optional<std::uint64_t> length_;
  std::optional<std::string_view> idempotency_key_;
  bool is_chunked_ = false;
  bool has_host_ = false;
  bool close_ = false;
  bool keep_ = false;
  bool upgrades_ = false;
  std::string_view upgrade_;
  bool expects_continue_ = false;
};

// Takes the authority off the absolute form, as proxies get it (RFC 9112 section 3.2.2): which host
// it names is nothing to us. A path must follow: "http://h?x=/y" has none, and a careless reader
// finds one.
bool remove_authority(std::string_view& target) {
  constexpr std::string_view kScheme = "http://";
  if (!equals_ignoring_case(target.substr(0, kScheme.size()), kScheme)) return true;
  const std::size_t end = target.find_first_of("/?#", kScheme.size());
  if (end == std::string_view::npos || end == kScheme.size() || target[end] != '/') return false;
  target.remove_prefix(end);
  return true;
}

Status parse_request_line(std::string_view line, HttpHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return invalid("a bad request line");
  head.method = line.substr(0, first);
  head.target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(head.method)) return invalid("a bad method");
  const bool is_clean = std::all_of(head.target.begin(), head.target.end(),
                                    [](char c) { return c > 0x20 && c < 0x7f; });
  if (head.target.empty() || !is_clean || !remove_authority(head.target)) {
    return invalid("a bad target");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return invalid("an unknown HTTP version");
  head.is_http10 = version == "HTTP/1.0";
  return {};
}

Status parse_header(std::string_view line, Framing& framing) {
  if (line.front() == ' ' || line.front() == '\t') return invalid("a folded header");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return invalid("a header without a colon");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) return invalid("a bad header name");
  const std::string_view value = trimmed(line.substr(colon + 1));
  const bool is_clean = std::all_of(value.begin(), value.end(), [](char c) {
    return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t';
  });
  if (!is_clean) return invalid("a control character in a header");
  return framing.header(name, value);
}

}  // namespace

std::size_t find_head_end(std::string_view bytes, std::size_t from) {
  // The end may have begun in what was searched before. A bare "\n\n" ends a head too: it is then
  // refused at once, not waited for.
  for (std::size_t at = from > 3 ? from - 3 : 0;;) {
    at = bytes.find('\n', at);
    if (at == std::string_view::npos || at + 1 >= bytes.size()) return std::string_view::npos;
    if (bytes[at + 1] == '\n') return at + 2;
    if (bytes[at + 1] == '\r' && at + 2 < bytes.size() && bytes[at + 2] == '\n') return at + 3;
    ++at;
  }
}

Result<HttpHead> parse_http_head(std::string_view head) {
  HttpHead result;
  Framing framing;
  bool is_first = true;
  while (true) {
    const std::size_t end = head.find('\n');
    if (end == std::string_view::npos) return invalid("the head does not end");
    if (end == 0 || head[end - 1] != '\r') return invalid("a line without a carriage return");
    const std::string_view line = head.substr(0, end - 1);
    head.remove_prefix(end + 1);
    if (line.find('\r') != std::string_view::npos) return invalid("a bare carriage return");
    if (is_first) {
      VESPER_TRY(parse_request_line(line, result));
      is_first = false;
    } else if (line.empty()) {
      break;
    } else {
      VESPER_TRY(parse_header(line, framing));
    }
  }
  VESPER_TRY(framing.finish(result));
  return result;
}

Result<std::uint64_t> parse_chunk_size(std::string_view line) {
  // Extensions are legal and mean nothing to us.
  const std::string_view digits = trimmed(line.substr(0, line.find(';')));
  if (digits.empty() || line.front() == ' ') return invalid("a bad chunk size");
  if (digits.size() > 8) return Error{ErrorCode::kLimit, "a chunk is too large"};
  std::uint64_t size = 0;
  for (const char raw : digits) {
    const char c = lower(raw);
    if (c >= '0' && c <= '9') {
      size = size * 16 + static_cast<std::uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      size = size * 16 + static_cast<std::uint64_t>(c - 'a' + 10);
    } else {
      return invalid("a bad chunk size");
    }
  }
  return size;
}

}  // namespace vesper::net
