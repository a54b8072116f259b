// Sees what a cluster did about each fault of a run (sim/outcomes.h). One of the runner's
// observers: it judges nothing and decides nothing.
//
// A fault is injected at a place: a node, the two ends of a link, or everywhere. From then on it is
// there until it ends (a heal, a restart, a repair), or at once if it has no end, and for two
// election timeouts more: an episode. The same fault at the same place meanwhile is another
// injection of the same episode. What lasts to the end of the run (a clock's own offset and drift,
// a wiped disk, altered memory) is an episode anew every 16 election timeouts.
//
// An episode has an outcome if evidence of it is seen meanwhile at its place, and the fault can
// bring this evidence about; it is masked if there was no such evidence and a client was answered.
// Where several faults are there, each that can have brought it about has it: what is counted is
// what came together, not what caused what. Evidence that needs a fault, while none of those that
// are there can bring it about, is counted for all of these: it belies the table. What was seen
// with no fault that explains it is counted by itself.
//
// Not seen: what an episode brings about later than that, or at another node, but for leaders,
// majorities and refused requests, which are everywhere.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "sim/observer.h"
#include "sim/outcomes.h"
#include "sim/world.h"

namespace vesper::sim {

// outcome_watch.cc has the episodes and the evidence, outcome_faults.cc what begins and ends them.
class OutcomeWatch final : public WorldObserver {
 public:
  OutcomeWatch(std::size_t nodes, Duration election_timeout)
      : window_(election_timeout * 2), nodes_(nodes) {}

  // After each event.
  struct Standing {
    bool has_majority = false;
    bool has_leader = false;
  };
  void observe(const World& world, Standing standing) {
    const bool is_as_before = counts_of_ != nullptr && had_majority_ && !leaderless_since_ &&
                              standing.has_majority && standing.has_leader;
    if (++events_ % kPollEvents != 0 && is_as_before) return;
    look(world, standing);
  }
  // Ends every episode. Call it once, at the end.
  Outcomes finish(const World& world);

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_opened(Instant at, const node::Node& node) override;
  void on_crash(Instant at, NodeId node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_altered(Instant at, NodeId node) override;
  void on_ready(Instant at, const node::NodeView& view, const raft::Ready& ready) override;
  void on_send(Instant at, const node::NodeView& view, const raft::Message& message) override;
  void on_restored(Instant at, const node::NodeView& view, LogPosition last,
                   std::uint64_t state_hash) override;
  void on_node_event(Instant at, const node::NodeEvent& event) override;
  void on_request_answered(Instant at, NodeId node, RequestId request,
                           const node::Answer& answer) override;
  void on_retry(Instant at, OperationId id, NodeId node) override;
  void on_answer(Instant at, OperationId id, const node::Answer& answer) override;
  void on_give_up(Instant at, OperationId id) override;
  void on_corrupted(Instant at, NodeId from, NodeId to, ByteView frame, bool left_trace) override;
  void on_fault(Instant at, std::string_view what) override;
  void on_strike(Instant at, NodeId node, DamagePart part) override;
  void on_unsynced_lost(Instant at, NodeId node, CrashLoss loss) override;
  void on_disk_error(Instant at, NodeId node, std::string_view operation) override;
  void on_wipe(Instant at, NodeId node) override;

 private:
  // Nodes, a bit each.
  using Place = std::uint64_t;
  static constexpr Place kEverywhere = ~Place{0};
  static Place at_node(NodeId node) { return Place{1} << node.value(); }
  static Place named_in(std::string_view what);

  enum class Span : std::uint8_t { kMoment, kUntilEnd, kThroughout };
  struct Episode {
    Fault fault = Fault::kPartition;
    Place place = kEverywhere;
    Instant until;             // never: until it ends
    Instant judged_at;         // never, but for what lasts throughout
    std::uint64_t before = 0;  // successes of clients
    std::uint32_t seen = 0;    // outcomes, a bit each
    std::uint32_t seen_alone = 0;
  };
  // One node's life.
  struct Node {
    bool is_open = false;
    bool has_stopped = false;
    std::optional<Fault> damage;  // of its disk, the last
    std::optional<Instant> restarted_at;
    std::uint64_t lasting_errors = 0;  // of these operations, a bit each
  };

  // What is only counted is looked at once in so many events: then it is as old as these.
  static constexpr std::uint64_t kPollEvents = 16;

  void look(const World& world, Standing standing);
  void inject(Instant at, Fault fault, Place place, Span span, std::uint64_t times = 1);
  void end(Instant at, Fault fault, Place place);
  void damage(Instant at, Fault fault, NodeId node);
  void see(Instant at, Evidence evidence, Place place);
  void expire(Instant at);
  void note_end(const Episode& episode) {
    quiet_until_ = std::min({quiet_until_, episode.until, episode.judged_at});
  }
  void close(const Episode& episode);
  void end_damage(Instant at, NodeId node);
  void count_crash(Instant at, NodeId node);
  void inject_links(Instant at, std::string_view what);
  void inject_disks_and_clocks(Instant at, std::string_view what);
  void poll(const World& world);
  static Place missing(const World& world);
  void poll_changed(const World& world);
  void begin_clocks(const World& world);

  const Duration window_;
  std::vector<Node> nodes_;
  std::vector<Episode> open_;
  Outcomes outcomes_;
  WorldCounts counts_;                      // as they were after the last event
  const WorldCounts* counts_of_ = nullptr;  // the world's own
  std::uint64_t events_ = 0;
  Instant quiet_until_ = Instant::never();  // no episode ends before
  // Looked at after the event, when the world can be asked.
  Place changed_disks_ = 0;
  Place changed_clocks_ = 0;
  // Disks that have a limit, and those that their nodes have found full.
  Place limited_ = 0;
  Place full_ = 0;
  bool had_majority_ = true;
  std::optional<Instant> leaderless_since_;
  bool is_leaderless_told_ = false;
  std::optional<NodeId> leader_;
  Term leader_term_;
  Instant transfer_until_;  // a new leader was asked for
  Instant crashed_at_;
  Place crashed_then_ = 0;
  std::set<OperationId> retried_;
};

}  // namespace vesper::sim
