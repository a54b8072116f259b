#include "core/node/snapshot_loader.h"

#include <string>
#include <utility>

namespace vesper::node {

namespace {

Error corrupt(std::uint64_t offset, const std::string& what) {
  return {ErrorCode::kCorruption, "at offset " + std::to_string(offset) + ": " + what};
}

}  // namespace

Status SnapshotLoader::feed(ByteView blocks) {
  const std::uint64_t before = decoder_.fed();
  VESPER_TRY(decoder_.feed(blocks));
  if (header().cluster != cluster_) {
    return Error{ErrorCode::kMismatch, "at offset 0: the snapshot of another cluster"};
  }
  if (!configuration_) VESPER_TRY(load_configuration());
  if (!configuration_) return {};
  if (!has_sessions_) VESPER_TRY(load_sessions());
  if (!has_sessions_) return {};
  const auto loaded = machine_.load_pairs(decoder_.content());
  if (!loaded.ok()) return corrupt(before, loaded.error().message);
  decoder_.take(loaded.value());
  return {};
}

// It comes first and is small; once all its bytes are there.
Status SnapshotLoader::load_configuration() {
  const std::uint64_t bytes = header().configuration_bytes;
  if (bytes > limits::kConfigurationBytes) return corrupt(0, "more members than may be");
  if (decoder_.content().size() < bytes) return {};
  const auto size = static_cast<std::size_t>(bytes);
  auto decoded = raft::Configuration::decode(decoder_.content().first(size));
  if (!decoded.ok()) return corrupt(0, decoded.error().message);
  configuration_ = std::move(decoded.value());
  decoder_.take(size);
  return {};
}

// They come next and are small.
Status SnapshotLoader::load_sessions() {
  const std::uint64_t bytes = header().session_bytes;
  if (bytes > limits::kSessionsEncodedBytes) return corrupt(0, "more sessions than may be");
  if (decoder_.content().size() < bytes) return {};
  const auto size = static_cast<std::size_t>(bytes);
  VESPER_TRY(machine_.load_sessions(decoder_.content().first(size), bounds_, header().last.index));
  decoder_.take(size);
  has_sessions_ = true;
  return {};
}

Status SnapshotLoader::finish() const {
  if (is_complete() && decoder_.fed() > 0 && has_sessions_ && decoder_.content().empty() &&
      machine_.store().capture_bytes() == header().pair_bytes &&
      machine_.state_hash() == header().state_hash) {
    return {};
  }
  return corrupt(0, "the contents are not those of the header");
}

raft::SnapshotId SnapshotLoader::id() const {
  return {header().last, decoder_.fed(), decoder_.checksum()};
}

}  // namespace vesper::node
