// Three nodes in a small world of frames, disks and one clock, of which one is recorded: replayed,
// it does the same; and whatever is not the same is named at its turn.
#include "sim/replay/replay.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/base/hash.h"
#include "core/node/recorder.h"
#include "tests/core/memory_room.h"
#include "tests/core/properties.h"
#include "tests/storage/memory_disk.h"

namespace vesper::sim {
namespace {

using testing::MemoryDisk;
using testing::MemoryRoom;

constexpr std::uint32_t kNodes = 3;
constexpr std::size_t kRoom = 16 * 1024 * 1024;
constexpr const char* kProgram = "test";
constexpr const char* kSources = "0123456789abcdef";

struct Post {
  NodeId to;
  SharedBytes frame;
};

// One life of a node, recorded or not.
class Life final : public node::Clock,
                   public node::Network,
                   public node::Clients,
                   public node::Observer {
 public:
  Life(NodeId id, MemoryDisk& disk, const Instant& time, MemoryRoom* room)
      : id_(id), disk_(disk), time_(time) {
    config_.id = id;
    config_.cluster_size = kNodes;
    config_.wal.segment_bytes = 64 * 1024;
    config_.snapshots.entries = 40;
    config_.snapshots.trailing_entries = 5;
    config_.check_interval = Duration::milliseconds(300);
    const node::Environment environment{*this, *this, disk, *this, *this, Random(id.value() + 1)};
    if (room != nullptr) {
      recorder_ = std::make_unique<node::Recorder>(
          *room, node::Recorder::Life{kProgram, kSources, config_, environment});
    }
    node_ = std::make_unique<node::Node>(config_, given(environment));
    const Status opened = node_->open();
    if (recorder_) recorder_->opened(opened);
    REQUIRE(opened.ok());
    see();
  }

  void on_frame(const SharedBytes& frame) {
    std::vector<std::byte> bytes(frame.view().begin(), frame.view().end());
    if (turns_ >= alter_frame_from && altered_in == 0) {
      bytes.back() ^= std::byte{1};
      altered_in = turns_ + 1;  // the turn that it came for
    }
    if (recorder_) recorder_->on_message(SharedBytes::copy_of(bytes));
    node_->on_message(frame);
  }
  void ask(node::Request request) {
    const RequestId id(++requests_);
    if (recorder_) recorder_->on_request(id, request);
    node_->on_request(id, request);
  }
  void take_turn() {
    for (const auto lane : {storage::DiskLane::kLog, storage::DiskLane::kBackground}) {
      while (disk_.has_work(lane)) {
        auto done = disk_.step(lane);
        if (!done) continue;
        if (recorder_) recorder_->on_disk_done(*done);
        node_->on_disk_done(std::move(*done));
      }
    }
    ++turns_;
    if (recorder_) recorder_->begin_turn();
    node_->run_turn();
    see();
  }
  void end() {
    if (recorder_) recorder_->end();
  }

  node::NodeView view() const { return node_->view(); }
  std::vector<Post> take_posts() { return std::exchange(posts_, {}); }
  std::uint64_t turns() const { return turns_; }
  std::uint64_t answers() const { return answers_; }

  // The first one from that turn on is recorded as another.
  std::uint64_t alter_frame_from = UINT64_MAX;
  std::uint64_t alter_answer_from = UINT64_MAX;
  // Where that came about.
  std::uint64_t altered_in = 0;

  Instant now() const override { return time_; }
  void send(NodeId to, ByteView frame) override {
    posts_.push_back({to, SharedBytes::copy_of(frame)});
  }
  void meet(const raft::Configuration&) override {}
  // The node's own answers come here first, if it is recorded, and then once more.
  void answer(RequestId request, const node::Answer& answer) override {
    if (clients_ == nullptr || passes_) {
      ++answers_;
      return;
    }
    node::Answer told = answer;
    if (turns_ >= alter_answer_from && altered_in == 0) {
      told.outcome = node::Outcome::kUnknown;
      altered_in = turns_;
    }
    passes_ = true;
    clients_->answer(request, told);
    passes_ = false;
  }

 private:
  node::Environment given(const node::Environment& environment) {
    if (!recorder_) return environment;
    const node::Environment recorded = recorder_->environment();
    clients_ = &recorded.clients;
    return {recorded.clock, recorded.network,  recorded.disk,
            *this,          recorded.observer, recorded.random};
  }
  void see() {
    const node::NodeView view = node_->view();
    const Instant deadline = node_->next_deadline();
    if (recorder_) recorder_->seen(view, deadline);
  }

  NodeId id_;
  MemoryDisk& disk_;
  const Instant& time_;
  node::NodeConfig config_;
  node::Clients* clients_ = nullptr;
  bool passes_ = false;
  std::unique_ptr<node::Recorder> recorder_;
  std::unique_ptr<node::Node> node_;
  std::vector<Post> posts_;
  std::uint64_t turns_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t answers_ = 0;
};

// Node 0 is recorded.
class World {
 public:
  explicit World(std::size_t room = kRoom) : room_bytes_(room), disks_(kNodes) {
    for (std::uint32_t id = 0; id < kNodes; ++id) lives_.emplace_back();
    for (std::uint32_t id = 0; id < kNodes; ++id) start(id);
  }

