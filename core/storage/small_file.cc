#include "core/storage/small_file.h"

#include <algorithm>
#include <utility>

namespace vesper::storage {

std::vector<DiskOp> replace_file(const std::string& name, std::vector<std::byte> bytes) {
  const std::string temporary = name + ".tmp";
  std::vector<DiskOp> ops;
  ops.emplace_back(CreateFile{temporary, bytes.size()});
  ops.emplace_back(WriteFile{temporary, 0, std::move(bytes)});
  ops.emplace_back(SyncFile{temporary});
  ops.emplace_back(RenameFile{temporary, name});
  ops.emplace_back(SyncDirectory{});
  return ops;
}

std::vector<DiskOp> remove_file(const std::string& name) {
  std::vector<DiskOp> ops;
  ops.emplace_back(RemoveFile{name});
  ops.emplace_back(SyncDirectory{});
  return ops;
}

Result<std::optional<SharedBytes>> read_if_there(Disk& disk, const std::string& name) {
  auto files = disk.list();
  if (!files.ok()) return files.error();
  const bool is_there = std::any_of(files.value().begin(), files.value().end(),
                                    [&](const FileInfo& file) { return file.name == name; });
  if (!is_there) return std::optional<SharedBytes>();
  auto bytes = disk.read(name);
  if (!bytes.ok()) return bytes.error();
  return std::optional<SharedBytes>(std::move(bytes.value()));
}

}  // namespace vesper::storage
