// A TCP socket that has a port of this machine, before it listens: who starts takes the port first,
// and whoever connects meanwhile is told at once that nobody serves. The HTTP server uses it, and
// vesperctl to see that ports are free.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.h"
#include "net/file_descriptor.h"

namespace vesper::net {

// Port 0: one that the system chooses. Blocks for as long as a resolver takes for the host's name.
// Refused while another socket listens on the port. (Two that are both only bound share it; then
// the second one's listen fails.) Errors: kIo, naming host, port and the reason.
Result<FileDescriptor> bind_socket(const std::string& host, std::uint16_t port);
// Requires: bound.
std::uint16_t port_of(const FileDescriptor& socket);

}  // namespace vesper::net
