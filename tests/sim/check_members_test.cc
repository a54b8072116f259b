// The checkers' rules about members, fed with what nodes that break them would show.
#include <doctest/doctest.h>

#include <optional>
#include <vector>

#include "sim/check/logs.h"
#include "tests/sim/fed_checker.h"

namespace vesper::sim {
namespace {

using testing::entry;
using testing::invariant;

raft::Configuration founders() {
  return raft::Configuration::of_founders(std::vector<Incarnation>(3, Incarnation(1)));
}

// The founders and learner 3, which has come up.
raft::Configuration with_learner() {
  return founders().with_learner("").value().with_incarnation(NodeId(3), Incarnation(2)).value();
}

// Learner 3 takes voter 2's place.
raft::Configuration joint() {
  return with_learner().with_change({.promote = {NodeId(3)}, .remove = {NodeId(2)}}).value();
}

raft::Entry entry_of(std::uint64_t index, const raft::Configuration& configuration) {
  std::vector<std::byte> payload;
  configuration.encode(payload);
  return raft::Entry::make({Term(1), Index(index)}, raft::EntryKind::kConfiguration, payload);
}

// Nodes 0 to 2, and machine 3, which may join; node 0 leads term 1.
struct Logs {
  Violations violations;
  LogChecker checker{3, 1, violations};
  std::vector<std::uint64_t> writes = std::vector<std::uint64_t>(4);

  Logs() {
    for (std::uint32_t id = 0; id < 4; ++id) checker.on_recovered(view_of(id, 0), nullptr);
  }
  static node::NodeView view_of(std::uint32_t id, std::uint64_t commit) {
    node::NodeView view;
    view.id = NodeId(id);
    view.phase = node::Phase::kRunning;
    view.term = Term(1);
    view.role = id == 0 ? node::Role::kLeader : node::Role::kFollower;
    view.commit = Index(commit);
    return view;
  }
  // On this node's disk, whose commit index is that.
  void write(std::uint32_t id, std::vector<raft::Entry> entries, std::uint64_t commit = 0) {
    raft::Ready ready;
    ready.write = WriteId(++writes[id]);
    ready.entries = std::move(entries);
    checker.on_ready(view_of(id, commit), ready);
    checker.on_log_submitted(NodeId(id), writes[id], WriteId(writes[id]));
    checker.on_log_durable(NodeId(id), writes[id]);
  }
  void commit(std::uint64_t index) { checker.on_ready(view_of(0, index), {}); }
};

TEST_CASE("a node starts with the members that its log and its snapshot's end say") {
  // Its log: a put, and a learner at entry 2 where `has_learner`. What it has in force, and since
  // which entry; the snapshot that it starts from ends there at the latest.
  struct {
    bool has_learner;
    std::uint64_t snapshot;
    std::uint64_t since;
    raft::Configuration found;
    const char* expected;
    const char* why;
  } const rows[] = {
      {false, 0, 0, founders(), "none", "nothing has changed"},
      {true, 0, 0, founders(), "membership", "it missed what its log says"},
      {true, 2, 2, with_learner(), "none", "the snapshot ends with the change"},
      {true, 1, 1, with_learner(), "membership", "the snapshot ends before it"},
      {false, 1, 1, with_learner(), "membership", "nobody ever made that change"},
      {false, 1, 1, joint(), "membership", "others count"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Logs logs;
    logs.write(0, {entry(1, 1)});
    logs.write(1, {entry(1, 1)});
    logs.commit(1);
    if (row.has_learner) logs.write(0, {entry_of(2, with_learner())}, 1);
    node::NodeView view = Logs::view_of(0, row.snapshot);
    view.snapshot = Index(row.snapshot);

    raft::Configurations found(Index(row.since), row.found);
    logs.checker.on_members_recovered(view, &found);

    CHECK(invariant(logs.violations) == row.expected);
  }
}

TEST_CASE("a leader appends a configuration one step from a committed one, in its own term") {
  // Entry 1 is a put; what is committed when the next ones come, and they.
  struct {
    std::uint64_t commit;
    std::vector<raft::Configuration> next;
    const char* expected;
    const char* why;
  } const rows[] = {
      {1, {with_learner()}, "none", "a learner comes"},
      {0, {with_learner()}, "membership", "nothing of the term is committed"},
      {1, {with_learner(), joint()}, "membership", "the one before is not committed"},
      {1, {joint().settled()}, "membership", "voters change without a joint configuration"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Logs logs;
    for (std::uint32_t id = 0; id < 3; ++id) logs.write(id, {entry(1, 1)});
    logs.commit(row.commit);
    std::uint64_t index = 1;
    for (const raft::Configuration& one : row.next) {
      logs.write(0, {entry_of(++index, one)}, row.commit);
    }
    CHECK(invariant(logs.violations) == row.expected);
  }
}

TEST_CASE("an entry is committed by both majorities of a joint configuration") {
  // Entry 3 is the joint configuration of voters {0, 1, 2} and {0, 1, 3}.
  struct {
    std::vector<std::uint32_t> copies;
    const char* expected;
  } const rows[] = {
      {{0, 1}, "none"},
      {{0, 2}, "commit-durable"},  // of the new ones only node 0
      {{0, 3}, "commit-durable"},  // of the old ones only node 0
      {{0, 2, 3}, "none"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.copies.size());
    CAPTURE(row.copies.back());
    Logs logs;
    for (std::uint32_t id = 0; id < 4; ++id) {
      logs.write(id, {entry(1, 1)});
      if (id == 0) continue;
      logs.write(id, {entry_of(2, with_learner())});
    }
    logs.commit(1);
    logs.write(0, {entry_of(2, with_learner())}, 1);
    logs.commit(2);
    for (const std::uint32_t id : row.copies)
      logs.write(id, {entry_of(3, joint())}, id == 0 ? 2 : 0);
    logs.commit(3);
    CHECK(invariant(logs.violations) == row.expected);
  }
}

TEST_CASE("a learner's copy commits nothing") {
  Logs logs;
  for (std::uint32_t id = 0; id < 4; ++id) logs.write(id, {entry(1, 1)});
  logs.commit(1);
  logs.write(0, {entry_of(2, with_learner())}, 1);
  logs.write(3, {entry_of(2, with_learner())});
  logs.commit(2);
  CHECK(invariant(logs.violations) == "commit-durable");
}

TEST_CASE("who is elected is a voter") {
  Logs voter;
  voter.checker.on_new_leader(Logs::view_of(2, 0));
  CHECK(invariant(voter.violations) == "none");

  Logs stranger;
  stranger.checker.on_new_leader(Logs::view_of(3, 0));
  CHECK(invariant(stranger.violations) == "membership");
}

TEST_CASE("what a wiped disk held counts for what was committed by it, and for nothing else") {
  for (const bool was_there : {false, true}) {
    CAPTURE(was_there);
    Logs logs;
    logs.write(0, {entry(1, 1)});
    if (was_there) logs.write(1, {entry(1, 1)});
    logs.checker.on_wipe(NodeId(1));
    logs.checker.on_recovered(Logs::view_of(1, 0), nullptr);
    logs.commit(1);
    CHECK(invariant(logs.violations) == (was_there ? "none" : "commit-durable"));
  }
}

}  // namespace
}  // namespace vesper::sim
