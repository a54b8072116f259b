// A whole cluster in virtual time: nodes, their clocks, disks and network, their clients, and the
// faults that a caller inflicts between events. One queue of events, ordered by time and then by
// the order in which they were made, drives everything; between two events nothing happens and
// nothing is computed, so idle time costs nothing. World owns all of it and tells its observers
// what happens. The same configuration and the same calls give the same events, and the same hash,
// everywhere: every draw is keyed by the seed, its purpose, its place and its count.
//
// The nodes are production's: core/node over three small classes of this folder (SimClock,
// SimNetwork, SimDisk).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/base/types.h"
#include "core/node/environment.h"
#include "core/node/node.h"
#include "core/node/wire.h"
#include "sim/config.h"
#include "sim/disk.h"
#include "sim/observers.h"

namespace vesper::sim {

struct WorldCounts {
  std::uint64_t events = 0;      // all of the following
  std::uint64_t deliveries = 0;  // frames that reached a node
  std::uint64_t lost = 0;        // frames that did not
  std::uint64_t dropped = 0;     // among those lost: by a draw or a rule, one by one
  std::uint64_t overtaken = 0;   // that reached a node after one that the same link sent later
  std::uint64_t duplicated = 0;  // that left twice
  std::uint64_t delayed = 0;     // by an interceptor, as the next
  std::uint64_t held = 0;
  std::uint64_t burst_losses = 0;  // among those lost
  std::uint64_t corrupted = 0;     // that reached a node with other bytes than were sent
  std::uint64_t replayed = 0;      // old ones that came again
  std::uint64_t waited = 0;        // in a link that was clogged
  std::uint64_t lost_requests = 0;
  std::uint64_t lost_answers = 0;
  std::uint64_t turn_stops = 0;  // crashes in the middle of a turn
  std::uint64_t disk_stops = 0;  // at a chosen operation of a disk
  std::uint64_t timers = 0;
  std::uint64_t turns = 0;         // turns that had an event of their own
  std::uint64_t completions = 0;   // disk batches
  std::uint64_t client_steps = 0;  // requests and answers on their way, and clients' own timers
  std::uint64_t faults = 0;
  std::uint64_t operations = 0;  // invoked
  std::uint64_t answered = 0;
  std::uint64_t successes = 0;  // answered with kSuccess or kAbsent, as the next two
  std::uint64_t put_successes = 0;
  std::uint64_t get_successes = 0;
  std::uint64_t found = 0;           // gets that were answered with a value
  std::uint64_t redirects = 0;       // answered with kRedirect
  std::uint64_t unknown = 0;         // answered with kUnknown; not among `answered`
  std::uint64_t overdue = 0;         // given up by the client while a node had them and lived
  std::uint64_t transfers = 0;       // of leadership, after which another node led
  std::uint64_t changes = 0;         // of the members, that an operator brought about
  std::uint64_t retries = 0;         // tries of a put beyond its first
  std::uint64_t repeated = 0;        // entries that were applied before, under their number
  std::uint64_t refused = 0;         // entries that their session refused
  std::uint64_t follower_reads = 0;  // successes of gets that any node might answer
  std::uint64_t doubts = 0;          // starts of a node from a log that damage had shortened
  std::uint64_t repairs = 0;         // ends of such a doubt
  std::uint64_t spikes = 0;          // operations of disks that took longer by a draw
};

// What becomes of a frame that is about to leave.
struct Fate {
  enum class Kind : std::uint8_t { kSend, kDrop, kHold, kDuplicate, kDelay };
  Kind kind = Kind::kSend;
  Duration delay;  // kDelay: more than the link's own
  // The sender dies when it has sent this: whatever else its turn would do is not done. Whoever
  // says so crashes it once the event is over.
  bool ends_turn = false;
};

// Scripted faults on single messages. Asked for every frame between nodes once one is set.
class Interceptor {
 public:
  virtual ~Interceptor() = default;
  virtual Fate on_frame(const node::Frame& frame) = 0;
};

// Whether a node dies at this operation of its disk.
enum class DiskStop : std::uint8_t { kNone, kBefore, kAfter };

// Asked of every operation that a disk is about to carry out, in their order, once one is set.
class DiskWatcher {
 public:
  virtual ~DiskWatcher() = default;
  // Whoever stops a node there crashes it once the event is over.
  virtual DiskStop on_disk_op(NodeId node, storage::DiskLane lane, const storage::DiskOp& op) = 0;
};

class WorldImpl;

// What of a world is asked after each of its events.
struct WorldState {
  Instant now;
  // Over every event so far.
  std::uint64_t hash = 0;
  WorldCounts counts;
  // The last fault or its end; the start, if there was none.
  Instant last_fault_at;
  // Counts whenever World::configurations_in_force may have changed.
  std::uint64_t members_version = 0;
};

class World {
 public:
  // The observers must outlive the world; they are told in this order.
  World(WorldConfig config, Observers observers);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Starts every node. Call it once, first.
  void start();

