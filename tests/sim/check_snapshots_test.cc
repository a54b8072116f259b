// The checkers' rules about snapshots, fed with what nodes that break them would show.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "sim/check/applied.h"
#include "sim/check/logs.h"
#include "sim/check/safety.h"
#include "tests/sim/fed_checker.h"

namespace vesper::sim {
namespace {

using testing::entry;
using testing::invariant;

node::NodeView view_of(std::uint32_t id, std::uint64_t term, std::uint64_t commit,
                       std::uint64_t snapshot = 0) {
  node::NodeView view;
  view.id = NodeId(id);
  view.phase = node::Phase::kRunning;
  view.term = Term(term);
  view.commit = Index(commit);
  view.snapshot = Index(snapshot);
  return view;
}

// Nodes 0 and 1 have entries 1 to 3 of term 1 on disk, and 1 and 2 are committed; node 2 has an
// entry of term 1 at index 1 that is another one's leftover.
struct Logs {
  Violations violations;
  LogChecker checker{3, 0, violations};
  std::uint64_t writes = 0;

  Logs() {
    for (std::uint32_t id = 0; id < 3; ++id) checker.on_recovered(view_of(id, 0, 0), nullptr);
    for (std::uint32_t id = 0; id < 2; ++id) {
      write(view_of(id, 1, 0), {entry(1, 1), entry(2, 1), entry(3, 1)});
      sync(id);
    }
    checker.on_ready(view_of(0, 1, 2), {});
  }
  void write(const node::NodeView& view, std::vector<raft::Entry> entries,
             std::optional<LogPosition> restart_after = std::nullopt) {
    raft::Ready ready;
    ready.write = WriteId(++writes);
    ready.restart_after = restart_after;
    ready.entries = std::move(entries);
    checker.on_ready(view, ready);
  }
  void sync(std::uint32_t id) {
    checker.on_log_submitted(NodeId(id), writes, WriteId(writes));
    checker.on_log_durable(NodeId(id), writes);
  }
  void acknowledge(std::uint32_t id, std::uint64_t match) {
    const raft::AppendReply reply{
        .accepted = true, .match = Index(match), .rejected = {}, .hint = {}};
    checker.on_send(view_of(id, 1, 0), {NodeId(id), NodeId(0), Term(1), reply});
  }
};

TEST_CASE("a snapshot stands for committed entries only") {
  struct {
    LogPosition last;
    const char* expected;
    const char* why;
  } const rows[] = {
      {{Term(1), Index(2)}, "none", "what is committed"},
      {{Term(1), Index(3)}, "snapshot-committed", "an entry that is on disks and not committed"},
      {{Term(2), Index(2)}, "snapshot-committed", "a position of another term"},
      {{Term(1), Index(9)}, "snapshot-committed", "entries that nobody has"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Logs logs;
    logs.checker.on_restored(view_of(2, 1, 2), row.last);
    CHECK(invariant(logs.violations) == row.expected);
  }
}

TEST_CASE("a snapshot that came in vouches for the entries up to its end, and for none beyond") {
  for (const auto& [match, expected] :
       {std::pair(2, "none"), std::pair(3, "durable-acknowledgement")}) {
    Logs logs;
    const LogPosition end{Term(1), Index(2)};
    logs.checker.on_restored(view_of(2, 1, 2, 2), end);
    logs.write(view_of(2, 1, 2, 2), {entry(3, 1)}, end);
    logs.acknowledge(2, static_cast<std::uint64_t>(match));
    CHECK(invariant(logs.violations) == expected);
  }
}

TEST_CASE("a restart finds its snapshot again, and the log that agrees with it or none") {
  const LogPosition end{Term(1), Index(2)};
  const raft::Log whole(LogPosition(), {entry(1, 1), entry(2, 1), entry(3, 1)});
  const raft::Log rest(end, {entry(3, 1)});
  const raft::Log bare(end, {});
  struct {
    const raft::Log* found;
    std::uint64_t snapshot;
    const char* expected;
    const char* why;
  } const rows[] = {
      {&whole, 2, "none", "a snapshot, and the log not yet cut"},
      {&rest, 2, "none", "a snapshot, and the log cut"},
      {&bare, 2, "durable-log", "the entry after the snapshot is lost"},
      {&whole, 1, "durable-log", "the snapshot is older than the one that was there"},
      {&whole, 0, "durable-log", "the snapshot is gone"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Logs logs;
    logs.checker.on_recovered(view_of(0, 0, 2, 2), &whole);
    logs.checker.on_recovered(view_of(0, 0, 2, row.snapshot), row.found);
    CHECK(invariant(logs.violations) == row.expected);
  }
}

TEST_CASE("the state of a snapshot is the one that the entries up to its end give") {
  struct {
    LogPosition last;
    std::uint64_t state_hash;
    const char* expected;
    const char* why;
  } const rows[] = {
      {{Term(1), Index(2)}, 12, "none", "the same"},
      {{Term(1), Index(2)}, 11, "snapshot", "an older state"},
      {{Term(2), Index(2)}, 12, "snapshot", "of another term's entry"},
      {{Term(1), Index(1)}, 11, "snapshot", "older than what the node has applied"},
      {{Term(1), Index(3)}, 13, "snapshot", "of entries that no node has applied"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Violations violations;
    AppliedChecker checker(2, violations);
    const std::string_view value = "1";
    checker.on_invoke(testing::put(OperationId(1), value));
    checker.on_applied(view_of(0, 1, 2), entry(1, 1), {kv::Verdict::kApplied, 11});
    checker.on_applied(view_of(0, 1, 2), entry(2, 1), {kv::Verdict::kApplied, 12});
    checker.on_applied(view_of(1, 1, 2), entry(1, 1), {kv::Verdict::kApplied, 11});
    checker.on_restored(view_of(1, 1, 2), row.last, row.state_hash);
    CHECK(invariant(violations) == row.expected);
  }
}

TEST_CASE("a node that finds damage where no fault made any has made it itself") {
  struct {
    ErrorCode code;
    bool is_violation;
  } const rows[] = {{ErrorCode::kCorruption, true}, {ErrorCode::kIo, false}};
  for (const auto& row : rows) {
    SafetyChecker checker(3);
    checker.on_stopped(Instant(), NodeId(1), Error{row.code, "segment 2 at offset 0"});
    CHECK(checker.violation().has_value() == row.is_violation);
    if (row.is_violation) CHECK(checker.violation()->invariant == "sound-disk");
  }
}

}  // namespace
}  // namespace vesper::sim
