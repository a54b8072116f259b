// What the simulated network does to frames: bursts of loss, corruption, frames of the past, links
// that clog; and clients whose requests or answers are lost.
#include "sim/links.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/node/wire.h"
#include "sim/old_frames.h"
#include "sim/tamper.h"
#include "sim/world.h"

namespace vesper::sim {
namespace {

constexpr Duration kSecond = Duration::seconds(1);

Duration ms(std::int64_t count) {
  return Duration::milliseconds(count);
}

SharedBytes frame_of(raft::MessageBody body, Term term) {
  raft::Message message{.from = NodeId(0), .to = NodeId(1), .term = term, .body = std::move(body)};
  std::vector<std::byte> bytes;
  node::encode_raft_frame({.cluster = ClusterId(7), .incarnation = Incarnation(8)}, message, bytes);
  return SharedBytes::copy_of(bytes);
}

WorldConfig config_of(std::uint64_t seed, std::uint32_t nodes) {
  WorldConfig config;
  config.seed = seed;
  config.nodes = nodes;
  config.node.wal.segment_bytes = 64 * 1024;
  return config;
}

// What reached whom, in order.
struct Deliveries final : WorldObserver {
  struct One {
    NodeId from;
    NodeId to;
    std::string type;
    Term term;
    Instant at;
    std::uint64_t round = 0;  // of a heartbeat
  };
  std::vector<One> all;
  std::uint64_t corrupted = 0;
  std::uint64_t traces = 0;

