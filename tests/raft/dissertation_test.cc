// The dissertation's sentences, each as a test named by its words (Ongaro, "Consensus: Bridging
// Theory and Practice"; section numbers are its own).
#include <doctest/doctest.h>

#include "tests/raft/bench.h"
#include "tests/raft/sentence.h"

namespace vesper::raft::testing {
namespace {

// Leads term 1; entry 1, its no-op, is committed, and voter 2 lacks entry 2.
Bench leader_with_a_laggard() {
  Bench node;
  node.elect();
  for (std::uint32_t peer = 1; peer < 3; ++peer) node.receive(peer, 1, accepted(1));
  node.propose();
  node.settle();
  node.receive(1, 1, accepted(2));
  node.settle();
  return node;
}

SENTENCE("3.10: The prior leader stops accepting new client requests") {
  const Counted counted;
  Bench node = leader_with_a_laggard();
  REQUIRE(node.raft().transfer(node.now(), NodeId(2)).ok());
  CHECK_FALSE(node.propose());
}

SENTENCE(
    "3.10: The prior leader fully updates the target server's log to match its own, using the "
    "normal log replication mechanism") {
  const Counted counted;
  Bench node = leader_with_a_laggard();
  REQUIRE(node.raft().transfer(node.now(), NodeId(2)).ok());
  node.receive(2, 1, rejected(1, {}));  // it has lost what was sent
  CHECK(count_of<TimeoutNow>(node.settle()) == 0);
  node.receive(2, 1, accepted(2));
  CHECK(find<TimeoutNow>(node.settle(), 2) != nullptr);
}

SENTENCE(
    "3.10: This request has the same effect as the target server's election timer firing: the "
    "target server starts a new election (incrementing its term and becoming a candidate)") {
  const Counted counted;
  Bench node({.term = 3});
  node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
  node.receive(1, 3, TimeoutNow{});
  CHECK(node.term() == 4);
  CHECK(node.is_candidate());
  CHECK(node.raft().hard_state().vote == NodeId(0));
}

SENTENCE(
    "3.10: Its next message to the prior leader will include its new term number, causing the "
    "prior leader to step down") {
  const Counted counted;
  Bench node = leader_with_a_laggard();
  REQUIRE(node.raft().transfer(node.now(), NodeId(1)).ok());
  node.settle();
  node.receive(1, 2, VoteRequest{at(1, 2), true});
  CHECK(node.is_follower());
  CHECK(node.term() == 2);
}

SENTENCE(
    "3.10: If leadership transfer does not complete after about an election timeout, the prior "
    "leader aborts the transfer and resumes accepting client requests") {
  const Counted counted;
  Bench node = leader_with_a_laggard();
  REQUIRE(node.raft().transfer(node.now(), NodeId(2)).ok());
  for (int beat = 0; beat < 10; ++beat) {
    CHECK_FALSE(node.propose());
    node.elapse(Duration::milliseconds(50));
    node.receive(1, 1, HeartbeatReply{Round(0)});
    node.settle();
  }
  CHECK(node.propose());
}

SENTENCE(
    "4.2.3: RequestVote messages should be processed by other servers even when they believe a "
    "current cluster leader exists") {
  const Counted counted;
  Bench node({.term = 3});
  node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
  node.settle();
  node.receive(2, 4, VoteRequest{{}, true});
  const auto sent = node.settle();
  REQUIRE(find<VoteReply>(sent, 2) != nullptr);
  CHECK(find<VoteReply>(sent, 2)->granted);
}

SENTENCE(
    "6.4: The follower would issue a request to the leader that just asked for its current "
    "readIndex") {
  const Counted counted;
  Bench node({.term = 3});
  node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
  REQUIRE(node.raft().ask_read_index(node.now(), RequestId(5)).ok());
  const auto sent = node.settle();
  REQUIRE(find<ReadIndexRequest>(sent, 1) != nullptr);
  node.receive(1, 3, ReadIndexReply{true, find<ReadIndexRequest>(sent, 1)->batch, Index(8)});
  node.settle();
  REQUIRE(node.reads().size() == 1);
  CHECK(node.reads()[0].index == Index(8));
}

SENTENCE(
    "6.4.1: Once the leader's heartbeats were acknowledged by a majority of the cluster, it would "
    "extend its lease to start + election timeout / clock drift bound") {
  const Counted counted;
  RaftConfig config;
  config.lease_reads = true;
  config.lease_drift_ppm = 0;
  Bench node({}, config);
  node.elect();
  node.receive(1, 1, accepted(1));
  node.settle();
  node.elapse(Duration::milliseconds(50));
  const Instant start = node.now();
  const auto sent = node.settle();
  REQUIRE(find<HeartbeatRequest>(sent, 1) != nullptr);
  CHECK_FALSE(node.raft().holds_lease(start));
  node.receive(1, 1, HeartbeatReply{find<HeartbeatRequest>(sent, 1)->round});
  CHECK(node.raft().holds_lease(start + Duration::milliseconds(499)));
  CHECK_FALSE(node.raft().holds_lease(start + Duration::milliseconds(500)));
}

}  // namespace
}  // namespace vesper::raft::testing
