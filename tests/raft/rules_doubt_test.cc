// Tables for a node whose disk lost a part of its log (core/raft/doubt.cc): what it leaves to
// others, what it may still say, when its doubt is over, and what a leader makes of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

constexpr Duration kBeat = Duration::milliseconds(50);
constexpr Duration kElectionMin = Duration::milliseconds(500);

bool is_in_doubt(const Bench& node) {
  return node.raft().doubt().has_value();
}

// --- The node in doubt ---

TEST_CASE("in doubt: no vote is given, in any round, for any log; the term counts") {
  struct {
    std::uint64_t term;
    MessageBody body;
    std::uint64_t term_after;
    const char* why;
  } const rows[] = {
      {4, PreVoteRequest{at(3, 99)}, 3, "a pre-vote"},
      {3, VoteRequest{at(3, 99)}, 3, "a vote of its own term"},
      {4, VoteRequest{at(3, 99)}, 4, "a vote of a later term"},
      {4, VoteRequest{at(3, 99), true}, 4, "a vote by transfer"},
      {4, VoteRequest{at(2, 1)}, 4, "for a log that is as long as its own"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {2}, .doubt = 3});

    node.receive(1, row.term, row.body);
    const auto sent = node.settle();

    const auto* pre_vote = find<PreVoteReply>(sent, 1);
    const auto* vote = find<VoteReply>(sent, 1);
    REQUIRE((pre_vote != nullptr) != (vote != nullptr));
    CHECK_FALSE((pre_vote != nullptr ? pre_vote->granted : vote->granted));
    CHECK_FALSE(node.raft().hard_state().vote);
    CHECK(node.term() == row.term_after);
  });
}

TEST_CASE("in doubt: no timer and no TimeoutNow makes it campaign") {
  Bench node({.term = 3, .log = {2}, .doubt = 3});

  for (int i = 0; i < 5; ++i) {
    node.time_out();
    CHECK(node.settle().empty());
  }
  node.receive(1, 3, TimeoutNow{});
  CHECK(node.settle().empty());

  CHECK(node.is_follower());
  CHECK(node.term() == 3);
}

TEST_CASE("in doubt: a leader that falls silent is followed no more, so nobody is sent to it") {
  Bench node({.term = 3, .log = {2}, .doubt = 3});
  node.receive(1, 4, HeartbeatRequest{Index(0), Round(1)});
  REQUIRE(node.raft().leader() == NodeId(1));

  node.time_out();

  CHECK_FALSE(node.raft().leader());
}

TEST_CASE("in doubt: entries are acknowledged as they are here, and never past the first hole") {
  struct {
    std::uint64_t term;
    AppendRequest request;
    AppendReply reply;
    const char* why;
  } const rows[] = {
      {3, append(at(3, 7), {3}), rejected(7, at(2, 2)), "the same leader goes on behind the hole"},
      {4, append(at(3, 7), {}), rejected(7, at(2, 2)), "a later leader asks behind the hole"},
      {4, append(at(2, 2), {3}), accepted(3), "what follows the intact part"},
      {4, append(at(2, 1), {2}), accepted(2), "what is intact"},
      {4, append(at(2, 1), {3}), accepted(2), "a leftover gives way"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {2, 2}, .doubt = 3});

    node.receive(1, row.term, row.request);
    const auto sent = node.settle();

    const auto* reply = find<AppendReply>(sent, 1);
    REQUIRE(reply != nullptr);
    CHECK(reply->accepted == row.reply.accepted);
    CHECK(reply->match == row.reply.match);
    CHECK(reply->rejected == row.reply.rejected);
    CHECK(reply->hint == row.reply.hint);
  });
}

