// Wrote tests/storage/fixtures/format-1, through the log's, the snapshots' and the identity's own
// writers; fixture.h says what is in it. It stays for the next format, whose fixture will stand
// beside: what it writes depends on nothing but its code. No test runs it.
//   make_fixture DIRECTORY
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "core/kv/command.h"
#include "core/node/snapshot_writer.h"
#include "core/storage/snapshot_format.h"
#include "core/storage/wal.h"
#include "tests/storage/fixture.h"
#include "tests/storage/log_history.h"

namespace vesper {
namespace {

using raft::Configuration;
using raft::Entry;
using raft::EntryKind;
using raft::HardState;
using testing::MemoryDisk;

constexpr storage::WalOptions kOptions{.segment_bytes = storage::kSegmentBytesMin};

storage::Identity identity_of(std::uint32_t node) {
  storage::Identity identity;
  identity.founders = {Incarnation(0xa0a1a2a3a4a5a6a7), Incarnation(0xb0b1b2b3b4b5b6b7),
                       Incarnation(0xc0c1c2c3c4c5c6c7)};
  identity.node = NodeId(node);
  identity.incarnation = identity.founders[node];
  identity.cluster = ClusterId(0x0123456789abcdef);
  return identity;
}

// --- What the cluster's log holds ---

struct Members {
  Configuration with_learner, learner_is_up, joint, settled;
};

Members members() {
  Members made;
  Configuration first = Configuration::of_founders(identity_of(0).founders);
  first.fill_addresses({"http://one:8001", "http://two:8002", "http://three:8003"});
  made.with_learner = first.with_learner("http://four:8004").value();
  made.learner_is_up =
      made.with_learner.with_incarnation(NodeId(3), Incarnation(0xd0d1d2d3d4d5d6d7)).value();
  made.joint =
      made.learner_is_up.with_change({.promote = {NodeId(3)}, .remove = {NodeId(0)}}).value();
  made.settled = made.joint.settled();
  return made;
}

Entry noop(std::uint64_t term, std::uint64_t index) {
  return Entry::make({Term(term), Index(index)}, EntryKind::kNoop, {});
}

Entry command(std::uint64_t term, std::uint64_t index, ByteView payload) {
  return Entry::make({Term(term), Index(index)}, EntryKind::kCommand, payload);
}

Entry configuration(std::uint64_t term, std::uint64_t index, const Configuration& of) {
  std::vector<std::byte> payload;
  of.encode(payload);
  return Entry::make({Term(term), Index(index)}, EntryKind::kConfiguration, payload);
}

Entry put(std::uint64_t term, std::uint64_t index) {
  std::vector<std::byte> payload;
  kv::encode_put(as_bytes(testing::fixture_key(index % testing::kFixtureKeys)),
                 as_bytes(testing::fixture_value(index)), payload);
  return command(term, index, payload);
}

// The request that took effect in the entry `first`: the same one, if that is not `index`.
Entry put_once(std::uint64_t term, std::uint64_t index, kv::IdempotencyKey once,
               std::uint64_t first) {
  std::vector<std::byte> payload;
  kv::encode_put_once(once, as_bytes(testing::fixture_key(first % testing::kFixtureKeys)),
                      as_bytes(testing::fixture_value(first)), payload);
  return command(term, index, payload);
}

Entry registration(std::uint64_t term, std::uint64_t index) {
  std::vector<std::byte> payload;
  kv::encode_register(payload);
  return command(term, index, payload);
}

Entry check_point(std::uint64_t term, std::uint64_t index) {
  std::vector<std::byte> payload;
  kv::encode_check_point(payload);
  return command(term, index, payload);
}

// Of the log up to the snapshot's end.
Entry early_entry(std::uint64_t index) {
  constexpr SessionId kOne = testing::kFixtureSession;
  constexpr SessionId kOther = testing::kFixtureOtherSession;
  const std::uint64_t term = index < 20 ? 1 : 2;
  switch (index) {
    case 1:
    case 20:
      return noop(term, index);
    case 2:
      return configuration(term, index, members().with_learner);
    case 3:
    case 7:
      return registration(term, index);
    case 4:
      return configuration(term, index, members().learner_is_up);
    case 5:
      return put_once(term, index, {kOne, RequestNumber(1)}, index);
    case 6:
      return put_once(term, index, {kOne, RequestNumber(2)}, index);
    case 8:
      return put_once(term, index, {kOther, RequestNumber(1)}, index);
    case 21:
      return put_once(term, index, {kOne, RequestNumber(4)}, index);
    case 22:
      return check_point(term, index);
    case 30:
      return put_once(term, index, {kOne, RequestNumber(2)}, 6);
    default:
      return put(term, index);
  }
}

// --- The directory ---

class Writer {
 public:
  explicit Writer(const storage::Identity& identity)
      : disk_(testing::formatted_disk(identity, kOptions)),
        wal_(std::move(storage::Wal::recover(disk_, identity, kOptions).value().wal)) {
    lines_.push_back(testing::line_of(identity));
  }

