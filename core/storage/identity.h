// Who a data directory belongs to: the file `identity`. A wiped disk and a first start look alike,
// so each directory gets a random incarnation before anything else, and a cluster's id and the
// incarnations of all its founders when it is formed. Replaced atomically: temporary, sync, rename,
// sync the directory.
#pragma once

#include <optional>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"
#include "core/storage/disk.h"

namespace vesper::storage {

struct Identity {
  NodeId node;
  Incarnation incarnation;
  // 0 until the cluster is formed.
  ClusterId cluster;
  // Founders' incarnations, by node id; its size is the cluster's size. 0: any (formed by --form).
  // Empty until formed.
  std::vector<Incarnation> founders;

  bool formed() const { return cluster != ClusterId(); }
  bool operator==(const Identity&) const = default;
};

// The operations that replace the identity file.
std::vector<DiskOp> write_identity(const Identity& identity);

// Blocking; start-up only. Nothing when the directory holds neither an identity nor a segment.
// Errors: kCorruption (the file does not verify, or segments stand without it: names the file),
// kMismatch (another format version), kIo.
Result<std::optional<Identity>> read_identity(Disk& disk);

}  // namespace vesper::storage
