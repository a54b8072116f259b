// What a simulated world is made of, as plain numbers: nothing here is drawn any more but by the
// world itself. Scenarios (sim/scenario) and tests fill it in; World keeps a copy. Probabilities
// are in parts in a million.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/base/types.h"
#include "core/node/node.h"
#include "sim/frame_span.h"

namespace vesper::sim {

enum class Distribution : std::uint8_t {
  kConstant,     // min
  kUniform,      // from min to max
  kExponential,  // min, and an exponential tail so that the mean is `mean`
};

struct Delay {
  Distribution distribution = Distribution::kConstant;
  Duration min;
  Duration mean;  // kExponential: at least min
  Duration max;   // kUniform: at least min
  bool operator==(const Delay&) const = default;
};

// Loss that comes in bursts: a link is in a good or in a bad state for exponentially distributed
// times, and loses frames in the bad one only (Gilbert and Elliott's model).
struct BurstConfig {
  std::uint64_t drop_ppm = 0;  // while it is bad; 0: no bursts
  Duration mean_good;
  Duration mean_bad;
  bool operator==(const BurstConfig&) const = default;
};

// One direction between two nodes. Each frame draws its own delay, so frames overtake each other.
struct LinkConfig {
  Delay delay{.distribution = Distribution::kExponential,
              .min = Duration::microseconds(200),
              .mean = Duration::milliseconds(1),
              .max = {}};
  std::uint64_t drop_ppm = 0;
  std::uint64_t duplicate_ppm = 0;
  BurstConfig burst;
  // Frames that arrive with other bytes than were sent.
  std::uint64_t corrupt_ppm = 0;
  // How often a frame is followed by one that was sent long before, at most replay_age ago.
  std::uint64_t replay_ppm = 0;
  Duration replay_age = Duration::seconds(60);
  bool operator==(const LinkConfig&) const = default;
};

// What a crash does with bytes and names that were not synced.
enum class CrashLoss : std::uint8_t {
  kKeep,        // all of them happen to be there
  kLoseAll,     // none is
  kLoseRandom,  // each sector and each name by a coin of its own
  kTear,        // a prefix of them is, in the order in which they were written
};

// What a disk fault strikes.
enum class DamagePart : std::uint8_t {
  kRecord,       // a bit of a group of the newest segment
  kFirstRecord,  // a bit of the log's first group
  kLastRecord,   // a bit of its last one
  kSegment,      // a bit of a group of a segment that is closed
  kSnapshot,     // a bit of the newest snapshot
  kSector,       // a sector of a group: it cannot be read any more
  kName,         // the name of a segment or snapshot is gone; of a node that is down
  kOldName,      // a segment or snapshot that was removed is there again; of a node that is down
  kMisdirected,  // the next write of a record goes to another place, and is said to be done
  kLostWrite,    // the next write of a record, or a sector of it, never comes, likewise
};

// What a disk may refuse with an error.
enum class DiskOperation : std::uint8_t { kRead, kWrite, kCreate, kRename, kSync };
inline constexpr std::size_t kDiskOperations = 5;

struct DiskConfig {
  Delay sync{.distribution = Distribution::kExponential,
             .min = Duration::microseconds(300),
             .mean = Duration::milliseconds(1),
             .max = {}};
  CrashLoss on_crash = CrashLoss::kLoseRandom;
  // How many of all operations take this much longer.
  std::uint64_t spikes_ppm = 0;
  Delay spike{.distribution = Distribution::kConstant,
              .min = Duration::milliseconds(100),
              .mean = {},
              .max = {}};
  bool operator==(const DiskConfig&) const = default;
};

// The node's clock shows base + offset + time * (1 + drift); base is the same for all.
struct ClockConfig {
  Duration offset;
  std::int64_t drift_ppm = 0;  // Requires: above -1'000'000
};

// What happens to a clock at one moment. It never goes back.
struct ClockChange {
  Duration jump;                          // ahead
  std::optional<std::int64_t> drift_ppm;  // from now on
  std::optional<bool> stands_still;       // from now on
};

// A crowd of clients that work over a few keys, each with one operation at a time.
struct ClientsConfig {
  std::uint64_t count = 1;
  std::uint64_t keys = 8;
  // Of the whole crowd, in operations in a thousand seconds; a client that waits skips its turns.
  // 0: none.
  std::uint64_t rate_per_kilosecond = 100'000;
  std::uint64_t put_ppm = 500'000;  // the rest are gets
  std::uint64_t value_bytes = 16;   // of a put's JSON text, at least; each text is used once
  Duration timeout = Duration::seconds(2);
  // How often a client asks a random node instead of the one that it takes for the leader.
  std::uint64_t stray_ppm = 50'000;
  // Whether they register, and try a put again under its number until they know what became of it.
  bool sessions = false;
  // How often such a client sends a try twice at once, to the same node or to any.
  std::uint64_t twice_ppm = 0;
  // How many of the gets go to a random node, which may answer them though it follows another.
  std::uint64_t follower_reads_ppm = 0;
  // Requests that never reach their node, and answers that never reach their client.
  std::uint64_t lose_requests_ppm = 0;
  std::uint64_t lose_answers_ppm = 0;
  // Between client and node, each way; nothing: as between nodes.
  std::optional<Delay> delay;
};

// What a node's disk holds before its first start, in a cluster that is formed already.
struct Preset {
  raft::HardState hard_state;
  std::vector<Term> entry_terms;  // a put each, of a key named for its position
};

struct WorldConfig {
  std::uint64_t seed = 1;
  std::uint32_t nodes = 5;
  std::uint32_t spares = 0;  // machines that may join; their ids follow those of the nodes
  std::uint32_t all_nodes() const { return nodes + spares; }
  // Timings and limits of every node; id and cluster_size are the world's.
  node::NodeConfig node;
  // A turn comes up to this long after its first input, so that inputs gather as in a mailbox. 0:
  // at once.
  Duration turn_delay_max;
  LinkConfig network;
  std::map<std::pair<NodeId, NodeId>, LinkConfig> links;  // from, to
  // Lost whatever else their link does; ascending.
  std::map<std::pair<NodeId, NodeId>, std::vector<FrameSpan>> lost_frames;
  // Whether old frames are kept, so that they can be replayed.
  bool remembers_frames = false;
  DiskConfig disk;
  std::map<NodeId, DiskConfig> disks;
  std::map<NodeId, ClockConfig> clocks;
  std::vector<ClientsConfig> clients;
  // The cluster is formed before it starts; presets imply it. Otherwise it forms itself.
  bool preformed = false;
  std::map<NodeId, Preset> presets;
};

}  // namespace vesper::sim
