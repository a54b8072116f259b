// `vesperctl backup ADDRESS FILE` and `vesperctl restore FILE DIR`: all that a live cluster holds
// at one moment as one checksummed file, and a new cluster that begins with it.
#pragma once

#include <chrono>
#include <string>

#include "apps/ctl/new_cluster.h"

namespace vesper::ctl {

struct BackupOptions {
  std::string address;
  std::string file;
  std::chrono::milliseconds timeout{60'000};  // without any progress
};

// Has a node make a snapshot that stands for all that was acknowledged before, fetches it in pieces
// and verifies it; the file gets its name when all of it is durable, and replaces one that was
// there.
int run_backup(const BackupOptions& options);

struct RestoreOptions {
  std::string file;
  NewCluster cluster;
};

// Makes the data directories of all nodes of a new cluster, or none.
int run_restore(const RestoreOptions& options);

}  // namespace vesper::ctl
