// Runs one Node for real, on the thread of an event loop: takes in frames and requests as they
// come and, at the end of a round, one turn of the node for all of them; owns its disk, whose lanes
// have threads of their own, its links to the other nodes, and the recording of this life, if it is
// asked to make one. The routes (net/service.h) and vesperd call it.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <vector>

#include "core/node/node.h"
#include "core/node/recorder.h"
#include "net/address_book.h"
#include "net/event_loop.h"
#include "net/file_descriptor.h"
#include "net/logger.h"
#include "net/peer_links.h"
#include "net/posix_disk.h"
#include "net/real_clock.h"
#include "net/record_file.h"
#include "net/waiting_requests.h"

namespace vesper::net {

class Runtime : private node::Network,
                private node::Clients,
                private node::Observer,
                private EventLoop::User {
 public:
  struct Options {
    node::NodeConfig node;
    Addresses addresses;  // of the list that it was started with; this node's is there
    PosixDisk::Options disk;
    RecordFile::Options record;  // no path: nothing is recorded
    std::string program;         // its version, for the recording
    std::string sources;         // what tells builds of it apart, for the recording too
  };
  // A user of the loop from now on, as its links are after it. Loop and logger outlive the runtime.
  Runtime(Options options, EventLoop& loop, Logger& logger);
  // Requires: the loop's thread is not running.
  ~Runtime() override;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Reads the data directory; from the loop's start on the node runs, until the loop stops.
  // Blocking; call once. Errors: as PosixDisk::open and Node::open. That a recording fails is none.
  Status start();

  // --- Any thread ---
  // Before a stop: if this node leads, hands leadership over and waits until whoever it served is
  // answered, but not longer than this. Call once, while the loop runs.
  void hand_over(std::chrono::milliseconds at_most);
  // A node that sends to this one says where it is reached. Errors: kInvalid.
  Status note_sender(NodeId id, std::string_view line) { return book_.note_sender(id, line); }
  const AddressBook& addresses() const { return book_; }
  // As of the last turn.
  node::NodeView view() const;
  // Becomes readable when the node stops by itself; failure() then says why.
  int failure_descriptor() const { return failed_.get(); }
  Error failure() const;

  // --- The loop's thread ---
  // The asker is told under its token, at the end of a round, once. False: a bound is reached or
  // the node has ended, and nothing was done (503).
  bool ask(const node::Request& request, Asker& asker, std::uint32_t token);
  void deliver(const SharedBytes& frame);

 private:
  Status open_node(Random random);
  void begin_recording(const node::Environment& environment);
  void take_turn();
  void on_stopped();
  void watch_recording();
  void publish();
  std::size_t waiting() const;

  void end_round() override;
  LoopTime next_deadline() const override;
  void on_stop() override;

  void send(NodeId to, ByteView frame) override { peers_.send(to, frame); }
  void meet(const raft::Configuration& configuration) override;
  void answer(RequestId request, const node::Answer& answer) override;
  void on_event(const node::NodeEvent& event) override { logger_.event(event); }

  Options options_;
  EventLoop& loop_;
  Logger& logger_;
  RealClock clock_;
  AddressBook book_;
  FileDescriptor failed_;

  // The recorder, if there is one, stands between the node and the rest.
  std::unique_ptr<RecordFile> record_;
  std::unique_ptr<node::Recorder> recorder_;
  bool is_recording_ = false;
  std::unique_ptr<node::Node> node_;
  bool is_fed_ = false;  // since the last turn
  bool has_ended_ = false;
  Instant deadline_ = Instant::never();  // of the next turn
  WaitingRequests waiting_;
  std::unique_ptr<Asker> handed_over_;  // waits longer than hand_over, if it has to
  PeerLinks peers_;                     // the loop ends its round after this one's

  std::mutex done_mutex_;
  std::vector<storage::DiskDone> done_;   // guarded by done_mutex_
  std::vector<storage::DiskDone> taken_;  // of this round
  std::unique_ptr<PosixDisk> disk_;       // its lanes put into done_

  mutable std::mutex published_mutex_;
  node::NodeView published_;           // guarded by published_mutex_
  std::size_t published_waiting_ = 0;  // requests that wait; guarded by published_mutex_
  Error failure_;                      // guarded by published_mutex_
};

}  // namespace vesper::net
