// The data directories of format 1 that stand in tests/storage/fixtures/format-1, byte for byte as
// a node of that format wrote them, and what is in them, a line for each thing (expected.txt).
// make_fixture wrote both, once. fixture_test reads the directories with today's code and tells
// what it finds in the same words; versions_test changes the version of each of their files.
//   member    node 1 of three: a log of several segments, one of which stands ready; a leader's
//             snapshot, with sessions and members, took the place of its beginning
//   doubtful  node 2, whose disk lost a part of its log
#pragma once

#include <string>
#include <vector>

#include "core/kv/state_machine.h"
#include "core/raft/configuration.h"
#include "core/raft/entry.h"
#include "core/storage/doubt.h"
#include "core/storage/identity.h"
#include "core/storage/log_visitor.h"
#include "tests/storage/memory_disk.h"
#include "tests/storage/still_world.h"

namespace vesper::testing {

// Where the snapshot of `member` ends, and its clients' sessions.
inline constexpr LogPosition kFixtureSnapshot{Term(2), Index(40)};
inline constexpr SessionId kFixtureSession(3);
inline constexpr SessionId kFixtureOtherSession(7);
inline constexpr std::uint64_t kFixtureKeys = 7;
std::string fixture_key(std::uint64_t number);
// Value of the put in the entry at `index`.
std::string fixture_value(std::uint64_t index);

// One of the committed directories. Its files are durable.
MemoryDisk fixture_directory(const std::string& name);
std::vector<std::string> fixture_lines(const std::string& name);
std::string fixture_path(const std::string& name);

// The words.
std::string line_of(const storage::Identity& identity);
std::string line_of(const storage::LogRecord& record);
std::string line_of(const storage::Doubt& doubt);
std::vector<std::string> lines_of(const raft::Configuration& members);
std::vector<std::string> lines_of(const kv::StateMachine& machine);

// Its node starts on it.
Started start_on(storage::Disk& disk, NodeId id);

}  // namespace vesper::testing
