#include "apps/ctl/wal.h"

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "apps/ctl/api.h"
#include "apps/ctl/data_directory.h"
#include "core/kv/command.h"
#include "core/node/divergence_note.h"
#include "core/node/snapshot_loader.h"
#include "core/storage/doubt.h"
#include "core/storage/log_visitor.h"
#include "core/storage/snapshot_format.h"
#include "core/storage/wal.h"
#include "core/storage/wal_format.h"

namespace vesper::ctl {

namespace {

using storage::LogRecord;

// Which entries the records so far leave in the log.
class EntryRange {
 public:
  void add(const LogRecord& record) {
    if (const auto* entry = std::get_if<raft::Entry>(&record.content)) {
      if (!first_) first_ = entry->index();
      last_ = entry->index();
    } else if (const auto* cut = std::get_if<LogRecord::Truncation>(&record.content)) {
      if (first_ && cut->from <= *first_) first_.reset();
      if (first_) last_ = cut->from.previous();
    } else if (std::holds_alternative<LogRecord::Restart>(record.content)) {
      first_.reset();
    }
  }
  std::string text() const {
    if (!first_) return "no entries";
    return fmt::format("entries {} to {}", first_->value(), last_.value());
  }

 private:
  std::optional<Index> first_;
  Index last_;
};

// --- One record, one line ---

std::string text_of_bytes(ByteView bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return is_utf8(text) ? json_string(text) : fmt::format("\"{} bytes, no UTF-8\"", bytes.size());
}

std::string vote_text(const raft::HardState& state) {
  return state.vote ? fmt::format("n{}", state.vote->value()) : "none";
}

std::string put_json(const raft::Entry& entry) {
  if (kv::is_register(entry.payload())) return R"("command":"register")";
  const auto put = kv::decode_put(entry.payload());
  if (!put.ok()) return fmt::format(R"("command":"unknown","bytes":{})", entry.payload().size());
  const ByteView value = entry.payload().subspan(put.value().value_offset);
  std::string text = fmt::format(R"("command":"put","key":{},"value":{})",
                                 text_of_bytes(put.value().key), text_of_bytes(value));
  if (put.value().once) {
    text += fmt::format(R"(,"session":{},"number":{})", put.value().once->session.value(),
                        put.value().once->number.value());
  }
  return text;
}

struct JsonText {
  std::string operator()(const raft::HardState& state) const {
    const std::string vote = state.vote ? std::to_string(state.vote->value()) : "null";
    return fmt::format(R"("record":"hard state","term":{},"vote":{})", state.term.value(), vote);
  }
  std::string operator()(const LogRecord::Truncation& cut) const {
    return fmt::format(R"("record":"truncation","from":{})", cut.from.value());
  }
  std::string operator()(const LogRecord::Restart& restart) const {
    return fmt::format(R"("record":"restart","term":{},"index":{})", restart.after.term.value(),
                       restart.after.index.value());
  }
  std::string operator()(const raft::Entry& entry) const {
    const bool is_command = entry.kind() == raft::EntryKind::kCommand;
    return fmt::format(
        R"("record":"entry","term":{},"index":{},{})", entry.term().value(), entry.index().value(),
        is_command ? put_json(entry) : fmt::format(R"("kind":{})", static_cast<int>(entry.kind())));
  }
};

struct PlainText {
  std::string operator()(const raft::HardState& state) const {
    return fmt::format("hard state: term {}, vote {}", state.term.value(), vote_text(state));
  }
  std::string operator()(const LogRecord::Truncation& cut) const {
    return fmt::format("truncation: entries from {} on are dropped", cut.from.value());
  }
  std::string operator()(const LogRecord::Restart& restart) const {
    return fmt::format("restart: the log goes on after {}/{}", restart.after.term.value(),
                       restart.after.index.value());
  }
  std::string operator()(const raft::Entry& entry) const {
    std::string what = "no command";
    if (entry.kind() == raft::EntryKind::kCommand) {
      const auto put = kv::decode_put(entry.payload());
      what = kv::is_register(entry.payload()) ? "register" : "unknown command";
      if (put.ok()) {
        what = fmt::format("put {} {}", text_of_bytes(put.value().key),
                           text_of_bytes(entry.payload().subspan(put.value().value_offset)));
        if (const auto& once = put.value().once) {
          what += fmt::format(" of {}/{}", once->session.value(), once->number.value());
        }
      }
    }
    return fmt::format("entry {}/{}: {}", entry.term().value(), entry.index().value(), what);
  }
};

class Dumper final : public storage::LogVisitor {
 public:
  explicit Dumper(bool as_json) : as_json_(as_json) {}
  void on_record(const LogRecord& record) override {
    const std::string file = storage::format::segment_name(record.segment);
    if (as_json_) {
      fmt::print("{{\"file\":\"{}\",\"offset\":{},\"group\":{},{}}}\n", file, record.offset,
                 record.group, std::visit(JsonText(), record.content));
    } else {
      fmt::print("{} +{} group {} {}\n", file, record.offset, record.group,
                 std::visit(PlainText(), record.content));
    }
  }

