#include "tests/storage/still_world.h"

#include <utility>

namespace vesper::testing {

namespace {

class Still final : public node::Clock,
                    public node::Network,
                    public node::Clients,
                    public node::Observer {
 public:
  Instant now() const override { return Instant::from_nanoseconds(1'000'000'000); }
  void send(NodeId, ByteView) override {}
  void meet(const raft::Configuration&) override {}
  void answer(RequestId, const node::Answer&) override {}
};

}  // namespace

Started start_on(storage::Disk& disk, node::NodeConfig config) {
  Still still;
  node::Node node(std::move(config), {still, still, disk, still, still, Random(1)});
  Started started{node.open(), {}};
  started.view = node.view();
  return started;
}

}  // namespace vesper::testing
