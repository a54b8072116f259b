#include "core/node/snapshot_writer.h"

#include <algorithm>
#include <span>

#include "core/base/limits.h"

namespace vesper::node {

namespace {

std::vector<std::byte> encoded(const raft::Configuration& members) {
  std::vector<std::byte> bytes;
  members.encode(bytes);
  return bytes;
}

std::vector<std::byte> begin_capture(kv::StateMachine& machine) {
  std::vector<std::byte> sessions;
  machine.begin_capture(sessions);
  return sessions;
}

}  // namespace

SnapshotWriter::SnapshotWriter(const SnapshotEnd& end, const raft::Configuration& members,
                               kv::StateMachine& machine)
    : SnapshotWriter(end, encoded(members), begin_capture(machine), machine) {}

SnapshotWriter::SnapshotWriter(const SnapshotEnd& end, ByteView members, ByteView sessions,
                               const kv::StateMachine& machine)
    : header_{.cluster = end.cluster,
              .last = end.last,
              .log_bytes = end.log_bytes,
              .state_hash = machine.state_hash(),
              .configuration_bytes = members.size(),
              .session_bytes = sessions.size(),
              .pair_bytes = machine.store().capture_bytes()},
      encoder_(header_) {
  ByteWriter(encoder_.content()).bytes(members);
  ByteWriter(encoder_.content()).bytes(sessions);
}

std::vector<std::byte> SnapshotWriter::take_blocks(kv::StateMachine& machine, std::size_t bytes) {
  VESPER_CHECK(!has_all_);
  has_all_ = !machine.capture_next(bytes, encoder_.content());
  return encoder_.take_blocks(has_all_);
}

SharedBytes whole_snapshot(const SnapshotEnd& end, const raft::Configuration& members,
                           kv::StateMachine& machine) {
  SnapshotWriter writer(end, members, machine);
  const auto size = static_cast<std::size_t>(writer.header().file_bytes());
  return SharedBytes::make(size, [&](std::span<std::byte> file) {
    std::size_t written = 0;
    while (!writer.has_all()) {
      const auto blocks = writer.take_blocks(machine, limits::kSnapshotBytesATurn);
      VESPER_CHECK(blocks.size() <= file.size() - written);
      std::copy(blocks.begin(), blocks.end(), file.begin() + static_cast<std::ptrdiff_t>(written));
      written += blocks.size();
    }
    VESPER_CHECK(written == file.size());
  });
}

}  // namespace vesper::node
