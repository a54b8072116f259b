// Carries frames to one peer: POST /peer on one kept connection, by a thread of its own, as many
// frames a request as have gathered meanwhile. A slow or dead peer fills its own bounded buffer and
// holds up nobody else: when it is full, all that waits there is dropped, as a network may (the
// newest frame is worth more than the old ones, and Raft asks again).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/bytes.h"
#include "net/ip_list.h"

namespace vesper::net {

// The longest body of POST /peer: what one sender may gather. A frame always fits.
inline constexpr std::size_t kPeerBodyBytes = 8 * 1024 * 1024;

class PeerSender {
 public:
  // `target` is the path that it posts to, with its query if there is one.
  explicit PeerSender(const NodeAddress& address, const std::string& target = "/peer");
  // Stops too, and waits: for what waits to be sent, at most 50 ms from begin_stop on; for a
  // connection that is being made, at most 300 ms and, if the address is a name, until it is
  // resolved.
  ~PeerSender();
  PeerSender(const PeerSender&) = delete;
  PeerSender& operator=(const PeerSender&) = delete;

  // Never blocks on the network.
  void send(ByteView frame);
  // Sends what waits, if the peer took the last request, and nothing more: a leader that ends has
  // told another to lead. Never blocks: tell all senders before the first one's end.
  void begin_stop();
  // After begin_stop: from now on the destructor does not wait.
  bool has_ended() const;

 private:
  class Link;
  void run();

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::byte> waiting_;                    // whole frames; guarded by mutex_
  bool stop_ = false;                                 // guarded by mutex_
  std::chrono::steady_clock::time_point stopped_at_;  // guarded by mutex_
  bool has_ended_ = false;                            // the thread; guarded by mutex_
  std::condition_variable ended_;
  std::unique_ptr<Link> link_;
  std::thread thread_;
};

}  // namespace vesper::net
