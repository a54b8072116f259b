// Every bound that Raft owns (limits.h, RaftConfig), and what happens when it is full.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

// A leader of three whose peers 1 and 2 hold its no-op.
Bench replicating_leader(const RaftConfig& config) {
  Bench node({}, config);
  node.elect();
  for (const std::uint32_t peer : {1U, 2U}) node.receive(peer, 1, accepted(1));
  node.settle();
  REQUIRE(node.commit() == 1);
  return node;
}

TEST_CASE("an append carries at most so many entries; the rest goes with the next") {
  RaftConfig config;
  config.append_entries_max = 3;
  Bench node = replicating_leader(config);
  for (int i = 0; i < 7; ++i) REQUIRE(node.propose());

  const auto sent = node.settle();

  std::vector<std::size_t> sizes;
  for (const Message& message : sent) {
    const auto* request = std::get_if<AppendRequest>(&message.body);
    if (request && message.to == NodeId(1)) sizes.push_back(request->entries.size());
  }
  CHECK(sizes == std::vector<std::size_t>{3, 3, 1});
}

TEST_CASE("an append carries at most so many bytes, and one entry always travels") {
  RaftConfig config;
  config.append_bytes_max = 100;
  Bench node = replicating_leader(config);
  for (const std::size_t size : {18U, 18U, 19U, 500U, 1U}) {
    REQUIRE(node.propose(std::string(size, 'x')));
  }

  const auto sent = node.settle();

  std::vector<std::size_t> sizes;
  for (const Message& message : sent) {
    const auto* request = std::get_if<AppendRequest>(&message.body);
    if (request && message.to == NodeId(1)) sizes.push_back(request->entries.size());
  }
  CHECK(sizes == std::vector<std::size_t>{2, 1, 1, 1});  // 2 * (32 + 18) bytes are exactly 100
}

TEST_CASE("a peer's full window holds up that peer and no other") {
  RaftConfig config;
  config.inflight_appends_max = 2;
  Bench node = replicating_leader(config);

  std::size_t to_slow = 0;
  std::size_t to_fast = 0;
  for (std::uint64_t i = 2; i < 8; ++i) {
    REQUIRE(node.propose());
    const auto sent = node.settle();
    if (find<AppendRequest>(sent, 1)) ++to_slow;
    if (find<AppendRequest>(sent, 2)) ++to_fast;
    node.receive(2, 1, accepted(i));
  }
  CHECK(to_slow == 2);
  CHECK(to_fast == 6);
  CHECK(node.commit() == 7);

  node.receive(1, 1, accepted(2));  // one answer, one place
  const auto sent = node.settle();
  const auto* request = find<AppendRequest>(sent, 1);
  REQUIRE(request != nullptr);
  CHECK(request->previous == at(1, 3));
  CHECK(request->entries.size() == 4);
}

TEST_CASE("large entries fill a peer's window by their bytes, and its answers make room") {
  Bench node = replicating_leader({});
  const std::string large(1'000'000, 'x');
  const auto bytes_to_slow = [&node] {
    std::size_t bytes = 0;
    for (const Message& message : node.settle()) {
      const auto* request = std::get_if<AppendRequest>(&message.body);
      if (request == nullptr || message.to != NodeId(1)) continue;
      for (const Entry& entry : request->entries) bytes += entry.record().size();
    }
    return bytes;
  };
  std::size_t sent = 0;
  for (std::uint64_t i = 2; i < 12; ++i) {
    REQUIRE(node.propose(large));
    sent += bytes_to_slow();
    node.receive(2, 1, accepted(i));
  }
  // One that begins below the bound may go beyond it.
  CHECK(sent >= limits::kInflightBytes);
  CHECK(sent < limits::kInflightBytes + 2 * large.size());
  CHECK(node.commit() == 11);

  node.receive(1, 1, accepted(2));
  CHECK(bytes_to_slow() >= large.size());
}

TEST_CASE("a peer that is probed gets one request until it answers") {
  Bench node;
  node.elect();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(node.propose());
    CHECK(find<AppendRequest>(node.settle(), 1) == nullptr);
  }
}

TEST_CASE(
    "a probe that may be lost is asked about without its entries, and they follow the answer") {
  Bench node;
  node.elect();
  REQUIRE(node.propose());
  node.settle();
  node.elapse(Duration::milliseconds(60));
  node.settle();
  node.receive(1, 1, HeartbeatReply{Round(1)});

  const auto messages = node.settle();
  const auto* ask = find<AppendRequest>(messages, 1);
  REQUIRE(ask != nullptr);
  CHECK(ask->entries.empty());
  CHECK(ask->previous == at(0, 0));

  node.receive(1, 1, accepted(0));
  const auto answered = node.settle();
  const auto* request = find<AppendRequest>(answered, 1);
  REQUIRE(request != nullptr);
  CHECK(request->entries.size() == 2);
}

