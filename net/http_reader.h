// The framing of one connection's requests: bytes go in as they come, whole requests come out, one
// after another, and what two readers could read differently is refused. One buffer is kept over
// requests, so that pipelined ones are not lost. No socket and no clock: http_connection.h has
// both.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/byte_budget.h"
#include "net/http.h"
#include "net/http_head.h"

namespace vesper::net {

class HttpReader {
 public:
  explicit HttpReader(const HttpLimits& limits) : limits_(&limits) {}

  // kMore: bytes are missing. kRefused: refusal() is the reply, after which the connection ends.
  enum class Got : std::uint8_t { kMore, kHead, kWhole, kRefused };

  void append(std::string_view bytes) { buffer_.append(bytes); }
  // Whether anything of a request is there.
  bool has_bytes() const { return at_ < buffer_.size(); }

  // First the head: kHead once it is whole.
  Got read_head();
  // Then the body, of the request that head() describes: kWhole once it is there. What came of it
  // is taken out of `share`. Requires: read_head returned kHead.
  void begin_body(std::size_t bytes_max);
  Got read_body(ByteBudget::Share& share);
  // Whether the client waits for a word before it sends the body. Once.
  bool take_wants_continue();

  // Of the request that is being read; its views hold until the next read_head.
  const HttpHead& head() const { return head_; }
  std::string take_body() { return std::move(body_); }
  HttpReply take_refusal() { return std::move(refusal_); }

  // What waits, where the connection becomes another protocol's: it takes from the front.
  std::string_view waiting() const { return std::string_view(buffer_).substr(at_); }
  void consume(std::size_t count);
  void drop_all();

 private:
  enum class Part : std::uint8_t { kLength, kChunkLine, kChunk, kChunkEnd, kTrailer, kWhole };

  Got refuse(int status, std::string_view why);
  Got read_length(ByteBudget::Share& share);
  Got read_chunks(ByteBudget::Share& share);
  Got begin_chunk(std::string_view line);
  Got read_trailer(std::string_view line);
  Got take_line(std::string& line);
  Got take(ByteBudget::Share& share);

  const HttpLimits* limits_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::size_t searched_ = 0;  // where the end of the head does not lie
  std::string head_text_;
  HttpHead head_;
  HttpReply refusal_;

  Part part_ = Part::kWhole;
  std::string body_;
  std::string line_;
  std::size_t bytes_max_ = 0;
  std::size_t left_ = 0;  // of the body or the chunk
  int trailers_ = 0;
  bool wants_continue_ = false;
};

}  // namespace vesper::net
