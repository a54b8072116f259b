// Files of a data directory that are small, stand alone and are replaced as a whole: the identity,
// a doubt, a note. How one is replaced so that a crash leaves the old one or the new one, and how
// one is looked for at start.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/storage/disk.h"

namespace vesper::storage {

// The operations that replace the file atomically, by way of `<name>.tmp`: write, sync, rename,
// sync the directory.
std::vector<DiskOp> replace_file(const std::string& name, std::vector<std::byte> bytes);
// And those that remove it, durably.
std::vector<DiskOp> remove_file(const std::string& name);

// Blocking; start-up only. Nothing if there is no such file. Errors: kIo.
Result<std::optional<SharedBytes>> read_if_there(Disk& disk, const std::string& name);

}  // namespace vesper::storage
