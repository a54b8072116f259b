// The dissertation's chapter 4, membership changes, sentence by sentence, and the single-server
// error of 2015 in its three forms. Node 0 is the bench; the configuration starts with voters 0 to
// 2 unless a test says otherwise.
#include <doctest/doctest.h>

#include <vector>

#include "tests/raft/bench.h"
#include "tests/raft/sentence.h"

namespace vesper::raft::testing {
namespace {

constexpr Duration kBound = Duration::milliseconds(500);  // one minimum election timeout

Configuration founders(std::size_t count) {
  return Configuration::of_founders(std::vector<Incarnation>(count, Incarnation(1)));
}

// Voters 0 to count - 1, and learners after them that have come up.
Configuration with_learners(std::size_t count, std::size_t learners) {
  Configuration configuration = founders(count);
  for (std::size_t i = 0; i < learners; ++i) {
    const NodeId id = configuration.next_id();
    configuration = configuration.with_learner("").value();
    configuration = configuration.with_incarnation(id, Incarnation(2)).value();
  }
  return configuration;
}

Entry configuration_entry(std::uint64_t term, std::uint64_t index, const Configuration& one) {
  std::vector<std::byte> payload;
  one.encode(payload);
  return Entry::make({Term(term), Index(index)}, EntryKind::kConfiguration, payload);
}

// Leads term 1 by the first configuration; its no-op, entry 1, is on every log and committed.
Bench leader_of(Configuration configuration) {
  RaftConfig config;
  config.configuration = std::move(configuration);
  Bench node({}, config);
  node.stand();
  std::vector<NodeId> others;
  for (const Member& member : node.raft().configuration().members()) {
    if (member.id != NodeId(0)) others.push_back(member.id);
  }
  for (const NodeId other : others) {
    if (!node.raft().is_leader()) node.receive(other.value(), 1, VoteReply{true});
  }
  REQUIRE(node.raft().is_leader());
  node.settle();
  for (const NodeId other : others) node.receive(other.value(), 1, accepted(1));
  node.settle();
  REQUIRE(node.commit() == 1);
  return node;
}

Result<LogPosition> change(Bench& node, Configuration::Change change) {
  return node.raft().change_members(node.now(), change, {});
}

SENTENCE(
    "4.1: The new configuration takes effect on each server as soon as it is added to that "
    "server's log") {
  const Counted counted;
  Bench leader = leader_of(with_learners(3, 1));
  REQUIRE(change(leader, {.promote = {NodeId(3)}, .remove = {}}).ok());
  CHECK(leader.raft().configuration().is_joint());

  Bench follower;
  AppendRequest request = append({}, {1});
  request.entries.push_back(configuration_entry(1, 2, with_learners(3, 1)));
  follower.receive(1, 1, request);
  CHECK(follower.raft().configuration().members().size() == 4);
  CHECK(follower.commit() == 0);
}

SENTENCE(
    "4.1: A server must be prepared to fall back to the previous configuration in its log, if a "
    "configuration entry is removed") {
  const Counted counted;
  Bench follower;
  AppendRequest request = append({}, {1});
  request.entries.push_back(configuration_entry(1, 2, with_learners(3, 1)));
  follower.receive(1, 1, request);
  follower.settle();
  follower.receive(2, 2, append(at(1, 1), {2}));
  CHECK(follower.raft().configuration().members().size() == 3);
  CHECK(follower.raft().configurations().latest_index() == Index(0));
}

SENTENCE(
    "4.1: A server accepts AppendEntries requests from a leader that is not part of the server's "
    "latest configuration") {
  const Counted counted;
  Bench follower;
  follower.receive(7, 1, append({}, {1}));
  CHECK(follower.raft().leader() == NodeId(7));
  CHECK(find<AppendReply>(follower.settle(), 7)->accepted);
}

SENTENCE(
    "4.1: A server also grants its vote to a candidate that is not part of the server's latest "
    "configuration (if the candidate has sufficiently up-to-date log and a current term)") {
  const Counted counted;
  Bench voter;
  voter.receive(7, 3, VoteRequest{.last_log = at(1, 1)});
  CHECK(find<VoteReply>(voter.settle(), 7)->granted);
}

TEST_CASE(
    "4.1: one change of the members at a time: the next begins when the one before is committed") {
  Bench leader = leader_of(with_learners(3, 2));
  REQUIRE(leader.raft().add_learner(leader.now(), "", {}).ok());
  leader.settle();
  CHECK(change(leader, {.promote = {}, .remove = {NodeId(4)}}).error().message ==
        "another change of the membership is under way");
  for (const std::uint32_t peer : {1U, 2U}) leader.receive(peer, 1, accepted(2));
  leader.settle();
  CHECK(change(leader, {.promote = {}, .remove = {NodeId(4)}}).ok());
}

// The error that was found in 2015 in single-server changes: leaders of two terms count majorities
// of configurations that the other has not heard of. The first change of a term waits for an entry
// of that term.
TEST_CASE(
    "4.1, the error of 2015: no change before an entry of the leader's own term is committed") {
  struct {
    std::size_t voters;
    std::size_t learners;
    Configuration::Change change;
    const char* why;
  } const rows[] = {
      {4, 1, {.promote = {NodeId(4)}, .remove = {}}, "one adds, another removes"},
      {2, 2, {.promote = {NodeId(2)}, .remove = {}}, "two add"},
      {4, 0, {.promote = {}, .remove = {NodeId(3)}}, "two remove"},
  };
  table(rows, [](const auto& row) {
    RaftConfig config;
    config.configuration = with_learners(row.voters, row.learners);
    Bench node({.term = 1, .log = {1}}, config);
    node.stand();
    for (std::uint32_t i = 1; i < row.voters && !node.raft().is_leader(); ++i) {
      node.receive(i, 2, VoteReply{true});
    }
    REQUIRE(node.raft().is_leader());
    node.settle();
    CHECK(change(node, row.change).error().message ==
          "this leader has committed nothing of its term yet");
    for (std::uint32_t i = 1; i < row.voters + row.learners; ++i) node.receive(i, 2, accepted(2));
    node.settle();
    CHECK(change(node, row.change).ok());
  });
}

SENTENCE(
    "4.2.1: The leader replicates log entries to it, but it is not yet counted towards majorities "
    "for voting or commitment purposes") {
  const Counted counted;
  Bench leader = leader_of(with_learners(3, 2));
  leader.propose();
  const auto sent = leader.settle();
  CHECK(find<AppendRequest>(sent, 3) != nullptr);
  for (const std::uint32_t learner : {3U, 4U}) leader.receive(learner, 1, accepted(2));
  CHECK(leader.commit() == 1);
  leader.receive(1, 1, accepted(2));
  CHECK(leader.commit() == 2);

  RaftConfig config;
  config.configuration = with_learners(3, 2);
  Bench candidate({}, config);
  candidate.stand();
  for (const std::uint32_t learner : {3U, 4U}) candidate.receive(learner, 1, VoteReply{true});
  CHECK(candidate.is_candidate());
  candidate.receive(1, 1, VoteReply{true});
  CHECK(candidate.raft().is_leader());
}

TEST_CASE("4.2.1: a learner asks nobody for a vote, and is asked by nobody") {
  RaftConfig config;
  config.configuration = founders(3).with_change({.promote = {}, .remove = {NodeId(0)}}).value();
  config.configuration = config.configuration.settled();  // node 0 is no member
  Bench outsider({}, config);
  for (int i = 0; i < 3; ++i) outsider.time_out();
  CHECK(outsider.settle().empty());
  CHECK(outsider.term() == 0);
  outsider.receive(1, 1, TimeoutNow{});
  CHECK(outsider.settle().empty());
  CHECK(outsider.is_follower());

  Bench leader = leader_of(with_learners(2, 1));
  leader.elapse(kBound * 3);
  leader.settle();
  for (int i = 0; i < 2; ++i) leader.time_out();
  const auto sent = leader.settle();
  CHECK(find<PreVoteRequest>(sent, 1) != nullptr);
  CHECK(find<PreVoteRequest>(sent, 2) == nullptr);
}

TEST_CASE("4.2.1: a learner is promoted only once a round of its catching up was fast") {
  Bench leader = leader_of(with_learners(3, 1));
  const Configuration::Change promotes{.promote = {NodeId(3)}, .remove = {}};
  leader.propose();
  leader.settle();
  for (const std::uint32_t peer : {1U, 2U}) leader.receive(peer, 1, accepted(2));
  leader.receive(3, 1, HeartbeatReply{Round(0)});
  CHECK(change(leader, promotes).ok());  // it had everything a moment ago

  Bench slow = leader_of(with_learners(3, 1));
  slow.propose();
  slow.settle();
  slow.receive(3, 1, accepted(1));
  slow.propose();
  slow.settle();
  for (int i = 0; i < 12; ++i) {
    for (const std::uint32_t peer : {1U, 2U}) slow.receive(peer, 1, accepted(3));
    slow.elapse(Duration::milliseconds(50));
    slow.receive(3, 1, HeartbeatReply{Round(0)});
  }
  slow.receive(3, 1, accepted(2));
  for (int i = 0; i < 12; ++i) {
    for (const std::uint32_t peer : {1U, 2U}) slow.receive(peer, 1, HeartbeatReply{Round(0)});
    slow.elapse(Duration::milliseconds(50));
    slow.receive(3, 1, HeartbeatReply{Round(0)});
  }
  CHECK(change(slow, promotes).error().message == "n3 lacks 1 entries and has to catch up first");
  slow.receive(3, 1, accepted(3));
  CHECK(change(slow, promotes).ok());
  Bench deaf = leader_of(with_learners(3, 1));
  deaf.elapse(kBound);
  CHECK(change(deaf, promotes).error().message == "n3 was not heard lately");
}

SENTENCE(
    "4.2.2: A leader that is removed from the configuration steps down once the C_new entry is "
    "committed; it replicates log entries but does not count itself in majorities") {
  const Counted counted;
  Bench leader = leader_of(founders(3));
  REQUIRE(change(leader, {.promote = {}, .remove = {NodeId(0)}}).ok());
  leader.settle();
  for (const std::uint32_t peer : {1U, 2U}) leader.receive(peer, 1, accepted(2));
  leader.settle();  // the joint one is committed, the new one appended as entry 3
  CHECK_FALSE(leader.raft().configuration().is_joint());
  CHECK(leader.raft().is_leader());
  leader.receive(1, 1, accepted(3));
  leader.settle();
  CHECK(leader.commit() == 2);  // two of three have it, but one of them is the leader
  leader.receive(2, 1, accepted(3));
  const auto sent = leader.settle();
  CHECK(leader.commit() == 3);
  CHECK(leader.is_follower());
  CHECK(count_of<TimeoutNow>(sent) == 1);  // 3.10: nobody waits for an election timeout
  CHECK_FALSE(leader.propose());
}

SENTENCE(
    "4.2.2: A server that is not part of its own latest configuration should still start new "
    "elections, as it might still be needed until the C_new entry is committed") {
  const Counted counted;
  RaftConfig config;
  config.configuration = with_learners(1, 1);
  Bench node({}, config);
  // From {0} to {3}: the old voter has the new configuration, the new voter only the joint one.
  const Configuration joint =
      config.configuration.with_change({.promote = {NodeId(1)}, .remove = {NodeId(0)}}).value();
  AppendRequest request = append({}, {1});
  request.entries.push_back(configuration_entry(1, 2, joint));
  request.entries.push_back(configuration_entry(1, 3, joint.settled()));
  node.receive(1, 1, request);
  node.settle();
  node.time_out();
  CHECK(find<PreVoteRequest>(node.settle(), 1) != nullptr);
  node.receive(1, 2, PreVoteReply{true});
  CHECK(find<VoteRequest>(node.settle(), 1) != nullptr);
  CHECK(node.is_candidate());  // its own vote does not count
  node.receive(1, 2, VoteReply{true});
  CHECK(node.raft().is_leader());
}

SENTENCE(
    "4.2.3: If a server receives a RequestVote request within the minimum election timeout of "
    "hearing from a current leader, it does not update its term or grant its vote") {
  const Counted counted;
  Bench node({.term = 1});
  node.receive(1, 1, HeartbeatRequest{Index(0), Round(1)});
  node.settle();
  node.receive(7, 9, VoteRequest{.last_log = at(1, 1)});  // removed, and does not know
  CHECK(node.settle().empty());
  CHECK(node.term() == 1);
}

SENTENCE("4.3: Log entries are replicated to all servers in both configurations") {
  const Counted counted;
  Bench leader = leader_of(with_learners(3, 1));
  REQUIRE(change(leader, {.promote = {NodeId(3)}, .remove = {NodeId(2)}}).ok());
  leader.propose();
  const auto sent = leader.settle();
  for (const std::uint32_t peer : {1U, 2U, 3U}) CHECK(find<AppendRequest>(sent, peer) != nullptr);
}

SENTENCE(
    "4.3: Agreement (for elections and entry commitment) requires majorities from both the old "
    "and new configurations") {
  const Counted counted;
  // From {0, 1, 2} to {0, 3, 4}.
  struct {
    std::vector<std::uint32_t> who;
    bool agrees;
    const char* why;
  } const rows[] = {
      {{1}, false, "a majority of the old"}, {{3}, false, "a majority of the new"},
      {{1, 2}, false, "all of the old"},     {{3, 4}, false, "all of the new"},
      {{1, 3}, true, "a majority of each"},  {{2, 4}, true, "another majority of each"},
  };
  table(rows, [](const auto& row) {
    Bench leader = leader_of(with_learners(3, 2));
    REQUIRE(
        change(leader, {.promote = {NodeId(3), NodeId(4)}, .remove = {NodeId(1), NodeId(2)}}).ok());
    leader.settle();
    for (const std::uint32_t peer : row.who) leader.receive(peer, 1, accepted(2));
    CHECK((leader.commit() == 2) == row.agrees);

    RaftConfig config;
    config.configuration =
        with_learners(3, 2)
            .with_change({.promote = {NodeId(3), NodeId(4)}, .remove = {NodeId(1), NodeId(2)}})
            .value();
    Bench candidate({}, config);
    candidate.time_out();
    candidate.settle();
    for (const std::uint32_t peer : row.who) candidate.receive(peer, 1, PreVoteReply{true});
    candidate.settle();
    CHECK((candidate.term() == 1) == row.agrees);

    Bench voted({}, config);
    voted.time_out();
    voted.settle();
    for (const std::uint32_t peer : {1U, 2U, 3U}) voted.receive(peer, 1, PreVoteReply{true});
    voted.settle();
    REQUIRE(voted.term() == 1);
    for (const std::uint32_t peer : row.who) voted.receive(peer, 1, VoteReply{true});
    CHECK(voted.raft().is_leader() == row.agrees);
  });
}

SENTENCE(
    "4.3: Once C_old,new has been committed, the leader creates a log entry describing C_new and "
    "replicates it to the cluster") {
  const Counted counted;
  Bench leader = leader_of(with_learners(3, 1));
  REQUIRE(change(leader, {.promote = {NodeId(3)}, .remove = {}}).ok());
  leader.settle();
  leader.receive(3, 1, accepted(2));
  leader.settle();
  CHECK(leader.raft().log().last_index() == Index(2));  // two of four new voters, with itself
  leader.receive(2, 1, accepted(2));
  const auto sent = leader.settle();
  CHECK_FALSE(leader.raft().configuration().is_joint());
  CHECK(leader.raft().configurations().latest_index() == Index(3));
  CHECK(find<AppendRequest>(sent, 3)->entries.back().kind() == EntryKind::kConfiguration);
}

TEST_CASE("4.3: a new leader whose log has the joint configuration goes on with the change") {
  RaftConfig config;
  config.configuration = with_learners(3, 1);
  Bench node({}, config);
  const Configuration joint =
      config.configuration.with_change({.promote = {NodeId(3)}, .remove = {}}).value();
  AppendRequest request = append({}, {1});
  request.entries.push_back(configuration_entry(1, 2, joint));
  node.receive(1, 1, request);
  node.settle();
  node.time_out();
  node.settle();
  for (const std::uint32_t peer : {1U, 2U}) node.receive(peer, 2, PreVoteReply{true});
  node.settle();
  for (const std::uint32_t peer : {1U, 2U}) node.receive(peer, 2, VoteReply{true});
  REQUIRE(node.raft().is_leader());
  node.settle();
  for (const std::uint32_t peer : {1U, 2U}) node.receive(peer, 2, accepted(3));  // its no-op
  node.settle();
  CHECK(node.raft().configurations().latest_index() == Index(4));
  CHECK_FALSE(node.raft().configuration().is_joint());
}

TEST_CASE("a snapshot brings its configuration, and the log's later ones follow it") {
  Bench node({.term = 1});
  const SnapshotId snapshot{.last = at(1, 9), .bytes = 10, .checksum = 1};
  node.receive(1, 1, SnapshotRequest{snapshot, 0, SharedBytes::copy_of(as_bytes("x"))});
  node.settle();
  const Configuration of_snapshot = with_learners(3, 2);
  REQUIRE(node.raft().restore(node.now(), snapshot, of_snapshot));
  CHECK(node.raft().configuration() == of_snapshot);
  CHECK(node.raft().configurations().latest_index() == Index(9));

  RaftConfig config;
  config.configuration = of_snapshot;
  Bench restarted({.term = 1, .log = {1}, .snapshot = snapshot}, config);
  CHECK(restarted.raft().configuration() == of_snapshot);
}

TEST_CASE("a lease is earned anew by each configuration") {
  RaftConfig config;
  config.lease_reads = true;
  config.configuration = with_learners(3, 1);
  Bench node({}, config);
  node.stand();
  for (const std::uint32_t peer : {1U, 2U}) {
    if (!node.raft().is_leader()) node.receive(peer, 1, VoteReply{true});
  }
  node.settle();
  for (const std::uint32_t peer : {1U, 2U, 3U}) node.receive(peer, 1, accepted(1));
  node.elapse(Duration::milliseconds(50));
  const auto sent = node.settle();
  node.receive(1, 1, HeartbeatReply{find<HeartbeatRequest>(sent, 1)->round});
  CHECK(node.raft().holds_lease(node.now()));
  node.receive(3, 1, HeartbeatReply{find<HeartbeatRequest>(sent, 3)->round});
  REQUIRE(node.raft().change_members(node.now(), {.promote = {NodeId(3)}, .remove = {}}, {}).ok());
  CHECK_FALSE(node.raft().holds_lease(node.now()));
}

}  // namespace
}  // namespace vesper::raft::testing