  void start(std::uint32_t id) {
    if (id == 0) room_ = std::make_unique<MemoryRoom>(room_bytes_, 4096);
    lives_[id] =
        std::make_unique<Life>(NodeId(id), disks_[id], time_, id == 0 ? room_.get() : nullptr);
  }
  // Each millisecond every node takes a turn, and node 0 is asked something now and then.
  void run(int milliseconds) {
    for (int i = 0; i < milliseconds; ++i) {
      time_ = time_ + Duration::milliseconds(1);
      if (++steps_ % 4 == 0) ask();
      for (auto& life : lives_) life->take_turn();
      for (auto& life : lives_) {
        for (Post& post : life->take_posts()) lives_[post.to.value()]->on_frame(post.frame);
      }
    }
  }
  Life& recorded() { return *lives_[0]; }
  MemoryRoom& room() { return *room_; }
  ByteView file() const { return room_->file(); }

 private:
  void ask() {
    const std::string key = "k" + std::to_string(steps_ % 7);
    const std::string value = "\"v" + std::to_string(steps_) + "\"";
    switch (steps_ / 4 % 4) {
      case 0:
        return lives_[0]->ask({.kind = node::RequestKind::kGet, .key = key, .at_follower = true});
      case 1:
        return lives_[0]->ask({.kind = node::RequestKind::kListMembers});
      default:
        for (auto& life : lives_) {
          life->ask({.kind = node::RequestKind::kPut, .key = key, .value = value});
        }
    }
  }

