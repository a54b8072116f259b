// The checkers' rules about nodes whose disks were damaged, fed with what nodes that break them
// would show: what damage may take, and what it may not.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "sim/check/logs.h"
#include "sim/check/safety.h"
#include "tests/sim/fed_checker.h"

namespace vesper::sim {
namespace {

using testing::entry;
using testing::invariant;

node::NodeView view_of(std::uint32_t id, std::uint64_t term, bool in_doubt = false) {
  node::NodeView view;
  view.id = NodeId(id);
  view.phase = node::Phase::kRunning;
  view.term = Term(term);
  if (in_doubt) view.doubt = node::DoubtView{Term(term), Index(2), Index(3), "a file at offset 0"};
  return view;
}

raft::Log log_of(std::uint64_t entries) {
  raft::Log log;
  for (std::uint64_t i = 1; i <= entries; ++i) log.append(entry(i, 1));
  return log;
}

// Nodes 0 and 1 have entries 1 to 3 of term 1 on disk, node 2 has none.
struct Logs {
  Violations violations;
  LogChecker checker{3, 0, violations};
  std::uint64_t writes = 0;

  Logs() {
    for (std::uint32_t id = 0; id < 3; ++id) checker.on_recovered(view_of(id, 0), nullptr);
    for (std::uint32_t id = 0; id < 2; ++id) {
      raft::Ready ready;
      ready.write = WriteId(++writes);
      ready.hard_state = raft::HardState{Term(1), {}};
      ready.entries = {entry(1, 1), entry(2, 1), entry(3, 1)};
      checker.on_ready(view_of(id, 1), ready);
      checker.on_log_submitted(NodeId(id), writes, WriteId(writes));
      checker.on_log_durable(NodeId(id), writes);
    }
  }
  void commit(std::uint32_t id, std::uint64_t index) {
    node::NodeView view = view_of(id, 1);
    view.commit = Index(index);
    checker.on_ready(view, {});
  }
};

TEST_CASE("damage may shorten a log, and only a node that says so may have lost entries") {
  for (const bool in_doubt : {false, true}) {
    Logs logs;
    const raft::Log log = log_of(1);
    logs.checker.on_recovered(view_of(1, 1, in_doubt), &log);
    CHECK(invariant(logs.violations) == (in_doubt ? "none" : "durable-log"));
  }
}

TEST_CASE("damage takes neither term nor vote") {
  Logs term;
  term.checker.on_recovered(view_of(1, 0, true), nullptr);
  CHECK(invariant(term.violations) == "durable-log");

  Logs vote;
  node::NodeView view = view_of(1, 1, true);
  view.vote = NodeId(2);
  vote.checker.on_recovered(view, nullptr);
  CHECK(invariant(vote.violations) == "durable-log");
}

TEST_CASE("what a node has lost counts as a copy while it is in doubt, and no longer") {
  for (const bool is_over : {false, true}) {
    Logs logs;
    const raft::Log log = log_of(1);
    logs.checker.on_recovered(view_of(1, 1, true), &log);
    if (is_over) logs.checker.on_ready(view_of(1, 1), {});
    logs.commit(0, 3);
    CHECK(invariant(logs.violations) == (is_over ? "commit-durable" : "none"));
  }
}

TEST_CASE("what a node has lost it may not acknowledge") {
  Logs logs;
  const raft::Log log = log_of(1);
  logs.checker.on_recovered(view_of(1, 1, true), &log);
  const raft::AppendReply reply{.accepted = true, .match = Index(3), .rejected = {}, .hint = {}};
  logs.checker.on_send(view_of(1, 1, true), {NodeId(1), NodeId(0), Term(1), reply});
  CHECK(invariant(logs.violations) == "durable-acknowledgement");
}

TEST_CASE("a node in doubt takes no part in elections") {
  struct {
    raft::MessageBody body;
    bool takes_part;
  } const rows[] = {
      {raft::VoteReply{true}, true},    {raft::VoteReply{false}, false},
      {raft::PreVoteReply{true}, true}, {raft::PreVoteReply{false}, false},
      {raft::VoteRequest{}, true},      {raft::PreVoteRequest{}, true},
      {raft::HeartbeatReply{}, false},  {raft::AppendReply{}, false},
  };
  for (const auto& row : rows) {
    for (const bool in_doubt : {false, true}) {
      SafetyChecker checker(3);
      checker.on_send(Instant(), view_of(1, 0, in_doubt),
                      {NodeId(1), NodeId(0), Term(0), row.body});
      const bool is_named =
          checker.violation() && checker.violation()->invariant == "doubt-abstains";
      CHECK(is_named == (row.takes_part && in_doubt));
    }
  }
}

TEST_CASE("a node that refuses a damaged disk is right if a fault damaged it") {
  SafetyChecker checker(3);
  checker.on_damage(Instant(), NodeId(1));
  checker.on_stopped(Instant(), NodeId(1), Error{ErrorCode::kCorruption, "at offset 0"});
  CHECK_FALSE(checker.violation().has_value());
  checker.on_stopped(Instant(), NodeId(2), Error{ErrorCode::kCorruption, "at offset 0"});
  REQUIRE(checker.violation().has_value());
  CHECK(checker.violation()->invariant == "sound-disk");
}

}  // namespace
}  // namespace vesper::sim
