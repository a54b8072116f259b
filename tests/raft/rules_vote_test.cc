// Tables for the rules of elections: paper figure 2 (RequestVote, candidates, followers), pre-vote
// and the withheld vote (dissertation sections 9.6 and 4.2.3), check-quorum (6.2).
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

TEST_CASE("RequestVote, receiver 1 and 2: one vote a term, for a log at least as up to date") {
  struct {
    Start self;
    std::uint32_t from;
    std::uint64_t term;
    LogPosition last_log;
    bool granted;
    std::uint64_t term_after;
    std::optional<std::uint32_t> vote_after;
    const char* why;
  } const rows[] = {
      {{.term = 3}, 1, 2, {}, false, 3, {}, "1: term < currentTerm"},
      {{.term = 3, .vote = 2}, 1, 2, at(2, 9), false, 3, 2, "1: an old term, however long its log"},
      {{.term = 3}, 1, 3, {}, true, 3, 1, "2: votedFor is null"},
      {{.term = 3, .vote = 1}, 1, 3, {}, true, 3, 1, "2: votedFor is candidateId"},
      {{.term = 3, .vote = 2}, 1, 3, {}, false, 3, 2, "2: votedFor is another"},
      {{.term = 3, .vote = 0}, 1, 3, {}, false, 3, 0, "2: votedFor is this node itself"},
      {{.term = 3, .vote = 2}, 1, 4, {}, true, 4, 1, "a new term has a vote of its own"},
      {{.term = 3, .log = {1, 2}}, 1, 3, at(2, 2), true, 3, 1, "2: the same log"},
      {{.term = 3, .log = {1, 2}}, 1, 3, at(2, 3), true, 3, 1, "5.4.1: same last term, longer"},
      {{.term = 3, .log = {1, 2}}, 1, 3, at(2, 1), false, 3, {}, "5.4.1: same last term, shorter"},
      {{.term = 3, .log = {1, 2}}, 1, 3, at(3, 1), true, 3, 1, "5.4.1: later last term, shorter"},
      {{.term = 3, .log = {1, 2}}, 1, 3, at(1, 9), false, 3, {}, "5.4.1: earlier term, longer"},
      {{.term = 3, .log = {1, 2}}, 1, 3, {}, false, 3, {}, "an empty log against a full one"},
      {{.term = 3, .log = {1, 2}}, 1, 5, at(1, 9), false, 5, {}, "refused, but its term counts"},
      {{.term = 3, .vote = 1, .log = {2}}, 1, 3, at(1, 1), false, 3, 1, "the log counts even so"},
  };
  table(rows, [](const auto& row) {
    Bench node(row.self);

    node.receive(row.from, row.term, VoteRequest{row.last_log});
    const auto sent = node.settle();

    const auto* reply = find<VoteReply>(sent, row.from);
    REQUIRE(reply != nullptr);
    CHECK(sent.size() == 1);
    CHECK(reply->granted == row.granted);
    CHECK(sent[0].term == Term(row.term_after));
    CHECK(node.term() == row.term_after);
    const std::optional<NodeId> vote = node.raft().hard_state().vote;
    CHECK(vote.has_value() == row.vote_after.has_value());
    if (vote && row.vote_after) CHECK(vote->value() == *row.vote_after);
  });
}

TEST_CASE("a pre-vote is granted for a later term and an up-to-date log, and changes nothing") {
  struct {
    Start self;
    std::uint64_t term;
    LogPosition last_log;
    bool granted;
    const char* why;
  } const rows[] = {
      {{.term = 3}, 4, {}, true, "the next term"},
      {{.term = 3}, 9, {}, true, "any later term"},
      {{.term = 3}, 3, {}, false, "the current term is no election to come"},
      {{.term = 3}, 2, {}, false, "an old term"},
      {{.term = 3, .vote = 2}, 4, {}, true, "a vote of the current term does not count"},
      {{.term = 3, .log = {2}}, 4, at(2, 1), true, "the same log"},
      {{.term = 3, .log = {2}}, 4, at(1, 5), false, "a log of an earlier last term"},
      {{.term = 3, .log = {2, 2}}, 4, at(2, 1), false, "a shorter log"},
      {{.term = 3, .log = {2, 2}}, 4, at(3, 1), true, "a later last term"},
  };
  table(rows, [](const auto& row) {
    Bench node(row.self);
    const HardState before = node.raft().hard_state();
    const Instant deadline = node.raft().next_deadline();

    node.elapse(Duration::milliseconds(1));
    node.receive(1, row.term, PreVoteRequest{row.last_log});
    const auto sent = node.settle();

    const auto* reply = find<PreVoteReply>(sent, 1);
    REQUIRE(reply != nullptr);
    CHECK(reply->granted == row.granted);
    CHECK(sent[0].term.value() == (row.granted ? row.term : row.self.term));
    CHECK(node.raft().hard_state() == before);
    CHECK(node.written() == WriteId());
    CHECK(node.raft().next_deadline() == deadline);
  });
}

