// A local cluster of vesperd processes for trying things out: starts them, says when one dies, and
// ends them all when it is itself ended. Nothing is restarted silently.
#pragma once

#include <cstdint>
#include <string>

namespace vesper::ctl {

struct ClusterOptions {
  std::uint64_t nodes = 5;
  std::string directory;
  std::uint16_t base_port = 0;  // 0: free ports, chosen now
  std::string program;          // vesperd's path
};

// Runs until SIGINT or SIGTERM. A directory that holds a cluster already starts that cluster again.
int run_cluster(const ClusterOptions& options);

}  // namespace vesper::ctl
