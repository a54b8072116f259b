#include "net/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/base/zeros.h"
#include "net/file_descriptor.h"

namespace vesper::net {

namespace {

using storage::DiskOp;

constexpr const char* kLockName = "lock";
constexpr std::size_t kZerosBytes = 1024 * 1024;
constexpr std::size_t kPieceBytes = 64 * 1024;

Error io_error(const std::string& operation, const std::string& name, int error = errno) {
  return {ErrorCode::kIo, operation + " " + name + ": " + std::strerror(error)};
}

// Of what may need room: that there is none is no failure of the disk.
Error room_error(const std::string& operation, const std::string& name, int error = errno) {
  Error result = io_error(operation, name, error);
  if (error == ENOSPC || error == EDQUOT) result.code = ErrorCode::kNoSpace;
  return result;
}

Status write_at(int file, const std::string& name, ByteView bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return room_error("write", name);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

// 0, or why not all of it could be read.
int read_error(int file, std::span<std::byte> to, std::uint64_t offset) {
  while (!to.empty()) {
    const ssize_t count = ::pread(file, to.data(), to.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return count == 0 ? EIO : errno;
    to = to.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return 0;
}

Status read_at(int file, const std::string& name, std::span<std::byte> to, std::uint64_t offset) {
  const int error = read_error(file, to, offset);
  return error == 0 ? Status() : io_error("read", name, error);
}

// All that can be read there of the file; what cannot is marked (storage::Disk::read).
Status read_what_is_left(int file, const std::string& name, std::span<std::byte> to,
                         std::uint64_t offset) {
  int error = read_error(file, to, offset);
  if (error == 0) return {};
  for (std::uint64_t at = 0; at < to.size() && error == EIO; at += storage::kSectorBytes) {
    const auto size = std::min<std::uint64_t>(storage::kSectorBytes, to.size() - at);
    const std::span<std::byte> sector = to.subspan(at, size);
    const int in_sector = read_error(file, sector, offset + at);
    if (in_sector == EIO) std::fill(sector.begin(), sector.end(), storage::kUnreadable);
    if (in_sector != 0) error = in_sector;
  }
  return error == EIO ? Status() : io_error("read", name, error);
}

// The same of the whole file, into zeros. Where zeros are in the file too they are left alone: a
// log file's end, where nothing has been written yet, takes no memory then.
Status read_whole(int file, const std::string& name, std::span<std::byte> zeros) {
  std::vector<std::byte> room(std::min(kPieceBytes, zeros.size()));
  for (std::size_t at = 0; at < zeros.size(); at += room.size()) {
    const auto piece = std::span(room).first(std::min(room.size(), zeros.size() - at));
    VESPER_TRY(read_what_is_left(file, name, piece, at));
    if (!is_zero(piece)) std::memcpy(zeros.data() + at, piece.data(), piece.size());
  }
  return {};
}

// Carries out the operations of one lane. Keeps the file that was used last open: nearly every
// batch writes and syncs the same segment.
class Executor {
 public:
  Executor(int directory, const PosixDisk::Options& options)
      : directory_(directory), options_(options) {}

  Status run(DiskOp& op) {
    return std::visit([this](auto& what) { return run(what); }, op);
  }

 private:
  Status run(const storage::CreateFile& op) {
    forget(op.name);
    FileDescriptor file(
        ::openat(directory_, op.name.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644));
    if (!file.is_open()) return room_error("create", op.name);
    VESPER_TRY(look_for_room(op));
    // Real zeros, not only reserved space: a later sync then changes no metadata.
    const std::vector<std::byte> zeros(std::min<std::size_t>(kZerosBytes, op.size));
    if (op.size > 0) {
      if (const int error = ::posix_fallocate(file.get(), 0, static_cast<off_t>(op.size));
          error != 0) {
        return room_error("allocate", op.name, error);
      }
    }
    for (std::uint64_t at = 0; at < op.size && op.is_written; at += zeros.size()) {
      const auto count = std::min<std::uint64_t>(zeros.size(), op.size - at);
      VESPER_TRY(write_at(file.get(), op.name, ByteView(zeros).first(count), at));
    }
    open_name_ = op.name;
    open_ = std::move(file);
    return {};
  }

  // Before it is allocated: a try that cannot succeed would take the last room of all others while
  // it lasts, and is repeated as long as the disk is full.
  Status look_for_room(const storage::CreateFile& op) const {
    struct statvfs info {};
    if (::fstatvfs(directory_, &info) != 0) return io_error("look for room for", op.name);
    if (op.size / info.f_frsize < info.f_bavail) return {};
    return room_error("allocate", op.name, ENOSPC);
  }

  Status run(const storage::WriteFile& op) {
    VESPER_TRY(use(op.name));
    struct stat info {};
    if (::fstat(open_.get(), &info) != 0) return io_error("write", op.name);
    if (op.offset + op.bytes.size() > static_cast<std::uint64_t>(info.st_size)) {
      return Error{ErrorCode::kIo, "write " + op.name + ": the file is shorter than it was made"};
    }
    return write_at(open_.get(), op.name, op.bytes, op.offset);
  }

  Status run(storage::ReadFile& op) {
    VESPER_TRY(use(op.name));
    return read_at(open_.get(), op.name, op.bytes, op.offset);
  }

  Status run(const storage::RenameFile& op) {
    forget(op.from);
    forget(op.to);
    if (::renameat(directory_, op.from.c_str(), directory_, op.to.c_str()) != 0) {
      return room_error("rename", op.from + " to " + op.to);
    }
    return {};
  }

  // A file that is gone already is what was wanted.
  Status run(const storage::RemoveFile& op) {
    forget(op.name);
    if (::unlinkat(directory_, op.name.c_str(), 0) != 0 && errno != ENOENT) {
      return io_error("remove", op.name);
    }
    return {};
  }

  Status run(const storage::SyncFile& op) {
    if (!options_.sync) return {};
    VESPER_TRY(use(op.name));
    if (::fdatasync(open_.get()) != 0) return io_error("sync", op.name);
    return {};
  }

  Status run(const storage::SyncDirectory&) {
    if (!options_.sync) return {};
    if (::fsync(directory_) != 0) return io_error("sync the directory", options_.directory);
    return {};
  }

  Status use(const std::string& name) {
    if (open_.is_open() && open_name_ == name) return {};
    FileDescriptor file(::openat(directory_, name.c_str(), O_RDWR | O_CLOEXEC));
    if (!file.is_open()) return io_error("open", name);
    open_ = std::move(file);
    open_name_ = name;
    return {};
  }
  void forget(const std::string& name) {
    if (open_name_ == name) open_.close();
  }

  int directory_;
  const PosixDisk::Options& options_;
  FileDescriptor open_;
  std::string open_name_;
};

Status make_directory(const std::string& directory) {
  const bool is_new = ::mkdir(directory.c_str(), 0755) == 0;
  if (!is_new && errno != EEXIST) return io_error("make the directory", directory);
  // The directory's own name has to survive too, also if whoever made it died before it said so.
  const std::size_t slash = directory.find_last_of('/');
  const std::string parent = slash == std::string::npos ? "."
                             : slash == 0               ? "/"
                                                        : directory.substr(0, slash);
  const FileDescriptor above(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!above.is_open() || ::fsync(above.get()) != 0) {
    // What is above a directory that was there may be closed to us, or unable to sync.
    if (is_new || errno == EIO) return io_error("sync the directory", parent);
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PosixDisk>> PosixDisk::open(Options options) {
  while (options.directory.size() > 1 && options.directory.ends_with('/')) {
    options.directory.pop_back();
  }
  VESPER_TRY(make_directory(options.directory));
  FileDescriptor directory(::open(options.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.is_open()) return io_error("open the directory", options.directory);
  const std::string lock_path = options.directory + "/" + kLockName;
  FileDescriptor lock(::openat(directory.get(), kLockName, O_CREAT | O_RDWR | O_CLOEXEC, 0644));
  if (!lock.is_open()) return io_error("open", lock_path);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return io_error("lock", lock_path);
    return Error{ErrorCode::kMismatch,
                 "the data directory " + options.directory + " is in use by another process"};
  }
  return std::unique_ptr<PosixDisk>(
      new PosixDisk(std::move(options), directory.release(), lock.release()));
}

PosixDisk::~PosixDisk() {
  for (Lane& lane : lanes_) {
    {
      const std::lock_guard guard(lane.mutex);
      lane.stop = true;
    }
    lane.submitted.notify_one();
    if (lane.thread.joinable()) lane.thread.join();
  }
  ::close(directory_);
  ::close(lock_);
}

void PosixDisk::start(OnDone on_done) {
  VESPER_CHECK(on_done_ == nullptr);
  on_done_ = std::move(on_done);
  for (Lane& lane : lanes_) {
    lane.thread = std::thread([this, &lane] { run_lane(lane); });
  }
}

void PosixDisk::submit(storage::DiskBatch batch) {
  Lane& lane = lanes_[static_cast<std::size_t>(batch.lane)];
  {
    const std::lock_guard guard(lane.mutex);
    lane.batches.push_back(std::move(batch));
  }
  lane.submitted.notify_one();
}

void PosixDisk::run_lane(Lane& lane) {
  Executor executor(directory_, options_);
  std::unique_lock lock(lane.mutex);
  while (true) {
    lane.submitted.wait(lock, [&lane] { return lane.stop || !lane.batches.empty(); });
    if (lane.batches.empty()) return;
    storage::DiskDone done{std::move(lane.batches.front()), {}};
    lane.batches.pop_front();
    lock.unlock();
    for (DiskOp& op : done.batch.ops) {
      done.status = executor.run(op);
      if (!done.status.ok()) break;
    }
    on_done_(std::move(done));
    lock.lock();
  }
}

Result<std::vector<storage::FileInfo>> PosixDisk::list() {
  if (options_.sync && ::fsync(directory_) != 0) {
    return io_error("sync the directory", options_.directory);
  }
  const int copy = ::openat(directory_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* entries = copy < 0 ? nullptr : ::fdopendir(copy);
  if (entries == nullptr) return io_error("list", options_.directory);
  std::vector<storage::FileInfo> files;
  Status status;
  errno = 0;
  while (const dirent* entry = ::readdir(entries)) {
    const std::string name = entry->d_name;
    struct stat info {};
    if (::fstatat(directory_, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
      status = io_error("look at", name);
      break;
    }
    if (S_ISREG(info.st_mode) && name != kLockName) {
      files.push_back({name, static_cast<std::uint64_t>(info.st_size)});
    }
    errno = 0;
  }
  if (status.ok() && errno != 0) status = io_error("list", options_.directory);
  ::closedir(entries);
  if (!status.ok()) return status.error();
  return files;
}

Result<SharedBytes> PosixDisk::read(const std::string& name) {
  const FileDescriptor file(::openat(directory_, name.c_str(), O_RDWR | O_CLOEXEC));
  if (!file.is_open()) return io_error("open", name);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return io_error("read", name);
  if (options_.sync && ::fdatasync(file.get()) != 0) return io_error("sync", name);
  Status status;
  auto fill = [&](std::span<std::byte> to) { status = read_whole(file.get(), name, to); };
  SharedBytes bytes = SharedBytes::make_of_zeros(static_cast<std::size_t>(info.st_size), fill);
  if (!status.ok()) return status.error();
  return bytes;
}

}  // namespace vesper::net
