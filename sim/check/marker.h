// Sees which marks (sim/marks.h) a run reaches. One of the runner's observers: it judges nothing.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sim/marks.h"
#include "sim/observer.h"

namespace vesper::sim {

class World;

class Marker final : public WorldObserver {
 public:
  explicit Marker(std::size_t nodes) : seen_(nodes) {}

  // What the observer saw, and what the world counted.
  Marks marks(const World& world) const;

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_opened(Instant at, const node::Node& node) override;
  void on_crash(Instant at, NodeId node) override;
  void on_altered(Instant at, NodeId node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_pause(Instant at, NodeId node) override;
  void on_ready(Instant at, const node::NodeView& view, const raft::Ready& ready) override;
  void on_send(Instant at, const node::NodeView& view, const raft::Message& message) override;
  void on_applied(Instant at, const node::NodeView& view, const raft::Entry& entry,
                  const node::Applied& applied) override;
  void on_restored(Instant at, const node::NodeView& view, LogPosition last,
                   std::uint64_t state_hash) override;
  void on_configuration(Instant at, const node::NodeView& view, Index index,
                        const raft::Configuration& configuration) override;
  void on_node_event(Instant at, const node::NodeEvent& event) override;
  void on_invoke(Instant at, const Operation& operation) override;
  void on_answer(Instant at, OperationId id, const node::Answer& answer) override;
  void on_give_up(Instant at, OperationId id) override;
  void on_fault(Instant at, std::string_view what) override;
  void on_disk_error(Instant at, NodeId node, std::string_view operation) override;

 private:
  // Of a leader, to one follower.
  struct Sent {
    raft::SnapshotId snapshot;
    std::uint64_t next = 0;
  };
  // One node's life.
  struct Seen {
    bool is_up = false;
    Index base;
    std::optional<raft::Configuration> configuration;
    Index configuration_index;
    Index restored;  // the last entry of the snapshot that it installed last
    bool is_all_cut = false;
    std::uint64_t lease_reads = 0;
    std::uint64_t follower_reads = 0;
    std::uint64_t checks = 0;
    std::map<NodeId, Sent> sent;
  };
  Seen& seen(NodeId node) { return seen_[node.value()]; }
  void see(const node::NodeView& view);
  void see_change(const raft::Configuration& before, const raft::Configuration& now);
  void see_role(const node::NodeView& view);
  void see_piece(const raft::Message& message, const raft::SnapshotRequest& piece);

  std::vector<Seen> seen_;
  Marks marks_;
  Term leader_term_;  // the highest that had a leader
  std::uint64_t open_operations_ = 0;
};

}  // namespace vesper::sim
