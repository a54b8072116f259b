// Tables for reads beside the leader's own rounds (dissertation sections 6.4 and 6.4.1): a follower
// that asks for the read index, and a leader that reads by its lease.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

Duration ms(std::int64_t count) {
  return Duration::milliseconds(count);
}

Bench follower(std::uint64_t term = 3) {
  Bench node({.term = term, .log = {1, 3}});
  node.receive(1, term, HeartbeatRequest{Index(0), Round(1)});
  node.settle();
  return node;
}

Status ask(Bench& node, std::uint64_t request) {
  return node.raft().ask_read_index(node.now(), RequestId(request));
}

ReadBatch batch_of(const std::vector<Message>& sent) {
  const auto* request = find<ReadIndexRequest>(sent, 1);
  REQUIRE(request != nullptr);
  return request->batch;
}

TEST_CASE("follower reads: who cannot ask says why") {
  Bench nobody({.term = 3});
  CHECK(ask(nobody, 1).error().code == ErrorCode::kUnavailable);
  Bench leader;
  leader.elect();
  CHECK(ask(leader, 1).error().code == ErrorCode::kUnavailable);

  RaftConfig small;
  small.waiting_reads_max = 2;
  Bench full({.term = 3}, small);
  full.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
  CHECK(ask(full, 1).ok());
  CHECK(ask(full, 2).ok());
  CHECK(ask(full, 3).error().code == ErrorCode::kLimit);
}

TEST_CASE("follower reads: all reads of a turn make one request, and one answer grants them") {
  Bench node = follower();
  for (std::uint64_t request = 1; request <= 3; ++request) REQUIRE(ask(node, request).ok());

  const auto sent = node.settle();
  REQUIRE(count_of<ReadIndexRequest>(sent) == 1);
  CHECK(node.reads().empty());
  node.receive(1, 3, ReadIndexReply{true, batch_of(sent), Index(9)});
  node.settle();

  REQUIRE(node.reads().size() == 3);
  for (const GrantedRead& read : node.reads()) CHECK(read.index == Index(9));
}

TEST_CASE("follower reads: which answers grant a read, lose it, or say nothing of it") {
  enum Expected { kGranted, kLost, kWaits };
  struct {
    std::uint32_t from;
    std::uint64_t term;
    bool granted;
    std::int64_t batch;  // beside the one that was asked for
    Expected expected;
    const char* why;
  } const rows[] = {
      {1, 3, true, 0, kGranted, "the leader's answer"},
      {1, 3, true, 1, kWaits, "to a batch that this life never asked for"},
      {1, 3, true, -1, kWaits, "to an earlier batch, which left before this read came"},
      {1, 3, false, 0, kLost, "the leader has no room, or leads no more"},
      {1, 3, false, -1, kWaits, "a refusal of an earlier batch"},
      {2, 3, true, 0, kWaits, "of a node that does not lead"},
      {1, 2, true, 0, kWaits, "of an old term"},
      {1, 4, true, 0, kLost, "of a later term, whose leader was asked nothing"},
  };
  table(rows, [](const auto& row) {
    Bench node = follower();
    REQUIRE(ask(node, 1).ok());
    const ReadBatch asked = batch_of(node.settle());
    const ReadBatch batch(asked.value() + static_cast<std::uint64_t>(row.batch));

    node.receive(row.from, row.term, ReadIndexReply{row.granted, batch, Index(2)});
    node.settle();

    CHECK(node.reads().size() == (row.expected == kGranted ? 1 : 0));
    CHECK(node.lost_reads().size() == (row.expected == kLost ? 1 : 0));
  });
}

TEST_CASE("follower reads: an answer to a later batch grants the reads of earlier ones too") {
  Bench node = follower();
  REQUIRE(ask(node, 1).ok());
  node.settle();
  REQUIRE(ask(node, 2).ok());
  const ReadBatch later = batch_of(node.settle());
  node.receive(1, 3, ReadIndexReply{true, later, Index(2)});
  node.settle();
  CHECK(node.reads().size() == 2);
}

TEST_CASE("follower reads: a restarted node takes no answer to its earlier life for its own") {
  const auto life = [](std::uint64_t seed) {
    RaftConfig config;
    config.random = Random(seed);
    return Bench({.term = 3}, config);
  };
  const auto asked = [](Bench& node) {
    node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
    REQUIRE(ask(node, 1).ok());
    return batch_of(node.settle());
  };
  // The later life counts on from a higher number, and from a lower one.
  for (const auto& [first, second] : {std::pair(1U, 2U), std::pair(2U, 1U)}) {
    Bench before = life(first);
    Bench after = life(second);
    const ReadBatch earlier = asked(before);
    CHECK(earlier != asked(after));
    after.receive(1, 3, ReadIndexReply{true, earlier, Index(1)});
    after.settle();
    CHECK(after.reads().empty());
  }
}

