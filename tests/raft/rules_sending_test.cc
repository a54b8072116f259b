// Tables for a leader that sends a snapshot (paper section 7): to whom, which piece, at which pace,
// and when it ends. The bench plays Node: it reads the pieces that are wanted.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

constexpr std::uint64_t kPiece = 10;
constexpr std::uint64_t kPieces = 3;

SnapshotId snapshot_to(std::uint64_t term, std::uint64_t index) {
  return {.last = at(term, index),
          .bytes = kPieces * kPiece,
          .checksum = static_cast<std::uint32_t>(index)};
}

// The leader of term 3 whose log begins after entry 4: entry 5 is of term 2, its no-op is entry 6.
// Voter 2 has all of it.
struct Sender : Bench {
  const SnapshotId snapshot = snapshot_to(2, 4);

  Sender() : Bench({.term = 2, .log = {2}, .snapshot = snapshot_to(2, 4)}) {
    elect();
    receive(2, 3, accepted(6));
    settle();
    REQUIRE(commit() == 6);
    REQUIRE(raft().log().base() == at(2, 4));
  }
  // Voter 1 says that its log is empty.
  void lose_voter() {
    receive(1, 3, rejected(5, {}));
    settle();
  }
  // The next heartbeat of each voter comes back. What left after that.
  std::vector<Message> beat() {
    time_out();
    const auto beats = settle();
    for (const std::uint32_t voter : {1U, 2U}) {
      const auto* request = find<HeartbeatRequest>(beats, voter);
      REQUIRE(request != nullptr);
      receive(voter, 3, HeartbeatReply{request->round});
    }
    return settle();
  }
  std::vector<Message> read(const ChunkWanted& wanted) {
    raft().chunk_read(now(), wanted, SharedBytes::copy_of(as_bytes(std::string(kPiece, 'p'))));
    return settle();
  }
  const ChunkWanted& last_wanted() const {
    REQUIRE_FALSE(chunks_wanted().empty());
    return chunks_wanted().back();
  }
};

TEST_CASE("leaders: a voter gets pieces only if what it lacks is below the base") {
  struct {
    MessageBody says;
    bool gets;
    const char* why;
  } const rows[] = {
      {rejected(5, {}), true, "its log is empty"},
      {rejected(5, at(2, 3)), true, "it ends below the base"},
      {rejected(5, at(1, 3)), true, "it parts below the base"},
      {rejected(5, at(2, 4)), false, "it ends at the base: the entries after it are here"},
      {accepted(5), false, "it lacks the last only"},
      {accepted(3), true, "it agrees up to below the base"},
  };
  table(rows, [](const auto& row) {
    Sender node;

    node.receive(1, 3, row.says);
    const auto sent = node.settle();

    CHECK(node.chunks_wanted().size() == (row.gets ? 1 : 0));
    CHECK((find<AppendRequest>(sent, 1) == nullptr) == row.gets);
    CHECK(node.raft().sends_snapshot(node.snapshot) == row.gets);
    if (!row.gets) return;
    CHECK(node.last_wanted().to == NodeId(1));
    CHECK(node.last_wanted().snapshot == node.snapshot);
    CHECK(node.last_wanted().offset == 0);
    const auto pieces = node.read(node.last_wanted());
    REQUIRE(find<SnapshotRequest>(pieces, 1) != nullptr);
    CHECK(find<SnapshotRequest>(pieces, 1)->chunk.size() == kPiece);
    CHECK(pieces[0].term == Term(3));
  });
}

TEST_CASE("leaders: one piece after the other, each when the one before is there") {
  Sender node;
  node.lose_voter();
  for (std::uint64_t i = 1; i < kPieces; ++i) {
    REQUIRE(node.chunks_wanted().size() == i);
    node.receive(1, 3, SnapshotReply{node.snapshot, i * kPiece});
    node.settle();
    CHECK(node.last_wanted().offset == i * kPiece);
  }
  CHECK(node.chunks_wanted().size() == kPieces);

  node.receive(1, 3, accepted(4));
  const auto sent = node.settle();

  CHECK_FALSE(node.raft().sends_snapshot(node.snapshot));
  REQUIRE(find<AppendRequest>(sent, 1) != nullptr);
  CHECK(find<AppendRequest>(sent, 1)->previous == at(2, 4));
  CHECK(find<AppendRequest>(sent, 1)->entries.size() == 2);
}

TEST_CASE("leaders: what an answer to a piece leads to") {
  struct {
    SnapshotId of;
    std::uint64_t next;  // in pieces; 1 is known to be there
    std::optional<std::uint64_t> wanted;
    const char* why;
  } const rows[] = {
      {snapshot_to(2, 4), 2, 2, "the next piece"},
      {snapshot_to(2, 4), 1, {}, "repeated: it asks for nothing new"},
      {snapshot_to(2, 4), 0, 0, "the follower restarted, and has nothing any more"},
      {snapshot_to(2, 4), 3, {}, "all is there: an AppendReply will say that it is installed"},
      {snapshot_to(2, 3), 2, {}, "of another snapshot"},
  };
  table(rows, [](const auto& row) {
    Sender node;
    node.lose_voter();
    node.receive(1, 3, SnapshotReply{node.snapshot, kPiece});
    node.settle();
    const std::size_t before = node.chunks_wanted().size();

    node.receive(1, 3, SnapshotReply{row.of, row.next * kPiece});
    node.settle();

    CHECK(node.chunks_wanted().size() == before + (row.wanted ? 1 : 0));
    if (row.wanted) CHECK(node.last_wanted().offset == *row.wanted * kPiece);
  });
}

