// The contract of ready.h, with a disk that the test holds in its hand.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

TEST_CASE("a candidate's own vote counts only when it is durable") {
  Bench node({.nodes = 1});
  node.time_out();

  const Ready& ready = node.collect();
  REQUIRE(ready.hard_state);
  CHECK(*ready.hard_state == HardState{Term(1), NodeId(0)});
  CHECK(node.is_candidate());

  node.persist();
  CHECK(node.raft().is_leader());
}

TEST_CASE("vote requests wait for the candidate's own hard state") {
  Bench node;
  node.time_out();
  node.settle();
  node.receive(1, 1, PreVoteReply{true});

  const Ready& ready = node.collect();

  CHECK(ready.hard_state);
  CHECK(ready.send_now.empty());
  CHECK(count_of<VoteRequest>(ready.send_after_durable) == 2);
}

TEST_CASE("a vote waits for the hard state that remembers it") {
  Bench node({.term = 3});
  node.receive(1, 4, VoteRequest{});

  const Ready& ready = node.collect();

  REQUIRE(ready.hard_state);
  CHECK(ready.hard_state->vote == NodeId(1));
  CHECK(ready.send_now.empty());
  CHECK(find<VoteReply>(ready.send_after_durable, 1) != nullptr);
}

TEST_CASE("a vote in a term that is durable already is written before it leaves") {
  Bench node({.term = 3});
  node.receive(1, 3, VoteRequest{});

  const Ready& ready = node.collect();

  REQUIRE(ready.hard_state);
  CHECK(*ready.hard_state == HardState{Term(3), NodeId(1)});
  CHECK(find<VoteReply>(ready.send_after_durable, 1) != nullptr);
}

TEST_CASE("what a start found unsafe is vouched for only when the disk says that it is safe") {
  Bench node({.term = 3, .log = {1, 3, 3}, .safe = 2});
  CHECK(node.raft().durable() == Index(2));

  node.receive(1, 3, append(at(3, 3), {}));
  const Ready& accepts = node.collect();
  CHECK(accepts.send_now.empty());
  CHECK(find<AppendReply>(accepts.send_after_durable, 1) != nullptr);
  node.receive(1, 3, HeartbeatRequest{});
  CHECK(node.collect().send_now.empty());  // its term may be lost as well

  node.persist();
  CHECK(node.raft().durable() == Index(3));
  CHECK(find<HeartbeatReply>(node.collect().send_now, 1) != nullptr);
}

TEST_CASE("a write that follows what is unsafe has a later id, and vouches for it too") {
  Bench node({.term = 3, .log = {1, 3, 3}, .safe = 1});
  node.receive(1, 3, append(at(3, 3), {3}));
  CHECK(node.collect().write == WriteId(2));
  node.persist();
  CHECK(node.raft().durable() == Index(4));
}

TEST_CASE("a snapshot is durable whatever of the log behind it is unsafe") {
  const SnapshotId snapshot{at(3, 3), 1, 1};
  Bench node({.term = 3, .log = {3, 3}, .snapshot = snapshot, .safe = 1});
  CHECK(node.raft().durable() == Index(3));
}

TEST_CASE("an acknowledgement waits for its entries' write, a rejection for none") {
  Bench node({.term = 3, .log = {1}});

  node.receive(1, 3, append(at(1, 1), {3}));
  const Ready& accepts = node.collect();
  CHECK(accepts.entries.size() == 1);
  CHECK(accepts.send_now.empty());
  CHECK(find<AppendReply>(accepts.send_after_durable, 1) != nullptr);

  node.receive(1, 3, append(at(3, 9), {}));
  CHECK(find<AppendReply>(node.collect().send_now, 1) != nullptr);
}

TEST_CASE("an acknowledgement of entries that are still being written waits behind their write") {
  Bench node({.term = 3, .log = {1}});
  node.receive(1, 3, append(at(1, 1), {3}));
  node.collect();

  node.receive(1, 3, append(at(1, 1), {3}));  // again, and nothing is left to write
  const Ready& ready = node.collect();

  CHECK(ready.write == WriteId());
  CHECK(ready.send_now.empty());
  CHECK(find<AppendReply>(ready.send_after_durable, 1) != nullptr);
}

TEST_CASE("a heartbeat's reply does not wait for entries") {
  Bench node({.term = 3, .log = {1}});
  node.receive(1, 3, append(at(1, 1), {3}));
  REQUIRE(node.collect().entries.size() == 1);

  node.receive(1, 3, HeartbeatRequest{Index(0), Round(5)});

  CHECK(find<HeartbeatReply>(node.collect().send_now, 1) != nullptr);
}

