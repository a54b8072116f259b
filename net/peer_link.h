// One kept connection to a peer, for POST /peer: a request leaves in one system call and its reply
// comes in one. A request that finds the kept connection closed, as when the peer was started anew,
// is tried once more on a new one: the peer may get its frames twice, as a network may repeat. The
// sender's thread posts; any other may stop it.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

#include "core/base/bytes.h"
#include "net/file_descriptor.h"
#include "net/ip_list.h"

namespace vesper::net {

class PeerLink {
 public:
  // `target`: the path, with its query if there is one.
  explicit PeerLink(const NodeAddress& address, const std::string& target = "/peer");
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  // True: the peer has taken the frames. False: nobody knows, and the connection is closed.
  bool post(ByteView frames);
  // Ends the request that is under way; a later one makes a new connection.
  void stop();

 private:
  enum class Posted : std::uint8_t { kTaken, kClosed, kFailed };
  bool connect();
  Posted post_once(ByteView frames);
  Posted send(ByteView frames);
  Posted receive_reply();
  void replace_socket(FileDescriptor socket);

  const NodeAddress address_;
  const std::string head_begin_;                    // of each request, up to the length's digits
  std::chrono::steady_clock::time_point deadline_;  // of the request under way
  std::mutex mutex_;                                // for stop: socket_ changes under it
  FileDescriptor socket_;
};

}  // namespace vesper::net
