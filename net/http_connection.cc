#include "net/http_connection.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace vesper::net {

namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
// A chunk's size line with its extensions, and a trailer's line.
constexpr std::size_t kLineBytes = 4 * 1024;
constexpr int kTrailerLines = 64;
constexpr std::chrono::milliseconds kLingerTime{200};
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

HttpConnection::Time now() {
  return std::chrono::steady_clock::now();
}

// For poll: never early, and never "for ever".
int milliseconds_until(HttpConnection::Time deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
}

std::string too_long(std::size_t bytes_max) {
  return "the body is longer than " + std::to_string(bytes_max) + " bytes";
}

}  // namespace

HttpConnection::Fill HttpConnection::fill(Time deadline) {
  // Asked before every read: a client that sends a byte now and then is late as well.
  while (now() < deadline) {
    std::array<pollfd, 2> wait{{{socket_, POLLIN, 0}, {stop_, POLLIN, 0}}};
    const int ready = ::poll(wait.data(), wait.size(), milliseconds_until(deadline));
    if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
    if (ready < 0) return Fill::kEnd;
    if (wait[1].revents != 0) return Fill::kStopped;
    std::array<char, kReadBytes> piece;
    const ssize_t count = ::recv(socket_, piece.data(), piece.size(), MSG_DONTWAIT);
    if (count > 0) {
      buffer_.append(piece.data(), static_cast<std::size_t>(count));
      return Fill::kMore;
    }
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    return Fill::kEnd;
  }
  return Fill::kLate;
}

void HttpConnection::consume(std::size_t count) {
  at_ += count;
  if (at_ == buffer_.size()) {
    buffer_.clear();
    at_ = 0;
  } else if (at_ >= kReadBytes) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
}

HttpConnection::Got HttpConnection::refuse(int status, std::string_view why) {
  refusal_ = error_reply(status, why);
  return Got::kRefused;
}

HttpConnection::Got HttpConnection::on_no_more(Fill fill, const char* what) {
  if (fill == Fill::kLate) return refuse(408, std::string("the ") + what + " took too long");
  return Got::kClosed;
}

HttpConnection::Got HttpConnection::read_head() {
  // An empty line before a request is legal (RFC 9112 section 2.2) and sent by old clients.
  Time deadline = now() + limits_->idle_time;
  bool has_begun = false;
  std::size_t searched = 0;
  while (true) {
    while (buffered().starts_with("\r\n")) consume(2);
    const std::string_view bytes = buffered();
    if (!bytes.empty() && !has_begun) {
      has_begun = true;
      deadline = now() + limits_->head_time;
    }
    const std::size_t end = find_head_end(bytes.substr(0, limits_->head_bytes), searched);
    if (end != std::string_view::npos) {
      head_text_.assign(bytes.substr(0, end));
      consume(end);
      break;
    }
    if (bytes.size() >= limits_->head_bytes) {
      return refuse(431, "the request's head is longer than " +
                             std::to_string(limits_->head_bytes) + " bytes");
    }
    searched = bytes.size();
    const Fill got = fill(deadline);
    if (got == Fill::kMore) continue;
    return has_begun ? on_no_more(got, "request's head") : Got::kClosed;
  }
  auto head = parse_http_head(head_text_);
  if (!head.ok()) return refuse(400, head.error().message);
  head_ = head.value();
  return Got::kWhole;
}

HttpConnection::Got HttpConnection::take(std::size_t count, Body& body) {
  while (count > 0) {
    const std::string_view bytes = buffered().substr(0, count);
    if (!body.share.grow_to(body.bytes.size() + bytes.size())) {
      refusal_ = overloaded_reply("too many bytes of requests are under way");
      return Got::kRefused;
    }
    body.bytes.append(bytes);
    count -= bytes.size();
    consume(bytes.size());
    if (count == 0) break;
    if (const Fill got = fill(body.deadline); got != Fill::kMore) return on_no_more(got, "body");
  }
  return Got::kWhole;
}

HttpConnection::Got HttpConnection::read_body(std::size_t bytes_max, ByteBudget::Share& share,
                                              std::string& bytes) {
  bytes.clear();
  if (head_.content_length > bytes_max) return refuse(413, too_long(bytes_max));
  if (!head_.is_chunked && head_.content_length == 0) return Got::kWhole;
  if (head_.expects_continue && buffered().empty() && !write(kContinue)) return Got::kClosed;
  Body body{bytes_max, now() + limits_->body_time, share, bytes};
  if (head_.is_chunked) return read_chunks(body);
  const auto length = static_cast<std::size_t>(head_.content_length);
  bytes.reserve(length);
  return take(length, body);
}

HttpConnection::Got HttpConnection::read_line(Time deadline, std::string& line) {
  while (true) {
    const std::string_view bytes = buffered();
    const std::size_t end = bytes.find('\n');
    if (std::min(end, bytes.size()) > kLineBytes)
      return refuse(400, "a line of a chunk is too long");
    if (end != std::string_view::npos) {
      if (end == 0 || bytes[end - 1] != '\r') return refuse(400, "a chunk's line ends badly");
      line.assign(bytes.substr(0, end - 1));
      consume(end + 1);
      return Got::kWhole;
    }
    if (const Fill got = fill(deadline); got != Fill::kMore) return on_no_more(got, "body");
  }
}

HttpConnection::Got HttpConnection::read_chunks(Body& body) {
  std::string line;
  while (true) {
    if (const Got got = read_line(body.deadline, line); got != Got::kWhole) return got;
    const auto size = parse_chunk_size(line);
    if (!size.ok() && size.error().code == ErrorCode::kInvalid) {
      return refuse(400, size.error().message);
    }
    if (!size.ok() || size.value() > body.bytes_max - body.bytes.size()) {
      return refuse(413, too_long(body.bytes_max));
    }
    if (size.value() == 0) break;
    if (const Got got = take(size.value(), body); got != Got::kWhole) return got;
    if (const Got got = read_line(body.deadline, line); got != Got::kWhole) return got;
    if (!line.empty()) return refuse(400, "a chunk is longer than its size says");
  }
  for (int i = 0; i < kTrailerLines; ++i) {
    if (const Got got = read_line(body.deadline, line); got != Got::kWhole) return got;
    if (line.empty()) return Got::kWhole;
  }
  return refuse(400, "too many trailers");
}

bool HttpConnection::write(std::string_view bytes) {
  const Time deadline = now() + limits_->write_time;
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno != EAGAIN) return false;
    std::array<pollfd, 2> wait{{{socket_, POLLOUT, 0}, {stop_, POLLIN, 0}}};
    const int ready = ::poll(wait.data(), wait.size(), milliseconds_until(deadline));
    if (ready < 0 && errno == EINTR) continue;
    // A client that does not read must not hold up the server's end either.
    if (ready <= 0 || wait[1].revents != 0) return false;
  }
  return true;
}

void HttpConnection::linger() {
  ::shutdown(socket_, SHUT_WR);
  const Time deadline = now() + kLingerTime;
  do {
    buffer_.clear();
    at_ = 0;
  } while (fill(deadline) == Fill::kMore);
}

}  // namespace vesper::net
