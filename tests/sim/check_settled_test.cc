// What the checkers forget of a run, when, and that whoever comes back to it is found out all the
// same.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "sim/check/applied.h"
#include "sim/check/history_checker.h"
#include "sim/check/logs.h"
#include "sim/check/safety.h"
#include "sim/world.h"
#include "tests/sim/fed_checker.h"
#include "tests/sim/three_nodes.h"

namespace vesper::sim {
namespace {

using testing::entry;
using testing::invariant;

node::NodeView view_of(std::uint32_t id, std::uint64_t commit, std::uint64_t snapshot) {
  node::NodeView view;
  view.id = NodeId(id);
  view.phase = node::Phase::kRunning;
  view.term = Term(1);
  view.commit = Index(commit);
  view.snapshot = Index(snapshot);
  return view;
}

// --- Logs ---

const raft::Log kWhole({}, {entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)});

// Three nodes with entries 1 to 4 of term 1 on their disks, 1 to 3 committed, and a snapshot to 3
// on nodes 0 and 1.
struct Logs {
  Violations violations;
  LogChecker checker{3, 1, violations};
  std::uint64_t writes = 0;

  Logs() {
    for (std::uint32_t id = 0; id < 3; ++id) {
      node::NodeView view = view_of(id, 0, 0);
      view.term = Term();
      checker.on_recovered(view, nullptr);
    }
    for (std::uint32_t id = 0; id < 3; ++id) {
      write(view_of(id, 0, 0), {entry(1, 1), entry(2, 1), entry(3, 1), entry(4, 1)});
    }
    for (std::uint32_t id = 0; id < 3; ++id) checker.on_ready(view_of(id, 3, 0), {});
    for (std::uint32_t id = 0; id < 2; ++id) checker.on_snapshot(view_of(id, 3, 3));
  }
  void write(const node::NodeView& view, std::vector<raft::Entry> entries) {
    raft::Ready ready;
    ready.write = WriteId(++writes);
    // A first write: the term is on disk with it.
    if (view.commit == Index()) ready.hard_state = raft::HardState{view.term, std::nullopt};
    ready.entries = std::move(entries);
    checker.on_ready(view, ready);
    checker.on_log_submitted(view.id, writes, WriteId(writes));
    checker.on_log_durable(view.id, writes);
  }
  void settle() {
    checker.on_snapshot(view_of(2, 3, 3));
    REQUIRE(checker.settle());
    REQUIRE(checker.settled() == Index(3));
  }
};

TEST_CASE("entries are settled once every node's disk is known to hold a snapshot of them") {
  Logs behind;
  CHECK_FALSE(behind.checker.settle());
  CHECK(behind.checker.kept() == 4);

  Logs all;
  all.settle();
  CHECK(all.checker.kept() == 1);
  CHECK_FALSE(all.checker.settle());

  Logs damaged;
  damaged.checker.on_snapshot(view_of(2, 3, 3));
  damaged.checker.on_damage(NodeId(1));
  CHECK_FALSE(damaged.checker.settle());

  Logs wiped;
  wiped.checker.on_snapshot(view_of(2, 3, 3));
  wiped.checker.on_wipe(NodeId(1));
  CHECK_FALSE(wiped.checker.settle());

  Logs joined;
  joined.checker.on_snapshot(view_of(2, 3, 3));
  joined.checker.on_recovered(view_of(3, 0, 0), nullptr);
  CHECK_FALSE(joined.checker.settle());

  Violations violations;
  LogChecker absent{3, 0, violations};
  absent.on_recovered(view_of(0, 0, 0), nullptr);
  CHECK_FALSE(absent.settle());
}

TEST_CASE("a log goes on from what is settled, and is told apart from there on") {
  Logs same;
  same.settle();
  same.write(view_of(0, 3, 3), {entry(5, 1, "5")});
  same.write(view_of(1, 3, 3), {entry(5, 1, "5")});
  CHECK(invariant(same.violations) == "none");

  Logs other;
  other.settle();
  other.write(view_of(0, 3, 3), {entry(5, 1, "5")});
  other.write(view_of(1, 3, 3), {entry(5, 1, "6")});
  CHECK(invariant(other.violations) == "log-matching");
}

TEST_CASE("a restart is judged as before, wherever its log begins") {
  const raft::Log trailing({Term(1), Index(1)}, {entry(2, 1), entry(3, 1), entry(4, 1)});
  const raft::Log cut({Term(1), Index(3)}, {entry(4, 1)});
  const raft::Log lost({Term(1), Index(3)}, {});
  const raft::Log other({Term(1), Index(3)}, {entry(4, 1, "other")});
  struct {
    const raft::Log* found;
    std::uint64_t snapshot;
    const char* expected;
    const char* why;
  } const rows[] = {
      {&kWhole, 3, "none", "nothing is cut yet"},
      {&trailing, 3, "none", "it begins before what is settled"},
      {&cut, 3, "none", "it begins at what is settled"},
      {&lost, 3, "durable-log", "the entry after it is lost"},
      {&other, 3, "log-matching", "the entry after it is another"},
      {&kWhole, 2, "durable-log", "its snapshot is older"},
      {&kWhole, 0, "durable-log", "its snapshot is gone"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Logs logs;
    logs.settle();
    logs.checker.on_recovered(view_of(0, 3, row.snapshot), row.found);
    CHECK(invariant(logs.violations) == row.expected);
  }
}

TEST_CASE("nothing goes back behind what is settled") {
  Logs truncated;
  truncated.settle();
  raft::Ready ready;
  ready.write = WriteId(100);
  ready.truncate_from = Index(2);
  truncated.checker.on_ready(view_of(1, 3, 3), ready);
  CHECK(invariant(truncated.violations) == "commit-monotonic");

  Logs unknown;
  unknown.settle();
  unknown.checker.on_restored(view_of(3, 0, 0), {Term(1), Index(2)});
  CHECK(invariant(unknown.violations) == "snapshot-committed");

  Logs known;
  known.settle();
  known.checker.on_recovered(view_of(3, 0, 0), nullptr);
  known.checker.on_restored(view_of(3, 3, 3), {Term(1), Index(3)});
  known.write(view_of(3, 3, 3), {entry(4, 1)});
  CHECK(invariant(known.violations) == "none");

  Logs beyond;
  beyond.checker.on_snapshot(view_of(2, 3, 4));
  CHECK(invariant(beyond.violations) == "snapshot-committed");
}

TEST_CASE("a leader needs what is settled as it needs all that is committed") {
  Logs empty;
  empty.settle();
  empty.checker.on_recovered(view_of(3, 0, 0), nullptr);
  node::NodeView leader = view_of(3, 0, 0);
  leader.term = Term(2);
  leader.role = node::Role::kLeader;
  empty.checker.on_new_leader(leader);
  CHECK(invariant(empty.violations) != "none");

  Logs whole;
  whole.settle();
  leader.id = NodeId(1);
  leader.commit = Index(3);
  whole.checker.on_new_leader(leader);
  CHECK(invariant(whole.violations) == "none");

  // The hunt's seed 220: the last that is known of committed is older than what is settled, as node
  // 2 had heard of less when the next term began.
  Logs lagging;
  node::NodeView later = view_of(2, 2, 0);
  later.term = Term(2);
  lagging.checker.on_recovered(view_of(2, 0, 0), &kWhole);
  lagging.checker.on_ready(later, {});
  lagging.settle();
  leader.term = Term(3);
  lagging.checker.on_new_leader(leader);
  CHECK(invariant(lagging.violations) == "none");
}

// --- What is applied ---

struct Applied {
  Violations violations;
  AppliedChecker checker{2, violations};
  std::uint64_t puts = 0;

  OperationId put() {
    const OperationId id(++puts);
    const std::string value = std::to_string(id.value());
    checker.on_invoke(testing::put(id, value));
    return id;
  }
  // The put of this number is the entry at `index`.
  void apply(std::uint32_t node, std::uint64_t index, std::uint64_t number) {
    checker.on_applied(view_of(node, index, 0), entry(index, 1, std::to_string(number)),
                       {kv::Verdict::kApplied, index});
  }
  void answer(OperationId id, std::uint64_t newest) {
    checker.on_answer(id, {.outcome = node::Outcome::kSuccess, .leader = {}, .value = {}});
    checker.on_try_end(id, Index(newest));
  }
};

TEST_CASE("a put is forgotten when no log can hold a try of it any more, and is then nobody's") {
  Applied applied;
  const OperationId first = applied.put();
  applied.apply(0, 1, 1);
  applied.apply(1, 1, 1);
  applied.answer(first, 1);
  CHECK(applied.checker.kept() == 2);

  // At 1 a node may have proposed it once more, and not shown it yet.
  applied.checker.settle(Index(1), Index(1));
  CHECK(applied.checker.kept() == 1);
  for (std::uint64_t index = 2; index <= 4; ++index) {
    applied.put();
    for (const std::uint32_t node : {0U, 1U}) applied.apply(node, index, index);
  }
  applied.checker.settle(Index(2), Index(4));
  applied.checker.settle(Index(3), Index(4));
  CHECK(applied.checker.kept() == 1 + 3 + 4);  // entry 4, three open, four puts
  applied.checker.settle(Index(4), Index(4));
  CHECK(applied.checker.kept() == 3 + 3);
  CHECK(invariant(applied.violations) == "none");

  applied.apply(0, 5, 1);
  CHECK(invariant(applied.violations) == "only-client-commands");
}

TEST_CASE("a try that is left keeps its put, and so does a client that waits") {
  Applied tried;
  const OperationId put = tried.put();
  tried.checker.on_retry(put);
  tried.apply(0, 1, 1);
  tried.apply(1, 1, 1);
  tried.answer(put, 1);
  tried.checker.settle(Index(1), Index(1));
  CHECK(tried.checker.kept() == 2);

  Applied open;
  open.put();
  open.apply(0, 1, 1);
  open.apply(1, 1, 1);
  open.checker.settle(Index(1), Index(1));
  CHECK(open.checker.kept() == 2);
}

TEST_CASE("a snapshot that a node had is known for good, any other one no more") {
  enum class How : std::uint8_t { kMade, kFound, kNever };
  node::NodeView back = view_of(1, 2, 2);
  back.applied = Index(2);
  back.state_hash = 2;
  const raft::Log log({Term(1), Index(2)}, {entry(3, 1, "3")});
  for (const How how : {How::kMade, How::kFound, How::kNever}) {
    Applied applied;
    for (std::uint64_t index = 1; index <= 3; ++index) {
      applied.put();
      for (const std::uint32_t node : {0U, 1U}) applied.apply(node, index, index);
    }
    // Seen of a running node, or only at its next start (seed 103 of snapshot_segments_removed).
    if (how == How::kMade) applied.checker.on_snapshot(Index(2));
    if (how == How::kFound) applied.checker.on_recovered(back, 2, &log);
    applied.checker.settle(Index(3), Index(3));
    applied.checker.on_recovered(back, 2, &log);
    CHECK(invariant(applied.violations) == (how == How::kNever ? "snapshot" : "none"));
  }
}

// --- A cluster that runs for long ---

TEST_CASE("what the checkers keep does not grow with the run") {
  WorldConfig config = three_nodes();
  config.node.wal.segment_bytes = 64 * 1024;
  config.node.snapshots.entries = 200;
  config.node.snapshots.trailing_entries = 50;
  config.clients[0].count = 16;
  config.clients[0].keys = 8;
  config.clients[0].rate_per_kilosecond = 500'000;
  SafetyChecker safety(3);
  HistoryChecker history;
  World world(config, {&safety, &history});
  world.start();
  const auto most_until = [&](Duration end) {
    std::uint64_t most = 0;
    while (world.next_at() <= Instant() + end) {
      world.step();
      most = std::max({most, safety.kept(), history.kept() / 8});
    }
    return most;
  };
  const std::uint64_t early = most_until(Duration::seconds(20));
  const std::uint64_t late = most_until(Duration::seconds(80));

  CHECK_FALSE(safety.violation().has_value());
  CHECK_FALSE(history.violation().has_value());
  CHECK(history.judged().ok());
  CHECK(world.counts().operations > 20'000);
  CHECK(late < early * 3 / 2);
  CHECK(late < 5'000);
}

}  // namespace
}  // namespace vesper::sim