TEST_CASE("follower reads: it asks again at the heartbeats' pace, until nobody can wait any more") {
  Bench node = follower();
  REQUIRE(ask(node, 1).ok());
  node.settle();
  std::size_t asked = 0;
  for (int tenth = 0; tenth < 150; ++tenth) {
    node.elapse(ms(10));
    node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
    asked += count_of<ReadIndexRequest>(node.settle());
  }
  CHECK(asked == 19);  // 1 s, the maximum election timeout, less the first
  CHECK(node.lost_reads() == std::vector<RequestId>{RequestId(1)});
}

TEST_CASE("follower reads: a read is lost with the leader that it was asked of") {
  struct {
    std::uint64_t term;
    MessageBody body;
    const char* why;
  } const rows[] = {
      {4, HeartbeatRequest{Index(0), Round(1)}, "another leader"},
      {4, VoteReply{false}, "a later term"},
      {3, TimeoutNow{}, "it campaigns itself"},
  };
  table(rows, [](const auto& row) {
    Bench node = follower();
    REQUIRE(ask(node, 1).ok());
    node.settle();
    node.receive(row.term == 3 ? 1 : 2, row.term, row.body);
    node.settle();
    CHECK(node.lost_reads().size() == 1);
  });
}

TEST_CASE("follower reads: the leader confirms a round after it was asked, as for its own reads") {
  Bench node;
  node.elect();
  node.receive(1, 1, ReadIndexRequest{ReadBatch(7)});
  CHECK(count_of<ReadIndexReply>(node.settle()) == 0);  // its no-op is not committed yet
  node.receive(1, 1, accepted(1));
  const auto sent = node.settle();
  const auto* heartbeat = find<HeartbeatRequest>(sent, 1);
  REQUIRE(heartbeat != nullptr);
  CHECK(count_of<ReadIndexReply>(sent) == 0);

  node.receive(2, 1, HeartbeatReply{heartbeat->round});
  const auto granted = node.settle();

  REQUIRE(find<ReadIndexReply>(granted, 1) != nullptr);
  CHECK(find<ReadIndexReply>(granted, 1)->granted);
  CHECK(find<ReadIndexReply>(granted, 1)->batch == ReadBatch(7));
  CHECK(find<ReadIndexReply>(granted, 1)->index == Index(1));
  CHECK(node.reads().empty());
}

TEST_CASE("follower reads: who does not lead, or leads an older term, refuses at once") {
  Bench node = follower();
  node.receive(2, 3, ReadIndexRequest{ReadBatch(7)});
  node.receive(2, 2, ReadIndexRequest{ReadBatch(8)});
  const auto sent = node.settle();
  REQUIRE(count_of<ReadIndexReply>(sent) == 2);
  for (const Message& message : sent) {
    const auto* reply = std::get_if<ReadIndexReply>(&message.body);
    CHECK(message.term == Term(3));
    if (reply != nullptr) CHECK_FALSE(reply->granted);
  }
}

// --- Leases ---

RaftConfig with_lease(std::int64_t drift_ppm = 0) {
  RaftConfig config;
  config.lease_reads = true;
  config.lease_drift_ppm = drift_ppm;
  return config;
}

// Leads term 1 with its no-op committed. Returns the round of its last heartbeats, sent now.
Round lead(Bench& node) {
  node.elect();
  node.receive(1, 1, accepted(1));
  node.settle();
  node.elapse(ms(50));
  const auto sent = node.settle();
  REQUIRE(find<HeartbeatRequest>(sent, 1) != nullptr);
  return find<HeartbeatRequest>(sent, 1)->round;
}

