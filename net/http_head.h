// The head of an HTTP/1 request, read strictly: what two readers could take for two different
// requests is refused (request smuggling). A pure function of bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.h"

namespace vesper::net {

struct HttpHead {
  std::string_view method;
  std::string_view target;
  bool is_http10 = false;
  bool keep_alive = true;
  bool is_chunked = false;
  std::uint64_t content_length = 0;  // 0 if the head says nothing
  bool expects_continue = false;
  std::optional<std::string_view> idempotency_key;
  std::string_view upgrade;  // empty: none, or its connection does not say so
};

// The length of the head with its empty line; npos while it is not whole. `from` is where an
// earlier search of the same bytes ended.
std::size_t find_head_end(std::string_view bytes, std::size_t from);

// Requires: `head` ends with the empty line, as find_head_end found it.
// Errors: kInvalid with what is wrong (400).
Result<HttpHead> parse_http_head(std::string_view head);

// The size that a chunk's first line (without its line end) says. Errors: kInvalid, kLimit.
Result<std::uint64_t> parse_chunk_size(std::string_view line);

}  // namespace vesper::net
