// Tables for leadership transfer (dissertation section 3.10): whom a leader hands over to, when it
// tells its target, how it ends, and what a target and the voters make of it.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

constexpr Duration kBound = Duration::milliseconds(500);  // one minimum election timeout

// Leads term 1 of `nodes`; its no-op, entry 1, is on every log.
Bench leader_of(std::uint32_t nodes = 3) {
  Bench node({.nodes = nodes});
  if (nodes == 1) node.time_out();
  if (nodes > 1) node.elect();
  for (std::uint32_t peer = 1; peer < nodes; ++peer) node.receive(peer, 1, accepted(1));
  node.settle();
  REQUIRE(node.commit() == 1);
  return node;
}

Status begin(Bench& node, std::optional<std::uint32_t> target = std::nullopt) {
  return node.raft().transfer(node.now(), target ? std::optional(NodeId(*target)) : std::nullopt);
}

TEST_CASE("transfer: who cannot hand over, or not to whom is named, says why") {
  enum Case { kFollower, kLeads, kUnderWay, kAlone, kDeaf };
  struct {
    Case state;
    std::optional<std::uint32_t> target;
    ErrorCode code;
    const char* message;
    const char* why;
  } const rows[] = {
      {kFollower, 1, ErrorCode::kUnavailable, "this node is not the leader", "a follower"},
      {kFollower, {}, ErrorCode::kUnavailable, "this node is not the leader", "to nobody named"},
      {kLeads, 0, ErrorCode::kInvalid, "n0 leads already", "to itself"},
      {kLeads, 7, ErrorCode::kInvalid, "n7 is no voter of this cluster", "to a stranger"},
      {kUnderWay, 2, ErrorCode::kUnavailable, "leadership is already being handed over to n1",
       "to another while one is under way"},
      {kUnderWay,
       {},
       ErrorCode::kUnavailable,
       "leadership is already being handed over to n1",
       "to anyone while one is under way"},
      {kAlone, {}, ErrorCode::kUnavailable, "no other voter was heard lately", "a cluster of one"},
      {kDeaf,
       {},
       ErrorCode::kUnavailable,
       "no other voter was heard lately",
       "everyone is silent for the minimum election timeout"},
  };
  table(rows, [](const auto& row) {
    Bench node = row.state == kFollower ? Bench() : leader_of(row.state == kAlone ? 1 : 3);
    if (row.state == kUnderWay) REQUIRE(begin(node, 1).ok());
    if (row.state == kDeaf) node.elapse(kBound);

    const Status begun = begin(node, row.target);

    REQUIRE_FALSE(begun.ok());
    CHECK(begun.error().code == row.code);
    CHECK(begun.error().message == row.message);
    CHECK(node.raft().has_begun_transfer() == (row.state == kUnderWay));
    CHECK(find<TimeoutNow>(node.settle(), 0) == nullptr);
  });
}

TEST_CASE("transfer: without a target the most caught-up voter heard lately is chosen") {
  struct {
    std::uint64_t match[4];  // of voters 1 to 4; the log has 3 entries
    bool heard[4];
    std::uint32_t chosen;
    const char* why;
  } const rows[] = {
      {{1, 3, 2, 1}, {true, true, true, true}, 2, "the one that has everything"},
      {{3, 3, 3, 3}, {true, true, true, true}, 1, "the first of equals"},
      {{1, 3, 2, 1}, {true, false, true, true}, 3, "the most caught-up is silent"},
      {{1, 1, 1, 1}, {false, false, false, true}, 4, "the only one that is heard"},
  };
  table(rows, [](const auto& row) {
    Bench node = leader_of(5);
    REQUIRE(node.propose());
    REQUIRE(node.propose());
    node.settle();
    for (std::uint32_t i = 0; i < 4; ++i) node.receive(i + 1, 1, accepted(row.match[i]));
    // Below the time at which a leader that hears no majority steps down.
    for (int beat = 0; beat < 10; ++beat) {
      node.elapse(Duration::milliseconds(50));
      for (std::uint32_t i = 0; i < 4; ++i) {
        if (row.heard[i]) node.receive(i + 1, 1, HeartbeatReply{Round(1)});
      }
    }
    REQUIRE(node.raft().is_leader());

    REQUIRE(begin(node).ok());

    CHECK(node.raft().transfer_target() == NodeId(row.chosen));
  });
}

