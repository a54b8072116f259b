#include "net/record_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vesper::net {

namespace {

constexpr std::size_t kAhead = 2;  // chunks that stand ready
constexpr int kNamesMax = 100'000;

static_assert(RecordFile::kChunkBytes >= node::kRecordingKeptBytes);

Error system_error(const std::string& operation, const std::string& path, int error) {
  const bool is_full = error == ENOSPC || error == EDQUOT;
  return {is_full ? ErrorCode::kNoSpace : ErrorCode::kIo,
          operation + " " + path + ": " + std::strerror(error)};
}

std::string numbered(const std::string& path, int number) {
  return number == 1 ? path : path + "." + std::to_string(number);
}

}  // namespace

Result<std::unique_ptr<RecordFile>> RecordFile::create(const Options& options) {
  for (int number = 1; number <= kNamesMax; ++number) {
    const std::string path = numbered(options.path, number);
    FileDescriptor file(::open(path.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644));
    if (!file.is_open() && errno == EEXIST) continue;
    if (!file.is_open()) return system_error("create", path, errno);
    std::unique_ptr<RecordFile> made(
        new RecordFile(path, std::move(file), static_cast<std::size_t>(options.bytes_max)));
    if (const Status reserved = made->reserve(); !reserved.ok()) {
      ::unlink(path.c_str());
      return reserved.error();
    }
    return made;
  }
  return Error{ErrorCode::kIo, options.path + ": there are too many files of that name"};
}

RecordFile::RecordFile(std::string path, FileDescriptor file, std::size_t bytes_max)
    : path_(std::move(path)),
      file_(std::move(file)),
      chunks_max_(std::max<std::size_t>(1, bytes_max / kChunkBytes)) {}

RecordFile::~RecordFile() {
  end_thread();
  if (base_ != nullptr) ::munmap(base_, chunks_max_ * kChunkBytes);
}

void RecordFile::end_thread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

// Addresses only: a recording is one piece of memory to who writes it.
Status RecordFile::reserve() {
  void* base = ::mmap(nullptr, chunks_max_ * kChunkBytes, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return system_error("find addresses for", path_, errno);
  base_ = static_cast<std::byte*>(base);
  VESPER_TRY(prepare(0));
  ready_ = 1;
  thread_ = std::thread([this] { prepare_chunks(); });
  return {};
}

// Allocated before it is mapped: a write to a page that the disk has no room for would end the
// process.
Status RecordFile::prepare(std::size_t chunk) {
  const auto offset = static_cast<off_t>(chunk * kChunkBytes);
  const int error = ::posix_fallocate(file_.get(), offset, kChunkBytes);
  if (error != 0) return system_error("allocate", path_, error);
  void* mapped = ::mmap(base_ + offset, kChunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                        file_.get(), offset);
  if (mapped == MAP_FAILED) return system_error("map", path_, errno);
  // All pages at once, for one by one they cost the node's thread a fault each. A system that
  // cannot (Linux before 5.14) gives them as they are written.
  [[maybe_unused]] const int result = ::madvise(mapped, kChunkBytes, MADV_POPULATE_WRITE);
  return {};
}

void RecordFile::prepare_chunks() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] {
      return stop_ || (failure_.empty() && ready_ < given_ + kAhead) || unmapped_ + 2 < given_;
    });
    if (stop_) return;
    const std::size_t chunk = ready_;
    const bool prepares = failure_.empty() && ready_ < given_ + kAhead;
    const std::size_t old = unmapped_;
    lock.unlock();
    Status status;
    if (prepares) {
      status = chunk < chunks_max_
                   ? prepare(chunk)
                   : Error{ErrorCode::kLimit, path_ + " is as long as a recording may be"};
    } else {
      // Back to mere addresses, so that nobody else is given them.
      ::mmap(base_ + old * kChunkBytes, kChunkBytes, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    }
    lock.lock();
    if (!prepares) {
      ++unmapped_;
    } else if (status.ok()) {
      ++ready_;
    } else {
      failure_ = status.error().message;
    }
    changed_.notify_all();
  }
}

std::span<std::byte> RecordFile::more(std::size_t least) {
  VESPER_CHECK(least <= kChunkBytes);
  std::unique_lock lock(mutex_);
  const bool is_ready =
      changed_.wait_for(lock, patience_, [this] { return given_ < ready_ || !failure_.empty(); });
  if (given_ == ready_) {
    if (!is_ready) failure_ = path_ + ": the disk allocates too slowly";
    return {};
  }
  const std::size_t chunk = given_++;
  changed_.notify_all();
  return {base_ + chunk * kChunkBytes, kChunkBytes};
}

void RecordFile::finish(const std::byte* end) {
  end_thread();
  // What stands ready is given back; a failure leaves zeros, which mean nothing.
  [[maybe_unused]] const int result = ::ftruncate(file_.get(), static_cast<off_t>(end - base_));
}

std::string RecordFile::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace vesper::net