  void on_deliver(Instant at, NodeId from, NodeId to, ByteView frame) override {
    const auto decoded = node::decode_frame(SharedBytes::copy_of(frame));
    REQUIRE(decoded.ok());
    const auto* message = std::get_if<raft::Message>(&decoded.value().body);
    if (message == nullptr) return;
    One one{from, to, raft::message_name(message->body), message->term, at};
    if (const auto* beat = std::get_if<raft::HeartbeatRequest>(&message->body)) {
      one.round = beat->round.value();
    }
    all.push_back(one);
  }
  void on_corrupted(Instant, NodeId, NodeId, ByteView, bool left_trace) override {
    ++corrupted;
    if (left_trace) ++traces;
  }
};

}  // namespace

TEST_CASE("a frame that was tampered with differs, and never decodes") {
  const SharedBytes frame =
      frame_of(raft::HeartbeatRequest{.commit = Index(5), .round = {}}, Term(3));
  RandomStream draws(Random(1), {Purpose::kTest});
  std::size_t shorter = 0;
  std::size_t longer = 0;
  for (int i = 0; i < 20'000; ++i) {
    const SharedBytes bytes = tampered(frame.view(), draws);
    REQUIRE_FALSE(std::equal(bytes.view().begin(), bytes.view().end(), frame.view().begin(),
                             frame.view().end()));
    REQUIRE_FALSE(node::decode_frame(bytes).ok());
    shorter += bytes.size() < frame.size() ? 1U : 0U;
    longer += bytes.size() > frame.size() ? 1U : 0U;
  }
  CHECK(shorter > 3'000);
  CHECK(longer > 3'000);
}

TEST_CASE("bursts lose about what their states promise, and in runs") {
  WorldConfig config = config_of(1, 2);
  config.network.burst = {.drop_ppm = 1'000'000, .mean_good = ms(900), .mean_bad = ms(100)};
  Links links(config);
  std::uint64_t lost = 0;
  std::uint64_t runs = 0;
  bool was_lost = false;
  constexpr std::uint64_t kFrames = 400'000;
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    const bool is_lost =
        links.draw(Instant() + ms(static_cast<std::int64_t>(i)), NodeId(0), NodeId(1)).copies == 0;
    lost += is_lost ? 1U : 0U;
    runs += is_lost && !was_lost ? 1U : 0U;
    was_lost = is_lost;
  }
  // A tenth of the time, in runs of a hundred frames on average.
  CHECK(lost > kFrames / 13);
  CHECK(lost < kFrames / 8);
  CHECK(lost / runs > 70);
  CHECK(lost / runs < 140);
}

TEST_CASE("frames are lost by their numbers in one direction, those that a cut loses counted too") {
  WorldConfig config = config_of(1, 2);
  config.lost_frames[{NodeId(0), NodeId(1)}] = {{2, 2}, {4, 5}, {9, FrameSpan::kNoLast}};
  Links links(config);
  std::string arrived;
  for (int i = 0; i < 20; ++i) {
    if (i == 6) links.cut(NodeId(0), NodeId(1));
    if (i == 7) links.mend(NodeId(0), NodeId(1));
    arrived += links.draw(Instant(), NodeId(0), NodeId(1)).copies == 1 ? '1' : '0';
    CHECK(links.draw(Instant(), NodeId(1), NodeId(0)).copies == 1);
  }
  CHECK(arrived == "10100101000000000000");
}

TEST_CASE("a link without bursts draws nothing for them") {
  const auto first_delays = [](BurstConfig burst) {
    WorldConfig config = config_of(3, 2);
    config.network.burst = burst;
    Links links(config);
    std::vector<Duration> delays;
    for (int i = 0; i < 50; ++i) {
      delays.push_back(links.draw(Instant(), NodeId(0), NodeId(1)).after[0]);
    }
    return delays;
  };
  CHECK(first_delays({}) ==
        first_delays({.drop_ppm = 1, .mean_good = Duration::seconds(1000), .mean_bad = ms(1)}));
}

TEST_CASE("the network remembers a few old frames of each type, bounded, and by age") {
  OldFrames old(1);
  RandomStream draws(Random(1), {Purpose::kTest});
  const auto choose = [&](std::string_view type, std::int64_t since_ms) {
    return old.choose(NodeId(0), NodeId(1), {.type = type, .since = Instant() + ms(since_ms)},
                      draws);
  };
  CHECK_FALSE(choose("", 0).has_value());
  old.remember(Instant(), NodeId(0), NodeId(1), frame_of(raft::VoteReply{true}, Term(1)));
  for (std::int64_t i = 1; i <= 5'000; ++i) {
    old.remember(Instant() + ms(i), NodeId(0), NodeId(1),
                 frame_of(raft::HeartbeatReply{Round(static_cast<std::uint64_t>(i))}, Term(2)));
  }

  // The single vote outlives thousands of heartbeats.
  REQUIRE(choose("VoteReply", 0).has_value());
  CHECK_FALSE(choose("VoteReply", 1).has_value());
  CHECK_FALSE(choose("AppendReply", 0).has_value());
  CHECK_FALSE(choose("", 5'001).has_value());
  CHECK_FALSE(old.choose(NodeId(1), NodeId(0), {.type = {}, .since = {}}, draws).has_value());
  std::uint64_t votes = 0;
  for (int i = 0; i < 1'000; ++i) {
    const auto chosen = choose("", 0);
    REQUIRE(chosen.has_value());
    const auto frame = node::decode_frame(*chosen);
    REQUIRE(frame.ok());
    votes += std::get<raft::Message>(frame.value().body).term == Term(1) ? 1U : 0U;
  }
  CHECK(votes > 400);
  CHECK(votes < 600);
}

TEST_CASE("corrupted frames reach nodes and leave no trace, and the cluster forms and elects") {
  Deliveries seen;
  WorldConfig config = config_of(5, 3);
  config.network.corrupt_ppm = 300'000;
  World world(config, {&seen});
  world.start();
  world.run_until(Instant() + kSecond * 10);
  CHECK(seen.corrupted > 100);
  CHECK(seen.traces == 0);
  CHECK(world.counts().corrupted == seen.corrupted);
  CHECK(world.leader().has_value());
}

TEST_CASE("a clogged link passes nothing and then everything at once, in the order of sending") {
  Deliveries seen;
  WorldConfig config = config_of(6, 3);
  config.preformed = true;
  World world(config, {&seen});
  world.start();
  world.run_until(Instant() + kSecond * 3);
  REQUIRE(world.leader().has_value());
  const NodeId leader = *world.leader();
  const NodeId other((leader.value() + 1) % 3);
  const auto is_of_link = [&](const Deliveries::One& one) {
    return one.from == leader && one.to == other;
  };
  world.clog(leader, other);
  CHECK_FALSE(world.is_connected(leader, other));
  seen.all.clear();
  world.run_until(world.now() + ms(350));
  CHECK(std::none_of(seen.all.begin(), seen.all.end(), is_of_link));

  const Instant freed = world.now();
  world.unclog(leader, other);
  world.run_until(freed);

  std::vector<std::uint64_t> rounds;
  for (const Deliveries::One& one : seen.all) {
    if (!is_of_link(one)) continue;
    CHECK(one.at == freed);
    if (one.round != 0) rounds.push_back(one.round);
  }
  CHECK(rounds.size() >= 5);
  CHECK(std::is_sorted(rounds.begin(), rounds.end()));
  CHECK(world.is_connected(leader, other));
  CHECK(world.counts().waited >= rounds.size());
}

TEST_CASE("a heal frees clogged links too") {
  World world(config_of(7, 3), {});
  world.start();
  world.clog(NodeId(0), NodeId(1));
  world.heal();
  CHECK(world.is_connected(NodeId(0), NodeId(1)));
  CHECK(world.counts().faults == 2);
}

TEST_CASE("old frames come again on their own link") {
  Deliveries seen;
  WorldConfig config = config_of(8, 3);
  config.preformed = true;
  config.remembers_frames = true;
  World world(config, {&seen});
  world.start();
  world.run_until(Instant() + kSecond * 5);
  const NodeId leader = world.leader().value();
  const NodeId voter((leader.value() + 1) % 3);
  seen.all.clear();
  const Instant at = world.now();
  world.replay(voter, leader, "VoteReply", 3);
  world.run_until(at);
  std::uint64_t votes = 0;
  for (const Deliveries::One& one : seen.all) {
    if (one.type == "VoteReply" && one.from == voter && one.to == leader) ++votes;
  }
  CHECK(votes == 3);
  CHECK(world.counts().replayed == 3);
  world.replay(voter, leader, "TimeoutNow", 3);
  CHECK(world.counts().replayed == 3);
}

TEST_CASE("a client whose answers are all lost gives up, though its puts take effect") {
  WorldConfig config = config_of(9, 3);
  config.clients.push_back({.count = 2, .keys = 1, .put_ppm = 1'000'000, .timeout = ms(300)});
  config.clients.front().lose_answers_ppm = 1'000'000;
  World world(config, {});
  world.start();
  world.run_until(Instant() + kSecond * 10);
  CHECK(world.counts().answered == 0);
  CHECK(world.counts().lost_answers > 10);
  CHECK(world.counts().overdue == 0);
  REQUIRE(world.leader().has_value());
  CHECK(world.view(*world.leader()).keys == 1);
}

TEST_CASE("a client whose requests are all lost changes nothing") {
  WorldConfig config = config_of(10, 3);
  config.clients.push_back({.count = 2, .keys = 1, .put_ppm = 1'000'000, .timeout = ms(300)});
  config.clients.front().lose_requests_ppm = 1'000'000;
  World world(config, {});
  world.start();
  world.run_until(Instant() + kSecond * 10);
  CHECK(world.counts().answered == 0);
  CHECK(world.counts().lost_requests > 10);
  REQUIRE(world.leader().has_value());
  CHECK(world.view(*world.leader()).keys == 0);
}

}  // namespace vesper::sim
