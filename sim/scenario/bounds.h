// Every bound of a scenario file's numbers, durations and sizes in one table, each with its reason.
// The reader refuses what lies outside, so that no value that a file can say aborts, hangs or
// exhausts the memory of a run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/base/limits.h"
#include "core/base/time.h"
#include "sim/scenario/values.h"

namespace vesper::sim::bounds {

// A file is read at once, and the TOML library takes time and stack for what it reads.
inline constexpr std::size_t kTextBytes = 1024 * 1024;
// Parts of one key, a.b.c has three: the library walks down a table for each, by recursion.
inline constexpr std::size_t kKeyParts = 16;
// Entries in one node's preset log: they are written as one group, which fits any segment.
inline constexpr std::size_t kPresetEntries = 100;
// All crowds together: a client is a place in memory, and an event for each of its turns.
inline constexpr std::uint64_t kClients = 10'000;
inline constexpr Rate kRate{100'000'000};  // 100000/s: a turn each 10 us of virtual time

template <class T>
struct Bound {
  std::string_view table;  // as TableReader calls it; empty: any
  std::string_view key;
  T least;
  T most;
};

inline constexpr std::uint64_t kBillion = 1'000'000'000;

// A number that does not stand here may be any that TOML can say.
inline constexpr std::array<Bound<std::uint64_t>, 24> kNumbers = {{
    // As many as a node of the real world keeps.
    {"[cluster]", "sessions_max", 1, limits::kSessions},
    {"[cluster]", "session_numbers_max", 1, limits::kSessionNumbers},
    {"[cluster]", "nodes", 1, limits::kNodes},
    {"[cluster]", "spares", 0, limits::kNodes},
    // What one message may carry, and so what its receiver decodes.
    {"[cluster]", "append_entries_max", 1, limits::kAppendEntries},
    {"[cluster]", "append_bytes_max", 1, limits::kAppendBytes},
    // Messages under way are kept in memory.
    {"[cluster]", "inflight_appends_max", 1, limits::kAppendEntries},
    // As much as a node of the real world keeps.
    {"[cluster]", "uncommitted_bytes_max", 1, limits::kUncommittedBytes},
    // The smallest log that works; and two segments of each of 64 nodes are kept in memory.
    {"[cluster]", "segment_bytes", 4 * 4096, 4 * 1024 * 1024},
    {"[cluster]", "snapshot_entries", 1, kBillion},
    {"[cluster]", "snapshot_bytes", 1, 1'000 * kBillion},
    {"[cluster]", "snapshot_chunk_bytes", 512, limits::kSnapshotChunkBytes},
    {"[cluster]", "scrub_pairs", 1, kBillion},
    // A clock that stands still would make a lease of any length right.
    {"[cluster]", "lease_drift_ppm", 0, 999'999},
    {"[[clients]]", "count", 1, kClients},
    // A key is drawn for each operation, and each that was written is kept by every node.
    {"[[clients]]", "keys", 1, 1'000'000},
    {"[[clients]]", "value_bytes", 0, limits::kValueBytes},
    // Far below limits::kTerm, so that no run's elections reach it.
    {"[[preset]]", "term", 0, 1'000 * kBillion},
    // More messages than any run sends.
    {"[[step]].on_message", "nth", 1, kBillion},
    {"[[step]].on_message", "count", 1, kBillion},
    {"[[step]].on_disk", "nth", 1, kBillion},
    {"[[step]]", "nth", 1, kBillion},
    // Of each link, which remembers fewer.
    {"[[step]]", "count", 1, 1'000},
    {"[[step]]", "room", 0, 1'000 * kBillion},
}};

// A day: no run is longer; and a mean that is a day, drawn at its longest, is far from what 64 bits
// of nanoseconds can show, also as a multiple.
inline constexpr Duration kDay = Duration::seconds(24 * 3600);
inline constexpr std::int64_t kElectionTimeouts = 10'000;

// What the checks wait for at a run's end is 40 election timeouts and more: with heartbeats all the
// while, that must come to an end itself.
inline constexpr Duration kTimeout = Duration::seconds(600);
inline constexpr Duration kTick = Duration::milliseconds(1);

inline constexpr std::array<Bound<Duration>, 10> kDurations = {{
    {"scenario", "duration", Duration::nanoseconds(1), kDay},
    {"[cluster]", "election_timeout_min", kTick, kTimeout},
    {"[cluster]", "election_timeout_max", kTick, kTimeout},
    {"[cluster]", "heartbeat_interval", kTick, kTimeout},
    {"[cluster]", "request_timeout", kTick, kTimeout},
    {"[[clients]]", "timeout", kTick, kDay},
    // Each change of a link between good and bad is drawn.
    {"", "mean_good", kTick, kDay},
    {"", "mean_bad", kTick, kDay},
    // Clocks start at 1,000,000 s, so that one may start earlier than the others.
    {"", "offset", Duration() - kDay, kDay},
    {"", "", Duration(), kDay},
}};

// The first that fits; nullptr: none does.
template <class T, std::size_t N>
constexpr const Bound<T>* find(const std::array<Bound<T>, N>& table, std::string_view name,
                               std::string_view key) {
  for (const Bound<T>& bound : table) {
    if ((bound.table.empty() || bound.table == name) && (bound.key.empty() || bound.key == key)) {
      return &bound;
    }
  }
  return nullptr;
}

}  // namespace vesper::sim::bounds
