#include "tests/storage/fixture.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "core/base/hash.h"
#include "core/storage/wal.h"

namespace vesper::testing {

namespace {

std::string contents_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  VESPER_CHECK(in.is_open());
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string line_of(const raft::HardState& hard_state) {
  const std::string vote = hard_state.vote ? fmt::format("n{}", hard_state.vote->value()) : "none";
  return fmt::format("term {} vote {}", hard_state.term.value(), vote);
}

std::string line_of(LogPosition position) {
  return fmt::format("{} of term {}", position.index.value(), position.term.value());
}

const char* name_of(raft::EntryKind kind) {
  switch (kind) {
    case raft::EntryKind::kNoop:
      return "no-op";
    case raft::EntryKind::kCommand:
      return "command";
    case raft::EntryKind::kConfiguration:
      return "configuration";
  }
  VESPER_UNREACHABLE();
}

}  // namespace

std::string fixture_key(std::uint64_t number) {
  return number == 0 ? "schl\xc3\xbcssel" : fmt::format("key {}", number % kFixtureKeys);
}

std::string fixture_value(std::uint64_t index) {
  return fmt::format(R"({{"entry":{},"text":"{}"}})", index,
                     std::string(index * 37 % 300, static_cast<char>('a' + index % 26)));
}

std::string fixture_path(const std::string& name) {
  return std::string(VESPER_FIXTURES) + "/" + name;
}

MemoryDisk fixture_directory(const std::string& name) {
  MemoryDisk disk;
  for (const auto& file : std::filesystem::directory_iterator(fixture_path(name))) {
    const std::string bytes = contents_of(file.path().string());
    const ByteView view = as_bytes(bytes);
    disk.put(file.path().filename().string(), {view.begin(), view.end()});
  }
  return disk;
}

std::vector<std::string> fixture_lines(const std::string& name) {
  std::ifstream in(fixture_path("expected.txt"));
  std::vector<std::string> lines;
  const std::string prefix = name + ": ";
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(prefix)) lines.push_back(line.substr(prefix.size()));
  }
  return lines;
}

// --- Words ---

std::string line_of(const storage::Identity& identity) {
  std::string line =
      fmt::format("identity n{} incarnation {:x} cluster {:x} founders", identity.node.value(),
                  identity.incarnation.value(), identity.cluster.value());
  for (const Incarnation founder : identity.founders) line += fmt::format(" {:x}", founder.value());
  return line;
}

std::string line_of(const storage::LogRecord& record) {
  if (const auto* hard_state = std::get_if<raft::HardState>(&record.content)) {
    return line_of(*hard_state);
  }
  if (const auto* truncation = std::get_if<storage::LogRecord::Truncation>(&record.content)) {
    return fmt::format("truncated from {}", truncation->from.value());
  }
  if (const auto* restart = std::get_if<storage::LogRecord::Restart>(&record.content)) {
    return "begins anew after " + line_of(restart->after);
  }
  const auto& entry = std::get<raft::Entry>(record.content);
  return fmt::format("entry {} {} of {} bytes, sum {:08x}", line_of(entry.position()),
                     name_of(entry.kind()), entry.payload().size(), crc32c(entry.payload()));
}

std::string line_of(const storage::Doubt& doubt) {
  return fmt::format("doubt in {}, entries {} to {}, {}", line_of(doubt.hard_state),
                     doubt.first.value(), doubt.last.value(), doubt.where);
}

std::vector<std::string> lines_of(const raft::Configuration& members) {
  std::vector<std::string> lines;
  for (const raft::Member& member : members.members()) {
    lines.push_back(fmt::format("member n{} {} incarnation {:x} at '{}'", member.id.value(),
                                raft::standing_name(member.standing), member.incarnation.value(),
                                member.address));
  }
  lines.push_back(fmt::format("next member n{}", members.next_id().value()));
  return lines;
}

std::vector<std::string> lines_of(const kv::StateMachine& machine) {
  std::vector<std::string> lines;
  for (std::uint64_t i = 0; i < kFixtureKeys; ++i) {
    const SharedBytes* value = machine.store().get(fixture_key(i));
    lines.push_back(fmt::format("pair {} = {}", fixture_key(i),
                                value == nullptr ? std::string_view("none") : value->text()));
  }
  lines.push_back(fmt::format("{} pairs, {} sessions, state {:016x}", machine.store().size(),
                              machine.sessions().size(), machine.state_hash()));
  return lines;
}

Started start_on(storage::Disk& disk, NodeId id) {
  node::NodeConfig config;
  config.id = id;
  config.cluster_size = 3;
  config.addresses = {"http://one:8001", "http://two:8002", "http://three:8003"};
  config.wal.segment_bytes = storage::kSegmentBytesMin;
  return start_on(disk, std::move(config));
}

}  // namespace vesper::testing
