// vesperd <id> --join ADDRESS,...: finds out where this node is to listen and who the members are,
// by asking those that are named; and keeps the answer in the data directory, so that a node that
// has joined starts again when none of them answers, as after a failure of all at once. (The log
// would not do: a node that has just joined has none, and it must know its own port before anything
// else.) What the members' addresses are later, the log tells.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "net/ip_list.h"
#include "net/logger.h"

namespace vesper {

struct JoinOptions {
  NodeId id;
  std::vector<std::string> ask;  // addresses of members
  std::chrono::milliseconds timeout{60'000};
  std::string data_directory;
};

struct Join {
  net::Addresses addresses;    // of all members, this node too
  std::vector<NodeId> others;  // the members but this node
  std::string record;          // what is to be kept
};

// Asks again for as long as the timeout while nobody gives an answer that names this node. Where
// one is kept, each is asked only once. Errors: kRemoved; kUnavailable.
Result<Join> ask_members(const JoinOptions& options, net::Logger& logger);

// Requires: the directory is there, and this process's. Errors: kIo.
Status keep_members(const std::string& data_directory, const std::string& record);

}  // namespace vesper