TEST_CASE("a node that hears a live leader ignores requests for votes whole") {
  struct {
    std::int64_t ms_since_leader;  // -1: never heard one
    bool pre_vote;
    bool answered;
    const char* why;
  } const rows[] = {
      {-1, false, true, "no leader was heard in this life"},
      {-1, true, true, "nor for a pre-vote"},
      {0, false, false, "just heard"},
      {0, true, false, "just heard, pre-vote"},
      {499, false, false, "within the minimum election timeout"},
      {499, true, false, "within it, pre-vote"},
      {500, false, true, "the minimum election timeout has passed"},
      {500, true, true, "it has passed, pre-vote"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3});
    if (row.ms_since_leader >= 0) {
      node.receive(2, 3, HeartbeatRequest{Index(0), Round(1)});
      node.settle();
      node.elapse(Duration::milliseconds(row.ms_since_leader));
      REQUIRE(node.is_follower());
    }

    if (row.pre_vote) {
      node.receive(1, 9, PreVoteRequest{});
    } else {
      node.receive(1, 9, VoteRequest{});
    }
    const auto sent = node.settle();

    CHECK(sent.size() == (row.answered ? 1 : 0));
    CHECK(node.term() == (row.answered && !row.pre_vote ? 9 : 3));
  });
}

TEST_CASE("a leader ignores requests for votes whole, their terms too") {
  struct {
    MessageBody body;
    const char* why;
  } const rows[] = {
      {PreVoteRequest{at(9, 9)}, "a pre-vote"},
      {VoteRequest{at(9, 9)}, "a vote"},
  };
  table(rows, [](const auto& row) {
    Bench node;
    node.elect();

    node.receive(1, 9, row.body);

    CHECK(node.settle().empty());
    CHECK(node.raft().is_leader());
    CHECK(node.term() == 1);
  });
}

TEST_CASE("followers: an election timeout without a leader or a granted vote starts an election") {
  struct {
    std::uint64_t term;
    MessageBody body;
    bool resets;
    const char* why;
  } const rows[] = {
      {3, append({}, {}), true, "AppendEntries from the current leader"},
      {3, append(at(3, 7), {}), true, "even one that does not fit"},
      {4, append({}, {}), true, "or from a new leader"},
      {3, HeartbeatRequest{Index(0), Round(1)}, true, "a heartbeat"},
      {4, VoteRequest{at(3, 1)}, true, "a granted vote"},
      {4, VoteRequest{}, false, "a vote that was refused for its log"},
      {2, append({}, {}), false, "AppendEntries of an old term"},
      {2, HeartbeatRequest{Index(0), Round(1)}, false, "a heartbeat of an old term"},
      {4, PreVoteRequest{at(3, 1)}, false, "a granted pre-vote is no promise"},
      {3, AppendReply{}, false, "a stray reply"},
      {3, VoteReply{true}, false, "a stray vote"},
      {3, HeartbeatReply{Round(1)}, false, "a stray heartbeat reply"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {3}});
    const Instant deadline = node.raft().next_deadline();
    const Duration almost = deadline - node.now() - Duration::nanoseconds(1);
    node.elapse(almost);
    REQUIRE(node.is_follower());

    node.receive(1, row.term, row.body);
    node.settle();

    CHECK((node.raft().next_deadline() > deadline) == row.resets);
    node.elapse(Duration::nanoseconds(1));
    CHECK(node.is_candidate() == !row.resets);
  });
}

// One peer's answer: g(rant), r(efusal); the digit is the peer.
struct Answer {
  std::uint32_t from;
  bool granted;
};

