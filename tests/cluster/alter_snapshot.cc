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

vesper::Result<std::vector<std::byte>> altered(ByteView file, ByteView key, ByteView value) {
  auto cluster = cluster_of(file);
  if (!cluster.ok()) return cluster.error();
  vesper::node::SnapshotLoader loader(file.size(), cluster.value(), {});
  if (const vesper::Status fed = loader.feed(file); !fed.ok()) return fed.error();
  if (const vesper::Status whole = loader.finish(); !whole.ok()) return whole.error();
  vesper::storage::SnapshotHeader header = loader.header();
  vesper::kv::StateMachine machine = loader.take_machine();

  std::vector<std::byte> command;
  vesper::kv::encode_put(key, value, command);
  const auto applied = machine.apply(header.last.index, vesper::SharedBytes::copy_of(command));
  if (!applied.ok()) return applied.error();

  std::vector<std::byte> members;
  loader.take_configuration().encode(members);
  std::vector<std::byte> sessions;
  machine.begin_capture(sessions);
  header.state_hash = machine.state_hash();
  header.session_bytes = sessions.size();
  header.pair_bytes = machine.store().capture_bytes();
  vesper::storage::SnapshotEncoder encoder(header);
  vesper::ByteWriter(encoder.content()).bytes(members);
  vesper::ByteWriter(encoder.content()).bytes(sessions);
  while (machine.capture_next(encoder.content().size() + 1024 * 1024, encoder.content())) {
  }
  return encoder.take_blocks(true);
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
  out << vesper::as_text(bytes.value());
  return out.flush() ? 0 : 1;
}
