// What one data directory still holds of a cluster that lost its majority for good: read while no
// node uses it, with the code that a node starts with, and without changing anything. `vesperctl
// recover-with-data-loss` reads all that are left, takes the one whose log ends at the highest
// (term, index), and makes of it what a backup would be.
//
// Why that one: by the rule of elections (section 5.4.1), it holds each committed entry that any of
// them holds. Say some survivor holds the committed entry e of term t, and the one taken ends with
// an entry of term u. Its end is no lower than the holder's, so u >= t. If u > t, the leader of u
// had e when it was elected (Leader Completeness, 5.4.3), and all its own entries came after e; if
// u = t, the end is an entry of e's own leader, at e or after it. The one taken has what its end's
// leader had up to there (Log Matching, 5.3), so e. An intact prefix of a damaged log is a log like
// any other in this.
//
// What none of them holds is gone, and may have been committed and acknowledged: by a majority of
// which only the lost ones are not here. Nobody can tell how much that is. Of the end of the log
// taken nobody can tell whether it was committed either; it is kept: whoever asked for such an
// entry was told nothing, or that its outcome is unknown.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/types.h"
#include "core/kv/state_machine.h"
#include "core/raft/configuration.h"
#include "core/raft/entry.h"
#include "core/storage/disk.h"
#include "core/storage/identity.h"

namespace vesper::node {

// What becomes of a directory whose disk gives back less than it was given, or that was found so by
// an earlier life and not yet repaired.
enum class IfDamaged : std::uint8_t { kRefuse, kTakeIntactPrefix };

struct Survivor {
  storage::Identity identity;
  LogPosition last;                   // where its log ends
  std::optional<std::string> damage;  // what is missing behind that, and why
  // The newest snapshot, and the entries after it.
  kv::StateMachine machine;
  raft::Configuration configuration;
  std::uint64_t log_bytes = 0;
  std::vector<raft::Entry> entries;
};

// Blocking.
// Errors: kCorruption (damage that is to be refused, or that leaves nothing to begin with: names
// file and place), kDiverged (its state was outvoted), kInvalid (of no cluster), kMismatch, kIo.
Result<Survivor> read_survivor(storage::Disk& disk, IfDamaged if_damaged);

// The snapshot file that a node makes which has applied all of it, committed or not.
SharedBytes snapshot_of_all(Survivor survivor);

}  // namespace vesper::node
