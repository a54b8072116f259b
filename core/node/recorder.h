// Records one life of a node (recording_format.h): it stands between the node and its environment,
// and is told of each input right before the node is. The owner of the node (net/runtime.h) owns
// it, makes it first and lets go of it last; one thread, the node's. It never fails towards the
// node: without room it stops recording, and everything passes as before.
#pragma once

#include <optional>

#include "core/node/node.h"
#include "core/node/recording_values.h"
#include "core/node/recording_writer.h"

namespace vesper::node {

class Recorder final : private Clock,
                       private Network,
                       private storage::Disk,
                       private Clients,
                       private Observer {
 public:
  // Both outlive it, and so does what the environment refers to. `program` names the version of
  // the core: only the same can run through the recording. `sources` tells builds of one version
  // apart, so that whoever looks at a difference knows.
  struct Life {
    std::string_view program;
    std::string_view sources;
    const NodeConfig& config;
    Environment environment;
  };
  Recorder(RecordingRoom& room, const Life& life);

  // What the node is to be given.
  Environment environment();

  // In this order: opened; if that was well, seen; then inputs, and turns, each begun by
  // begin_turn and ended by seen; at last end.
  void opened(const Status& status);
  void on_message(const SharedBytes& frame);
  void on_request(RequestId id, const Request& request);
  void on_disk_done(const storage::DiskDone& done);
  void begin_turn();
  // The turn is over: what Node::view and Node::next_deadline say now.
  void seen(const NodeView& view, Instant deadline);
  void end();

  // Once false, it stays so: there was no room, or this is after end().
  bool is_recording() const { return writer_.is_open(); }

 private:
  Instant now() const override;
  void send(NodeId to, ByteView frame) override;
  void meet(const raft::Configuration& members) override;
  Result<std::vector<storage::FileInfo>> list() override;
  Result<SharedBytes> read(const std::string& name) override;
  void submit(storage::DiskBatch batch) override;
  void answer(RequestId request, const Answer& answer) override;
  void on_ready(const NodeView& view, const raft::Ready& ready) override;
  void on_send(const NodeView& view, const raft::Message& message) override;
  void on_log_submitted(const NodeView& view, std::uint64_t ticket, WriteId last) override;
  void on_applied(const NodeView& view, const raft::Entry& entry, const Applied& applied) override;
  void on_restored(const NodeView& view, LogPosition last, std::uint64_t state_hash) override;
  void on_configuration(const NodeView& view, Index index,
                        const raft::Configuration& configuration) override;
  void on_event(const NodeEvent& event) override;

  void begin(const Life& life);
  void output(RecordKind kind, std::uint64_t hash);

  Environment to_;
  // A reading is an input like any other, though Clock::now changes nothing for its caller.
  mutable RecordingWriter writer_;
  mutable std::int64_t read_at_ = 0;
  Seen seen_{};
  std::vector<std::byte> scratch_;
};

}  // namespace vesper::node