TEST_CASE("in doubt: an acknowledged round says so, and above which term it can be repaired") {
  Bench node({.term = 3, .log = {2}, .doubt = 2});

  node.receive(1, 4, HeartbeatRequest{Index(0), Round(7)});
  auto sent = node.settle();
  REQUIRE(find<HeartbeatReply>(sent) != nullptr);
  CHECK(find<HeartbeatReply>(sent)->round == Round(7));
  CHECK(find<HeartbeatReply>(sent)->doubt == Term(2));

  node.receive(1, 4, append(at(2, 1), {4}, 2));
  node.settle();
  node.receive(1, 4, HeartbeatRequest{Index(2), Round(8)});
  sent = node.settle();
  REQUIRE(find<HeartbeatReply>(sent) != nullptr);
  CHECK(find<HeartbeatReply>(sent)->doubt == Term(0));
}

TEST_CASE("in doubt: a heartbeat's commit index is believed of a later term's leader only") {
  struct {
    std::uint64_t term;
    std::uint64_t commit;
    const char* why;
  } const rows[] = {
      {3, 0, "it is of what this node acknowledged before, and has no more"},
      {4, 2, "it is of what this node acknowledged since"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {2, 2, 2}, .doubt = 3});

    node.receive(1, row.term, HeartbeatRequest{Index(2), Round(1)});
    node.settle();

    CHECK(node.commit() == row.commit);
  });
}

// --- The end of a doubt ---

TEST_CASE("a doubt ends with an entry of a later term, committed and durable here") {
  struct {
    std::uint64_t term;
    Terms entries;  // after the intact one, of term 2
    std::uint64_t commit;
    bool ends;
    const char* why;
  } const rows[] = {
      {3, {3, 3}, 3, false, "of the term in which the damage was found"},
      {4, {3, 3}, 3, false, "a later leader, but only what earlier ones left is committed"},
      {4, {3, 4}, 2, false, "an entry of a later term that is not committed"},
      {4, {3, 4}, 3, true, "an entry of a later term"},
      {9, {3, 5, 9}, 3, true, "of any later term"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {2}, .doubt = 3});

    node.receive(1, row.term, append(at(2, 1), row.entries, row.commit));
    node.collect();
    CHECK(is_in_doubt(node));  // it is committed, but not yet on this disk
    node.persist();
    node.settle();

    CHECK(node.commit() == row.commit);
    CHECK(is_in_doubt(node) == !row.ends);
  });
}

TEST_CASE("a doubt ends with a snapshot only if that goes beyond the term") {
  for (const std::uint64_t last_term : {std::uint64_t{3}, std::uint64_t{4}}) {
    Bench node({.term = 3, .log = {2}, .doubt = 3});
    node.receive(1, 5, HeartbeatRequest{Index(0), Round(1)});
    node.settle();

    REQUIRE(node.raft().restore(node.now(), {.last = at(last_term, 9), .bytes = 600},
                                node.raft().configuration()));
    node.settle();

    CHECK(is_in_doubt(node) == (last_term == 3));
  }
}

TEST_CASE("after its doubt a node votes and campaigns like any other") {
  Bench node({.term = 3, .log = {2}, .doubt = 3});
  node.receive(1, 4, append(at(2, 1), {4}, 2));
  node.settle();
  REQUIRE_FALSE(is_in_doubt(node));

  node.elapse(kElectionMin);
  node.receive(2, 5, VoteRequest{at(4, 2)});
  const auto sent = node.settle();
  REQUIRE(find<VoteReply>(sent, 2) != nullptr);
  CHECK(find<VoteReply>(sent, 2)->granted);
  node.time_out();
  CHECK(node.is_candidate());
}

// --- Its leader ---

// Leads `term`; its no-op, the first entry, is on every log.
Bench leader_of(std::uint32_t nodes, std::uint64_t term = 1) {
  Bench node({.term = term - 1, .nodes = nodes});
  node.elect();
  REQUIRE(node.term() == term);
  for (std::uint32_t peer = 1; peer < nodes; ++peer) node.receive(peer, term, accepted(1));
  node.settle();
  REQUIRE(node.commit() == 1);
  return node;
}

void hear(Bench& node, std::uint32_t from, std::uint64_t doubt = 0) {
  node.receive(from, node.term(), HeartbeatReply{Round(0), Term(doubt)});
}