  void hard_state(std::uint64_t term, std::optional<std::uint32_t> vote) {
    HardState next{Term(term), std::nullopt};
    if (vote) next.vote = NodeId(*vote);
    ready_.hard_state = next;
    note({.content = next});
  }
  void restart(LogPosition after) {
    ready_.restart_after = after;
    note({.content = storage::LogRecord::Restart{after}});
  }
  void truncate(std::uint64_t from) {
    ready_.truncate_from = Index(from);
    note({.content = storage::LogRecord::Truncation{Index(from)}});
  }
  void add(Entry entry) {
    note({.content = entry});
    ready_.entries.push_back(std::move(entry));
  }
  // What came since the last write, as one.
  void write() {
    write_ = write_.next();
    ready_.write = write_;
    wal_.append(ready_);
    ready_.clear();
    while (step()) continue;
  }
  MemoryDisk& disk() { return disk_; }
  std::vector<std::string>& lines() { return lines_; }

 private:
  void note(const storage::LogRecord& record) { lines_.push_back(testing::line_of(record)); }
  bool step() {
    wal_.flush();
    for (const auto lane : {storage::DiskLane::kLog, storage::DiskLane::kBackground}) {
      if (!disk_.has_work(lane)) continue;
      auto done = disk_.step(lane);
      if (done) VESPER_CHECK(wal_.on_disk_done(std::move(*done)).ok());
      return true;
    }
    return false;
  }