TEST_CASE("lease: it lasts from when its round was sent, less what clocks may drift") {
  struct {
    std::int64_t drift_ppm;
    std::int64_t acked_after;
    std::int64_t read_after;
    bool granted;
    const char* why;
  } const rows[] = {
      {0, 0, 0, true, "at once"},
      {0, 10, 499, true, "within the minimum election timeout of the sending"},
      {0, 10, 500, false, "at its end"},
      {0, 499, 499, true, "a late acknowledgement, within it"},
      {0, 490, 510, false, "a late acknowledgement adds nothing"},
      {100'000, 0, 409, true, "500 ms * 0.9 / 1.1"},
      {100'000, 0, 410, false, "beyond it"},
  };
  table(rows, [](const auto& row) {
    Bench node({}, with_lease(row.drift_ppm));
    const Round round = lead(node);
    const Instant sent_at = node.now();
    CHECK_FALSE(node.raft().holds_lease(node.now()));

    // The clock alone goes on: no tick, so that no other round is sent.
    node.raft().step(sent_at + ms(row.acked_after),
                     {NodeId(1), NodeId(0), Term(1), HeartbeatReply{round}});
    const Instant read_at = sent_at + ms(row.read_after);

    CHECK(node.raft().holds_lease(read_at) == row.granted);
    CHECK(node.raft().read_by_lease(read_at, RequestId(1)) == row.granted);
  });
}

TEST_CASE(
    "lease: there is none without a majority, a committed no-op, the option, or after a transfer") {
  enum Case { kHeld, kNoMajority, kNotCommitted, kOff, kTransfer, kTransferGivenUp };
  struct {
    Case state;
    const char* why;
  } const rows[] = {
      {kHeld, "a lease"},
      {kNoMajority, "one of five is no majority"},
      {kNotCommitted, "nothing of its term is committed"},
      {kOff, "leases are off"},
      {kTransfer, "a transfer is under way"},
      {kTransferGivenUp, "a transfer was given up in this term"},
  };
  table(rows, [](const auto& row) {
    Bench node({.nodes = row.state == kNoMajority ? 5U : 3U},
               row.state == kOff ? RaftConfig() : with_lease());
    node.elect();
    if (row.state != kNotCommitted) {
      node.receive(1, 1, accepted(1));
      if (row.state == kNoMajority) node.receive(2, 1, accepted(1));
    }
    node.settle();
    if (row.state >= kTransfer) REQUIRE(node.raft().transfer(node.now(), NodeId(1)).ok());
    const int beats = row.state == kTransferGivenUp ? 12 : 1;
    for (int beat = 0; beat < beats; ++beat) {
      node.elapse(ms(50));
      const auto sent = node.settle();
      REQUIRE(find<HeartbeatRequest>(sent, 1) != nullptr);
      node.receive(1, 1, HeartbeatReply{find<HeartbeatRequest>(sent, 1)->round});
    }
    REQUIRE(node.raft().is_leader());

    CHECK(node.raft().holds_lease(node.now()) == (row.state == kHeld));
  });
}

TEST_CASE("lease: a leader that holds one answers a follower at once") {
  Bench node({}, with_lease());
  const Round round = lead(node);
  node.receive(1, 1, HeartbeatReply{round});
  node.receive(2, 1, ReadIndexRequest{ReadBatch(7)});
  const auto sent = node.settle();
  REQUIRE(find<ReadIndexReply>(sent, 2) != nullptr);
  CHECK(find<ReadIndexReply>(sent, 2)->granted);
}

TEST_CASE("lease: whoever acknowledged a round withholds its vote, whatever it hears meanwhile") {
  enum Meanwhile { kNothing, kLaterTerm, kRestart, kRestartInTermZero };
  struct {
    Meanwhile meanwhile;
    bool leases;
    bool by_transfer;
    std::int64_t after;
    bool granted;
    const char* why;
  } const rows[] = {
      {kNothing, true, false, 499, false, "within the minimum election timeout"},
      {kNothing, true, false, 500, true, "after it"},
      {kLaterTerm, true, false, 499, false, "a later term is heard of: the promise stands"},
      {kLaterTerm, true, false, 500, true, "until its time has passed"},
      {kLaterTerm, false, false, 10, true, "where leases are off nothing was promised"},
      {kRestart, true, false, 999, false, "restarted: within the maximum election timeout"},
      {kRestart, true, false, 1000, true, "restarted: after it"},
      {kRestart, false, false, 0, true, "restarted where leases are off"},
      {kRestartInTermZero, true, false, 0, true, "nobody has led yet"},
      {kNothing, true, true, 10, true, "the leader itself asked for the election"},
      {kRestart, true, true, 10, true, "so it did of a restarted voter"},
  };
  table(rows, [](const auto& row) {
    const bool restarts = row.meanwhile == kRestart || row.meanwhile == kRestartInTermZero;
    Bench node({.term = row.meanwhile == kRestartInTermZero ? 0U : 3U},
               row.leases ? with_lease() : RaftConfig());
    if (!restarts) {
      node.elapse(ms(1000));  // its own restart is long ago
      node.settle();
      node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
      node.settle();
    }
    if (row.meanwhile == kLaterTerm) node.receive(2, 5, PreVoteReply{false});
    node.settle();

    const Instant at = node.now() + ms(row.after);
    node.raft().step(at, {NodeId(2), NodeId(0), Term(7), VoteRequest{{}, row.by_transfer}});
    const auto sent = node.settle();

    CHECK((find<VoteReply>(sent, 2) != nullptr) == row.granted);
    CHECK((node.term() == 7) == row.granted);
  });
}

}  // namespace
}  // namespace vesper::raft::testing
