// One client's socket: one input buffer kept over requests, so that pipelined requests are not
// lost, reads and writes with deadlines, and an end at once when the server stops. One thread owns
// it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "net/byte_budget.h"
#include "net/http.h"
#include "net/http_head.h"

namespace vesper::net {

class HttpConnection {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // `stop` becomes readable when the server stops. Neither descriptor is owned.
  HttpConnection(int socket, int stop, const HttpLimits& limits)
      : socket_(socket), stop_(stop), limits_(&limits) {}
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // From the next read on. The limits outlive the connection.
  void set_limits(const HttpLimits& limits) { limits_ = &limits; }

  enum class Got : std::uint8_t {
    kWhole,
    kClosed,   // by the client, by the server's stop, or idle for too long: nothing to answer
    kRefused,  // see refusal(); answer and close
  };
  // The next request's head. Ensures (kWhole): head() is valid until read_body returns.
  Got read_head();
  const HttpHead& head() const { return head_; }
  // Its body: exactly the bytes that the head says, as the share allows. Call once after read_head.
  Got read_body(std::size_t bytes_max, ByteBudget::Share& share, std::string& body);
  const HttpReply& refusal() const { return refusal_; }

  // False: the client is gone or does not read.
  bool write(std::string_view bytes);

  // Lets a refusal reach the client: what it still sends is taken for a moment and forgotten, for a
  // close with bytes unread would reset the connection under the reply.
  void linger();

 private:
  enum class Fill : std::uint8_t { kMore, kEnd, kStopped, kLate };
  Fill fill(Time deadline);
  Got refuse(int status, std::string_view why);
  Got on_no_more(Fill fill, const char* what);
  // A body that is being read.
  struct Body {
    std::size_t bytes_max;
    Time deadline;
    ByteBudget::Share& share;
    std::string& bytes;
  };
  Got take(std::size_t count, Body& body);
  Got read_line(Time deadline, std::string& line);
  Got read_chunks(Body& body);
  std::string_view buffered() const { return std::string_view(buffer_).substr(at_); }
  void consume(std::size_t count);

  int socket_;
  int stop_;
  const HttpLimits* limits_;
  std::string buffer_;  // what came and is not consumed begins at at_
  std::size_t at_ = 0;
  std::string head_text_;
  HttpHead head_;  // points into head_text_
  HttpReply refusal_;
};

}  // namespace vesper::net
