// The world a Node lives in, by interface: its clock, its network, its clients, whoever watches it;
// the disk is in core/storage/disk.h. The real runtime and the simulator each implement these and
// nothing else differs. A Node calls network, disk and clients from inside run_turn (and the
// disk's blocking reads at start-up) only; none of them may call the Node back.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "core/kv/sessions.h"
#include "core/raft/configuration.h"
#include "core/raft/ready.h"
#include "core/storage/disk.h"

namespace vesper::node {

class Clock {
 public:
  virtual ~Clock() = default;
  // Never goes back.
  virtual Instant now() const = 0;
};

class Network {
 public:
  virtual ~Network() = default;
  // Sends one frame (core/node/wire.h). The bytes are the caller's: copy what must outlive the
  // call. May lose, repeat, delay or reorder; never blocks.
  virtual void send(NodeId to, ByteView frame) = 0;
  // These are the members now, and where they are reached; whoever was one before may still be
  // sent to. Told at the start and whenever a configuration comes into force.
  virtual void meet(const raft::Configuration& members) = 0;
};

enum class RequestKind : std::uint8_t {
  kGet,
  kPut,
  kTransfer,       // an operator's: the leader is to hand over
  kRegister,       // a client session (core/kv/sessions.h)
  kAddMember,      // an operator's: a learner at `address`
  kChangeMembers,  // an operator's: `change`
  kListMembers,    // what this node knows of the members; any node answers
  kSnapshot,       // an operator's: a snapshot that stands for all that was acknowledged before
  kSnapshotPart,   // an operator's: a piece of one that this node has
};

struct Request {
  RequestKind kind = RequestKind::kGet;
  std::string_view key;                    // kGet, kPut
  std::string_view value;                  // kPut: its JSON text
  std::optional<kv::IdempotencyKey> once;  // kPut: a try of this request of this session
  std::optional<NodeId> target;            // kTransfer: to whom; none: the node chooses
  std::string_view address;                // kAddMember: where the others will reach it
  raft::Configuration::Change change;      // kChangeMembers
  // kGet: to be answered by this node though it follows another, as linearizably as by that one.
  bool at_follower = false;
  Index snapshot;            // kSnapshotPart: where the snapshot ends
  std::uint64_t offset = 0;  // kSnapshotPart: a block's
};

// "Never takes effect" is said of this try: of a session's put, another try may have.
enum class Outcome : std::uint8_t {
  // What a request for a snapshot comes to: kSuccess, it will be made, for `index` at least; of a
  // piece: `value` is it. kAbsent: this node has no such snapshot, or no more.
  kSuccess,   // put: durable on a majority and applied, by this try or, of a session, by one
              // before; get: `value` is the key's value; register: `session` is the new one's id;
              // transfer: `leader` leads now; a change of the members: it is over, by this
              // request; of an addition `member` is the id
  kAbsent,    // get: the key is not there
  kRedirect,  // not the leader; `leader` may know. Never takes effect
  kRejected,  // no leader, or leadership unconfirmed in time. Never takes effect
  kUnknown,   // put, transfer, change of the members: not known to be committed, or done, in time;
              // it may yet be
  kOverloaded,  // a bound is reached. Never takes effect
  kRefused,     // put of a session, committed: not applied, for the reason that `verdict` tells
  kImpossible,  // transfer, change of the members: it cannot be done as asked; `value` says why.
                // Never takes effect
  kDiskFull,    // put, register: this node's disk has no room for it. Never takes effect
};

// The members as one node sees them.
struct MembersView {
  raft::Configuration configuration;
  Index index;  // the entry that it stands in
  bool is_committed = false;
  Index last;  // the node's last entry
  // By the configuration's order, and only if the node leads: what each is known to hold.
  std::vector<Index> matches;
};

struct Answer {
  Outcome outcome = Outcome::kRejected;
  std::optional<NodeId> leader;                // kRedirect; kSuccess of a transfer
  SharedBytes value;                           // kSuccess of a get; kImpossible: why, as text
  SessionId session;                           // kSuccess of a registration
  kv::Verdict verdict = kv::Verdict::kNone;    // kRefused
  std::optional<NodeId> member;                // kSuccess of an addition
  bool is_for_now = false;                     // kImpossible: what is in the way may pass
  std::shared_ptr<const MembersView> members;  // kSuccess of a list
  Index index;                                 // kSuccess of a snapshot
};

class Clients {
 public:
  virtual ~Clients() = default;
  // Called exactly once for each request.
  virtual void answer(RequestId request, const Answer& answer) = 0;
};

enum class Role : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
const char* role_name(Role role);

enum class Phase : std::uint8_t {
  kForming,  // up and empty: waits until every node of the list is
  kRunning,
  kStopped,  // by a disk error, or because this directory must not take part; see stop_reason
};

// Of a node whose disk lost a part of its log: until its peers have repaired it, it does not vote.
struct DoubtView {
  Term term;          // a leader of a term above this one can repair it
  Index first;        // the entries that may be lost: from here on,
  Index last;         // up to here at least
  std::string where;  // file, offset, and what is wrong there
  bool operator==(const DoubtView&) const = default;
};

// What may be seen of a node between turns. Plain values, cheap to copy.
struct NodeView {
  NodeId id;
  Phase phase = Phase::kForming;
  Role role = Role::kFollower;
  Term term;
  std::optional<NodeId> vote;
  std::optional<NodeId> leader;
  Index commit;
  Index applied;
  Index base;      // the log in memory begins after it
  Index last;      // last entry in the log
  Index snapshot;  // the last entry that the newest durable snapshot stands for
  Index durable;   // last entry known to be on this node's disk
  // Of what this life found on its disk, the last group is not safe yet (RecoveredLog).
  bool is_end_unmarked = false;
  // The configuration in force here: the entry that it stands in, and what it says.
  Index configuration;
  bool is_joint = false;
  bool is_voter = false;  // this node
  std::uint32_t members = 0;
  ClusterId cluster;
  Incarnation incarnation;
  std::uint64_t state_hash = 0;
  std::uint64_t keys = 0;
  std::uint64_t sessions = 0;
  std::uint64_t torn_tails = 0;  // of its log, that were cut when it started
  std::uint64_t restored = 0;    // snapshots of leaders that it took in since then
  // Reads of this life, granted without a round of heartbeats or by another node's read index.
  std::uint64_t lease_reads = 0;
  std::uint64_t follower_reads = 0;
  // Whether its disk refused room and has not given it since, and how many bytes of the log it can
  // still write without more.
  bool disk_full = false;
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t log_room = 0;
  // Of this life: check points at which a majority agreed with it, and states of others that
  // differed from its own.
  std::uint64_t checks = 0;
  std::uint64_t differences = 0;
  std::optional<DoubtView> doubt;
  bool operator==(const NodeView&) const = default;
};

// One line of a node's log: state changes, not traffic.
struct NodeEvent {
  enum class Kind : std::uint8_t {
    kWaiting,    // detail: the nodes that formation waits for
    kFormed,     // detail: how
    kRecovered,  // detail: entries, torn tails that were cut
    kRole,       // role, term, leader changed: see view
    kTransfer,   // detail: to whom, or that it did not come about
    kMembers,    // detail: the members of the configuration that came into force
    kSnapshot,   // detail: a snapshot was made, or came in; where it ends
    kDiffers,    // detail: whose state differs from this node's, and at which entry
    kDoubt,      // detail: what its disk has lost, and where; or that it is over
    kIgnored,    // detail: a frame that does not belong here, and why (rate-limited by the node)
    kStopped,    // detail: the error
    kDisk,       // detail: the disk is full, or has room again
  };
  Kind kind = Kind::kRole;
  NodeView view;
  std::string detail;
};

// What applying one entry came to.
struct Applied {
  kv::Verdict verdict = kv::Verdict::kNone;
  std::uint64_t state_hash = 0;  // of store and sessions, after it
};

// Watches a node from outside: the simulator's checkers and traces, the real runtime's log lines.
// Calls come from inside run_turn in the order in which things happen; on_event also from inside
// open and from inputs. Whoever watches overrides what it wants to see.
class Observer {
 public:
  virtual ~Observer() = default;
  // A Ready was collected; none of its effects has happened yet.
  virtual void on_ready(const NodeView& /*view*/, const raft::Ready& /*ready*/) {}
  // A message is handed to the network now: all that it acknowledges must be durable by now.
  virtual void on_send(const NodeView& /*view*/, const raft::Message& /*message*/) {}
  // The log batch `ticket` of the disk's log lane was submitted; it ends with the write `last`.
  virtual void on_log_submitted(const NodeView& /*view*/, std::uint64_t /*ticket*/,
                                WriteId /*last*/) {}
  // An entry was applied.
  virtual void on_applied(const NodeView& /*view*/, const raft::Entry& /*entry*/,
                          const Applied& /*applied*/) {}
  // A leader's snapshot took the place of the log up to `last`, and of store and sessions.
  virtual void on_restored(const NodeView& /*view*/, LogPosition /*last*/,
                           std::uint64_t /*state_hash*/) {}
  // The configuration that stands in the entry at `index` came into force on this node: it was
  // appended, or what stood after it was truncated; or this life began with it.
  virtual void on_configuration(const NodeView& /*view*/, Index /*index*/,
                                const raft::Configuration& /*configuration*/) {}
  virtual void on_event(const NodeEvent& /*event*/) {}
};

struct Environment {
  Clock& clock;
  Network& network;
  storage::Disk& disk;
  Clients& clients;
  Observer& observer;
  // A life's own: seed it anew for each start of a process (the operating system's entropy, or the
  // scenario's seed keyed by node and life).
  Random random;
};

}  // namespace vesper::node