TEST_CASE("a leader's appends leave beside its own write, its own copy counts only after") {
  Bench node;
  node.elect();
  node.receive(1, 1, accepted(1));
  node.settle();
  REQUIRE(node.commit() == 1);
  REQUIRE(node.propose());

  const Ready& ready = node.collect();
  CHECK(ready.entries.size() == 1);
  CHECK(find<AppendRequest>(ready.send_now, 1) != nullptr);

  node.receive(1, 1, accepted(2));
  CHECK(node.commit() == 1);  // one durable copy of three
  node.persist();
  CHECK(node.commit() == 2);
}

TEST_CASE("a majority of peers commits without the leader's own copy") {
  Bench node;
  node.elect();
  REQUIRE(node.propose());
  node.collect();

  node.receive(1, 1, accepted(2));
  node.receive(2, 1, accepted(2));

  CHECK(node.commit() == 2);
  CHECK(node.raft().durable() == Index(1));
  CHECK(node.collect().committed.size() == 2);
}

TEST_CASE("a write is acknowledged by the last id of a group") {
  Bench node;
  node.elect();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(node.propose());
    CHECK(node.collect().entries.size() == 1);
  }
  CHECK(node.raft().durable() == Index(1));

  node.persist();

  CHECK(node.raft().durable() == Index(4));
}

TEST_CASE("writes complete in order: an earlier id vouches for no later write") {
  Bench node;
  node.elect();
  REQUIRE(node.propose());
  const WriteId first = node.collect().write;
  REQUIRE(node.propose());
  node.collect();

  node.receive(1, 1, accepted(3));
  node.raft().persisted(node.now(), first);
  CHECK(node.commit() == 2);  // its own copy of entry 3 is not on disk
  CHECK(node.raft().durable() == Index(2));
  node.raft().persisted(node.now(), first);  // a repeated completion says nothing new
  CHECK(node.raft().durable() == Index(2));
}

TEST_CASE("an old completion never vouches for an index that was rewritten since") {
  Bench node({.term = 3, .log = {1}});
  node.receive(1, 3, append(at(1, 1), {3, 3}));
  const WriteId first = node.collect().write;
  node.receive(2, 4, append(at(1, 1), {4, 4}));  // another leader rewrites 2 and 3
  const Ready& rewrite = node.collect();
  CHECK(rewrite.truncate_from == Index(2));
  CHECK(rewrite.entries.size() == 2);
  const WriteId second = rewrite.write;

  node.raft().persisted(node.now(), first);
  CHECK(node.raft().durable() == Index(1));
  node.raft().persisted(node.now(), second);
  CHECK(node.raft().durable() == Index(3));
}

TEST_CASE("nor does it when the same entries come back (ABA)") {
  Bench node({.term = 3, .log = {1}});
  node.receive(1, 3, append(at(1, 1), {2, 2}));
  const WriteId first = node.collect().write;
  node.receive(2, 4, append(at(1, 1), {3}));
  const WriteId second = node.collect().write;
  node.receive(1, 5, append(at(1, 1), {5, 5}));
  const WriteId third = node.collect().write;

  node.raft().persisted(node.now(), first);
  CHECK(node.raft().durable() == Index(1));
  node.raft().persisted(node.now(), second);
  CHECK(node.raft().durable() == Index(1));
  node.raft().persisted(node.now(), third);
  CHECK(node.raft().durable() == Index(3));
}

TEST_CASE("a durable entry that is cut is durable no more, before its truncation is written") {
  Bench node({.term = 3, .log = {1, 2, 2}});
  REQUIRE(node.raft().durable() == Index(3));

  node.receive(1, 3, append(at(1, 1), {3}));

  CHECK(node.raft().durable() == Index(1));
  CHECK(node.collect().truncate_from == Index(2));
}

TEST_CASE("two truncations of one turn are one, from the lower index") {
  Bench node({.term = 3, .log = {1, 2, 2}});
  node.receive(1, 3, append(at(2, 2), {3}));
  node.receive(2, 4, append(at(1, 1), {4}));

  const Ready& ready = node.collect();

  CHECK(ready.truncate_from == Index(2));
  REQUIRE(ready.entries.size() == 1);
  CHECK(ready.entries[0].position() == at(4, 2));
}

TEST_CASE("entries that were never handed out are cut without a word to the disk") {
  Bench node({.term = 3, .log = {1}});
  node.receive(1, 3, append(at(1, 1), {3}));
  node.receive(2, 4, append(at(1, 1), {4}));

  const Ready& ready = node.collect();

  CHECK(ready.truncate_from == std::nullopt);
  REQUIRE(ready.entries.size() == 1);
  CHECK(ready.entries[0].position() == at(4, 2));
}

TEST_CASE("a truncation is a write even where no entry follows it in the same turn") {
  Bench node({.term = 3, .log = {1, 2, 2}});
  node.receive(1, 3, append(at(2, 2), {3, 3}));
  node.collect();

  node.receive(2, 4, append(at(1, 1), {4}));
  const Ready& ready = node.collect();

  CHECK(ready.write != WriteId());
  CHECK(ready.truncate_from == Index(2));
}

