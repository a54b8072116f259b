// A log that fills two segments and part of a third, group by group: what the tests of cuts and
// flips take apart. It holds terms, votes, truncations, short and long entries, a group that ends
// with a lone byte in its last sector, and an entry with a sector of zeros but for one bit.
#pragma once

#include <string>
#include <vector>

#include "tests/storage/log_history.h"

namespace vesper::testing {

struct SampleGroup {
  std::string file;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  // with its mark
  LogState before;
  LogState after;
  // Everything durable, this group the last.
  MemoryDisk disk;
};

std::vector<SampleGroup> sample_log();

}  // namespace vesper::testing
