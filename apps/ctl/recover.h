// `vesperctl recover-with-data-loss DIR... --into NEWDIR`: a new cluster from what is left of one
// that lost its majority for good. Which directory is taken, and what is lost by it: survivor.h in
// core/node.
#pragma once

#include <string>
#include <vector>

#include "apps/ctl/new_cluster.h"

namespace vesper::ctl {

struct RecoverOptions {
  std::vector<std::string> survivors;  // data directories of nodes that were stopped
  NewCluster cluster;
  bool accepts_damaged = false;  // takes of a damaged directory what is intact
};

// Says where each log ends, and which is taken; makes all directories of the new cluster, or none.
// In those of the survivors nothing is changed.
int run_recover(const RecoverOptions& options);

}  // namespace vesper::ctl
