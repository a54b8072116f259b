#include "apps/ctl/new_cluster.h"

#include <fmt/core.h>
#include <sys/random.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "core/node/restoration.h"
#include "core/node/snapshot_loader.h"
#include "net/posix_disk.h"

namespace vesper::ctl {

namespace {

constexpr std::size_t kPieceBytes = 512 * storage::kSnapshotBlockBytes;

// Runs one batch after another, each to its end.
class BlockingDisk {
 public:
  static Result<std::unique_ptr<BlockingDisk>> open(const std::string& directory) {
    auto disk = net::PosixDisk::open({.directory = directory});
    if (!disk.ok()) return disk.error();
    auto result = std::unique_ptr<BlockingDisk>(new BlockingDisk(std::move(disk.value())));
    BlockingDisk* const self = result.get();
    self->disk_->start([self](const storage::DiskDone& done) {
      const std::lock_guard lock(self->mutex_);
      self->status_ = done.status;
      self->arrived_.notify_one();
    });
    return result;
  }

  Status run(std::vector<storage::DiskOp> ops) {
    std::unique_lock lock(mutex_);
    status_.reset();
    disk_->submit({storage::DiskLane::kLog, ++ticket_, std::move(ops)});
    arrived_.wait(lock, [this] { return status_.has_value(); });
    return *status_;
  }

 private:
  explicit BlockingDisk(std::unique_ptr<net::PosixDisk> disk) : disk_(std::move(disk)) {}

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::optional<Status> status_;  // of the last batch; guarded by mutex_
  std::uint64_t ticket_ = 0;
  std::unique_ptr<net::PosixDisk> disk_;  // last: its threads end first
};

// Never 0: that stands for "none".
Result<std::uint64_t> draw() {
  std::uint64_t drawn = 0;
  while (drawn == 0) {
    if (::getrandom(&drawn, sizeof drawn, 0) != sizeof drawn) {
      return Error{ErrorCode::kIo, "the system gives no random number"};
    }
  }
  return drawn;
}

Status make_directory(const std::string& directory, const VerifiedBackup& backup,
                      const storage::Identity& identity, const storage::WalOptions& options) {
  auto disk = BlockingDisk::open(directory);
  if (!disk.ok()) return disk.error();
  const std::string temporary = storage::kSnapshotTemporary;
  std::vector<storage::DiskOp> ops;
  node::SnapshotRewriter rewriter(backup.bytes.size(), identity.cluster, identity.founders);
  std::uint64_t offset = 0;
  for (ByteView rest = backup.bytes.view(); !rest.empty();) {
    const std::size_t size = std::min(rest.size(), kPieceBytes);
    auto blocks = rewriter.feed(rest.first(size));
    if (!blocks.ok()) return blocks.error();
    rest = rest.subspan(size);
    if (offset == 0) {
      ops.emplace_back(storage::CreateFile{
          .name = temporary, .size = rewriter.file_bytes(), .is_written = false});
    }
    const std::uint64_t bytes = blocks.value().size();
    ops.emplace_back(storage::WriteFile{temporary, offset, std::move(blocks.value())});
    offset += bytes;
    VESPER_TRY(disk.value()->run(std::exchange(ops, {})));
  }
  VESPER_CHECK(rewriter.is_complete() && offset == rewriter.file_bytes());
  ops.emplace_back(storage::SyncFile{temporary});
  ops.emplace_back(storage::RenameFile{temporary, storage::snapshot_name(rewriter.last().index)});
  ops.emplace_back(storage::SyncDirectory{});
  VESPER_TRY(disk.value()->run(std::exchange(ops, {})));
  return disk.value()->run(node::restored_directory(identity, rewriter.last(), options));
}

Status make_all(const NewCluster& options, const std::string& part, const VerifiedBackup& backup,
                storage::Identity& identity) {
  const storage::WalOptions wal{.segment_bytes = options.segment_mib * 1024 * 1024};
  const auto cluster = draw();
  if (!cluster.ok()) return cluster.error();
  identity.cluster = ClusterId(cluster.value());
  for (std::uint32_t id = 0; id < options.nodes; ++id) {
    const auto incarnation = draw();
    if (!incarnation.ok()) return incarnation.error();
    identity.founders.emplace_back(incarnation.value());
  }
  for (std::uint32_t id = 0; id < options.nodes; ++id) {
    identity.node = NodeId(id);
    identity.incarnation = identity.founders[id];
    VESPER_TRY(make_directory(fmt::format("{}/n{}", part, id), backup, identity, wal));
  }
  return {};
}

}  // namespace

Result<VerifiedBackup> verified_backup(SharedBytes bytes, const std::string& name) {
  const auto damaged = [&](const Error& why) { return Error{why.code, name + " " + why.message}; };
  ByteView rest = bytes.view();
  if (rest.empty()) return damaged({ErrorCode::kCorruption, "at offset 0: the file is empty"});
  // The first block says of which cluster it is; then all of it must be.
  storage::SnapshotDecoder first(rest.size());
  const auto head = rest.first(std::min<std::size_t>(rest.size(), storage::kSnapshotBlockBytes));
  if (const Status fed = first.feed(head); !fed.ok()) return damaged(fed.error());
  node::SnapshotLoader loader(rest.size(), first.header().cluster, kv::SessionBounds());
  while (!rest.empty()) {
    const std::size_t size = std::min(rest.size(), kPieceBytes);
    if (const Status fed = loader.feed(rest.first(size)); !fed.ok()) return damaged(fed.error());
    rest = rest.subspan(size);
  }
  if (const Status whole = loader.finish(); !whole.ok()) return damaged(whole.error());
  return VerifiedBackup{std::move(bytes), loader.header()};
}

Status refuse_existing(const std::string& directory) {
  std::error_code error;
  if (!std::filesystem::exists(directory, error)) return {};
  return Error{ErrorCode::kInvalid, directory + " is there already"};
}

Status make_cluster(const NewCluster& options, const VerifiedBackup& backup) {
  VESPER_TRY(refuse_existing(options.directory));
  std::error_code error;
  const std::string part = options.directory + ".part";
  if (!std::filesystem::create_directory(part, error)) {
    return Error{ErrorCode::kIo, part + (error ? ": " + error.message() : " is there already")};
  }
  storage::Identity identity;
  Status made = make_all(options, part, backup, identity);
  if (made.ok()) {
    std::filesystem::rename(part, options.directory, error);
    if (error) made = Error{ErrorCode::kIo, "rename " + part + ": " + error.message()};
  }
  if (!made.ok()) {
    std::filesystem::remove_all(part, error);
    return made;
  }
  const storage::SnapshotHeader& header = backup.header;
  fmt::print("cluster {:016x} of {} nodes, from entry {} of cluster {:016x}\n",
             identity.cluster.value(), options.nodes, header.last.index.value(),
             header.cluster.value());
  for (std::uint32_t id = 0; id < options.nodes; ++id) {
    fmt::print("n{}  {}/n{}\n", id, options.directory, id);
  }
  return {};
}

}  // namespace vesper::ctl
