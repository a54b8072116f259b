// Runs one Node for real: the core thread that owns it, its mailbox, its disk's lanes, a sender for
// each peer; and, if it is asked to, the recording of this life. Others hand in frames and requests
// from any thread; a request's thread waits in its own slot. The routes (net/service.h) and vesperd
// call it.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "core/node/node.h"
#include "core/node/recorder.h"
#include "net/address_book.h"
#include "net/answer_slot.h"
#include "net/file_descriptor.h"
#include "net/logger.h"
#include "net/mailbox.h"
#include "net/peer_senders.h"
#include "net/posix_disk.h"
#include "net/real_clock.h"
#include "net/record_file.h"

namespace vesper::net {

class Runtime : private node::Network, private node::Clients, private node::Observer {
 public:
  struct Options {
    node::NodeConfig node;
    Addresses addresses;  // of the list that it was started with; this node's is there
    PosixDisk::Options disk;
    Mailbox::Bounds mailbox;
    RecordFile::Options record;  // no path: nothing is recorded
    std::string program;         // its version, for the recording
    std::string sources;         // what tells builds of it apart, for the recording too
  };
  // The logger outlives the runtime.
  Runtime(Options options, Logger& logger);
  // Stops too.
  ~Runtime() override;
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  // Reads the data directory and starts the threads. Blocking; call once.
  // Errors: as PosixDisk::open and Node::open. That a recording fails is none.
  Status start();
  // Answers whoever waits, and ends the threads. Later requests are refused.
  void stop();

  // Waits for the node's answer; nothing if a bound is reached (503). The slot is set here.
  std::optional<node::Answer> request(MailRequest request);
  // Before a stop: if this node leads, hands leadership over and waits until whoever it served is
  // answered, but not longer than this. Call once.
  void hand_over(std::chrono::milliseconds at_most);
  // False: the mailbox is full and the frame is lost.
  bool deliver(SharedBytes frame);

  // A node that sends to this one says where it is reached. Errors: kInvalid.
  Status note_sender(NodeId id, std::string_view line) { return book_.note_sender(id, line); }
  const AddressBook& addresses() const { return book_; }

  // As of the last turn.
  node::NodeView view() const;
  // Becomes readable when the node stops by itself; failure() then says why.
  int failure_descriptor() const { return failed_.get(); }
  Error failure() const;

 private:
  Status open_node(Random random);
  void begin_recording(const node::Environment& environment);
  void run();
  void take_in(Mail& mail);
  void take_turn();
  void watch_recording();
  void give_up_waiting();
  void publish();
  std::size_t waiting() const;

  void send(NodeId to, ByteView frame) override;
  void meet(const raft::Configuration& configuration) override;
  void answer(RequestId request, const node::Answer& answer) override;
  void on_event(const node::NodeEvent& event) override { logger_.event(event); }

  struct Waiting {
    AnswerSlot* slot = nullptr;
    node::RequestKind kind = node::RequestKind::kGet;
  };

  Options options_;
  Logger& logger_;
  RealClock clock_;
  AddressBook book_;
  PeerSenders peers_;  // the core thread's own while it runs
  Mailbox mailbox_;
  FileDescriptor failed_;
  std::unique_ptr<PosixDisk> disk_;
  std::thread thread_;

  // The core thread's own. The recorder, if there is one, stands between the node and the rest.
  std::unique_ptr<RecordFile> record_;
  std::unique_ptr<node::Recorder> recorder_;
  bool is_recording_ = false;
  std::unique_ptr<node::Node> node_;
  Instant deadline_;  // of the next turn
  std::unordered_map<std::uint64_t, Waiting>
      waiting_;  // by request; looked up, never walked in order
  std::uint64_t last_request_ = 0;

  AnswerSlot handed_over_;  // lives longer than the core thread: hand_over may wait no longer

  mutable std::mutex published_mutex_;
  node::NodeView published_;           // guarded by published_mutex_
  std::size_t published_waiting_ = 0;  // requests that wait; guarded by published_mutex_
  Error failure_;                      // guarded by published_mutex_
};

}  // namespace vesper::net
