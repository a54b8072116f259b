#include "apps/ctl/recover.h"

#include <fmt/core.h>

#include <memory>
#include <optional>
#include <utility>

#include "apps/ctl/data_directory.h"
#include "apps/ctl/request.h"
#include "core/node/survivor.h"

namespace vesper::ctl {

namespace {

using node::Survivor;

// A directory that was looked at. One state at a time is in memory, and the best one.
struct Found {
  std::string path;
  NodeId node;
  LogPosition last;
  std::optional<std::string> damage;  // what is missing behind it
};

std::string text_of(LogPosition position) {
  return fmt::format("entry {} of term {}", position.index.value(), position.term.value());
}

class Recovery {
 public:
  explicit Recovery(const RecoverOptions& options) : options_(options) {}

  Status run() {
    VESPER_TRY(refuse_existing(options_.cluster.directory));
    for (const std::string& path : options_.survivors) VESPER_TRY(look_at(path));
    if (!best_) return Error{ErrorCode::kUnavailable, "no directory holds anything to begin with"};
    report();
    const std::string& taken = found_[best_at_].path;
    const auto backup = verified_backup(node::snapshot_of_all(std::move(*best_)), taken);
    if (!backup.ok()) return backup.error();
    return make_cluster(options_.cluster, backup.value());
  }

 private:
  // Errors: one of the directories must not be passed over in silence, or not be used at all.
  Status look_at(const std::string& path) {
    auto directory = DataDirectory::open(path);
    if (!directory.ok()) return directory.error();
    const auto if_damaged =
        options_.accepts_damaged ? node::IfDamaged::kTakeIntactPrefix : node::IfDamaged::kRefuse;
    auto read = node::read_survivor(*directory.value(), if_damaged);
    if (!read.ok()) return refuse(path, read.error());
    Survivor& survivor = read.value();
    if (!cluster_) cluster_ = {survivor.identity.cluster, path};
    if (survivor.identity.cluster != cluster_->id) {
      return Error{ErrorCode::kMismatch,
                   fmt::format("{} is of cluster {:016x}, {} of cluster {:016x}", cluster_->path,
                               cluster_->id.value(), path, survivor.identity.cluster.value())};
    }
    found_.push_back({path, survivor.identity.node, survivor.last, survivor.damage});
    // No node may begin to change one of them while the others are read.
    held_.push_back(std::move(directory.value()));
    // Nothing at all is left of a log that ends at 0.
    if (survivor.last == LogPosition() || (best_ && survivor.last <= best_->last)) return {};
    best_ = std::move(survivor);
    best_at_ = found_.size() - 1;
    return {};
  }

  Status refuse(const std::string& path, const Error& why) const {
    const Error named{why.code, path + ": " + why.message};
    if (why.code != ErrorCode::kCorruption) return named;
    if (!options_.accepts_damaged) {
      return Error{why.code, named.message +
                                 "; leave this directory out, or take what is intact of it with "
                                 "--accept-damaged"};
    }
    fmt::print("{}: nothing of it can be used\n", named.message);
    return {};
  }

  void report() const {
    for (std::size_t i = 0; i < found_.size(); ++i) {
      const Found& found = found_[i];
      std::string rank = "is taken";
      if (i != best_at_) {
        const LogPosition best = best_->last;
        rank = found.last.index < best.index
                   ? fmt::format("{} entries behind", best.index.value() - found.last.index.value())
                   : "no entry behind";
        if (found.last.term != best.term) rank += ", of an older term";
      }
      fmt::print("n{} {}: ends with {}: {}\n", found.node.value(), found.path, text_of(found.last),
                 rank);
      if (found.damage) fmt::print("  damaged: {}\n", *found.damage);
    }
  }

  struct Cluster {
    ClusterId id;
    std::string path;  // of a directory that says so
  };

  const RecoverOptions& options_;
  std::optional<Cluster> cluster_;
  std::vector<std::unique_ptr<DataDirectory>> held_;
  std::vector<Found> found_;
  std::optional<Survivor> best_;
  std::size_t best_at_ = 0;
};

}  // namespace

int run_recover(const RecoverOptions& options) {
  const Status recovered = Recovery(options).run();
  if (recovered.ok()) return kSuccess;
  fmt::print(stderr, "vesperctl: nothing is recovered: {}\n", recovered.error().message);
  return kFail;
}

}  // namespace vesper::ctl
