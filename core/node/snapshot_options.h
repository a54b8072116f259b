// When a node takes a snapshot, and what of the log it keeps before it. snapshots.h says the rule;
// limits.h has the reasons for the numbers. Part of NodeConfig.
#pragma once

#include <cstdint>

#include "core/base/limits.h"

namespace vesper::node {

struct SnapshotOptions {
  // Requires: both above 0.
  std::uint64_t entries = limits::kSnapshotEntriesDue;
  std::uint64_t bytes = limits::kSnapshotBytesDue;
  std::uint64_t trailing_entries = limits::kTrailingEntries;
  std::uint64_t trailing_bytes = limits::kTrailingBytes;
  // What goes to a follower in one message. Requires: whole blocks of the format, at most
  // limits::kSnapshotChunkBytes.
  std::uint64_t chunk_bytes = limits::kSnapshotChunkBytes;
};

}  // namespace vesper::node
