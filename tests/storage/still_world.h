// A world in which nothing happens, for tests of what a node makes of a data directory when it
// starts.
#pragma once

#include "core/node/node.h"
#include "core/storage/disk.h"

namespace vesper::testing {

struct Started {
  Status status;
  node::NodeView view;
};
// What a node comes to that opens this disk, and takes no turn.
Started start_on(storage::Disk& disk, node::NodeConfig config);

}  // namespace vesper::testing