TEST_CASE("too many uncommitted bytes: proposals are refused until some commit") {
  RaftConfig config;
  config.uncommitted_bytes_max = 10;
  Bench node = replicating_leader(config);
  CHECK(node.propose("123456"));
  CHECK(node.propose("1234"));

  const auto refused = node.raft().propose(as_bytes("1"));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kLimit);
  node.settle();
  node.receive(1, 1, accepted(2));
  REQUIRE(node.commit() == 2);
  CHECK(node.propose("123456"));
  CHECK_FALSE(node.propose("1"));
}

TEST_CASE("one proposal passes whatever its size: a limit below it would refuse it for ever") {
  RaftConfig config;
  config.uncommitted_bytes_max = 10;
  Bench node = replicating_leader(config);

  CHECK(node.propose(std::string(11, 'x')));
  CHECK_FALSE(node.propose("1"));
}

TEST_CASE("a command longer than an entry may be is refused, the longest is not") {
  Bench node = replicating_leader({});

  CHECK(node.propose(std::string(limits::kEntryPayloadBytes, 'x')));
  const std::string too_long(limits::kEntryPayloadBytes + 1, 'x');
  const auto refused = node.raft().propose(as_bytes(too_long));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kLimit);
}

TEST_CASE("bytes of an earlier leader's entries are not counted as this one's") {
  RaftConfig config;
  config.uncommitted_bytes_max = 10;
  Bench node({.term = 1, .log = {1, 1, 1}}, config);
  node.elect();
  node.receive(1, 2, accepted(4));  // commits all three, and the no-op
  node.settle();
  REQUIRE(node.commit() == 4);

  CHECK(node.propose("1234567890"));
  CHECK_FALSE(node.propose("1"));
}

TEST_CASE("too many reads wait: the next is refused, and taken again once some are granted") {
  RaftConfig config;
  config.waiting_reads_max = 2;
  Bench node = replicating_leader(config);
  CHECK(node.raft().read_index(RequestId(1)).ok());
  CHECK(node.raft().read_index(RequestId(2)).ok());

  const Status refused = node.raft().read_index(RequestId(3));
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().code == ErrorCode::kLimit);
  const auto sent = node.settle();
  const auto* beat = find<HeartbeatRequest>(sent, 1);
  REQUIRE(beat != nullptr);
  node.receive(1, 1, HeartbeatReply{beat->round});
  node.settle();
  CHECK(node.reads().size() == 2);
  CHECK(node.raft().read_index(RequestId(3)).ok());
}

TEST_CASE("too many messages wait for a barrier: the oldest is dropped, as a network may") {
  Bench node({.term = 3});
  node.receive(1, 4, HeartbeatRequest{Index(0), Round(1)});
  node.collect();
  const std::uint64_t sent = limits::kBarredMessages + 10;
  for (std::uint64_t round = 2; round <= sent; ++round) {
    node.receive(1, 4, HeartbeatRequest{Index(0), Round(round)});
  }
  CHECK(node.collect().send_now.empty());

  node.persist();
  const Ready& ready = node.collect();

  REQUIRE(ready.send_now.size() == limits::kBarredMessages);
  CHECK(std::get<HeartbeatReply>(ready.send_now.front().body).round == Round(11));
  CHECK(std::get<HeartbeatReply>(ready.send_now.back().body).round == Round(sent));
}

TEST_CASE("one Ready hands out at most so many committed entries, the rest comes with the next") {
  const std::size_t count = limits::kCommittedEntries + 5;
  Bench node({.term = 1, .log = Terms(count, 1)});
  node.receive(1, 1, append(at(1, count), {}, count));

  CHECK(node.collect().committed.size() == limits::kCommittedEntries);
  const Ready& rest = node.collect();
  REQUIRE(rest.committed.size() == 5);
  CHECK(rest.committed.front().index() == Index(limits::kCommittedEntries + 1));
}

TEST_CASE("lost appends are asked for at the heartbeats' pace, however many rounds reads ask for") {
  Bench node = replicating_leader({});
  REQUIRE(node.propose());
  node.settle();
  std::size_t asked = 0;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    REQUIRE(node.raft().read_index(RequestId(i)).ok());
    const auto sent = node.settle();
    const auto* beat = find<HeartbeatRequest>(sent, 1);
    REQUIRE(beat != nullptr);
    node.receive(1, 1, HeartbeatReply{beat->round});
    asked += count_of<AppendRequest>(node.settle());
  }

  CHECK(asked == 1);
}

}  // namespace
}  // namespace vesper::raft::testing
