// The ip list: one `http://host:port` a line, a node's id is its line's number from 0. Read once at
// start by vesperd and vesperctl; a plain value afterwards.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace vesper::net {

struct NodeAddress {
  std::string line;  // as it stands in the list: what a redirect tells a client
  std::string host;  // without the brackets of an IPv6 address
  std::uint16_t port = 0;
};

// Where nodes are reached, by their ids: which of a list are its lines' numbers.
using Addresses = std::map<NodeId, NodeAddress>;
Addresses by_id(std::vector<NodeAddress> list);

// Errors: kInvalid, naming what is wrong with the address.
Result<NodeAddress> parse_address(std::string_view text);

// Blank lines and lines that begin with # are skipped, blanks around a line are not part of it, the
// last newline may be missing. Errors: kInvalid, kLimit; both name `file` and the line.
Result<std::vector<NodeAddress>> parse_ip_list(std::string_view file, std::string_view text);
// Errors: kIo too.
Result<std::vector<NodeAddress>> read_ip_list(const std::string& file);

}  // namespace vesper::net
