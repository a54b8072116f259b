// The world of a node that is replayed: it gives what was recorded, and compares what the node does
// with it. Once something differs, or the recording is at its end, it only keeps still until the
// node's call returns. sim/replay/replay.cc owns one.
#pragma once

#include <array>
#include <deque>
#include <string>

#include "core/node/node.h"
#include "core/node/recording_reader.h"
#include "core/node/recording_values.h"
#include "sim/replay/replay.h"

namespace vesper::sim {

class ReplayWorld final : public node::Network,
                          public node::Clients,
                          public node::Observer,
                          public storage::Disk {
 public:
  // All outlive it.
  ReplayWorld(node::RecordingReader& reader, const ReplayOptions& options, Replayed& result);

  node::Environment environment(Random random) {
    return {clock_, *this, *this, *this, *this, random};
  }

  // The next record, which an input begins with; kNone: it is over.
  node::RecordKind next();
  // What is wrong with the recording itself is the reader's to say.
  bool is_over() const { return is_over_; }
  void differ(std::string what);
  // What the recording says that came; false: it is over.
  bool opened(const Status& status);
  bool take_frame(SharedBytes& frame);
  bool take_request(RequestId& id, node::Request& request);
  bool take_done(storage::DiskDone& done);
  void turn_begins();
  void turn_ended(const node::NodeView& view, Instant deadline);
  void ended();

  void send(NodeId to, ByteView frame) override;
  void meet(const raft::Configuration& members) override;
  Result<std::vector<storage::FileInfo>> list() override;
  Result<SharedBytes> read(const std::string& name) override;
  void submit(storage::DiskBatch batch) override;
  void answer(RequestId request, const node::Answer& answer) override;
  void on_event(const node::NodeEvent& event) override;

 private:
  class ReplayClock final : public node::Clock {
   public:
    explicit ReplayClock(ReplayWorld& world) : world_(world) {}
    Instant now() const override { return world_.read_clock(); }

   private:
    ReplayWorld& world_;
  };

  Instant read_clock();
  bool expect(node::RecordKind kind, const char* does);
  template <class Words>
  void output(node::RecordKind kind, std::uint64_t hash, Words words);
  bool refuse();
  void line(const char* direction, std::string_view what);
  void compare_seen(const node::Seen& recorded, const node::Seen& replayed, std::uint64_t changed);

  node::RecordingReader& reader_;
  const ReplayOptions& options_;
  Replayed& result_;
  ReplayClock clock_{*this};
  Instant read_at_;
  bool is_over_ = false;
  bool stops_ = false;      // with this record
  std::uint64_t turn_ = 0;  // the inputs before it count among it; 0: the start
  node::Seen seen_{};       // as recorded
  std::array<std::deque<storage::DiskBatch>, 2> submitted_;  // by lane
  std::string buffer_;
};

}  // namespace vesper::sim
