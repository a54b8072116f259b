#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "apps/vesper_sim_commands.h"
#include "apps/vesper_sim_report.h"
#include "apps/vesper_sim_shard_file.h"

namespace vesper::app {

namespace {

namespace fs = std::filesystem;

// Files as they are, folders as the shards' files in them.
Result<std::vector<std::string>> files_of(const std::vector<std::string>& names) {
  std::vector<std::string> files;
  for (const std::string& name : names) {
    std::error_code error;
    if (!fs::is_directory(name, error)) {
      files.push_back(name);
      continue;
    }
    const std::size_t before = files.size();
    for (const auto& entry : fs::directory_iterator(name, error)) {
      if (entry.path().extension() == ".jsonl") files.push_back(entry.path().string());
    }
    if (error || files.size() == before) {
      return Error{ErrorCode::kIo, name + ": no file *.jsonl is in it"};
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
  }
  return files;
}

// A file that is open as long as it is read.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : file_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (file_ >= 0) close(file_);
  }
  int file() const { return file_; }

 private:
  int file_;
};

// "1, 3..7"
std::string ranges(const std::vector<std::uint64_t>& rising) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < rising.size();) {
    std::size_t end = i + 1;
    while (end < rising.size() && rising[end] == rising[end - 1] + 1) ++end;
    texts.push_back(end == i + 1 ? std::to_string(rising[i])
                                 : fmt::format("{}..{}", rising[i], rising[end - 1]));
    i = end;
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

// Reads the files one after another. What is added up may come in any order; what may not, the
// failures and the hash, is kept by the run's number until all are read. So nothing is printed of
// a hunt that is not whole, and no more than one file is open, however many shards there are.
class Merge {
 public:
  explicit Merge(const MergeCommand& command)
      : command_(command),
        progress_(0),
        options_{.json = command.json,
                 .matrix = command.matrix,
                 .write_failures = command.write_failures,
                 .shrink = command.shrink,
                 .jobs = command.jobs} {}

  int run() {
    const auto files = files_of(command_.files);
    if (!files.ok()) return complain({files.error().message});
    std::vector<std::string> complaints;
    for (const std::string& file : files.value()) {
      const Status status = read(file);
      if (!status.ok()) complaints.push_back(status.error().message);
    }
    if (const std::string missing = missing_shards(); !missing.empty()) {
      complaints.push_back(missing);
    }
    if (complaints.empty()) {
      const Status status = load_scenarios();
      if (!status.ok()) complaints.push_back(status.error().message);
    }
    return complaints.empty() ? print() : complain(complaints);
  }

 private:
  static int complain(const std::vector<std::string>& complaints) {
    for (const std::string& complaint : complaints) fmt::print(stderr, "{}\n", complaint);
    return kExitBadInput;
  }

  Status read(const std::string& path) {
    const OpenFile file(path);
    if (file.file() < 0) return Error{ErrorCode::kIo, path + ": cannot be read"};
    ShardReader reader(file.file(), path);
    const Result<ShardHeader> header = reader.header();
    if (!header.ok()) return header.error();
    VESPER_TRY(fits(header.value(), reader));
    const std::uint64_t shard = header.value().shard.index;
    const auto [other, is_new] = file_of_shard_.emplace(shard, path);
    if (!is_new) return reader.error(fmt::format("shard {} is in {} too", shard, other->second));
    const HuntPlan part = plan_->part(header.value().shard);
    while (true) {
      const std::size_t number = reader.runs();
      auto next = reader.next();
      if (!next.ok()) return next.error();
      if (!next.value()) break;
      take(plan_->number_of(part, number), std::move(*next.value()));
    }
    wall_ = std::max(wall_, reader.wall());
    if (reader.is_complete()) return {};
    return reader.error_behind(
        fmt::format("unfinished: {} of {} runs; run shard {}/{} again to go on", reader.runs(),
                    part.size(), shard, header.value().shard.count));
  }

  // The first file says what is merged, and this program must be the one that ran it.
  Status fits(const ShardHeader& header, const ShardReader& reader) {
    if (!header_) {
      const ShardHeader own = header_of(header.whole(), header.shard);
      if (auto other = difference(header, own)) {
        return reader.error("results of another program: " + *other);
      }
      header_ = header;
      plan_ = header.whole();
      report_.emplace(*plan_, options_, progress_);
      hashes_.resize(plan_->size());
    }
    if (auto other = difference(header, *header_)) {
      return reader.error(fmt::format("results of another hunt or program: {} as in {}", *other,
                                      file_of_shard_.begin()->second));
    }
    return {};
  }

  void take(std::size_t run, sim::RunResult result) {
    report_->count(run, result);
    hashes_[run] = result.hash;
    if (!result.passed) failures_.emplace(run, std::move(result));
  }

  std::string missing_shards() const {
    if (!header_) return {};
    std::vector<std::uint64_t> missing;
    for (std::uint64_t shard = 0; shard < header_->shard.count; ++shard) {
      if (!file_of_shard_.contains(shard)) missing.push_back(shard);
    }
    if (missing.empty()) return {};
    return fmt::format("missing: shard {} of {}", ranges(missing), header_->shard.count);
  }

  // Failed seeds are written and made small of the scenarios that were run, and no others.
  Status load_scenarios() {
    if (command_.write_failures.empty() && !command_.shrink) return {};
    std::vector<std::string> names;
    for (const NamedScenario& scenario : header_->scenarios) names.push_back(scenario.name);
    Result<HuntPlan> loaded = HuntPlan::make(names, header_->seeds);
    if (!loaded.ok()) return loaded.error();
    if (auto other = difference(header_of(loaded.value(), header_->shard), *header_)) {
      return Error{ErrorCode::kMismatch, "other scenarios here than were run: " + *other};
    }
    *plan_ = std::move(loaded.value());
    return {};
  }

  int print() {
    for (const auto& [run, result] : failures_) report_->add_failure(run, result);
    for (const std::uint64_t hash : hashes_) report_->add_hash(hash);
    return report_->finish(wall_);
  }

  const MergeCommand& command_;
  Progress progress_;
  ReportOptions options_;
  std::optional<ShardHeader> header_;
  std::optional<HuntPlan> plan_;
  std::optional<HuntReport> report_;
  std::map<std::uint64_t, std::string> file_of_shard_;
  std::map<std::size_t, sim::RunResult> failures_;
  std::vector<std::uint64_t> hashes_;  // by run
  double wall_ = 0;                    // of the shard that took longest
};

}  // namespace

int merge_command(const MergeCommand& command) {
  return Merge(command).run();
}

}  // namespace vesper::app