  MemoryDisk disk_;
  storage::Wal wal_;
  raft::Ready ready_;
  WriteId write_;
  std::vector<std::string> lines_;
};

void append(const std::vector<std::string>& more, std::vector<std::string>& lines) {
  lines.insert(lines.end(), more.begin(), more.end());
}

kv::StateMachine early_state(std::uint64_t& log_bytes) {
  kv::StateMachine machine;
  for (std::uint64_t i = 1; i <= testing::kFixtureSnapshot.index.value(); ++i) {
    const Entry entry = early_entry(i);
    log_bytes += entry.record().size();
    if (entry.kind() != EntryKind::kCommand) continue;
    VESPER_CHECK(machine.apply(entry.index(), entry.shared_payload()).ok());
  }
  return machine;
}

void add_snapshot(Writer& writer, kv::StateMachine& machine, std::uint64_t log_bytes) {
  const SharedBytes file = node::whole_snapshot({.cluster = identity_of(1).cluster,
                                                 .last = testing::kFixtureSnapshot,
                                                 .log_bytes = log_bytes},
                                                members().learner_is_up, machine);
  writer.disk().put(storage::snapshot_name(testing::kFixtureSnapshot.index),
                    {file.view().begin(), file.view().end()});
}

// The node follows, falls behind with a tail that nobody else has, and is sent a snapshot.
void write_beginning(Writer& writer) {
  writer.hard_state(1, 0);
  writer.write();
  for (std::uint64_t i = 1; i <= 4; ++i) writer.add(early_entry(i));
  writer.write();
  for (std::uint64_t i = 5; i < 20; ++i) {
    writer.add(early_entry(i));
    if (i % 5 == 0) writer.write();
  }
  writer.add(put(1, 20));
  writer.add(put(1, 21));
  writer.write();
  writer.hard_state(2, std::nullopt);
  writer.write();
  writer.hard_state(2, 2);
  writer.truncate(20);
  for (std::uint64_t i = 20; i <= 24; ++i) writer.add(early_entry(i));
  writer.write();
  writer.restart(testing::kFixtureSnapshot);
  writer.write();
}

// It goes on after the snapshot, through a change of the voters and two more leaders.
void write_end(Writer& writer) {
  for (std::uint64_t i = 41; i <= 45; ++i) writer.add(put(2, i));
  writer.write();
  writer.hard_state(3, std::nullopt);
  writer.write();
  writer.hard_state(4, 1);
  writer.add(noop(4, 46));
  writer.add(put(4, 47));
  writer.write();
  writer.add(put_once(4, 48, {testing::kFixtureOtherSession, RequestNumber(2)}, 48));
  writer.add(check_point(4, 49));
  writer.add(configuration(4, 50, members().joint));
  writer.write();
  for (std::uint64_t i = 51; i <= 54; ++i) writer.add(put(4, i));
  writer.add(configuration(4, 55, members().settled));
  writer.write();
  for (std::uint64_t i = 56; i <= 58; ++i) writer.add(put(4, i));
  writer.write();
  writer.hard_state(5, 2);
  writer.truncate(56);
  writer.add(noop(5, 56));
  writer.write();
  for (std::uint64_t i = 57; i <= 64; ++i) {
    writer.add(put(5, i));
    if (i % 4 == 0) writer.write();
  }
}

Writer member() {
  Writer writer(identity_of(1));
  write_beginning(writer);
  std::uint64_t log_bytes = 0;
  kv::StateMachine machine = early_state(log_bytes);
  add_snapshot(writer, machine, log_bytes);
  write_end(writer);
  append(testing::lines_of(members().learner_is_up), writer.lines());
  append(testing::lines_of(machine), writer.lines());
  return writer;
}

Writer doubtful() {
  Writer writer(identity_of(2));
  writer.hard_state(2, 2);
  for (std::uint64_t i = 1; i <= 4; ++i) writer.add(early_entry(i));
  writer.write();
  const storage::Doubt doubt{
      .hard_state = {Term(3), NodeId(1)},
      .first = Index(5),
      .last = Index(9),
      .where = "segment-0000000000000001.log at offset 3072: group 3 does not verify",
      .cut = std::nullopt};
  testing::run_to_end(writer.disk(), storage::write_doubt(doubt, identity_of(2).incarnation));
  writer.lines().push_back(testing::line_of(doubt));
  // None stands ready: there is one in the other directory.
  writer.disk().remove("segment-0000000000000002.log");
  return writer;
}

void save(const std::string& directory, const std::string& name, Writer writer,
          std::ofstream& expected) {
  std::filesystem::create_directories(directory + "/" + name);
  for (const std::string& file : writer.disk().names()) {
    const std::vector<std::byte> bytes = writer.disk().contents(file);
    std::ofstream(directory + "/" + name + "/" + file, std::ios::binary) << as_text(bytes);
  }
  for (const std::string& line : writer.lines()) expected << name << ": " << line << '\n';
}

}  // namespace
}  // namespace vesper

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: make_fixture DIRECTORY\n");
    return 2;
  }
  const std::string directory = argv[1];
  std::filesystem::create_directories(directory);
  std::ofstream expected(directory + "/expected.txt");
  vesper::save(directory, "member", vesper::member(), expected);
  vesper::save(directory, "doubtful", vesper::doubtful(), expected);
  return expected.flush() ? 0 : 1;
}
