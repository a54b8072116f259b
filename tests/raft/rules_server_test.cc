// Tables for the rules of all servers: terms (paper figure 2 and section 5.1), reads (dissertation
// section 6.4), the hard-state barrier (ready.h).
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

enum class Role { kFollower, kPreCandidate, kCandidate, kLeader };

// A node of term 3 in this role; entry 1 is of term 2.
Bench in_role(Role role) {
  Bench node(
      {.term = role == Role::kFollower || role == Role::kPreCandidate ? 3U : 2U, .log = {2}});
  if (role == Role::kPreCandidate) node.time_out();
  if (role == Role::kCandidate) node.stand();
  if (role == Role::kLeader) node.elect();
  node.settle();
  REQUIRE(node.term() == 3);
  return node;
}

TEST_CASE("all servers: a higher term is adopted and makes a follower, whatever the role") {
  struct {
    MessageBody body;
    bool adopted;
    const char* why;
  } const rows[] = {
      {append({}, {}), true, "AppendRequest"},
      {accepted(1), true, "AppendReply"},
      {rejected(1, {}), true, "AppendReply, rejected"},
      {HeartbeatRequest{Index(0), Round(1)}, true, "HeartbeatRequest"},
      {HeartbeatReply{Round(1)}, true, "HeartbeatReply"},
      {VoteRequest{at(1, 1), true}, true,
       "VoteRequest by transfer, which a leader does not ignore"},
      {VoteReply{false}, true, "VoteReply, refused"},
      {VoteReply{true}, true, "VoteReply, granted"},
      {PreVoteReply{false}, true, "PreVoteReply, refused: it bears its sender's term"},
      {PreVoteReply{true}, false, "PreVoteReply, granted: it bears the term asked about"},
      {PreVoteRequest{at(9, 9)}, false, "PreVoteRequest: nobody leads that term yet"},
  };
  table(rows, [](const auto& row) {
    for (const Role role :
         {Role::kFollower, Role::kPreCandidate, Role::kCandidate, Role::kLeader}) {
      CAPTURE(int(role));
      Bench node = in_role(role);

      node.receive(1, 7, row.body);
      node.settle();

      CHECK(node.term() == (row.adopted ? 7 : 3));
      if (row.adopted) CHECK(node.is_follower());
      if (row.adopted) CHECK(node.raft().hard_state().vote == std::nullopt);
      if (!row.adopted) CHECK(node.raft().is_leader() == (role == Role::kLeader));
    }
  });
}

TEST_CASE(
    "all servers: a request of an old term is refused with the current term, replies dropped") {
  enum Expected { kNothing, kPreVoteReply, kVoteReply, kHeartbeatReply };
  struct {
    MessageBody body;
    Expected reply;
    const char* why;
  } const rows[] = {
      {PreVoteRequest{at(1, 9)}, kPreVoteReply, "a pre-vote"},
      {VoteRequest{at(1, 9)}, kVoteReply, "a vote"},
      {append({}, {1}), kHeartbeatReply,
       "an append: round 0 tells the term and acknowledges nothing"},
      {HeartbeatRequest{Index(1), Round(3)}, kHeartbeatReply, "a heartbeat"},
      {VoteRequest{at(1, 9), true}, kVoteReply, "a vote by transfer"},
      {TimeoutNow{}, kHeartbeatReply, "a TimeoutNow of a leader that was replaced meanwhile"},
      {accepted(1), kNothing, "an append's reply"},
      {rejected(1, {}), kNothing, "a rejection"},
      {HeartbeatReply{Round(1)}, kNothing, "a heartbeat's reply"},
      {VoteReply{true}, kNothing, "a vote"},
      {PreVoteReply{false}, kNothing, "a refused pre-vote"},
      {PreVoteReply{true}, kNothing, "a granted pre-vote"},
  };
  table(rows, [](const auto& row) {
    for (const Role role : {Role::kFollower, Role::kCandidate}) {
      CAPTURE(int(role));
      Bench node = in_role(role);
      const HardState before = node.raft().hard_state();

      node.receive(1, 2, row.body);
      const auto sent = node.settle();

      REQUIRE(sent.size() == (row.reply == kNothing ? 0 : 1));
      if (row.reply != kNothing) CHECK(sent[0].term == Term(3));
      if (const auto* reply = find<PreVoteReply>(sent)) CHECK_FALSE(reply->granted);
      if (const auto* reply = find<VoteReply>(sent)) CHECK_FALSE(reply->granted);
      if (const auto* reply = find<HeartbeatReply>(sent)) CHECK(reply->round == Round(0));
      CHECK((find<PreVoteReply>(sent) != nullptr) == (row.reply == kPreVoteReply));
      CHECK((find<VoteReply>(sent) != nullptr) == (row.reply == kVoteReply));
      CHECK((find<HeartbeatReply>(sent) != nullptr) == (row.reply == kHeartbeatReply));
      CHECK(node.raft().hard_state() == before);
      CHECK(terms_of(node.raft().log()) == Terms{2});
      CHECK(node.commit() == 0);
    }
  });
}

