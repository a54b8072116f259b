// Carries frames to one peer over one long-lived connection: it begins as HTTP on the peer's port
// and is upgraded to frames (net/peer_stream.h reads them there), and nothing is answered. Never
// waits: a slow or dead peer fills its own bounded buffer and holds up nobody else. When that is
// full, all that waits there is dropped, as a network may (the newest frame is worth more than the
// old ones, and Raft asks again). PeerLinks owns it; the loop's thread.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "net/event_loop.h"
#include "net/file_descriptor.h"
#include "net/host_lookup.h"
#include "net/ip_list.h"

namespace vesper::net {

// What GET /peer upgrades to.
inline constexpr const char* kPeerProtocol = "vesper-frames/1";
// What one link may hold back. A frame always fits.
inline constexpr std::size_t kPeerWaitingBytes = 8 * 1024 * 1024;

class PeerLink : public EventLoop::Source {
 public:
  // `target` is the path that it asks for, with its query if there is one. The loop outlives it.
  PeerLink(EventLoop& loop, NodeAddress address, std::string target);
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  // Copies the frame. It leaves at the end of the round, with all that came before it.
  void send(ByteView frame);
  void end_round();
  LoopTime next_deadline() const { return deadline_; }
  // What it can send without waiting is sent; then it ends.
  void close();

 private:
  enum class State : std::uint8_t {
    kIdle,       // no connection, and none is needed
    kLookingUp,  // its host's name
    kConnecting,
    kGreeting,  // the upgrade is asked for
    kOpen,
    kPausing,  // after a failure
    kClosed,
  };

  void on_ready(std::uint32_t events) override;
  void begin();
  void connect();
  void greet();
  void read_greeting();
  void flush();
  void fail();
  void drop_connection();

  EventLoop& loop_;
  const NodeAddress address_;
  const std::string target_;
  State state_ = State::kIdle;
  HostLookup lookup_;
  std::size_t tried_ = 0;  // of the host's addresses, in turn
  FileDescriptor socket_;
  std::uint32_t watched_ = 0;
  LoopTime deadline_ = kNever;
  std::chrono::milliseconds backoff_;
  std::string greeting_;
  std::vector<std::byte> waiting_;  // whole frames
  std::vector<std::byte> sending_;  // whole frames when none of it is sent
  std::size_t sent_ = 0;
};

}  // namespace vesper::net
