#include "net/posix_disk.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <map>

#include "tests/net/temporary_directory.h"

namespace vesper::net_test {

namespace {

using net::PosixDisk;
using storage::CreateFile;
using storage::DiskBatch;
using storage::DiskDone;
using storage::DiskLane;
using storage::RemoveFile;
using storage::RenameFile;
using storage::SyncDirectory;
using storage::SyncFile;
using storage::WriteFile;

std::vector<std::byte> bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

// The thread sanitizer has memory of its own beside each of the program's bytes, touched or not.
#ifdef __SANITIZE_THREAD__
constexpr bool kMemoryIsOurs = false;
#else
constexpr bool kMemoryIsOurs = true;
#endif

std::uint64_t resident_bytes() {
  std::ifstream pages("/proc/self/statm");
  std::uint64_t whole = 0;
  std::uint64_t resident = 0;
  pages >> whole >> resident;
  REQUIRE(pages.good());
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

// Runs one batch and waits for it.
class TestDisk {
 public:
  explicit TestDisk(const std::string& directory) {
    auto opened = PosixDisk::open({directory, true});
    REQUIRE(opened.ok());
    disk = std::move(opened.value());
    disk->start([this](DiskDone done) {
      const std::lock_guard lock(mutex_);
      done_.push_back(std::move(done));
      arrived_.notify_one();
    });
  }
  DiskDone run(std::vector<storage::DiskOp> ops, DiskLane lane = DiskLane::kLog) {
    disk->submit({lane, ++ticket_, std::move(ops)});
    return next();
  }
  DiskDone next() {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [this] { return !done_.empty(); });
    DiskDone done = std::move(done_.front());
    done_.erase(done_.begin());
    return done;
  }
  std::unique_ptr<PosixDisk> disk;

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<DiskDone> done_;
  std::uint64_t ticket_ = 0;
};

}  // namespace

TEST_SUITE_BEGIN("posix_disk");

TEST_CASE("files are made, written, renamed, removed, and read after a restart") {
  TemporaryDirectory directory;
  {
    TestDisk test(directory.path() + "/data");
    const DiskDone done = test.run(
        {CreateFile{"a.tmp", 5000}, WriteFile{"a.tmp", 10, bytes_of("hello")}, SyncFile{"a.tmp"},
         RenameFile{"a.tmp", "a"}, SyncDirectory{}, WriteFile{"a", 4998, bytes_of("zz")},
         SyncFile{"a"}, CreateFile{"b", 1}, RemoveFile{"b"}, RemoveFile{"never"}});
    REQUIRE(done.status.ok());
    CHECK(done.batch.ops.size() == 10);
    // Allocated for real: as many blocks as bytes.
    struct stat info {};
    REQUIRE(::stat((directory.path() + "/data/a").c_str(), &info) == 0);
    CHECK(info.st_blocks * 512 >= 5000);
  }
  TestDisk test(directory.path() + "/data");
  const auto files = test.disk->list();
  REQUIRE(files.ok());
  REQUIRE(files.value().size() == 1);
  CHECK(files.value()[0].name == "a");
  CHECK(files.value()[0].size == 5000);
  const auto bytes = test.disk->read("a");
  REQUIRE(bytes.ok());
  CHECK(bytes.value().text().substr(8, 9) == std::string_view("\0\0hello\0\0", 9));
  CHECK(bytes.value().text().substr(4997) == std::string_view("\0zz", 3));
}

TEST_CASE("creating an existing file makes it zeros again") {
  TemporaryDirectory directory;
  TestDisk test(directory.path());
  REQUIRE(test.run({CreateFile{"a", 100}, WriteFile{"a", 0, bytes_of("old")}}).status.ok());

  REQUIRE(test.run({CreateFile{"a", 50}}).status.ok());

  const auto bytes = test.disk->read("a");
  REQUIRE(bytes.ok());
  CHECK(bytes.value().text() == std::string(50, '\0'));
}

TEST_CASE("the first error ends a batch and names operation and file") {
  struct Row {
    storage::DiskOp op;
    const char* operation;
  };
  const Row rows[] = {
      {WriteFile{"missing", 0, bytes_of("x")}, "open missing: "},
      {WriteFile{"short", 3, bytes_of("xx")}, "write short: "},
      {SyncFile{"missing"}, "open missing: "},
      {RenameFile{"missing", "other"}, "rename missing to other: "},
      {CreateFile{"no/such/folder", 10}, "create no/such/folder: "},
      {RemoveFile{"folder"}, "remove folder: "},
  };
  for (const Row& row : rows) {
    CAPTURE(row.operation);
    TemporaryDirectory directory;
    ::mkdir((directory.path() + "/folder").c_str(), 0755);
    TestDisk test(directory.path());
    const DiskDone done = test.run({CreateFile{"short", 4}, row.op, CreateFile{"after", 1}});
    REQUIRE(!done.status.ok());
    CHECK(done.status.error().code == ErrorCode::kIo);
    CAPTURE(done.status.error().message);
    CHECK(done.status.error().message.starts_with(row.operation));
    const auto files = test.disk->list();
    REQUIRE(files.ok());
    CHECK(files.value().size() == 1);
  }
}

TEST_CASE("a file larger than the room on the disk is refused before any of it is taken") {
  TemporaryDirectory directory;
  TestDisk test(directory.path());

  const DiskDone done = test.run({CreateFile{"large", std::uint64_t{1} << 50}, SyncDirectory{}});

  REQUIRE(!done.status.ok());
  CHECK(done.status.error().code == ErrorCode::kNoSpace);
  CHECK(done.status.error().message.starts_with("allocate large: "));
  const auto files = test.disk->list();
  REQUIRE(files.ok());
  REQUIRE(files.value().size() == 1);
  CHECK(files.value()[0].size == 0);
}

TEST_CASE("reading what is missing is an error") {
  TemporaryDirectory directory;
  TestDisk test(directory.path());
  const auto bytes = test.disk->read("missing");
  REQUIRE(!bytes.ok());
  CHECK(bytes.error().message.find("missing") != std::string::npos);
}

TEST_CASE("a second holder of a data directory is refused, until the first is gone") {
  TemporaryDirectory directory;
  {
    TestDisk first(directory.path());
    const auto second = PosixDisk::open({directory.path(), true});
    REQUIRE(!second.ok());
    CHECK(second.error().code == ErrorCode::kMismatch);
    CHECK(second.error().message.find("in use by another process") != std::string::npos);
  }
  CHECK(PosixDisk::open({directory.path(), true}).ok());
}

TEST_CASE("a directory that cannot be made is an error that names it") {
  const auto opened = PosixDisk::open({"/nonexistent/data", true});
  REQUIRE(!opened.ok());
  CHECK(opened.error().message.find("/nonexistent/data") != std::string::npos);
}

TEST_CASE("each lane completes in its order, every batch once") {
  TemporaryDirectory directory;
  TestDisk test(directory.path());
  for (std::uint64_t i = 1; i <= 20; ++i) {
    for (const DiskLane lane : {DiskLane::kLog, DiskLane::kBackground}) {
      const char* name = lane == DiskLane::kLog ? "log" : "background";
      test.disk->submit({lane, i, {CreateFile{name, i}}});
    }
  }
  std::map<DiskLane, std::uint64_t> last;
  for (int i = 0; i < 40; ++i) {
    const DiskDone done = test.next();
    REQUIRE(done.status.ok());
    CHECK(done.batch.ticket == ++last[done.batch.lane]);
  }
}

TEST_SUITE_END();

// Of its own: it is run without MALLOC_PERTURB_, which touches all memory.
TEST_SUITE_BEGIN("posix_disk_memory");

TEST_CASE("a large file is read as it was written, and where it is empty takes no memory") {
  constexpr std::uint64_t kBytes = 32 * 1024 * 1024 + 5;
  TemporaryDirectory directory;
  TestDisk test(directory.path());
  std::string expected(kBytes, '\0');
  REQUIRE(test.run({CreateFile{"a", kBytes}}).status.ok());
  // Around where the pieces end in which it is read, and at its own ends.
  for (const std::size_t at : {0UL, 65'533UL, 131'072UL, 10'000'000UL, kBytes - 3}) {
    REQUIRE(test.run({WriteFile{"a", at, bytes_of("xyz")}}).status.ok());
    expected.replace(at, 3, "xyz");
  }

  const std::uint64_t before = resident_bytes();
  const auto bytes = test.disk->read("a");
  const std::uint64_t taken = resident_bytes() - before;

  REQUIRE(bytes.ok());
  if (kMemoryIsOurs) CHECK(taken < kBytes / 4);
  CHECK(bytes.value().text() == expected);
}

TEST_SUITE_END();

}  // namespace vesper::net_test
