// A client that sends any bytes and reads replies one by one: what no HTTP library would send.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "net/file_descriptor.h"

namespace vesper::net_test {

struct RawReply {
  int status = 0;
  std::string head;
  std::string body;
};

class RawClient {
 public:
  explicit RawClient(std::uint16_t port);
  bool is_connected() const { return socket_.is_open(); }
  // False: the server has closed.
  bool send(std::string_view bytes);
  // The next reply; nothing if the connection ends or ten seconds pass. `has_body`: false after a
  // HEAD.
  std::optional<RawReply> reply(bool has_body = true);
  // Whether nothing arrives for this long.
  bool is_quiet_for(std::chrono::milliseconds time);
  // Whether the server closes within ten seconds, without a byte before.
  bool is_closed();
  int socket() const { return socket_.get(); }

 private:
  bool fill();
  net::FileDescriptor socket_;
  std::string buffer_;
};

}  // namespace vesper::net_test
