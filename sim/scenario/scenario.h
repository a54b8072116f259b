// A scenario as a value: a cluster, its world, what happens to it and what must hold. Files
// (parser.h), the random search (hunt.h) and tests make them; the runner (runner.h) runs them; the
// serializer (serializer.h) writes any of them back as a file. Numbers may be ranges until `drawn`
// fixes them for a seed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "sim/frame_span.h"
#include "sim/scenario/condition.h"
#include "sim/scenario/values.h"

namespace vesper::sim {

struct ClusterSpec {
  Range<std::uint64_t> nodes = 5;
  // Machines that may join; their ids follow those of the nodes.
  Range<std::uint64_t> spares = 0;
  Range<Duration> election_timeout_min = Duration::milliseconds(500);
  Range<Duration> election_timeout_max = Duration::milliseconds(1000);
  Range<Duration> heartbeat_interval = Duration::milliseconds(50);
  Range<Duration> request_timeout = Duration::milliseconds(800);
  Range<std::uint64_t> append_entries_max = 1024;
  Range<std::uint64_t> append_bytes_max = 1024 * 1024;
  Range<std::uint64_t> inflight_appends_max = 64;
  Range<std::uint64_t> uncommitted_bytes_max = 32 * 1024 * 1024;
  Range<std::uint64_t> segment_bytes = 1024 * 1024;
  // The client sessions that are kept, and the numbers of each.
  Range<std::uint64_t> sessions_max = limits::kSessions;
  Range<std::uint64_t> session_numbers_max = limits::kSessionNumbers;
  // When a snapshot is due, and what of the log stays before it.
  Range<std::uint64_t> snapshot_entries = 500'000;
  Range<std::uint64_t> snapshot_bytes = 64 * 1024 * 1024;
  Range<std::uint64_t> trailing_entries = 20'000;
  // In one message; a multiple of 512.
  Range<std::uint64_t> snapshot_chunk_bytes = 256 * 1024;
  // How long inputs may gather before a node takes its turn.
  Range<Duration> turn_delay_max;
  // Whether leaders read by lease, and the bound on clock drift that this trusts.
  bool lease_reads = false;
  Range<std::uint64_t> lease_drift_ppm = 10'000;
  // How often the nodes compare their states; 0: never.
  Range<Duration> check_interval;
  // Of the walk over a node's memory, in one slice.
  Range<std::uint64_t> scrub_pairs = limits::kScrubPairs;
  // Formed before it starts; otherwise the nodes form the cluster themselves.
  bool preformed = false;
  bool operator==(const ClusterSpec&) const = default;
};

// Loss in bursts: what share is lost while the link is bad, and how long it is good and bad on
// average.
struct BurstSpec {
  Range<Parts> drop;
  Range<Duration> mean_good;
  Range<Duration> mean_bad;
  bool operator==(const BurstSpec&) const = default;
};

struct LinkSpec {
  DelaySpec delay{.distribution = Distribution::kExponential,
                  .min = Duration::microseconds(200),
                  .mean = Duration::milliseconds(1),
                  .max = {}};
  Range<Parts> drop;
  Range<Parts> duplicate;
  BurstSpec burst;
  // Frames that arrive with other bytes than were sent.
  Range<Parts> corrupt;
  // How often one that was sent long before comes again, and how long before at most.
  Range<Parts> replay;
  Range<Duration> replay_age = Duration::seconds(60);
  bool operator==(const LinkSpec&) const = default;
};

// [[link]]: one direction's own values; what is not said is as [network] says, once that is drawn.
struct LinkOverride {
  std::uint32_t from = 0;
  std::uint32_t to = 0;
  LinkSpec link;
  // Frames that are lost, each by its number in this direction: "3", "5..8", "12..".
  std::vector<FrameSpan> lose;
  bool operator==(const LinkOverride&) const = default;
};

struct DiskSpec {
  DelaySpec sync{.distribution = Distribution::kExponential,
                 .min = Duration::microseconds(300),
                 .mean = Duration::milliseconds(1),
                 .max = {}};
  CrashLoss on_crash = CrashLoss::kLoseRandom;
  // How many of all operations take longer, and by how much.
  Range<Parts> spikes;
  DelaySpec spike{.distribution = Distribution::kConstant,
                  .min = Duration::milliseconds(100),
                  .mean = {},
                  .max = {}};
  bool operator==(const DiskSpec&) const = default;
};

struct ClockSpec {
  Range<Drift> drift_ppm;
  Range<Duration> offset;
  bool operator==(const ClockSpec&) const = default;
};

// [[clients]]: a crowd that works over a few keys, each client with one operation at a time.
struct ClientsSpec {
  Range<std::uint64_t> count = 1;
  Range<std::uint64_t> keys = 8;
  Range<Rate> rate = Rate{100'000};   // of the crowd; a client that waits skips its turns
  Range<Parts> put = Parts{500'000};  // the rest are gets
  Range<std::uint64_t> value_bytes = 16;
  Range<Duration> timeout = Duration::seconds(2);
  // How often a client asks a random node instead of the one that it takes for the leader.
  Range<Parts> stray = Parts{50'000};
  // Whether each registers, and tries a put again under its number until it knows the outcome.
  bool sessions = false;
  // How often such a client sends a try twice at once.
  Range<Parts> twice;
  // How many of the gets go to a random node, which may answer them though it follows another.
  Range<Parts> follower_reads;
  // How many of their requests never reach a node, and of the answers never them.
  Range<Parts> lose_requests;
  Range<Parts> lose_answers;
  // Between them and the nodes, each way; nothing: as between nodes.
  std::optional<DelaySpec> delay;
  bool operator==(const ClientsSpec&) const = default;
};

// What a node's disk holds before it starts, in a cluster that is formed already.
struct PresetSpec {
  std::uint32_t node = 0;
  std::uint64_t term = 0;
  std::optional<std::uint32_t> vote;
  std::vector<std::uint64_t> entries_terms;  // a command each
  bool operator==(const PresetSpec&) const = default;
};

enum class Action : std::uint8_t {
  kPartition,  // groups: messages between different groups are lost
  kCut,        // from, to: one direction is lost
  kMend,       // from, to: the end of a cut
  kHeal,       // ends every partition, cut and clog
  kCrash,  // node: with the disk's on_crash, or this step's; mid_turn: of the sender of a message,
           // which has then done nothing of its turn beyond this message
  kRestart,    // node
  kPause,      // node: as SIGSTOP
  kResume,     // node
  kFailSync,   // node: the next sync of its log fails
  kLink,       // from, to; delay, drop, duplicate, burst, corrupt, replay, replay_age: from now on,
               // in this direction
  kNetwork,    // the same, on every link; else as the file says
  kDisk,       // node; sync, spikes, spike: from now on
  kPut,        // node, key, value: one request of an operator
  kGet,        // node, key, at_follower: whether the node may answer though it follows another
  kClients,    // rate: of every crowd from now on; "0/s" stops them
  kHold,       // on_message: keeps it back until a release
  kDrop,       // on_message
  kDuplicate,  // on_message
  kDelay,      // on_message; delay: drawn anew for each message, beside the link's own
  kRelease,    // delivers what is held, with reverse the last first; nth: only that one
  kCalm,      // ends every fault: heals, resumes, restarts, releases; network and disks as the file
              // says; optional steps that are armed are given up
  kNote,      // nothing: a point in time with a name, for expectations
  kAlter,     // node, key; value: damages the node's memory, the value of this key (World::alter)
  kDamage,    // node, part: a disk fault strikes there; nothing happens where there is no such part
  kTransfer,  // to: the leader is asked to hand over to it; without it, to whom the leader chooses
  kDiskFull,  // node; room, in_place: from now on its disk has no more room than that
  kDiskRoom,  // node: it has room again
  kMembers,   // node: an operator brings the cluster's voters to these, machines that join included
  kWipe,      // node: it dies, and its disk is empty
  kDiskStall,  // node; lane: from now on nothing on its disk is done
  kDiskError,  // node, operation; lasting: the next such operation fails, or all from now on
  kDiskMend,   // node: the end of stalls and errors
  kClock,      // node; jump, drift_ppm, stands_still: its clock, from now on
  kClog,       // from, to: this direction passes nothing and loses nothing
  kUnclog,     // from, to: what waited comes at once, in the order in which it was sent
  kReplay,     // from, to; type, count: so many messages of the past come again, in each direction
               // that is meant
  kTimeout,    // node: its clock jumps to whatever it waits for first (World::fire_timer)
};

enum class Trigger : std::uint8_t { kAt, kAfter, kWhen, kOnMessage, kOnDisk };

// One operation of a node's disk.
struct DiskMatch {
  std::optional<Selector> node;  // none: any
  std::string op;                // as disk_op_name says; empty: any
  std::string lane;              // "log" or "background"; empty: any
  std::uint64_t nth = 1;         // counted from when the step is armed
  bool after = false;            // once it is carried out, not before
  bool operator==(const DiskMatch&) const = default;
};

struct MessageMatch {
  std::string type;              // as raft::message_name says; empty: any
  std::optional<Selector> from;  // none: any
  std::optional<Selector> to;
  std::uint64_t nth = 1;    // counted from when the step is armed
  std::uint64_t count = 1;  // how many messages, this one among them
  bool operator==(const MessageMatch&) const = default;
};

// One thing that happens. `at` fires at its time. The others are armed once the step before them
// has run: `after` by its time, `when` as soon as the condition holds, `on_message` by the message.
// A step whose selectors name nobody yet waits until they do. A step on a message names that
// message's two ends "sender" and "receiver", for itself and for later steps. One on a disk's
// operation crashes the node, "writer", exactly there.
struct Step {
  std::string name;  // for expectations to refer to
  Trigger trigger = Trigger::kAt;
  Range<Duration> time;  // kAt, kAfter
  Condition when;        // kWhen
  MessageMatch message;  // kOnMessage
  DiskMatch disk;        // kOnDisk
  Action action = Action::kNote;

  std::vector<Selector> nodes;
  std::string as;  // names the first of the nodes for later steps and conditions
  std::vector<std::vector<Selector>> groups;
  std::optional<Selector> from;
  std::optional<Selector> to;
  std::optional<DelaySpec> delay;
  std::optional<Range<Parts>> drop;
  std::optional<Range<Parts>> duplicate;
  std::optional<BurstSpec> burst;
  std::optional<Range<Parts>> corrupt;
  std::optional<Range<Parts>> replay;
  std::optional<Range<Duration>> replay_age;
  std::optional<CrashLoss> on_crash;
  bool mid_turn = false;
  std::string type;  // kReplay: as raft::message_name says; empty: any
  std::uint64_t count = 1;
  std::optional<std::uint64_t> nth;  // kRelease
  bool reverse = false;
  std::optional<DamagePart> part;
  std::optional<Range<Rate>> rate;
  std::string key;
  std::string value;
  bool at_follower = false;
  Range<std::uint64_t> room;  // in bytes
  bool in_place = false;      // whether writes inside files take of it too
  std::optional<Range<Parts>> spikes;
  std::optional<DelaySpec> spike;
  std::optional<storage::DiskLane> lane;
  std::optional<DiskOperation> operation;
  bool lasting = false;
  Range<Duration> jump;
  std::optional<Range<Drift>> drift_ppm;
  std::optional<bool> stands_still;
  // May find nobody, or never come due, without failing the run.
  bool optional = false;
  bool operator==(const Step&) const = default;
};

struct Expectation {
  enum class Kind : std::uint8_t {
    kWithin,      // holds at some moment within the span
    kEventually,  // holds at some moment
    kAlways,      // holds after every event
    kNever,       // holds after none
  };
  Kind kind = Kind::kEventually;
  Span within;  // kWithin
  Condition that;
  // Counts from when this step has run; empty: from the start.
  std::string after;
  // Counts until this step has run; empty: to the end.
  std::string until;
  bool operator==(const Expectation&) const = default;
};

struct FinalSpec {
  std::map<std::string, std::string> values;  // key to the JSON text that every node up must hold
  std::optional<Condition> that;
  bool linearizable = true;
  // Whether a majority that is up and connected must answer and agree at the end.
  bool progress = true;
  bool operator==(const FinalSpec&) const = default;
};

struct Scenario {
  std::string name;
  std::string description;  // what happens and what is expected, for people
  std::uint64_t seed = 1;
  Duration duration = Duration::seconds(10);
  ClusterSpec cluster;
  LinkSpec network;
  std::vector<LinkOverride> links;
  DiskSpec disk;
  std::map<std::uint32_t, DiskSpec> disks;
  ClockSpec clock;
  std::map<std::uint32_t, ClockSpec> clocks;
  std::vector<ClientsSpec> clients;
  std::vector<PresetSpec> presets;
  std::vector<Step> steps;
  std::vector<Expectation> expectations;
  FinalSpec at_end;
  bool operator==(const Scenario&) const = default;
};

// Every range replaced by a number drawn for this seed, each keyed by its own place in the file:
// a range more or less reshuffles no other. Ensures: the seed is the scenario's own.
Scenario drawn(Scenario scenario, std::uint64_t seed);

}  // namespace vesper::sim
