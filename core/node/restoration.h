// How a backup of one cluster becomes the beginning of another. A backup is a snapshot file as a
// node made it; each node of the new cluster begins with the same state, as if it had taken in that
// snapshot from a leader, but under an identity of the new cluster, so that a node of the old one
// and a node of the new one refuse each other wherever they meet: in the frames they send, and in
// the directories they find.
//
// The members that the backup names are the old cluster's; in their place come the new one's
// founders, as if nobody had ever joined or left.
//
// The state says that it stands far above where it was taken. A client's session is named by the
// index of its registration, and the old cluster may have gone on: it may have issued every name
// just above the backup's end, and its clients may come to the new cluster with them. With a gap
// that no cluster fills, no name is issued twice; those that were issued after the backup are
// unknown here, and refused.
//
// What makes it safe that all begin with the same state: no directory of the new cluster has ever
// voted or acknowledged, and all of them hold all there is, so whoever is elected first holds what
// any majority holds. That is true of directories that were made together, once. So they are:
// cluster and incarnations are drawn at random for each restoration, and a directory that is made
// again belongs to a cluster of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/storage/disk.h"
#include "core/storage/identity.h"
#include "core/storage/snapshot_format.h"
#include "core/storage/wal.h"

namespace vesper::node {

// At a million entries a second, twelve days of them.
inline constexpr std::uint64_t kRestorationGap = std::uint64_t{1} << 40;

// Writes a snapshot anew for another cluster, a piece at a time.
class SnapshotRewriter {
 public:
  // Of a file of this many bytes, for a cluster of these founders.
  SnapshotRewriter(std::uint64_t file_bytes, ClusterId to,
                   const std::vector<Incarnation>& founders);

  // The next blocks, whole ones but for the file's last, become the next blocks of the new file, if
  // any. Errors: kCorruption, kMismatch, as SnapshotDecoder's.
  Result<std::vector<std::byte>> feed(ByteView blocks);
  // The new file's length. Requires: something was fed.
  std::uint64_t file_bytes() const { return header_->file_bytes(); }
  bool is_complete() const { return decoder_.is_complete(); }
  // Where the new snapshot ends. Requires: something was fed.
  LogPosition last() const { return header_->last; }

 private:
  storage::SnapshotDecoder decoder_;
  ClusterId to_;
  std::vector<std::byte> members_;  // the new configuration
  std::uint64_t passed_over_ = 0;   // bytes of the old one, still to come
  std::optional<storage::SnapshotHeader> header_;
  std::optional<storage::SnapshotEncoder> encoder_;
};

// The operations that make the rest of a data directory, once the rewritten snapshot is durable
// under its name: the log, which begins after it, then the identity. A directory that was begun and
// not finished has no identity, and no node starts on it.
std::vector<storage::DiskOp> restored_directory(const storage::Identity& identity,
                                                LogPosition snapshot,
                                                const storage::WalOptions& options);

}  // namespace vesper::node