  // --- Time ---
  Instant now() const { return state_.now; }
  // When the next event is due; Instant::never() if there is none.
  Instant next_at() const;
  // Takes the next event. Requires: there is one.
  void step();
  // Moves time on to `at`, for faults between events. Requires: now() <= at <= next_at().
  void advance_to(Instant at);
  // Takes every event up to and at `at`, then advances to it.
  void run_until(Instant at);

  // --- Faults. Each that changes something counts as one, and is told to the observers. ---
  // Messages between different groups are lost; a node that no group names is alone. Replaces an
  // earlier partition.
  void partition(const std::vector<std::vector<NodeId>>& groups);
  // One direction is lost, until mended or healed.
  void cut(NodeId from, NodeId to);
  void mend(NodeId from, NodeId to);
  // Ends every partition, cut and clog.
  void heal();
  // One direction passes nothing and loses nothing, until unclogged or healed: then everything that
  // waits (a socket's buffers full at most; beyond that it is lost) comes at once, in the order in
  // which it was sent.
  void clog(NodeId from, NodeId to);
  void unclog(NodeId from, NodeId to);
  // Delivers frames of the past again, chosen at random among those that the network remembers;
  // fewer if there are not that many. `type`: as raft::message_name says; empty: any.
  // Requires: config().remembers_frames.
  void replay(NodeId from, NodeId to, std::string_view type, std::uint64_t count);
  // The process dies now, and its disk loses what `loss` says (nothing given: as its DiskConfig
  // says). Nothing happens to a node that is down.
  void crash(NodeId node, std::optional<CrashLoss> loss = std::nullopt);
  // Starts a node that is down.
  void restart(NodeId node);
  // As SIGSTOP and SIGCONT: meanwhile frames, requests and completions wait, bounded as a socket's
  // buffers are.
  void pause(NodeId node);
  void resume(NodeId node);
  // The node's clock jumps forward to what the node waits for first, which is due now: its election
  // timeout, its heartbeats, a request's time. Nothing happens to a node that is down or paused.
  void fire_timer(NodeId node);
  // From now on, on every link (single links of the configuration included).
  void set_network(const LinkConfig& link);
  void set_link(NodeId from, NodeId to, const LinkConfig& link);
  void set_disk(NodeId node, const DiskConfig& disk);
  // The node's disk is full but for this much, or no longer.
  void set_disk_room(NodeId node, std::optional<SimDisk::Room> room);
  // world_faults.cc, the next six: as SimDisk says. No lane: both.
  void stall_disk(NodeId node, std::optional<storage::DiskLane> lane);
  void refuse(NodeId node, SimDisk::Refusal refusal);
  void mend_disk(NodeId node);
  // The node's clock leaps ahead, runs at another speed, stands still or goes on.
  void change_clock(NodeId node, const ClockChange& change);
  // As the configuration says, but for how far it has come.
  void calm_clock(NodeId node);
  bool is_clock_as_usual(NodeId node) const;
  // Nothing that its log writes is done (stall_disk).
  bool is_log_stalled(NodeId node) const;
  // As the configuration says; of how fast it is.
  bool is_disk_as_usual(NodeId node) const;
  // Flips one bit of a file at rest. Requires: the node is down, the file is there and that long.
  void flip_bit(NodeId node, const std::string& file, std::uint64_t offset, unsigned bit);
  // Strikes this part of a node's disk, at a place that is drawn; nothing if it has no such part.
  // Names are struck only while the node is down, and where nothing else has been since it ran.
  void damage(NodeId node, DamagePart part);