TEST_CASE("transfer: the target is told once it holds the whole log, durably") {
  struct {
    std::uint64_t match;
    bool told;
    const char* why;
  } const rows[] = {
      {1, false, "two entries behind"},
      {2, false, "one entry behind"},
      {3, true, "up to date"},
  };
  table(rows, [](const auto& row) {
    Bench node = leader_of();
    REQUIRE(node.propose());
    REQUIRE(node.propose());
    node.settle();

    REQUIRE(begin(node, 2).ok());
    node.receive(2, 1, accepted(row.match));
    node.receive(1, 1, accepted(3));  // another's log says nothing of the target's
    const auto sent = node.settle();

    CHECK((find<TimeoutNow>(sent, 2) != nullptr) == row.told);
    CHECK(find<TimeoutNow>(sent, 1) == nullptr);
    CHECK(node.raft().is_leader());
  });
}

TEST_CASE("transfer: a leader that hands over replicates and serves reads, but takes no proposal") {
  Bench node = leader_of();
  REQUIRE(node.propose());
  REQUIRE(begin(node, 2).ok());

  const auto refused = node.raft().propose(as_bytes("y"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kUnavailable);
  CHECK(node.raft().log().last_index() == Index(2));

  CHECK(find<AppendRequest>(node.settle(), 2) != nullptr);
  node.receive(1, 1, accepted(2));
  CHECK(node.commit() == 2);
  REQUIRE(node.raft().read_index(RequestId(5)).ok());
  const auto sent = node.settle();
  const auto* heartbeat = find<HeartbeatRequest>(sent, 1);
  REQUIRE(heartbeat != nullptr);
  node.receive(1, 1, HeartbeatReply{heartbeat->round});
  node.settle();
  CHECK(node.reads().size() == 1);
}

TEST_CASE("transfer: it is told again with each heartbeat interval, and no more after the bound") {
  Bench node = leader_of();
  REQUIRE(begin(node, 2).ok());
  REQUIRE(count_of<TimeoutNow>(node.settle()) == 1);

  std::size_t told = 0;
  for (int beat = 0; beat < 20; ++beat) {
    CHECK(count_of<TimeoutNow>(node.settle()) == 0);
    node.elapse(Duration::milliseconds(50));
    node.receive(1, 1, HeartbeatReply{Round(0)});
    told += count_of<TimeoutNow>(node.settle());
  }

  CHECK(told == 9);
  CHECK(node.raft().is_leader());
}

TEST_CASE("transfer: from the bound on the old leader serves again, as its deadline says") {
  struct {
    std::int64_t ms;
    bool serves;
    const char* why;
  } const rows[] = {
      {0, false, "at once"},
      {499, false, "just before the bound"},
      {500, true, "at the bound"},
      {700, true, "after it"},
  };
  table(rows, [](const auto& row) {
    Bench node = leader_of();
    node.elapse(Duration::milliseconds(20));  // the bound is no heartbeat's time
    const Instant begun = node.now();
    REQUIRE(begin(node, 2).ok());
    const Instant end = begun + Duration::milliseconds(row.ms);
    while (node.now() < end) {
      const Instant next = std::min(end, node.raft().next_deadline());
      CHECK(next <= begun + std::max(kBound, node.now() - begun + Duration::milliseconds(50)));
      node.elapse(next - node.now());
      node.receive(1, 1, HeartbeatReply{Round(0)});
      node.settle();
    }

    CHECK(node.propose() == row.serves);
    CHECK((node.raft().transfer_target() == std::nullopt) == row.serves);
    CHECK(node.raft().has_begun_transfer());  // for the rest of the term
    CHECK(begin(node, 1).ok() == row.serves);
  });
}

TEST_CASE("transfer: a leader that steps down forgets it, and its next term knows nothing of it") {
  struct {
    std::uint64_t term;
    MessageBody body;
    const char* why;
  } const rows[] = {
      {2, VoteRequest{at(1, 1), true}, "the target campaigns"},
      {2, HeartbeatRequest{Index(1), Round(1)}, "the target leads"},
      {7, VoteReply{false}, "a later term is heard of"},
  };
  table(rows, [](const auto& row) {
    Bench node = leader_of();
    REQUIRE(begin(node, 2).ok());
    node.settle();

    node.receive(2, row.term, row.body);
    node.settle();

    CHECK(node.is_follower());
    CHECK(node.raft().transfer_target() == std::nullopt);
    CHECK_FALSE(node.raft().has_begun_transfer());
    node.elapse(Duration::milliseconds(1000));
    node.elect();
    CHECK_FALSE(node.raft().has_begun_transfer());
    CHECK(node.propose());
  });
}

TEST_CASE("transfer: TimeoutNow of the current leader starts an election without a pre-vote") {
  enum Sender { kLeader, kOldTerm, kNewTerm };
  struct {
    Sender sender;
    bool campaigns;
    std::uint64_t term;
    const char* why;
  } const rows[] = {
      {kLeader, true, 4, "of this term's leader"},
      {kOldTerm, false, 3, "late, of a term that is over"},
      {kNewTerm, true, 6, "of a leader not heard of before"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {1, 3}});
    node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
    node.settle();

    node.receive(1, row.sender == kLeader ? 3 : row.sender == kOldTerm ? 2 : 5, TimeoutNow{});
    const auto sent = node.settle();

    CHECK(node.is_candidate() == row.campaigns);
    CHECK(node.term() == row.term);
    CHECK(count_of<PreVoteRequest>(sent) == 0);
    CHECK(count_of<VoteRequest>(sent) == (row.campaigns ? 2 : 0));
    for (const Message& message : sent) {
      const auto* request = std::get_if<VoteRequest>(&message.body);
      if (request == nullptr) continue;
      CHECK(request->by_transfer);
      CHECK(request->last_log == at(3, 2));
    }
  });
}

