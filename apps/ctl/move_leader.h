// vesperctl move-leader: asks the cluster's leader, found through any node, to hand leadership
// over, and says who leads now.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace vesper::ctl {

struct MoveLeaderOptions {
  std::string address;
  std::optional<std::uint32_t> to;  // none: the leader chooses
  std::chrono::milliseconds timeout{5000};
};

// As RequestOptions' exit statuses.
int run_move_leader(const MoveLeaderOptions& options);

}  // namespace vesper::ctl
