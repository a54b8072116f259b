// What a node knows of the part of its log that its disk lost: the file `doubt`. Damage that is not
// a torn tail may have been acknowledged, so a node that finds some writes this file before it cuts
// anything, and while the file is there it takes no part in a decision that what it lost could
// change (core/raft/doubt.cc says which, and when the doubt ends). The file holds term and vote as
// they were, for the records of them may be what is cut. Replaced atomically, like the identity.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/raft/ready.h"
#include "core/storage/disk.h"

namespace vesper::storage {

// From where on the log is dropped. Segment 0: all of it; offset 0: the segment and all after it.
struct LogCut {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  bool operator==(const LogCut&) const = default;
};

struct Doubt {
  raft::HardState hard_state;  // when the damage was found: every promise before it is of this term
                               // or an earlier one
  Index first;                 // entries from here on may be lost
  Index last;                  // the highest that was still to be seen, at least first - 1: there
                               // may have been more
  std::string where;           // file, offset and what is wrong there
  std::optional<LogCut> cut;   // still to be made, or made in part: nothing was written since
  bool operator==(const Doubt&) const = default;
};

// For a person: what may be lost, and where.
std::string describe(const Doubt& doubt);

// The operations that replace the file, and that remove it, durably.
std::vector<DiskOp> write_doubt(const Doubt& doubt, Incarnation incarnation);
std::vector<DiskOp> remove_doubt();

// Blocking; start-up only. Nothing if the file is not there.
// Errors: kCorruption (it does not verify: names the file), kMismatch (another format version or
// another life's), kIo.
Result<std::optional<Doubt>> read_doubt(Disk& disk, Incarnation incarnation);

}  // namespace vesper::storage
