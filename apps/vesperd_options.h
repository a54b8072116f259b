// What vesperd is told on its command line, checked.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/node/node.h"
#include "net/http.h"
#include "net/ip_list.h"
#include "net/logger.h"
#include "net/record_file.h"

namespace vesper {

struct VesperdOptions {
  net::Addresses addresses;  // of the ip list; none: the node is to join, by `join`
  std::vector<std::string> join;
  std::chrono::milliseconds join_timeout{0};
  node::NodeConfig node;
  std::string data_directory;
  bool sync = true;
  std::string bind_host;  // empty: the host of this node's address
  std::size_t body_bytes = 1024 * 1024;
  net::HttpLimits http;
  net::RecordFile::Options record;
  net::LogLevel log_level = net::LogLevel::kInfo;
};

// Either the options, or the exit status when there is nothing to run: 0 after --help and
// --version, 2 for bad usage or input (said on standard error).
struct ParsedVesperdOptions {
  std::optional<VesperdOptions> options;
  int exit_status = 0;
};
ParsedVesperdOptions parse_vesperd_options(int argc, const char* const* argv);

}  // namespace vesper
