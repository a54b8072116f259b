// vesperctl restore: the data directories of a new cluster, from a backup.
#include <fmt/core.h>

#include <utility>

#include "apps/ctl/backup.h"
#include "apps/ctl/data_directory.h"
#include "apps/ctl/request.h"

namespace vesper::ctl {

namespace {

Status restore(const RestoreOptions& options) {
  VESPER_TRY(refuse_existing(options.cluster.directory));
  auto bytes = read_file(options.file);
  if (!bytes.ok()) return bytes.error();
  const auto backup = verified_backup(std::move(bytes.value()), options.file);
  if (!backup.ok()) return backup.error();
  return make_cluster(options.cluster, backup.value());
}

}  // namespace

int run_restore(const RestoreOptions& options) {
  const Status restored = restore(options);
  if (restored.ok()) return kSuccess;
  fmt::print(stderr, "vesperctl: nothing is restored: {}\n", restored.error().message);
  return kFail;
}

}  // namespace vesper::ctl
