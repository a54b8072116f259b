#include "apps/ctl/backup.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <memory>
#include <thread>

#include "apps/ctl/api.h"
#include "apps/ctl/request.h"
#include "apps/ctl/status.h"
#include "core/node/snapshot_loader.h"
#include "net/file_descriptor.h"

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{50};
constexpr std::chrono::milliseconds kAnswerTimeout{5000};
// How often a snapshot may be replaced by a newer one before all of it is here.
constexpr int kRoundsMax = 10;

// The file under another name, until it is whole.
class PartFile {
 public:
  explicit PartFile(std::string name) : name_(std::move(name)), part_(name_ + ".part") {}
  ~PartFile() {
    if (file_.is_open()) ::unlink(part_.c_str());
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  Status begin() {
    file_ =
        net::FileDescriptor(::open(part_.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600));
    return file_.is_open() ? Status() : failed("create", part_);
  }
  Status append(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return failed("write", part_);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }
  // Ensures: the whole file is durable under its name.
  Status finish() {
    if (::fsync(file_.get()) != 0) return failed("sync", part_);
    if (::rename(part_.c_str(), name_.c_str()) != 0) return failed("rename", part_);
    file_.close();
    const auto parent = std::filesystem::absolute(name_).parent_path();
    const net::FileDescriptor above(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!above.is_open() || ::fsync(above.get()) != 0) return failed("sync", parent.string());
    return {};
  }

 private:
  static Status failed(const char* what, const std::string& name) {
    return Error{ErrorCode::kIo, fmt::format("{} {}: {}", what, name, std::strerror(errno))};
  }
  std::string name_;
  std::string part_;
  net::FileDescriptor file_;
};

// Why it did not come about, and with which exit status.
struct Failed {
  int exit_status = kFail;
  std::string why;
};

class Backup {
 public:
  explicit Backup(const BackupOptions& options) : options_(options), api_(kAnswerTimeout) {}

  int run() {
    for (int round = 0; round < kRoundsMax; ++round) {
      if (!ask_for_snapshot() || !wait_for_snapshot()) return give_up();
      if (fetch()) return report();
      if (!was_replaced_) return give_up();
    }
    failed_ = {kFail, "newer snapshots replaced the one that was fetched, again and again"};
    return give_up();
  }

 private:
  // A try that failed, and may not fail again.
  bool may_go_on(const std::string& why) {
    if (Clock::now() < until_) {
      std::this_thread::sleep_for(kPause);
      return true;
    }
    failed_ = {kFail, why};
    return false;
  }
  void made_progress() { until_ = Clock::now() + options_.timeout; }

  // What it will stand for, at least. Nothing is in it that the node did not know to be committed,
  // and all is that any client had been told of before.
  bool ask_for_snapshot() {
    made_progress();
    while (true) {
      const Reply reply = api_.send(options_.address, "POST", "/snapshot", "");
      if (reply.is_success) {
        const std::string index = text_of(reply.body, "index");
        wanted_ = 0;
        std::from_chars(index.data(), index.data() + index.size(), wanted_);
        return true;
      }
      std::string why = "no leader was found";
      if (reply.delivery == Delivery::kNotSent) {
        failed_ = {kUnreachable, "no node could be reached"};
        why = failed_.why;
      }
      if (const std::string error = text_of(reply.body, "error"); !error.empty()) why = error;
      if (!may_go_on(why)) {
        if (reply.delivery == Delivery::kNotSent) failed_.exit_status = kUnreachable;
        return false;
      }
    }
  }

  bool wait_for_snapshot() {
    made_progress();
    while (true) {
      status_ = ask_status(options_.address, kAnswerTimeout);
      if (status_.is_reachable && status_.snapshot >= wanted_) return true;
      const char* const why = status_.is_disk_full ? "the node's disk has no room for a snapshot"
                                                   : "the node did not finish a snapshot in time";
      if (!may_go_on(status_.is_reachable ? why : "the node cannot be reached any more")) {
        return false;
      }
    }
  }

  bool fetch() {
    was_replaced_ = false;
    PartFile file(options_.file);
    if (const Status begun = file.begin(); !begun.ok()) return fails(begun.error().message);
    const std::uint64_t cluster = std::strtoull(status_.cluster.c_str(), nullptr, 16);
    loader_ = std::make_unique<node::SnapshotLoader>(status_.snapshot_bytes, ClusterId(cluster),
                                                     kv::SessionBounds());
    made_progress();
    while (!loader_->is_complete()) {
      const std::string path =
          fmt::format("/snapshot?index={}&offset={}", status_.snapshot, loader_->fed());
      const Reply reply = api_.send(options_.address, "GET", path.c_str(), "");
      if (reply.status == 404) {
        was_replaced_ = true;
        return false;
      }
      if (reply.status != 200 || reply.body.empty()) {
        if (!may_go_on("a piece of the snapshot did not come")) return false;
        continue;
      }
      const Status fed = loader_->feed(as_bytes(reply.body));
      if (!fed.ok()) return fails("what came does not verify: " + fed.error().message);
      if (const Status written = file.append(reply.body); !written.ok()) {
        return fails(written.error().message);
      }
      made_progress();
    }
    if (const Status whole = loader_->finish(); !whole.ok()) {
      return fails("what came does not verify: " + whole.error().message);
    }
    const Status named = file.finish();
    return named.ok() || fails(named.error().message);
  }

  bool fails(std::string why) {
    failed_ = {kFail, std::move(why)};
    return false;
  }
  int give_up() const {
    fmt::print(stderr, "vesperctl: no backup of {}: {}\n", options_.address, failed_.why);
    return failed_.exit_status;
  }
  int report() {
    const storage::SnapshotHeader header = loader_->header();
    const kv::StateMachine machine = loader_->take_machine();
    fmt::print("{}: cluster {} up to entry {} of term {}: {} keys, {} sessions, {} bytes\n",
               options_.file, status_.cluster, header.last.index.value(), header.last.term.value(),
               machine.store().size(), machine.sessions().size(), header.file_bytes());
    return kSuccess;
  }

  const BackupOptions& options_;
  Api api_;
  Clock::time_point until_;
  std::uint64_t wanted_ = 0;
  NodeStatus status_;
  std::unique_ptr<node::SnapshotLoader> loader_;
  bool was_replaced_ = false;
  Failed failed_;
};

}  // namespace

int run_backup(const BackupOptions& options) {
  return Backup(options).run();
}

}  // namespace vesper::ctl
