// Where a disk fault strikes: World::damage asks for a place of a kind, on a node's disk as it is
// now, and changes what stands there. One fault at a time hits what one fault can: a bit, or a
// sector that cannot be read any more. Marks of groups are spared: one of them beside its group
// would be two faults, which the log does not promise to tell from a torn write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/base/random.h"
#include "sim/config.h"
#include "sim/disk.h"

namespace vesper::sim {

struct DamagePlace {
  std::string file;
  std::uint64_t offset = 0;
  unsigned bit = 0;
};

// Nothing: there is no such thing on the disk.
std::optional<DamagePlace> find_damage(SimDisk& disk, DamagePart part, RandomStream& draws);

// A segment or a snapshot that has a name; or, of those that were removed, one that may come back.
std::optional<std::string> find_name(SimDisk& disk, DamagePart part, RandomStream& draws);

}  // namespace vesper::sim