TEST_CASE("committed entries are handed out before this node's own copy is durable") {
  Bench node({.term = 3, .log = {1}});
  node.receive(1, 3, append(at(1, 1), {3}, 2));

  const Ready& ready = node.collect();

  CHECK(ready.committed.size() == 2);
  CHECK(node.raft().durable() == Index(1));
}

TEST_CASE("every barrier must fall: a second term written behind the first keeps it up") {
  Bench node({.term = 3});
  node.receive(1, 4, HeartbeatRequest{Index(0), Round(1)});
  const WriteId first = node.collect().write;
  node.receive(2, 5, HeartbeatRequest{Index(0), Round(1)});
  node.collect();

  node.raft().persisted(node.now(), first);
  CHECK(node.collect().send_now.empty());

  node.persist();
  const Ready& ready = node.collect();
  REQUIRE(ready.send_now.size() == 1);  // the answer of term 4 is of no use to anyone now
  CHECK(ready.send_now[0].term == Term(5));
  CHECK(ready.send_now[0].to == NodeId(2));
}

TEST_CASE("a slow disk does not restart an election that has asked nobody") {
  Bench node;
  node.time_out();
  node.settle();
  node.receive(1, 1, PreVoteReply{true});
  node.collect();

  for (int i = 0; i < 5; ++i) node.time_out();
  CHECK(node.term() == 1);
  CHECK(node.collect().write == WriteId());

  const Instant before = node.now();
  node.persist();
  CHECK(node.raft().next_deadline() >= before + Duration::milliseconds(500));
}

TEST_CASE(
    "an election's time runs from when its requests leave, though no clock was read meanwhile") {
  Bench node;
  node.time_out();
  node.settle();
  node.receive(1, 1, PreVoteReply{true});
  const WriteId write = node.collect().write;

  const Instant done = node.now() + Duration::milliseconds(900);
  node.raft().persisted(done, write);
  node.raft().tick(done);

  CHECK(node.raft().next_deadline() >= done + Duration::milliseconds(500));
  CHECK(count_of<VoteRequest>(node.collect().send_after_durable) == 0);  // they left with the write
  node.receive(1, 1, VoteReply{true});
  CHECK(node.raft().is_leader());
}

TEST_CASE("whom a slow disk grants a vote has its voter's whole patience from then on") {
  Bench node;
  node.receive(1, 1, VoteRequest{at(0, 0)});
  const WriteId write = node.collect().write;

  const Instant done = node.now() + Duration::milliseconds(900);
  node.raft().persisted(done, write);
  node.raft().tick(done);

  CHECK(node.is_follower());
  CHECK(node.raft().next_deadline() >= done + Duration::milliseconds(500));
}

TEST_CASE("leadership lost while the own write is under way: its completion commits nothing") {
  Bench node;
  node.elect();
  REQUIRE(node.propose());
  node.collect();
  node.receive(1, 1, accepted(2));
  node.receive(2, 2, append(at(1, 1), {2}));

  node.persist();
  node.settle();

  CHECK(node.commit() == 1);
  CHECK(terms_of(node.raft().log()) == Terms{1, 2});
}

// The hazard of sending all but replies at once, with three nodes: A wins term 2 by the votes of B
// and C, sends its no-op and X to B, crashes with nothing durable, comes back at term 1, wins term
// 2 again by C's vote and writes Y where B holds X: one index and term, two contents.
TEST_CASE(
    "a life whose term is not durable has said nothing of it, so the next may lead that term") {
  Bench first({.term = 1});
  first.time_out();
  first.settle();
  first.receive(1, 2, PreVoteReply{true});
  CHECK(first.collect().send_now.empty());
  // Votes cannot come before they are asked for; whoever sends them makes no leader of this life.
  first.receive(1, 2, VoteReply{true});
  first.receive(2, 2, VoteReply{true});
  CHECK(first.is_candidate());
  CHECK_FALSE(first.propose("X"));
  CHECK(first.collect().send_now.empty());

  Bench second({.term = 1});  // the crash took the write along
  second.elect();
  CHECK(second.propose("Y"));
  CHECK(second.term() == 2);
}

TEST_CASE("a life whose term was durable leads it no more after a restart") {
  Bench second({.term = 2, .vote = 0});

  second.receive(1, 2, VoteReply{true});  // votes for the life before, late
  second.receive(2, 2, VoteReply{true});
  CHECK(second.is_follower());

  second.elect();
  CHECK(second.term() == 3);
}

TEST_CASE("each Ready of a leader bears only its durable term") {
  Bench node;
  node.stand();
  node.receive(1, 1, VoteReply{true});
  REQUIRE(node.raft().is_leader());

  const Ready& ready = node.collect();
  CHECK(count_of<AppendRequest>(ready.send_now) == 2);
  for (const Message& message : ready.send_now) CHECK(message.term == Term(1));
  CHECK(ready.hard_state == std::nullopt);
}

}  // namespace
}  // namespace vesper::raft::testing
