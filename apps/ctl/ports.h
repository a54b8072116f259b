// Ports of this machine for a local cluster: chosen anew, or seen to be free. Somebody else may
// take one before its node does; that node then says so and ends.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "net/ip_list.h"

namespace vesper::ctl {

// `count` lines of an ip list, on 127.0.0.1. Base port 0: one after the other from a random place
// below the ports that the system gives to connections, which could take a node's while it is down.
// Errors: kIo, naming a port that is taken.
Result<std::vector<net::NodeAddress>> choose_addresses(std::uint64_t count,
                                                       std::uint16_t base_port);

// Errors: kIo, naming the first address that a node could not listen on now.
Status check_free(const std::vector<net::NodeAddress>& addresses);

}  // namespace vesper::ctl
