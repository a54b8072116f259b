// A run as readable text: messages, state changes, faults and clients' operations, one event a
// line, "12.345678s n2 > n0 AppendRequest term 3 ...". An observer like the checkers; it writes to
// a sink, for sim opens no files.
#pragma once

#include <string>
#include <string_view>

#include "sim/observer.h"

namespace vesper::sim {

class TraceSink {
 public:
  virtual ~TraceSink() = default;
  // One line, its newline included.
  virtual void write(std::string_view line) = 0;
};

class Trace : public WorldObserver {
 public:
  // The sink must outlive the trace.
  explicit Trace(TraceSink& sink) : sink_(sink) {}

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_opened(Instant at, const node::Node& node) override;
  void on_crash(Instant at, NodeId node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_ready(Instant at, const node::NodeView& view, const raft::Ready& ready) override;
  void on_send(Instant at, const node::NodeView& view, const raft::Message& message) override;
  void on_log_durable(Instant at, NodeId node, std::uint64_t ticket) override;
  void on_applied(Instant at, const node::NodeView& view, const raft::Entry& entry,
                  const node::Applied& applied) override;
  void on_restored(Instant at, const node::NodeView& view, LogPosition last,
                   std::uint64_t state_hash) override;
  void on_node_event(Instant at, const node::NodeEvent& event) override;
  void on_deliver(Instant at, NodeId from, NodeId to, ByteView frame) override;
  void on_corrupted(Instant at, NodeId from, NodeId to, ByteView frame, bool left_trace) override;
  void on_invoke(Instant at, const Operation& operation) override;
  void on_retry(Instant at, OperationId id, NodeId node) override;
  void on_register(Instant at, ClientId client, NodeId node) override;
  void on_answer(Instant at, OperationId id, const node::Answer& answer) override;
  void on_give_up(Instant at, OperationId id) override;
  void on_fault(Instant at, std::string_view what) override;

 private:
  void line(Instant at, std::string_view who, std::string_view what);

  TraceSink& sink_;
  std::string buffer_;
};

// "AppendRequest term 3 previous 2/7 commit 6 entries 2": a message in words.
std::string describe(const raft::Message& message);
// A whole frame, of any kind.
std::string describe_frame(ByteView frame);
// "is leader of n2 in term 3".
std::string describe(const node::NodeEvent& event);
// "success", and the value or why not.
std::string describe(const node::Answer& answer);
// "12.345678901s".
std::string format_instant(Instant at);

}  // namespace vesper::sim