TEST_CASE("all servers: a message from itself, or for another node, is ignored") {
  struct {
    std::uint32_t from;
    std::uint32_t to;
    const char* why;
  } const rows[] = {
      {1, 2, "for another node"},
      {0, 0, "from itself"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3});

    node.raft().step(node.now(), {NodeId(row.from), NodeId(row.to), Term(9), append({}, {9})});

    CHECK(node.settle().empty());
    CHECK(node.term() == 3);
    CHECK(node.raft().log().last_index() == Index(0));
  });
}

TEST_CASE("all servers: what is committed is applied in order, each entry once") {
  struct {
    std::vector<std::uint64_t> commits;
    const char* why;
  } const rows[] = {
      {{3}, "at once"},
      {{1, 2, 3}, "one by one"},
      {{2, 1, 3}, "a late commit index in between"},
      {{1, 1, 3, 3}, "repeated"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 4, .log = {1, 2, 2}});

    for (const std::uint64_t commit : row.commits) {
      node.receive(1, 4, append(at(2, 3), {}, commit));
      node.settle();
    }

    REQUIRE(node.committed().size() == 3);
    for (std::uint64_t i = 0; i < 3; ++i) CHECK(node.committed()[i].index() == Index(i + 1));
  });
}

// What happens to a leader of five whose read waits, a word an event.
enum Event {
  kRead,     // a read comes
  kBeat,     // a heartbeat's time comes
  kAck1,     // peer 1 acknowledges the newest round
  kAck2,     // peer 2 does
  kOldAck2,  // peer 2 acknowledges the round before the newest
  kCommit,   // peers 1 and 2 hold the whole log
  kDeposed,  // a higher term is heard of
};