TEST_CASE("candidates: a majority of votes makes a leader, a majority of refusals a follower") {
  enum Outcome { kLeads, kFollows, kWaits };
  struct {
    std::uint32_t nodes;
    std::vector<Answer> answers;
    Outcome outcome;
    const char* why;
  } const rows[] = {
      {3, {}, kWaits, "its own vote is one of three"},
      {3, {{1, true}}, kLeads, "two of three"},
      {3, {{1, false}}, kWaits, "one against, one open"},
      {3, {{1, false}, {2, false}}, kFollows, "two against"},
      {3, {{1, false}, {2, true}}, kLeads, "one against, two for"},
      {3, {{1, false}, {1, true}}, kWaits, "who refused does not change its mind"},
      {5, {{1, true}}, kWaits, "two of five"},
      {5, {{1, true}, {1, true}, {1, true}}, kWaits, "one voter counts once"},
      {5, {{1, true}, {2, true}}, kLeads, "three of five"},
      {5, {{1, false}, {2, false}}, kWaits, "two against, two open"},
      {5, {{1, false}, {2, false}, {3, false}}, kFollows, "three against"},
      {5, {{1, false}, {1, false}, {1, false}}, kWaits, "one refusal counts once"},
      {5, {{1, false}, {2, true}, {3, false}, {4, true}}, kLeads, "three of five in the end"},
      {4, {{1, true}}, kWaits, "two of four are no majority"},
      {4, {{1, true}, {2, true}}, kLeads, "three of four"},
      {4, {{1, false}, {2, false}}, kFollows, "two of four cannot win any more"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 2, .nodes = row.nodes});
    node.stand();

    for (const Answer& answer : row.answers) {
      node.receive(answer.from, 3, VoteReply{answer.granted});
      node.settle();
    }

    CHECK(node.raft().is_leader() == (row.outcome == kLeads));
    CHECK(node.is_follower() == (row.outcome == kFollows));
    CHECK(node.is_candidate() == (row.outcome == kWaits));
    CHECK(node.term() == 3);
  });
}

TEST_CASE("candidates: the same count decides the pre-vote, and only a majority raises the term") {
  struct {
    std::vector<Answer> answers;
    std::uint64_t granted_term;
    std::uint64_t term_after;
    const char* why;
  } const rows[] = {
      {{}, 3, 2, "its own is not enough"},
      {{{1, true}}, 3, 2, "two of five"},
      {{{1, true}, {1, true}}, 3, 2, "one voter counts once"},
      {{{1, true}, {2, true}}, 3, 3, "three of five"},
      {{{1, true}, {2, true}}, 4, 2, "answers to another question"},
      {{{1, false}, {2, false}, {3, false}}, 3, 2, "refused"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 2, .nodes = 5});
    node.time_out();
    node.settle();

    for (const Answer& answer : row.answers) {
      node.receive(answer.from, answer.granted ? row.granted_term : 2,
                   PreVoteReply{answer.granted});
    }

    CHECK(node.term() == row.term_after);
    CHECK_FALSE(node.raft().is_leader());
  });
}

TEST_CASE("candidates: a leader of the term ends the candidacy; an older one does not") {
  struct {
    std::uint64_t term;
    MessageBody body;
    bool follows;
    const char* why;
  } const rows[] = {
      {3, append({}, {}), true, "AppendEntries of this term"},
      {3, HeartbeatRequest{Index(0), Round(1)}, true, "a heartbeat of this term"},
      {4, append({}, {}), true, "AppendEntries of a later term"},
      {2, append({}, {}), false, "AppendEntries of an old term"},
      {2, HeartbeatRequest{Index(0), Round(1)}, false, "a heartbeat of an old term"},
      {3, VoteRequest{at(9, 9)}, false, "another candidate of this term"},
      {3, PreVoteReply{true}, false, "a late pre-vote"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 2});
    node.stand();

    node.receive(2, row.term, row.body);

    CHECK(node.is_candidate() == !row.follows);
    if (row.follows) CHECK(node.raft().leader() == NodeId(2));
  });
}

TEST_CASE("check-quorum: a leader that hears no majority for an election timeout steps down") {
  struct {
    std::uint32_t nodes;
    std::vector<std::uint32_t> heard;  // who answers every heartbeat
    bool leads;
    const char* why;
  } const rows[] = {
      {3, {}, false, "nobody of three"},
      {3, {1}, true, "one of two peers"},
      {5, {1}, false, "one of four peers"},
      {5, {1, 4}, true, "two of four peers"},
      {4, {1}, false, "one of three peers: two of four are no majority"},
      {4, {1, 2}, true, "two of three peers"},
  };
  table(rows, [](const auto& row) {
    Bench node({.nodes = row.nodes});
    node.elect();

    for (int beat = 1; beat <= 12 && node.raft().is_leader(); ++beat) {
      node.time_out();
      node.settle();
      for (const std::uint32_t peer : row.heard) {
        node.receive(peer, node.term(), HeartbeatReply{Round(0)});
      }
      if (beat <= 9) CHECK(node.raft().is_leader());  // not before the timeout
    }

    CHECK(node.raft().is_leader() == row.leads);
    CHECK(node.term() == 1);  // stepping down costs no term
  });
}

}  // namespace
}  // namespace vesper::raft::testing