  std::size_t room_bytes_;
  Instant time_ = Instant::from_nanoseconds(1'000'000'000);
  std::vector<MemoryDisk> disks_;
  std::vector<std::unique_ptr<Life>> lives_;
  std::unique_ptr<MemoryRoom> room_;
  std::uint64_t steps_ = 0;
};

Replayed replay_well(ByteView file, ReplayOptions options = {}) {
  options.program = kProgram;
  const auto result = replay(file, options);
  CAPTURE(result.ok() ? "" : result.error().message);
  REQUIRE(result.ok());
  return result.value();
}

std::string what_differs(const Replayed& replayed) {
  return replayed.difference ? replayed.difference->what : "nothing";
}

class Lines final : public TraceSink {
 public:
  void write(std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
};

// The world that most of these tests look at: two seconds of node 0's first life.
const World& sample() {
  static const World& world = []() -> const World& {
    static World made;
    made.run(2000);
    made.recorded().end();
    return made;
  }();
  return world;
}

TEST_CASE("a node that was recorded does the same again, from its first start on") {
  World world;
  world.run(2000);
  world.recorded().end();
  const node::NodeView view = world.recorded().view();

  const Replayed replayed = replay_well(world.file());

  CHECK(what_differs(replayed) == "nothing");
  CHECK(replayed.turns == world.recorded().turns());
  CHECK(replayed.has_ended);
  CHECK(replayed.sources == kSources);
  CHECK_FALSE(replayed.is_cut);
  CHECK_FALSE(replayed.damage.has_value());
  CHECK(replayed.view.state_hash == view.state_hash);
  CHECK(replayed.view.applied == view.applied);
  CHECK(replayed.view.snapshot > Index(0));
  CHECK(view.applied > Index(80));
  CHECK(world.recorded().answers() > 300);
  CHECK(replayed.requests > 300);
  CHECK(replayed.frames > 300);
  CHECK(replayed.completions > 100);
  testing::count("turns replayed", replayed.turns);
}

TEST_CASE("a later life brings along what it read of its directory") {
  World world;
  world.run(2000);
  world.recorded().end();
  world.start(0);
  world.run(1500);
  world.recorded().end();
  const node::NodeView view = world.recorded().view();

  const Replayed replayed = replay_well(world.file());

  CHECK(what_differs(replayed) == "nothing");
  CHECK(replayed.turns == world.recorded().turns());
  CHECK(replayed.view.applied == view.applied);
  CHECK(replayed.view.state_hash == view.state_hash);
  CHECK(view.snapshot > Index(0));
}

TEST_CASE("a node whose recording has no more room does what it does without one") {
  World full(64 * 1024);
  World other;
  full.run(2000);
  other.run(2000);
  full.recorded().end();

  const Replayed replayed = replay_well(full.file());

  CHECK(full.recorded().view().state_hash == other.recorded().view().state_hash);
  CHECK(full.recorded().view().applied == other.recorded().view().applied);
  CHECK(what_differs(replayed) == "nothing");
  CHECK(replayed.is_cut);
  CHECK_FALSE(replayed.has_ended);
  CHECK(replayed.turns > 100);
  CHECK(replayed.turns < 2000);
}

TEST_CASE("a byte of an input that was another one is named at its turn") {
  World world;
  world.run(1500);
  world.recorded().alter_frame_from = world.recorded().turns();
  world.run(300);
  world.recorded().end();

  const Replayed replayed = replay_well(world.file());

  REQUIRE(replayed.difference.has_value());
  CHECK(world.recorded().altered_in > 1500);
  CHECK(replayed.difference->turn == world.recorded().altered_in);
  CHECK(replayed.turns + 1 == replayed.difference->turn);
  CAPTURE(replayed.difference->what);
  CHECK(replayed.difference->what.find("ignores") != std::string::npos);
}

TEST_CASE("an answer that is another one is named at its turn") {
  World world;
  world.recorded().alter_answer_from = 1500;
  world.run(1800);
  world.recorded().end();

  const Replayed replayed = replay_well(world.file());

  REQUIRE(world.recorded().altered_in >= 1500);
  REQUIRE(replayed.difference.has_value());
  CHECK(replayed.difference->turn == world.recorded().altered_in);
  CHECK(replayed.turns + 1 == replayed.difference->turn);
  CAPTURE(replayed.difference->what);
  CHECK(replayed.difference->what.find("an answer is another one") == 0);
}

TEST_CASE("a recording that is cut off anywhere replays up to its last whole turn") {
  const ByteView file = sample().file();
  RandomStream cuts(Random(1), {Purpose::kTest});
  std::uint64_t most = 0;
  for (int i = 0; i < 60; ++i) {
    const std::size_t cut = 1000 + cuts.below(file.size() - 1000);
    CAPTURE(cut);
    const auto result = replay(file.first(cut), {.program = kProgram, .unfinished = i % 2 == 1});
    // Before its first turn has ended, there is nothing to replay.
    if (!result.ok()) {
      CHECK(result.error().message.find("before its first turn") != std::string::npos);
      continue;
    }
    CHECK(what_differs(result.value()) == "nothing");
    CHECK_FALSE(result.value().damage.has_value());
    CHECK_FALSE(result.value().has_ended);
    most = std::max(most, result.value().turns);
    testing::count("cuts replayed", 1);
  }
  CHECK(most > 1000);
}

TEST_CASE("a recording that is damaged replays up to there, and says where") {
  const ByteView file = sample().file();
  RandomStream places(Random(2), {Purpose::kTest});
  for (int i = 0; i < 60; ++i) {
    std::vector<std::byte> bytes(file.begin(), file.end());
    const std::size_t at = places.below(bytes.size());
    bytes[at] ^= std::byte{0x10};
    CAPTURE(at);
    const auto result = replay(bytes, {.program = kProgram});
    if (!result.ok()) {
      CHECK(result.error().message.find(" offset ") != std::string::npos);
      continue;
    }
    CHECK(what_differs(result.value()) == "nothing");
    // But for the bytes that only fill up a block.
    if (result.value().damage) {
      CHECK(result.value().damage->message.find(" offset ") != std::string::npos);
      CHECK_FALSE(result.value().has_ended);
    } else {
      CHECK(result.value().has_ended);
    }
  }
}

TEST_CASE("a recording of another version of the program is refused, with both versions") {
  const auto result = replay(sample().file(), {.program = "other"});

  REQUIRE_FALSE(result.ok());
  CHECK(result.error().code == ErrorCode::kMismatch);
  CHECK(result.error().message.find("recorded by version test, this program is other") !=
        std::string::npos);
}

TEST_CASE("a replay stops where it is asked to, by turn and by event") {
  const ByteView file = sample().file();
  Lines lines;

  const Replayed by_turn = replay_well(file, {.until_turn = 700});
  CHECK(by_turn.is_stopped);
  CHECK(by_turn.turns == 700);

  const Replayed by_event = replay_well(file, {.until_event = by_turn.events - 3, .trace = &lines});
  CHECK(by_event.is_stopped);
  CHECK(by_event.events == by_turn.events - 3);
  CHECK(by_event.turns == 699);
  REQUIRE_FALSE(lines.lines.empty());
  CHECK(lines.lines.back().find(std::to_string(by_event.events)) != std::string::npos);
  CHECK_FALSE(by_event.difference.has_value());

  const Replayed beyond = replay_well(file, {.until_turn = 1'000'000});
  CHECK_FALSE(beyond.is_stopped);
}

TEST_CASE("the trace tells each input and output") {
  Lines lines;

  const Replayed replayed = replay_well(sample().file(), {.trace = &lines});

  CHECK(lines.lines.size() + 1000 > replayed.events);
  for (const char* what : {"< from n1 AppendRequest", "> to n1 ", "< request ", "> answer to ",
                           "< clock", "< batch ", "> batch ", "> turn ends:", "> recovered"}) {
    CAPTURE(what);
    CHECK(std::any_of(lines.lines.begin(), lines.lines.end(), [what](const std::string& line) {
      return line.find(what) != std::string::npos;
    }));
  }
}

TEST_CASE("a process that ended within a turn replays to that very call") {
  World world;
  world.run(1000);
  // As if it had died before the turn that these came for.
  world.recorded().ask({.kind = node::RequestKind::kListMembers});

  const Replayed whole = replay_well(world.file());
  const Replayed all = replay_well(world.file(), {.unfinished = true});

  CHECK(whole.is_cut);
  CHECK(whole.turns == all.turns);
  CHECK(all.requests == whole.requests + 1);
  CHECK(what_differs(all) == "nothing");
}

}  // namespace
}  // namespace vesper::sim
