#include "apps/ctl/ports.h"

#include <random>

#include "net/listener.h"

namespace vesper::ctl {

namespace {

constexpr std::uint16_t kFirstPort = 20'000;
constexpr std::uint16_t kPorts = 10'000;

net::NodeAddress local_address(std::uint16_t port) {
  return {"http://127.0.0.1:" + std::to_string(port), "127.0.0.1", port};
}

}  // namespace

Result<std::vector<net::NodeAddress>> choose_addresses(std::uint64_t count,
                                                       std::uint16_t base_port) {
  std::vector<net::NodeAddress> addresses;
  if (base_port != 0) {
    for (std::uint64_t i = 0; i < count; ++i) {
      addresses.push_back(local_address(static_cast<std::uint16_t>(base_port + i)));
    }
    VESPER_TRY(check_free(addresses));
    return addresses;
  }
  const unsigned begin = std::random_device{}() % kPorts;
  std::vector<net::FileDescriptor> held;
  for (unsigned i = 0; i < kPorts && addresses.size() < count; ++i) {
    const auto port = static_cast<std::uint16_t>(kFirstPort + (begin + i) % kPorts);
    auto socket = net::bind_socket("127.0.0.1", port);
    if (!socket.ok()) continue;
    held.push_back(std::move(socket.value()));
    addresses.push_back(local_address(port));
  }
  if (addresses.size() < count) return Error{ErrorCode::kIo, "no free ports were found"};
  return addresses;
}

Status check_free(const std::vector<net::NodeAddress>& addresses) {
  for (const net::NodeAddress& address : addresses) {
    VESPER_TRY(net::bind_socket(address.host, address.port));
  }
  return {};
}

}  // namespace vesper::ctl
