// The Raft paper's sentences, each as a test named by its words (Ongaro and Ousterhout, "In Search
// of an Understandable Consensus Algorithm", extended version; section numbers are its own).
#include <doctest/doctest.h>

#include <algorithm>

#include "tests/raft/bench.h"
#include "tests/raft/sentence.h"

namespace vesper::raft::testing {
namespace {

SENTENCE(
    "5.1: If one server's current term is smaller than the other's, then it updates its "
    "current term to the larger value") {
  const Counted counted;
  Bench node({.term = 2});
  node.receive(1, 5, append({}, {}));
  CHECK(node.term() == 5);
}

SENTENCE(
    "5.1: If a candidate or leader discovers that its term is out of date, it immediately "
    "reverts to follower state") {
  const Counted counted;
  Bench candidate;
  candidate.stand();
  candidate.receive(1, 9, VoteReply{false});
  CHECK(candidate.is_follower());

  Bench leader;
  leader.elect();
  leader.receive(1, 9, HeartbeatReply{Round(0)});
  CHECK(leader.is_follower());
  CHECK(leader.term() == 9);
}

SENTENCE("5.1: If a server receives a request with a stale term number, it rejects the request") {
  const Counted counted;
  Bench node({.term = 5, .log = {1}});
  node.receive(1, 4, append(at(1, 1), {4}));
  CHECK(node.raft().log().last_index() == Index(1));
  CHECK(node.settle().front().term == Term(5));
}

SENTENCE("5.2: When servers start up, they begin as followers") {
  const Counted counted;
  Bench fresh;
  CHECK(fresh.is_follower());
  Bench back({.term = 7, .vote = 0, .log = {3, 7}});
  CHECK(back.is_follower());
  CHECK(back.raft().leader() == std::nullopt);
}

SENTENCE(
    "5.2: A server remains in follower state as long as it receives valid RPCs from a leader "
    "or candidate") {
  const Counted counted;
  Bench node({.term = 1});
  for (int i = 0; i < 100; ++i) {
    node.elapse(Duration::milliseconds(400));
    REQUIRE(node.is_follower());
    node.receive(1, 1, HeartbeatRequest{Index(0), Round(1)});
    node.settle();
  }
}

SENTENCE(
    "5.2: Leaders send periodic heartbeats to all followers in order to maintain their "
    "authority") {
  const Counted counted;
  Bench node({.nodes = 5});
  node.elect();
  const Instant before = node.now();
  for (std::uint64_t beat = 1; beat <= 3; ++beat) {
    node.time_out();
    CHECK(count_of<HeartbeatRequest>(node.settle()) == 4);
  }
  CHECK(node.now() - before == node.raft().config().heartbeat_interval * 3);
}

SENTENCE(
    "5.2: If a follower receives no communication over a period of time called the election "
    "timeout, then it begins an election") {
  const Counted counted;
  Bench node;
  node.elapse(Duration::milliseconds(499));
  CHECK(node.is_follower());
  node.elapse(Duration::milliseconds(501));
  CHECK(node.is_candidate());
}

SENTENCE(
    "5.2: To begin an election, a follower increments its current term and transitions to "
    "candidate state") {
  const Counted counted;
  Bench node({.term = 3});
  node.stand();
  CHECK(node.term() == 4);
  CHECK(node.is_candidate());
}

SENTENCE(
    "5.2: It then votes for itself and issues RequestVote RPCs in parallel to each of the "
    "other servers in the cluster") {
  const Counted counted;
  Bench node({.nodes = 5});
  node.time_out();
  node.settle();
  for (const std::uint32_t peer : {1U, 2U}) node.receive(peer, 1, PreVoteReply{true});
  const auto sent = node.settle();
  CHECK(node.raft().hard_state().vote == NodeId(0));
  CHECK(count_of<VoteRequest>(sent) == 4);
  for (std::uint32_t peer = 1; peer < 5; ++peer) CHECK(find<VoteRequest>(sent, peer) != nullptr);
}

SENTENCE(
    "5.2: A candidate wins an election if it receives votes from a majority of the servers in "
    "the full cluster for the same term") {
  const Counted counted;
  Bench node({.nodes = 5});
  node.stand();
  node.receive(1, 0, VoteReply{true});  // for another term
  node.receive(2, 1, VoteReply{true});
  CHECK(node.is_candidate());
  node.receive(3, 1, VoteReply{true});
  CHECK(node.raft().is_leader());
}

SENTENCE(
    "5.2: Each server will vote for at most one candidate in a given term, on a "
    "first-come-first-served basis") {
  const Counted counted;
  Bench node;
  node.receive(1, 4, VoteRequest{});
  node.receive(2, 4, VoteRequest{});
  const auto sent = node.settle();
  REQUIRE(find<VoteReply>(sent, 1) != nullptr);
  REQUIRE(find<VoteReply>(sent, 2) != nullptr);
  CHECK(find<VoteReply>(sent, 1)->granted);
  CHECK_FALSE(find<VoteReply>(sent, 2)->granted);
}

SENTENCE(
    "5.2: Once a candidate wins an election, it becomes leader. It then sends heartbeat "
    "messages to all of the other servers to establish its authority and prevent new elections") {
  const Counted counted;
  Bench node;
  node.stand();
  node.receive(1, 1, VoteReply{true});
  const auto sent = node.settle();
  CHECK(find<AppendRequest>(sent, 1) != nullptr);  // its no-op does what a heartbeat does
  CHECK(find<AppendRequest>(sent, 2) != nullptr);
}

SENTENCE(
    "5.2: If the leader's term is at least as large as the candidate's current term, then the "
    "candidate recognizes the leader as legitimate and returns to follower state") {
  const Counted counted;
  Bench node;
  node.stand();
  node.receive(2, 1, append({}, {}));
  CHECK(node.is_follower());
  CHECK(node.raft().leader() == NodeId(2));
}

SENTENCE(
    "5.2: If the term in the RPC is smaller than the candidate's current term, then the "
    "candidate rejects the RPC and continues in candidate state") {
  const Counted counted;
  Bench node({.term = 4});
  node.stand();
  node.receive(2, 4, append({}, {4}));
  CHECK(node.is_candidate());
  CHECK(node.raft().log().last_index() == Index(0));
}

SENTENCE(
    "5.2: When this happens, each candidate will time out and start a new election by "
    "incrementing its term and initiating another round of RequestVote RPCs") {
  const Counted counted;
  Bench node;
  node.stand();
  node.stand();
  CHECK(node.term() == 2);
  CHECK(node.raft().hard_state().vote == NodeId(0));
}

SENTENCE(
    "5.2: Raft uses randomized election timeouts to ensure that split votes are rare and that "
    "they are resolved quickly") {
  const Counted counted;
  Bench node;
  std::vector<Duration> seen;
  for (int i = 0; i < 50; ++i) {
    const Duration timeout = node.raft().next_deadline() - node.now();
    CHECK(timeout >= node.raft().config().election_timeout_min);
    CHECK(timeout < node.raft().config().election_timeout_max);
    seen.push_back(timeout);
    node.time_out();
  }
  std::sort(seen.begin(), seen.end());
  CHECK(std::unique(seen.begin(), seen.end()) == seen.end());
}

SENTENCE(
    "5.3: The leader appends the command to its log as a new entry, then issues AppendEntries "
    "RPCs in parallel to each of the other servers to replicate the entry") {
  const Counted counted;
  Bench node({.nodes = 5});
  node.elect();
  for (std::uint32_t peer = 1; peer < 5; ++peer) node.receive(peer, 1, accepted(1));
  node.settle();
  REQUIRE(node.propose("command"));
  const Ready& ready = node.collect();
  CHECK(count_of<AppendRequest>(ready.send_now) == 4);
  const auto* request = find<AppendRequest>(ready.send_now, 3);
  REQUIRE(request != nullptr);
  REQUIRE(request->entries.size() == 1);
  CHECK(request->entries[0].position() == at(1, 2));
  CHECK(as_text(request->entries[0].payload()) == "command");
  CHECK(request->previous == at(1, 1));
}

SENTENCE(
    "5.3: A log entry is committed once the leader that created the entry has replicated it "
    "on a majority of the servers") {
  const Counted counted;
  Bench node({.nodes = 5});
  node.elect();
  node.receive(1, 1, accepted(1));
  CHECK(node.commit() == 0);
  node.receive(2, 1, accepted(1));
  CHECK(node.commit() == 1);
}

SENTENCE(
    "5.3: This also commits all preceding entries in the leader's log, including entries "
    "created by previous leaders") {
  const Counted counted;
  Bench node({.term = 3, .log = {1, 2, 3}});
  node.elect();
  node.receive(1, 4, accepted(4));
  node.settle();
  CHECK(node.commit() == 4);
  CHECK(node.committed().size() == 4);
}

SENTENCE(
    "5.3: The leader keeps track of the highest index it knows to be committed, and it "
    "includes that index in future AppendEntries RPCs") {
  const Counted counted;
  Bench node;
  node.elect();
  node.receive(1, 1, accepted(1));
  node.settle();
  REQUIRE(node.propose());
  const auto sent = node.settle();
  const auto* request = find<AppendRequest>(sent, 1);
  REQUIRE(request != nullptr);
  CHECK(request->commit == Index(1));
}

SENTENCE(
    "5.3: Once a follower learns that a log entry is committed, it applies the entry to its "
    "local state machine (in log order)") {
  const Counted counted;
  Bench node({.term = 1});
  node.receive(1, 1, append({}, {1, 1, 1}, 2));
  node.settle();
  REQUIRE(node.committed().size() == 2);
  CHECK(node.committed()[0].index() == Index(1));
  CHECK(node.committed()[1].index() == Index(2));
}

SENTENCE(
    "5.3: If followers crash or run slowly, or if network packets are lost, the leader "
    "retries AppendEntries RPCs indefinitely") {
  const Counted counted;
  Bench node;
  node.elect();
  for (std::uint64_t i = 1; i <= 20; ++i) {
    node.time_out();
    const auto beats = node.settle();
    node.receive(1, 1, HeartbeatReply{find<HeartbeatRequest>(beats, 1)->round});
    // It asks, without the entry again: the follower may only be slow.
    const auto sent = node.settle();
    REQUIRE(find<AppendRequest>(sent, 1) != nullptr);
    CHECK(find<AppendRequest>(sent, 1)->previous == at(0, 0));
  }
  node.receive(1, 1, accepted(0));
  const auto sent = node.settle();
  REQUIRE(find<AppendRequest>(sent, 1) != nullptr);
  CHECK(find<AppendRequest>(sent, 1)->entries.size() == 1);
}

SENTENCE(
    "5.3: If the follower does not find an entry in its log with the same index and term, "
    "then it refuses the new entries") {
  const Counted counted;
  Bench node({.term = 2, .log = {1, 1}});
  node.receive(1, 2, append(at(2, 2), {2}));
  const auto sent = node.settle();
  REQUIRE(find<AppendReply>(sent, 1) != nullptr);
  CHECK_FALSE(find<AppendReply>(sent, 1)->accepted);
}

SENTENCE(
    "5.3: The leader handles inconsistencies by forcing the followers' logs to duplicate its "
    "own") {
  const Counted counted;
  // Paper figure 7: the leader of term 8, and its six possible followers.
  const Terms leader = {1, 1, 1, 4, 4, 5, 5, 6, 6, 6};
  const Terms followers[] = {{1, 1, 1, 4, 4, 5, 5, 6, 6},
                             {1, 1, 1, 4},
                             {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6},
                             {1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7},
                             {1, 1, 1, 4, 4, 4, 4},
                             {1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3}};
  for (const Terms& log : followers) {
    CAPTURE(log.size());
    Bench from({.term = 7, .log = leader});
    Bench to({.term = 7, .log = log});
    from.elect();  // as node 0; the follower plays node 1, on a bench of its own
    AppendReply reply = rejected(leader.size(), to.raft().log().find_hint(at(6, leader.size())));
    if (to.raft().log().contains(at(6, leader.size()))) reply = accepted(leader.size());
    for (int round = 0; round < 10; ++round) {
      from.receive(1, 8, reply);
      const auto sent = from.settle();
      const auto* request = find<AppendRequest>(sent, 1);
      if (request == nullptr) break;
      to.receive(2, 8, *request);  // the leader bears another name there
      const auto answer = to.settle();
      REQUIRE(find<AppendReply>(answer) != nullptr);
      reply = *find<AppendReply>(answer);
    }
    CHECK(terms_of(to.raft().log()) == terms_of(from.raft().log()));
  }
}

SENTENCE("5.3: A leader never overwrites or deletes entries in its own log") {
  const Counted counted;
  Bench node({.term = 1, .log = {1}});
  node.elect();
  node.receive(2, 2, append({}, {2, 2}));  // another that claims this very term
  node.settle();
  CHECK(node.raft().is_leader());
  CHECK(terms_of(node.raft().log()) == Terms{1, 2});
}

SENTENCE(
    "5.4.1: The voter denies its vote if its own log is more up-to-date than that of the "
    "candidate") {
  const Counted counted;
  Bench node({.term = 3, .log = {1, 3}});
  node.receive(1, 4, VoteRequest{at(2, 9)});
  node.receive(2, 4, VoteRequest{at(3, 1)});
  const auto sent = node.settle();
  CHECK(count_of<VoteReply>(sent) == 2);
  CHECK_FALSE(find<VoteReply>(sent, 1)->granted);
  CHECK_FALSE(find<VoteReply>(sent, 2)->granted);
}

SENTENCE(
    "5.4.1: If the logs have last entries with different terms, then the log with the later "
    "term is more up-to-date") {
  const Counted counted;
  CHECK(at(3, 1) > at(2, 9));
  Bench node({.term = 3, .log = {1, 2, 2}});
  node.receive(1, 4, VoteRequest{at(3, 1)});
  CHECK(find<VoteReply>(node.settle(), 1)->granted);
}

SENTENCE(
    "5.4.1: If the logs end with the same term, then whichever log is longer is more "
    "up-to-date") {
  const Counted counted;
  Bench node({.term = 3, .log = {1, 2}});
  node.receive(1, 4, VoteRequest{at(2, 3)});
  CHECK(find<VoteReply>(node.settle(), 1)->granted);
}

SENTENCE("5.4.2: Raft never commits log entries from previous terms by counting replicas") {
  const Counted counted;
  // Paper figure 8: the entry of term 2 is on a majority, and is not committed by that.
  Bench node({.term = 3, .log = {1, 2}, .nodes = 5});
  node.elect();
  for (std::uint32_t peer = 1; peer < 5; ++peer) node.receive(peer, 4, accepted(2));
  CHECK(node.commit() == 0);
  for (std::uint32_t peer = 1; peer < 3; ++peer) node.receive(peer, 4, accepted(3));
  CHECK(node.commit() == 3);
}

SENTENCE("5.5: Raft RPCs are idempotent, so this causes no harm") {
  const Counted counted;
  Bench node({.term = 2});
  for (int i = 0; i < 3; ++i) {
    node.receive(1, 2, append({}, {1, 2}, 1));
    const auto sent = node.settle();
    REQUIRE(find<AppendReply>(sent, 1) != nullptr);
    CHECK(find<AppendReply>(sent, 1)->match == Index(2));
  }
  CHECK(terms_of(node.raft().log()) == Terms{1, 2});
  CHECK(node.committed().size() == 1);
}

SENTENCE(
    "6: If a server receives a RequestVote RPC within the minimum election timeout of hearing "
    "from a current leader, it does not update its term or grant its vote") {
  const Counted counted;
  Bench node({.term = 1});
  node.receive(2, 1, append({}, {}));
  node.settle();
  node.elapse(Duration::milliseconds(499));
  node.receive(1, 2, VoteRequest{at(9, 9)});
  CHECK(node.settle().empty());
  CHECK(node.term() == 1);
}

SENTENCE(
    "8: Raft handles this by having each leader commit a blank no-op entry into the log at "
    "the start of its term") {
  const Counted counted;
  Bench node({.term = 1, .log = {1}});
  node.elect();
  REQUIRE(node.raft().log().last() == at(2, 2));
  CHECK(node.raft().log().at(Index(2)).kind() == EntryKind::kNoop);
  CHECK(node.raft().log().at(Index(2)).payload().empty());
}

SENTENCE(
    "8: Raft handles this by having the leader exchange heartbeat messages with a majority of "
    "the cluster before responding to read-only requests") {
  const Counted counted;
  Bench node;
  node.elect();
  node.receive(1, 1, accepted(1));
  node.settle();
  REQUIRE(node.raft().read_index(RequestId(7)).ok());
  const auto sent = node.settle();
  CHECK(node.reads().empty());
  REQUIRE(find<HeartbeatRequest>(sent, 1) != nullptr);
  node.receive(1, 1, HeartbeatReply{find<HeartbeatRequest>(sent, 1)->round});
  node.settle();
  REQUIRE(node.reads().size() == 1);
  CHECK(node.reads()[0].request == RequestId(7));
}

}  // namespace
}  // namespace vesper::raft::testing
