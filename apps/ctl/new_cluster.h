// The data directories of a new cluster, made of a backup (core/node/restoration.h): what `restore`
// and `recover-with-data-loss` end with.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/storage/snapshot_format.h"

namespace vesper::ctl {

struct NewCluster {
  std::string directory;  // of all nodes' data directories; it must not be there
  std::uint32_t nodes = 5;
  std::uint64_t segment_mib = 64;
};

struct VerifiedBackup {
  SharedBytes bytes;
  storage::SnapshotHeader header;
};

// Loads all of it. Errors: kCorruption, kMismatch; they begin with the name and say where.
Result<VerifiedBackup> verified_backup(SharedBytes bytes, const std::string& name);

// Errors: kInvalid, there is something of that name.
Status refuse_existing(const std::string& directory);

// Makes directory/n0 and so on, or none, and prints what it made.
// Errors: why nothing was made.
Status make_cluster(const NewCluster& options, const VerifiedBackup& backup);

}  // namespace vesper::ctl
