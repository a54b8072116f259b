#include "core/node/restoration.h"

#include <algorithm>
#include <utility>

#include "core/raft/configuration.h"

namespace vesper::node {

SnapshotRewriter::SnapshotRewriter(std::uint64_t file_bytes, ClusterId to,
                                   const std::vector<Incarnation>& founders)
    : decoder_(file_bytes), to_(to) {
  raft::Configuration::of_founders(founders).encode(members_);
}

Result<std::vector<std::byte>> SnapshotRewriter::feed(ByteView blocks) {
  if (const Status fed = decoder_.feed(blocks); !fed.ok()) return fed.error();
  if (!header_) {
    header_ = decoder_.header();
    header_->cluster = to_;
    header_->last.index = header_->last.index.plus(kRestorationGap);
    passed_over_ = std::exchange(header_->configuration_bytes, members_.size());
    encoder_.emplace(*header_);
    ByteWriter(encoder_->content()).bytes(members_);
  }
  const auto old_members = std::min<std::uint64_t>(passed_over_, decoder_.content().size());
  passed_over_ -= old_members;
  decoder_.take(static_cast<std::size_t>(old_members));
  const ByteView content = decoder_.content();
  ByteWriter(encoder_->content()).bytes(content);
  decoder_.take(content.size());
  return encoder_->take_blocks(decoder_.is_complete());
}

// The term is the snapshot's, in which nobody votes any more: elections go on above it.
std::vector<storage::DiskOp> restored_directory(const storage::Identity& identity,
                                                LogPosition snapshot,
                                                const storage::WalOptions& options) {
  const raft::HardState hard_state{.term = snapshot.term, .vote = std::nullopt};
  std::vector<storage::DiskOp> ops = storage::Wal::format(identity, options, hard_state, {});
  for (storage::DiskOp& op : storage::write_identity(identity)) ops.push_back(std::move(op));
  return ops;
}

}  // namespace vesper::node