TEST_CASE(
    "ReadIndex: a read is granted by a round that left after it came, once this term has "
    "committed") {
  struct {
    std::vector<Event> events;
    std::size_t granted;
    std::size_t lost;
    const char* why;
  } const rows[] = {
      {{kCommit, kRead, kAck1, kAck2}, 1, 0, "a majority acknowledges its round"},
      {{kCommit, kRead}, 0, 0, "nobody has"},
      {{kCommit, kRead, kAck1}, 0, 0, "two of five"},
      {{kCommit, kRead, kAck1, kAck1}, 0, 0, "one peer counts once"},
      {{kCommit, kRead, kBeat, kAck1, kOldAck2}, 1, 0, "a later round serves, and so does its own"},
      {{kCommit, kBeat, kRead, kAck1, kOldAck2}, 0, 0, "a reply to an earlier round does not"},
      {{kCommit, kRead, kAck1, kOldAck2}, 0, 0, "nor does one to the round before its own"},
      {{kRead, kBeat, kAck1, kAck2}, 0, 0, "before the no-op is committed: it waits"},
      {{kRead, kBeat, kAck1, kAck2, kCommit, kAck1, kAck2}, 1, 0, "until it is, and a round after"},
      {{kCommit, kRead, kRead, kRead, kAck1, kAck2, kAck1, kAck2}, 3, 0, "one round for all"},
      {{kCommit, kRead, kDeposed}, 0, 1, "leadership is lost: the read is told"},
      {{kCommit, kRead, kAck1, kDeposed, kAck2}, 0, 1, "and no late reply helps it"},
      {{kRead, kRead, kDeposed}, 0, 2, "all that wait are told"},
  };
  table(rows, [](const auto& row) {
    Bench node({.nodes = 5});
    node.elect();
    std::uint64_t reads = 0;
    Round newest(0);
    for (const Event event : row.events) {
      switch (event) {
        case kRead:
          CHECK(node.raft().read_index(RequestId(++reads)).ok());
          break;
        case kBeat:
          node.time_out();
          break;
        case kAck1:
          node.receive(1, 1, HeartbeatReply{newest});
          break;
        case kAck2:
          node.receive(2, 1, HeartbeatReply{newest});
          break;
        case kOldAck2:
          node.receive(2, 1, HeartbeatReply{newest.previous()});
          break;
        case kCommit:
          for (const std::uint32_t peer : {1U, 2U}) node.receive(peer, 1, accepted(1));
          break;
        case kDeposed:
          node.receive(3, 2, HeartbeatReply{Round(0)});
          break;
      }
      const auto sent = node.settle();
      if (const auto* beat = find<HeartbeatRequest>(sent, 1)) newest = beat->round;
    }

    CHECK(node.reads().size() == row.granted);
    CHECK(node.lost_reads().size() == row.lost);
    for (const GrantedRead& read : node.reads()) CHECK(read.index == Index(1));
  });
}

TEST_CASE("who is not the leader refuses reads and commands") {
  struct {
    Role role;
    bool takes;
    const char* why;
  } const rows[] = {
      {Role::kFollower, false, "a follower"},
      {Role::kPreCandidate, false, "a node in its pre-vote round"},
      {Role::kCandidate, false, "a candidate"},
      {Role::kLeader, true, "the leader"},
  };
  table(rows, [](const auto& row) {
    Bench node = in_role(row.role);

    const auto position = node.raft().propose(as_bytes("x"));
    const Status read = node.raft().read_index(RequestId(1));

    CHECK(position.ok() == row.takes);
    CHECK(read.ok() == row.takes);
    if (!row.takes) CHECK(position.error().code == ErrorCode::kUnavailable);
    if (!row.takes) CHECK(read.error().code == ErrorCode::kUnavailable);
  });
}

TEST_CASE("hard state is a barrier: while it is on its way to the disk, nothing leaves") {
  struct {
    std::uint32_t from;
    std::uint64_t term;
    MessageBody body;
    const char* why;
  } const rows[] = {
      {1, 4, append(at(2, 1), {}), "an append's acceptance"},
      {1, 4, append(at(4, 9), {}), "an append's rejection"},
      {1, 4, HeartbeatRequest{Index(0), Round(1)}, "a heartbeat's reply"},
      {1, 4, VoteRequest{at(2, 1)}, "a granted vote"},
      {1, 4, VoteRequest{}, "a refused vote"},
      {2, 3, HeartbeatRequest{Index(0), Round(1)}, "the answer to an old term"},
      {2, 9, PreVoteRequest{at(2, 1)}, "a pre-vote's grant"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {2}});
    node.receive(2, 4, VoteReply{false});  // term 4 must be written

    node.receive(row.from, row.term, row.body);
    const Ready& ready = node.collect();
    CHECK(ready.hard_state.has_value());
    CHECK(ready.send_now.empty());
    const std::size_t held = ready.send_after_durable.size();
    CHECK(node.collect().send_now.empty());

    node.persist();
    CHECK(held + node.collect().send_now.size() == 1);
  });
}

}  // namespace
}  // namespace vesper::raft::testing
