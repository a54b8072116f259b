#include "net/http_reader.h"

#include <algorithm>
#include <utility>

namespace vesper::net {

namespace {

// A chunk's size line with its extensions, and a trailer's line.
constexpr std::size_t kLineBytes = 4 * 1024;
constexpr int kTrailerLines = 64;
// What was consumed is cut off beyond this; a buffer that is empty and larger is given back.
constexpr std::size_t kCutBytes = 16 * 1024;
constexpr std::size_t kKeptBytes = 8 * 1024;

std::string too_long(std::size_t bytes_max) {
  return "the body is longer than " + std::to_string(bytes_max) + " bytes";
}

}  // namespace

void HttpReader::consume(std::size_t count) {
  at_ += count;
  if (at_ == buffer_.size()) {
    drop_all();
  } else if (at_ >= kCutBytes) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
}

void HttpReader::drop_all() {
  at_ = 0;
  if (buffer_.capacity() > kKeptBytes) {
    buffer_ = {};
  } else {
    buffer_.clear();
  }
}

HttpReader::Got HttpReader::refuse(int status, std::string_view why) {
  refusal_ = error_reply(status, why);
  return Got::kRefused;
}

HttpReader::Got HttpReader::read_head() {
  // An empty line before a request is legal (RFC 9112 section 2.2) and sent by old clients.
  while (waiting().starts_with("\r\n")) consume(2);
  const std::string_view bytes = waiting();
  const std::size_t end = find_head_end(bytes.substr(0, limits_->head_bytes), searched_);
  if (end == std::string_view::npos) {
    searched_ = bytes.size();
    if (bytes.size() < limits_->head_bytes) return Got::kMore;
    return refuse(
        431, "the request's head is longer than " + std::to_string(limits_->head_bytes) + " bytes");
  }
  searched_ = 0;
  head_text_.assign(bytes.substr(0, end));
  consume(end);
  auto head = parse_http_head(head_text_);
  if (!head.ok()) return refuse(400, head.error().message);
  head_ = head.value();
  return Got::kHead;
}

void HttpReader::begin_body(std::size_t bytes_max) {
  body_.clear();
  bytes_max_ = bytes_max;
  trailers_ = 0;
  left_ = static_cast<std::size_t>(head_.content_length);
  const bool has_body = head_.is_chunked || left_ > 0;
  part_ = head_.is_chunked ? Part::kChunkLine : Part::kLength;
  wants_continue_ = has_body && left_ <= bytes_max && head_.expects_continue && waiting().empty();
}

bool HttpReader::take_wants_continue() {
  return std::exchange(wants_continue_, false);
}

HttpReader::Got HttpReader::read_body(ByteBudget::Share& share) {
  if (part_ == Part::kLength) return read_length(share);
  return read_chunks(share);
}

HttpReader::Got HttpReader::read_length(ByteBudget::Share& share) {
  if (left_ > bytes_max_) return refuse(413, too_long(bytes_max_));
  const Got got = take(share);
  if (got == Got::kWhole) part_ = Part::kWhole;
  return got;
}

// As much of `left_` as has come.
HttpReader::Got HttpReader::take(ByteBudget::Share& share) {
  const std::string_view bytes = waiting().substr(0, left_);
  if (bytes.empty()) return left_ == 0 ? Got::kWhole : Got::kMore;
  if (!share.grow_to(body_.size() + bytes.size())) {
    refusal_ = overloaded_reply("too many bytes of requests are under way");
    return Got::kRefused;
  }
  // What a head claims is believed as far as it has come.
  body_.append(bytes);
  left_ -= bytes.size();
  consume(bytes.size());
  return left_ == 0 ? Got::kWhole : Got::kMore;
}

HttpReader::Got HttpReader::take_line(std::string& line) {
  const std::string_view bytes = waiting();
  const std::size_t end = bytes.find('\n');
  if (std::min(end, bytes.size()) > kLineBytes) return refuse(400, "a line of a chunk is too long");
  if (end == std::string_view::npos) return Got::kMore;
  if (end == 0 || bytes[end - 1] != '\r') return refuse(400, "a chunk's line ends badly");
  line.assign(bytes.substr(0, end - 1));
  consume(end + 1);
  return Got::kWhole;
}

HttpReader::Got HttpReader::read_chunks(ByteBudget::Share& share) {
  while (part_ != Part::kWhole) {
    Got got = part_ == Part::kChunk ? take(share) : take_line(line_);
    if (got != Got::kWhole) return got;
    switch (part_) {
      case Part::kChunk:
        part_ = Part::kChunkEnd;
        break;
      case Part::kChunkEnd:
        if (!line_.empty()) return refuse(400, "a chunk is longer than its size says");
        part_ = Part::kChunkLine;
        break;
      case Part::kChunkLine:
        got = begin_chunk(line_);
        break;
      default:
        got = read_trailer(line_);
        break;
    }
    if (got != Got::kWhole) return got;
  }
  return Got::kWhole;
}

HttpReader::Got HttpReader::begin_chunk(std::string_view line) {
  const auto size = parse_chunk_size(line);
  if (!size.ok() && size.error().code == ErrorCode::kInvalid) {
    return refuse(400, size.error().message);
  }
  if (!size.ok() || size.value() > bytes_max_ - body_.size()) {
    return refuse(413, too_long(bytes_max_));
  }
  left_ = size.value();
  part_ = left_ == 0 ? Part::kTrailer : Part::kChunk;
  return Got::kWhole;
}

HttpReader::Got HttpReader::read_trailer(std::string_view line) {
  if (line.empty()) {
    part_ = Part::kWhole;
  } else if (++trailers_ >= kTrailerLines) {
    return refuse(400, "too many trailers");
  }
  return Got::kWhole;
}

}  // namespace vesper::net
