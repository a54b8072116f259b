// The safety invariants, after every event, over the whole run and all lives of all nodes. It
// watches a world from outside and keeps its own account of every log, disk and promise; each check
// costs the same however long the logs are. The invariants' names stand with the three parts
// (terms.h, logs.h, applied.h), but for three:
//   sound-disk      no node finds damage on its disk that no fault has made
//   doubt-abstains  a node in doubt about its log neither votes nor campaigns
//   frame-integrity a frame that was not sent in these bytes changes nothing at its receiver
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/check/applied.h"
#include "sim/check/logs.h"
#include "sim/check/terms.h"
#include "sim/check/violation.h"
#include "sim/observer.h"

namespace vesper::sim {

class SafetyChecker final : public WorldObserver {
 public:
  explicit SafetyChecker(std::size_t founders, std::size_t spares = 0);

  // The first invariant that broke.
  const std::optional<Violation>& violation() const { return violations_.first(); }
  const AppliedChecker& applied() const { return applied_; }
  // Entries and puts of which an account is kept.
  std::uint64_t kept() const { return logs_.kept() + applied_.kept(); }

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_opened(Instant at, const node::Node& node) override;
  void on_wipe(Instant at, NodeId node) override;
  void on_altered(Instant at, NodeId node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_ready(Instant at, const node::NodeView& view, const raft::Ready& ready) override;
  void on_send(Instant at, const node::NodeView& view, const raft::Message& message) override;
  void on_log_submitted(Instant at, const node::NodeView& view, std::uint64_t ticket,
                        WriteId last) override;
  void on_log_durable(Instant at, NodeId node, std::uint64_t ticket) override;
  void on_applied(Instant at, const node::NodeView& view, const raft::Entry& entry,
                  const node::Applied& applied) override;
  void on_restored(Instant at, const node::NodeView& view, LogPosition last,
                   std::uint64_t state_hash) override;
  void on_node_event(Instant at, const node::NodeEvent& event) override;
  void on_damage(Instant at, NodeId node) override;
  void on_corrupted(Instant at, NodeId from, NodeId to, ByteView frame, bool left_trace) override;
  void on_invoke(Instant at, const Operation& operation) override;
  void on_register(Instant at, ClientId client, NodeId node) override;
  void on_retry(Instant at, OperationId id, NodeId node) override;
  void on_answer(Instant at, OperationId id, const node::Answer& answer) override;
  void on_give_up(Instant at, OperationId id) override;
  void on_try_end(Instant at, OperationId id) override;

 private:
  void on_snapshot(const node::NodeView& view);

  Violations violations_;
  TermChecker terms_;
  LogChecker logs_;
  AppliedChecker applied_;
  std::vector<std::uint64_t> lives_;
  std::vector<Index> snapshots_;  // that each node has, as it was seen last
  struct Disk {
    bool is_damaged = false;  // since the node was last opened
    bool is_in_doubt = false;
  };
  std::vector<Disk> disks_;
};

}  // namespace vesper::sim
