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
  void on_ready(const node::NodeView&, const raft::Ready&) override {}
  void on_send(const node::NodeView&, const raft::Message&) override {}
  void on_log_submitted(const node::NodeView&, std::uint64_t, WriteId) override {}
  void on_applied(const node::NodeView&, const raft::Entry&, const node::Applied&) override {}
  void on_restored(const node::NodeView&, LogPosition, std::uint64_t) override {}
  void on_configuration(const node::NodeView&, Index, const raft::Configuration&) override {}
  void on_event(const node::NodeEvent&) override {}
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