 private:
  bool as_json_;
};

class RangeFinder final : public storage::LogVisitor {
 public:
  void on_record(const LogRecord& record) override { range.add(record); }
  EntryRange range;
};

// --- Files ---

struct SnapshotFile {
  std::string name;
  std::uint64_t bytes = 0;
  std::optional<storage::SnapshotHeader> header;  // none: not even that verifies
  std::optional<Error> damage;
  // Where it ends, as far as its name tells.
  LogPosition last;
};

SnapshotFile look_at_snapshot(DataDirectory& directory, const std::string& name,
                              ClusterId cluster) {
  SnapshotFile file{.name = name, .last = {Term(), *storage::snapshot_of(name)}};
  const auto bytes = directory.read(name);
  if (!bytes.ok()) {
    file.damage = bytes.error();
    return file;
  }
  file.bytes = bytes.value().size();
  node::SnapshotLoader loader(file.bytes, cluster, kv::SessionBounds());
  const std::size_t first =
      std::min<std::size_t>(bytes.value().size(), storage::kSnapshotBlockBytes);
  Status read = Error{ErrorCode::kCorruption, "at offset 0: the file is empty"};
  ByteView rest = bytes.value().view();
  for (std::size_t size = first; !rest.empty(); size = 512 * storage::kSnapshotBlockBytes) {
    size = std::min<std::size_t>(size, rest.size());
    read = loader.feed(rest.first(size));
    if (!read.ok()) break;
    file.header = loader.header();
    rest = rest.subspan(size);
  }
  if (read.ok()) read = loader.finish();
  if (read.ok() && loader.header().last.index != file.last.index) {
    read = Error{ErrorCode::kCorruption, "at offset 0: the snapshot of another position"};
  }
  if (!read.ok()) file.damage = Error{read.error().code, name + " " + read.error().message};
  if (read.ok()) file.last = loader.header().last;
  return file;
}

std::vector<SnapshotFile> look_at_snapshots(DataDirectory& directory, ClusterId cluster) {
  std::vector<std::string> names;
  const auto files = directory.list();
  if (!files.ok()) return {};
  for (const storage::FileInfo& file : files.value()) {
    if (storage::snapshot_of(file.name)) names.push_back(file.name);
  }
  std::sort(names.begin(), names.end());
  std::vector<SnapshotFile> found;
  for (const std::string& name : names) found.push_back(look_at_snapshot(directory, name, cluster));
  return found;
}

struct Opened {
  std::unique_ptr<DataDirectory> directory;
  storage::Identity identity;
};

// Errors: there is nothing to look at; it says why.
Result<Opened> open_directory(const std::string& path) {
  auto directory = DataDirectory::open(path);
  if (!directory.ok()) return directory.error();
  auto identity = storage::read_identity(*directory.value());
  if (!identity.ok()) return identity.error();
  if (!identity.value()) {
    return Error{ErrorCode::kInvalid, path + " holds neither an identity nor a log"};
  }
  return Opened{std::move(directory.value()), *identity.value()};
}

std::string identity_text(const storage::Identity& identity) {
  if (!identity.formed()) {
    return fmt::format("n{}, incarnation {:016x}, of no cluster yet", identity.node.value(),
                       identity.incarnation.value());
  }
  return fmt::format("n{}, incarnation {:016x}, of cluster {:016x} of {} nodes",
                     identity.node.value(), identity.incarnation.value(), identity.cluster.value(),
                     identity.founders.size());
}

// What earlier lives have found: damage that is not repaired yet, a state that was outvoted.
int verify_notes(DataDirectory& directory, Incarnation incarnation) {
  int verdict = kWhole;
  const auto doubt = storage::read_doubt(directory, incarnation);
  if (!doubt.ok() || doubt.value()) {
    fmt::print("damaged: {}\n",
               doubt.ok() ? storage::describe(*doubt.value()) : doubt.error().message);
    verdict = kDamaged;
  }
  if (const Status noted = node::refuse_divergence_note(directory); !noted.ok()) {
    fmt::print("damaged: {}\n", noted.error().message);
    verdict = kDamaged;
  }
  return verdict;
}

}  // namespace

int run_wal_verify(const WalCommand& command) {
  const auto opened = open_directory(command.directory);
  if (!opened.ok()) {
    fmt::print("damaged: {}\n", opened.error().message);
    return kDamaged;
  }
  const auto& [directory, identity] = opened.value();
  fmt::print("whole: identity: {}\n", identity_text(identity));
  if (!identity.formed()) return kWhole;
  int verdict = verify_notes(*directory, identity.incarnation);
  LogPosition snapshot;
  for (const SnapshotFile& file : look_at_snapshots(*directory, identity.cluster)) {
    snapshot = file.last;
    if (file.damage) {
      fmt::print("damaged: {}; it stands for entries 1 to {}\n", file.damage->message,
                 file.last.index.value());
      verdict = kDamaged;
    } else {
      fmt::print("whole: {}: entries 1 to {}, {} bytes\n", file.name, file.last.index.value(),
                 file.bytes);
    }
  }
  RangeFinder finder;
  const auto log = storage::Wal::recover(*directory, identity, {}, snapshot, &finder);
  if (!log.ok()) {
    fmt::print("damaged: {}; before it the log holds {}\n", log.error().message,
               finder.range.text());
    return kDamaged;
  }
  for (const std::string& note : log.value().notes) {
    fmt::print("torn: {}\n", note);
    verdict = std::max<int>(verdict, kTorn);
  }
  fmt::print("whole: log: {}, term {}, vote {}\n", finder.range.text(),
             log.value().hard_state.term.value(), vote_text(log.value().hard_state));
  return verdict;
}

int run_wal_dump(const WalCommand& command) {
  const auto opened = open_directory(command.directory);
  if (!opened.ok()) {
    fmt::print(stderr, "vesperctl: {}\n", opened.error().message);
    return kDamaged;
  }
  const auto& [directory, identity] = opened.value();
  if (!command.as_json) fmt::print("identity {}\n", identity_text(identity));
  if (!identity.formed()) return kWhole;
  int verdict = kWhole;
  LogPosition snapshot;
  for (const SnapshotFile& file : look_at_snapshots(*directory, identity.cluster)) {
    snapshot = file.last;
    if (file.damage) {
      fmt::print(stderr, "vesperctl: {}\n", file.damage->message);
      verdict = kDamaged;
    }
    if (!file.header) continue;
    const storage::SnapshotHeader& header = *file.header;
    const char* const form =
        command.as_json ? "{{\"file\":\"{}\",\"record\":\"snapshot\",\"term\":{},\"index\":{},"
                          "\"bytes\":{},\"session_bytes\":{},\"pair_bytes\":{},"
                          "\"state_hash\":\"{:016x}\"}}\n"
                        : "{} snapshot to {}/{}: {} bytes, {} of sessions, {} of pairs, state "
                          "{:016x}\n";
    fmt::print(fmt::runtime(form), file.name, header.last.term.value(), header.last.index.value(),
               file.bytes, header.session_bytes, header.pair_bytes, header.state_hash);
  }
  Dumper dumper(command.as_json);
  const auto log = storage::Wal::recover(*directory, identity, {}, snapshot, &dumper);
  if (!log.ok()) {
    fmt::print(stderr, "vesperctl: {}\n", log.error().message);
    return kDamaged;
  }
  for (const std::string& note : log.value().notes) {
    fmt::print(stderr, "vesperctl: {}\n", note);
    verdict = std::max<int>(verdict, kTorn);
  }
  return verdict;
}

}  // namespace vesper::ctl
