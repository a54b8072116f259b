// The state of every node of a cluster, as a table: asks one node who the others are, then each of
// them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vesper::ctl {

struct NodeStatus {
  std::string address;
  bool is_reachable = false;
  std::uint64_t id = 0;
  std::uint64_t pid = 0;
  std::string phase;
  std::string role;
  std::uint64_t term = 0;
  std::optional<std::uint64_t> leader;
  std::uint64_t commit = 0;
  std::uint64_t applied = 0;
  std::uint64_t last = 0;
  std::uint64_t durable = 0;
  bool is_disk_full = false;
  std::string lost;            // what its disk has lost and where, while that is not repaired
  std::string cluster;         // its id, in hexadecimal digits
  std::uint64_t snapshot = 0;  // where its newest ends; 0: it has none
  std::uint64_t snapshot_bytes = 0;
  std::uint64_t keys = 0;
  bool is_learner = false;
  std::vector<std::string> nodes;  // where the members are reached, as it knows them
};

NodeStatus ask_status(const std::string& address, std::chrono::milliseconds timeout);

struct StatusOptions {
  std::string address;
  std::chrono::milliseconds timeout{1000};
};
// Prints the table. The exit status: kSuccess if a leader was found, kFail if none, kUnreachable if
// the node that was asked did not answer.
int run_status(const StatusOptions& options);

}  // namespace vesper::ctl
