// Rewrites a snapshot file as if the node had applied one more put: every checksum in it is right
// again, and only the others' states can tell. For consistency_test.py, on a node that is down.
//   alter_snapshot FILE KEY VALUE
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "core/kv/command.h"
#include "core/node/snapshot_loader.h"
#include "core/node/snapshot_writer.h"
#include "core/storage/snapshot_format.h"

namespace {

using vesper::ByteView;
using vesper::ClusterId;

// The cluster's id stands in the file; the loader wants to be told it.
vesper::Result<ClusterId> cluster_of(ByteView file) {
  vesper::storage::SnapshotDecoder decoder(file.size());
  if (const vesper::Status fed = decoder.feed(file); !fed.ok()) return fed.error();
  return decoder.header().cluster;
}

vesper::Result<vesper::SharedBytes> altered(ByteView file, ByteView key, ByteView value) {
  auto cluster = cluster_of(file);
  if (!cluster.ok()) return cluster.error();
  vesper::node::SnapshotLoader loader(file.size(), cluster.value(), {});
  if (const vesper::Status fed = loader.feed(file); !fed.ok()) return fed.error();
  if (const vesper::Status whole = loader.finish(); !whole.ok()) return whole.error();
  const vesper::storage::SnapshotHeader header = loader.header();
  vesper::kv::StateMachine machine = loader.take_machine();

  std::vector<std::byte> command;
  vesper::kv::encode_put(key, value, command);
  const auto applied = machine.apply(header.last.index, vesper::SharedBytes::copy_of(command));
  if (!applied.ok()) return applied.error();

  const vesper::raft::Configuration members = loader.take_configuration();
  return vesper::node::whole_snapshot(
      {.cluster = header.cluster, .last = header.last, .log_bytes = header.log_bytes}, members,
      machine);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: alter_snapshot FILE KEY VALUE\n");
    return 2;
  }
  std::ifstream in(argv[1], std::ios::binary);
  const std::string file((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const auto bytes =
      altered(vesper::as_bytes(file), vesper::as_bytes(argv[2]), vesper::as_bytes(argv[3]));
  if (!bytes.ok()) {
    fmt::print(stderr, "{}: {}\n", argv[1], bytes.error().message);
    return 1;
  }
  std::ofstream out(argv[1], std::ios::binary | std::ios::trunc);
  out << bytes.value().text();
  return out.flush() ? 0 : 1;
}