TEST_CASE("leaders: a late acknowledgement from below the base does not begin the transfer anew") {
  Sender node;
  node.lose_voter();
  node.receive(1, 3, SnapshotReply{node.snapshot, kPiece});
  node.receive(1, 3, accepted(3));
  node.settle();
  CHECK(node.chunks_wanted().size() == 2);
  CHECK(node.last_wanted().offset == kPiece);
  CHECK(node.raft().sends_snapshot(node.snapshot));
}

TEST_CASE("leaders: a follower that has a part from another leader is sent the rest only") {
  Sender node;
  node.lose_voter();
  node.receive(1, 3, SnapshotReply{node.snapshot, 2 * kPiece});
  node.settle();
  CHECK(node.last_wanted().offset == 2 * kPiece);
  CHECK(node.chunks_wanted().size() == 2);
}

TEST_CASE(
    "leaders: a piece that is not answered is asked for again, at a pace, and heartbeats go on") {
  Sender node;
  node.lose_voter();
  node.receive(1, 3, SnapshotReply{node.snapshot, kPiece});
  node.settle();
  const Duration pace = node.raft().config().election_timeout_min;
  const Instant begin = node.now();

  while (node.chunks_wanted().size() == 2) {
    REQUIRE(node.now() - begin < pace * 2);
    node.beat();
  }

  CHECK(node.now() - begin >= pace);
  CHECK(node.last_wanted().offset == kPiece);
  CHECK(node.raft().is_leader());
}

TEST_CASE("leaders: all is sent and its answer lost: any piece asks, and the answer ends it") {
  Sender node;
  node.lose_voter();
  node.receive(1, 3, SnapshotReply{node.snapshot, kPieces * kPiece});
  node.settle();
  REQUIRE(node.chunks_wanted().size() == 1);

  for (int i = 0; i < 20; ++i) node.beat();
  REQUIRE(node.chunks_wanted().size() > 1);
  CHECK(node.last_wanted().offset == 0);

  node.receive(1, 3, accepted(4));
  node.settle();
  CHECK_FALSE(node.raft().sends_snapshot(node.snapshot));
}

TEST_CASE(
    "leaders: no snapshot is kept for a voter that is silent, and it begins anew when heard") {
  Sender node;
  node.lose_voter();
  const Instant begin = node.now();
  while (node.raft().sends_snapshot(node.snapshot)) {
    REQUIRE(node.now() - begin < Duration::milliseconds(2000));
    node.time_out();
    node.settle();
    node.receive(2, 3, HeartbeatReply{Round(1)});  // a majority is there
    node.settle();
  }
  CHECK(node.now() - begin > node.raft().config().election_timeout_max);
  CHECK(node.raft().is_leader());
  const std::size_t before = node.chunks_wanted().size();

  node.beat();

  CHECK(node.chunks_wanted().size() == before + 1);
  CHECK(node.last_wanted().offset == 0);
  CHECK(node.raft().sends_snapshot(node.snapshot));
}

// A leader of whose log more was cut while the first snapshot was on its way.
TEST_CASE("leaders: a snapshot that ends below the new base gives way to the newest") {
  Sender node;
  node.lose_voter();
  const SnapshotId newer = snapshot_to(3, 6);
  node.raft().compact(newer, Index(6));
  CHECK(node.raft().sends_snapshot(node.snapshot));

  // The follower has taken the first one in: that is not enough any more.
  node.receive(1, 3, accepted(4));
  CHECK(find<AppendRequest>(node.settle(), 1) == nullptr);
  for (int i = 0; i < 20; ++i) node.beat();

  CHECK(node.last_wanted().snapshot == newer);
  CHECK(node.last_wanted().offset == 0);
  CHECK_FALSE(node.raft().sends_snapshot(node.snapshot));
  node.receive(1, 3, accepted(6));
  node.settle();
  REQUIRE(node.propose());
  const auto sent = node.settle();
  REQUIRE(find<AppendRequest>(sent, 1) != nullptr);
  CHECK(find<AppendRequest>(sent, 1)->previous == at(3, 6));
}

TEST_CASE("leaders: a newer snapshot does not stop one that is still of use") {
  Sender node;
  node.lose_voter();
  node.raft().compact(snapshot_to(3, 6), Index(4));  // the log keeps what follows the first
  node.receive(1, 3, SnapshotReply{node.snapshot, kPiece});
  node.settle();
  CHECK(node.last_wanted().snapshot == node.snapshot);
  CHECK(node.last_wanted().offset == kPiece);
}

TEST_CASE("leaders: a piece that was read for nothing is not sent") {
  Sender node;
  node.lose_voter();
  const ChunkWanted wanted = node.last_wanted();

  SUBCASE("the follower needs no snapshot any more") {
    node.receive(1, 3, accepted(6));
    node.settle();
  }
  SUBCASE("this node leads no more") {
    node.receive(1, 9, HeartbeatRequest{Index(0), Round(1)});
    node.settle();
  }
  CHECK(find<SnapshotRequest>(node.read(wanted)) == nullptr);
}

TEST_CASE("leaders: an entry is committed without the voter that gets a snapshot") {
  Sender node;
  node.lose_voter();
  REQUIRE(node.propose());
  const auto sent = node.settle();
  CHECK(find<AppendRequest>(sent, 1) == nullptr);
  REQUIRE(find<AppendRequest>(sent, 2) != nullptr);
  node.receive(2, 3, accepted(7));
  CHECK(node.commit() == 7);
}

}  // namespace
}  // namespace vesper::raft::testing