TEST_CASE("a leader counts no acknowledgement of a voter in doubt unless its term is a later one") {
  struct {
    std::uint64_t term;
    std::uint64_t doubt;
    bool counts;
    const char* why;
  } const rows[] = {
      {2, 2, false, "the leader of the term in which it was lost: it may be from before"},
      {2, 3, false, "an earlier leader (one that has not heard of the later term)"},
      {2, 1, true, "a later leader: nothing from before reaches it"},
  };
  table(rows, [](const auto& row) {
    Bench node = leader_of(3, row.term);
    REQUIRE(node.propose());
    node.settle();

    hear(node, 2, row.doubt);
    node.receive(2, row.term, accepted(2));
    CHECK((node.commit() == 2) == row.counts);
    hear(node, 2);  // a reply from before, late
    node.receive(2, row.term, accepted(2));
    CHECK((node.commit() == 2) == row.counts);
    node.receive(1, row.term, accepted(2));
    CHECK(node.commit() == 2);
  });
}

TEST_CASE("a leader asks for the next term for the sake of a voter in doubt where it can win it") {
  struct {
    std::uint32_t nodes;
    std::vector<std::uint32_t> in_doubt;
    std::vector<std::uint32_t> silent;
    std::uint64_t doubt;
    bool asks;
    const char* why;
  } const rows[] = {
      {3, {2}, {}, 1, true, "one in doubt, one intact"},
      {5, {1, 2}, {}, 1, true, "two in doubt of five"},
      {3, {2}, {1}, 1, false, "nobody intact is heard"},
      {5, {1}, {2, 3}, 1, false, "two intact of five would elect nobody"},
      {5, {1, 2, 3}, {}, 1, false, "a majority is in doubt"},
      {3, {}, {}, 1, false, "nobody is in doubt"},
      {3, {2}, {}, 0, false, "in doubt about earlier terms only: this leader can repair it"},
  };
  table(rows, [](const auto& row) {
    Bench node = leader_of(row.nodes, row.doubt == 0 ? 2 : 1);
    node.elapse(kElectionMin - kBeat);
    node.settle();
    for (std::uint32_t peer = 1; peer < row.nodes; ++peer) {
      const auto is_in = [&](const std::vector<std::uint32_t>& list) {
        return std::find(list.begin(), list.end(), peer) != list.end();
      };
      if (is_in(row.in_doubt)) hear(node, peer, std::max<std::uint64_t>(row.doubt, 1));
      if (!is_in(row.in_doubt) && !is_in(row.silent)) hear(node, peer);
    }
    const std::uint64_t term = node.term();

    node.elapse(kBeat);
    const auto sent = node.settle();

    CHECK(node.term() == term + (row.asks ? 1 : 0));
    CHECK(node.raft().is_leader() == !row.asks);
    CHECK(count_of<VoteRequest>(sent) == (row.asks ? row.nodes - 1 : 0));
    if (row.asks) CHECK(find<VoteRequest>(sent)->by_transfer);
  });
}

TEST_CASE("the leader of the next term repairs the voter, and what was proposed before is kept") {
  Bench node = leader_of(3);
  REQUIRE(node.propose("kept"));
  node.settle();
  hear(node, 1);
  hear(node, 2, 1);
  node.elapse(kBeat);
  node.settle();
  REQUIRE(node.term() == 2);

  node.receive(1, 2, VoteReply{true});
  node.settle();
  REQUIRE(node.raft().is_leader());
  node.receive(2, 2, accepted(3));
  node.settle();

  CHECK(node.commit() == 3);
  CHECK(terms_of(node.raft().log()) == Terms{1, 1, 2});
}

TEST_CASE("an operator's transfer to a voter in doubt is refused, and none is chosen by itself") {
  Bench node = leader_of(3);
  hear(node, 1, 1);

  const Status to_it = node.raft().transfer(node.now(), NodeId(1));
  CHECK_FALSE(to_it.ok());
  CHECK(to_it.error().message == "n1 lost a part of its log");
  REQUIRE(node.raft().transfer(node.now(), std::nullopt).ok());
  CHECK(node.raft().transfer_target() == NodeId(2));
}

}  // namespace
}  // namespace vesper::raft::testing
