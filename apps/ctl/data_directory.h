// A node's data directory, to be looked at while no node uses it: the core's Disk for reading only.
// Nothing in the directory is changed, made or synced. It holds the node's lock, shared, for as
// long as it is looked at, where there is one to hold: a copy need not have it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/storage/disk.h"

namespace vesper::ctl {

// All of a file. Errors: kIo, with the file's name.
Result<SharedBytes> read_file(const std::string& path);

class DataDirectory final : public storage::Disk {
 public:
  // Errors: kMismatch (a node has it), kIo.
  static Result<std::unique_ptr<DataDirectory>> open(const std::string& path);
  ~DataDirectory() override;
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  Result<std::vector<storage::FileInfo>> list() override;
  Result<SharedBytes> read(const std::string& name) override;
  // Never: what only looks submits nothing.
  void submit(storage::DiskBatch batch) override;

 private:
  DataDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}

  std::string path_;
  int lock_;  // -1: there is none
};

}  // namespace vesper::ctl