TEST_CASE("transfer: only an election that TimeoutNow started is marked by transfer") {
  Bench node({.term = 3});
  node.receive(1, 3, TimeoutNow{});
  REQUIRE(find<VoteRequest>(node.settle(), 1)->by_transfer);

  // Nobody answers: the next one is asked for as any other.
  node.stand();
  CHECK(node.term() == 5);
  Bench fresh;
  fresh.time_out();
  fresh.settle();
  fresh.receive(1, 1, PreVoteReply{true});
  const auto sent = fresh.settle();
  REQUIRE(find<VoteRequest>(sent, 1) != nullptr);
  CHECK_FALSE(find<VoteRequest>(sent, 1)->by_transfer);
}

TEST_CASE("transfer: a target asks for votes only once its own is durable") {
  Bench node({.term = 3});
  node.receive(1, 3, TimeoutNow{});

  CHECK(node.collect().send_now.empty());
  node.persist();
  CHECK(node.collect().send_now.empty());
  CHECK(node.raft().hard_state() == HardState{Term(4), NodeId(0)});
}

TEST_CASE("transfer: a TimeoutNow that comes again, or to a node that leads, changes nothing") {
  Bench node({.term = 3});
  node.receive(1, 3, TimeoutNow{});
  node.settle();
  node.receive(1, 3, TimeoutNow{});
  node.settle();
  CHECK(node.term() == 4);
  node.receive(2, 4, VoteReply{true});
  node.settle();
  REQUIRE(node.raft().is_leader());

  node.receive(2, 4, TimeoutNow{});

  CHECK(node.raft().is_leader());
  CHECK(node.term() == 4);
}

TEST_CASE(
    "transfer: a marked request is heard in spite of a live leader, and judged as any other") {
  struct {
    std::uint64_t term;
    LogPosition last_log;
    bool by_transfer;
    bool granted;
    std::uint64_t term_after;
    const char* why;
  } const rows[] = {
      {4, at(3, 2), true, true, 4, "up to date, marked"},
      {4, at(3, 2), false, false, 3, "up to date, not marked: ignored whole"},
      {4, at(3, 1), true, false, 4, "marked, but its log lacks an entry"},
      {4, at(2, 9), true, false, 4, "marked, but of an older last term"},
      {3, at(3, 2), true, false, 3, "marked, of a term in which this node voted for another"},
      {2, at(2, 2), true, false, 3, "marked, of an old term"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .vote = 1, .log = {1, 3}});
    node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
    node.settle();

    node.receive(2, row.term, VoteRequest{row.last_log, row.by_transfer});
    const auto sent = node.settle();

    const auto* reply = find<VoteReply>(sent, 2);
    CHECK((reply != nullptr && reply->granted) == row.granted);
    CHECK(node.term() == row.term_after);
  });
}

}  // namespace
}  // namespace vesper::raft::testing