  // Damage in the memory of a running node: one bit of a key's value; or, with `value`, its state
  // becomes as if it had applied a put that nobody else did. False: the node is not up, or has no
  // such key.
  bool alter(NodeId node, std::string_view key, std::optional<std::string_view> value);

  // An operator asks this node to hand leadership over; it is for a leader that runs.
  void transfer(NodeId node, std::optional<NodeId> target);

  // An operator brings the cluster's voters to these, by and by: machines that are no members yet
  // are added, started and promoted, others are removed. It gives up after 20 s.
  void want_members(std::vector<NodeId> voters);
  // The process dies, and its disk is empty.
  void wipe(NodeId node);

  // May be nullptr: none. The interceptor must outlive its use.
  void intercept(Interceptor* interceptor);
  // Likewise.
  void watch_disks(DiskWatcher* watcher);
  // Sends what an interceptor held: all of it in the order in which it was held, or in the opposite
  // one; or only the nth, counted from 1.
  struct Release {
    std::optional<std::uint64_t> nth;
    bool is_reverse = false;
  };
  void release_held() { release_held(Release()); }
  void release_held(const Release& release);
  std::uint64_t held() const;

  // --- Clients ---
  // One operation of a client of its own, which waits `timeout` and does not try again.
  OperationId put(NodeId node, std::string_view key, std::string_view value, Duration timeout);
  // at_follower: the node may answer it though it follows another.
  OperationId get(NodeId node, std::string_view key, Duration timeout, bool at_follower = false);
  // The rate of every crowd from now on, in operations in a thousand seconds; 0 stops them.
  void set_client_rate(std::uint64_t rate_per_kilosecond);
  // From now on no request and no answer of a client is lost.
  void end_client_losses();
  // Operations that were invoked and neither answered nor given up.
  std::uint64_t open_operations() const;

  // --- Looking ---
  const WorldConfig& config() const;
  const WorldCounts& counts() const { return state_.counts; }
  // These three as WorldState says.
  std::uint64_t hash() const { return state_.hash; }
  Instant last_fault_at() const { return state_.last_fault_at; }
  std::uint64_t members_version() const { return state_.members_version; }
  // Its process runs, even if paused.
  bool is_up(NodeId node) const;
  bool is_paused(NodeId node) const;
  // Its life goes on but the node has stopped itself (a failed sync, a data directory that is
  // refused).
  bool has_stopped(NodeId node) const;
  // Its disk was emptied.
  bool is_wiped(NodeId node) const;
  // It was started once: a spare is not before the cluster has given it its id.
  bool has_begun(NodeId node) const;
  // The members, as far as any node has known them to be committed.
  const raft::Configuration& members() const;
  // These, and later ones that are in force on some node that is up.
  std::vector<raft::Configuration> configurations_in_force() const;
  // As it is now. Requires: is_up(node).
  const node::NodeView& view(NodeId node) const;
  const node::Node& node(NodeId node) const;
  // Frames sent now would pass, both ways.
  bool is_connected(NodeId a, NodeId b) const;
  // The leader of the highest term among nodes that are up, not paused.
  std::optional<NodeId> leader() const;
  // The names of files on a node's disk, sorted. Requires: the node is down.
  std::vector<storage::FileInfo> files(NodeId node) const;

 private:
  std::unique_ptr<WorldImpl> impl_;
  const WorldState& state_;  // of impl_
};

}  // namespace vesper::sim
