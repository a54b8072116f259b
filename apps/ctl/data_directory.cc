#include "apps/ctl/data_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace vesper::ctl {

namespace {

Error io_error(const std::string& what, const std::string& name, int error) {
  return {ErrorCode::kIo, what + " " + name + ": " + std::strerror(error)};
}

}  // namespace

Result<std::unique_ptr<DataDirectory>> DataDirectory::open(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    return io_error("open the directory", path, error ? error.value() : ENOTDIR);
  }
  const std::string lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDONLY | O_CLOEXEC);
  if (lock < 0 && errno != ENOENT) return io_error("open", lock_path, errno);
  if (lock >= 0 && ::flock(lock, LOCK_SH | LOCK_NB) != 0) {
    const int why = errno;
    ::close(lock);
    if (why != EWOULDBLOCK) return io_error("lock", lock_path, why);
    return Error{ErrorCode::kMismatch, "the data directory " + path + " is in use by a node"};
  }
  return std::unique_ptr<DataDirectory>(new DataDirectory(path, lock));
}

DataDirectory::~DataDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

Result<std::vector<storage::FileInfo>> DataDirectory::list() {
  std::vector<storage::FileInfo> files;
  std::error_code error;
  std::filesystem::directory_iterator entries(path_, error);
  if (error) return io_error("list", path_, error.value());
  for (; entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (error) return io_error("list", path_, error.value());
    if (!entries->is_regular_file(error) || entries->path().filename() == "lock") continue;
    const std::uint64_t size = entries->file_size(error);
    if (error) return io_error("look at", entries->path().string(), error.value());
    files.push_back({entries->path().filename().string(), size});
  }
  return files;
}

Result<SharedBytes> DataDirectory::read(const std::string& name) {
  return read_file(path_ + "/" + name);
}

Result<SharedBytes> read_file(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return io_error("open", name, errno);
  const off_t size = ::lseek(file, 0, SEEK_END);
  int failed = size < 0 ? errno : 0;
  const auto fill = [&](std::span<std::byte> to) {
    std::size_t at = 0;
    while (failed == 0 && at < to.size()) {
      const ssize_t count = ::pread(file, to.data() + at, to.size() - at, static_cast<off_t>(at));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) failed = count == 0 ? EIO : errno;
      if (count > 0) at += static_cast<std::size_t>(count);
    }
  };
  SharedBytes bytes = SharedBytes::make(static_cast<std::size_t>(size < 0 ? 0 : size), fill);
  ::close(file);
  if (failed != 0) return io_error("read", name, failed);
  return bytes;
}

void DataDirectory::submit(storage::DiskBatch) {
  VESPER_UNREACHABLE();
}

}  // namespace vesper::ctl
