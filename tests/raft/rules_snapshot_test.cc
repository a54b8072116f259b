// Tables for snapshots (paper section 7 and figure 13): what leaves the log, what a follower does
// with a piece of a snapshot, how a leader sends one, and what of the log stays when one is taken
// in. The bench plays Node: it says when a piece is stored and when a snapshot is whole.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

constexpr std::uint64_t kPiece = 10;

// Of three pieces.
SnapshotId snapshot_to(std::uint64_t term, std::uint64_t index) {
  return {
      .last = at(term, index), .bytes = 3 * kPiece, .checksum = static_cast<std::uint32_t>(index)};
}

SnapshotRequest piece(const SnapshotId& id, std::uint64_t offset) {
  return {id, offset, SharedBytes::copy_of(as_bytes(std::string(kPiece, 'p')))};
}

// --- Compaction ---

// A follower of term 2 with entries 1 to 6, committed up to 4.
Bench follower_of_six() {
  Bench node({.term = 2});
  node.receive(1, 2, append({}, {1, 1, 2, 2, 2, 2}, 4));
  node.settle();
  return node;
}

TEST_CASE("compaction: entries that the snapshot stands for leave the log, the others stay") {
  struct {
    std::uint64_t to;
    std::uint64_t base_term;
    Terms left;
    const char* why;
  } const rows[] = {
      {0, 0, {1, 1, 2, 2, 2, 2}, "nothing"},
      {1, 1, {1, 2, 2, 2, 2}, "within a term"},
      {2, 1, {2, 2, 2, 2}, "a whole term"},
      {4, 2, {2, 2}, "all that is committed"},
  };
  table(rows, [](const auto& row) {
    Bench node = follower_of_six();

    node.raft().compact(snapshot_to(2, 4), Index(row.to));

    CHECK(node.raft().log().base() == at(row.base_term, row.to));
    CHECK(terms_of(node.raft().log()) == row.left);
    CHECK(node.raft().log().last() == at(2, 6));
    CHECK(node.commit() == 4);
    CHECK(node.raft().durable() == Index(6));
    node.receive(1, 2, append(at(2, 6), {2}, 7));
    node.settle();
    CHECK(node.commit() == 7);
    CHECK(node.committed().size() == 7);
  });
}

TEST_CASE("compaction: an append that reaches below the base is taken from the base on") {
  struct {
    LogPosition previous;
    Terms entries;
    std::uint64_t match;
    const char* why;
  } const rows[] = {
      {{}, {1, 1}, 2, "all of it is below"},
      {at(1, 1), {1, 2, 2}, 4, "it ends at the base"},
      {at(1, 2), {2, 2, 2, 2, 2}, 7, "it ends above"},
      {at(2, 4), {2, 2, 2}, 7, "it begins at the base"},
  };
  table(rows, [](const auto& row) {
    Bench node = follower_of_six();
    node.raft().compact(snapshot_to(2, 4), Index(4));

    node.receive(1, 2, append(row.previous, row.entries, 6));
    const auto sent = node.settle();

    REQUIRE(find<AppendReply>(sent, 1) != nullptr);
    CHECK(find<AppendReply>(sent, 1)->accepted);
    CHECK(find<AppendReply>(sent, 1)->match == Index(row.match));
    CHECK(node.raft().log().last_index() == Index(std::max<std::uint64_t>(row.match, 6)));
    CHECK(node.raft().log().base() == at(2, 4));
  });
}

TEST_CASE("compaction: a node with nothing but a base votes by it, and wins by it") {
  struct {
    LogPosition candidate;
    bool granted;
    const char* why;
  } const rows[] = {
      {at(2, 3), false, "a shorter log"},
      {at(2, 4), true, "an equal one"},
      {at(3, 1), true, "a later term"},
      {at(1, 9), false, "an earlier term"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 2, .snapshot = snapshot_to(2, 4)});
    REQUIRE(node.raft().log().last() == at(2, 4));
    node.receive(1, 5, VoteRequest{row.candidate});
    CHECK(find<VoteReply>(node.settle(), 1)->granted == row.granted);
  });

  Bench node({.term = 2, .snapshot = snapshot_to(2, 4)});
  node.elect();
  CHECK(node.raft().log().last() == at(3, 5));
  CHECK(node.commit() == 4);
}

// --- A follower ---

struct FollowerRow {
  LogPosition last;  // of the snapshot
  bool has_it;       // it answers that its log agrees up to there
  std::uint64_t commit;
  const char* why;
};

TEST_CASE("followers: a snapshot whose end the log holds is answered, and touches nothing") {
  const FollowerRow rows[] = {
      {at(1, 1), true, 4, "below the base"},   {at(1, 2), true, 4, "at the base"},
      {at(2, 3), true, 4, "within the log"},   {at(2, 5), true, 5, "beyond what is committed"},
      {at(2, 6), true, 6, "the log's last"},   {at(3, 6), false, 4, "another term at its end"},
      {at(1, 6), false, 4, "an earlier term"}, {at(2, 7), false, 4, "beyond the log by one"},
      {at(3, 90), false, 4, "far beyond it"},
  };
  table(rows, [](const FollowerRow& row) {
    Bench node = follower_of_six();
    node.raft().compact(snapshot_to(2, 4), Index(2));

    node.receive(1, 3, piece(snapshot_to(row.last.term.value(), row.last.index.value()), 0));
    const auto sent = node.settle();

    CHECK(node.chunks_received().size() == (row.has_it ? 0 : 1));
    const auto* reply = find<AppendReply>(sent, 1);
    REQUIRE((reply != nullptr) == row.has_it);
    if (reply != nullptr) CHECK(reply->accepted);
    if (reply != nullptr) CHECK(reply->match == row.last.index);
    CHECK(node.commit() == row.commit);
    CHECK(terms_of(node.raft().log()) == Terms{2, 2, 2, 2});
    CHECK(node.raft().leader() == NodeId(1));
  });
}

TEST_CASE("followers: a piece of an old term is refused with the current one") {
  Bench node({.term = 5});
  node.receive(1, 4, piece(snapshot_to(3, 9), 0));
  const auto sent = node.settle();
  CHECK(node.chunks_received().empty());
  REQUIRE(find<HeartbeatReply>(sent, 1) != nullptr);
  CHECK(sent[0].term == Term(5));
  CHECK(find<HeartbeatReply>(sent, 1)->round == Round(0));
}

TEST_CASE("followers: a piece counts as word from the leader") {
  Bench node({.term = 1});
  for (int i = 0; i < 10; ++i) {
    node.elapse(Duration::milliseconds(400));
    node.receive(1, 1, piece(snapshot_to(1, 9), 0));
    node.settle();
    REQUIRE(node.is_follower());
  }
  Bench candidate;
  candidate.stand();
  candidate.receive(1, 1, piece(snapshot_to(1, 9), 0));
  CHECK(candidate.is_follower());
}

TEST_CASE("followers: the piece that is next is taken, any other is answered with what is next") {
  enum class Does { kTakes, kAnswers, kIsSilent };
  struct {
    std::uint64_t stored;  // pieces
    bool is_storing;       // the next one too, but that is not done
    std::uint64_t offset;  // in pieces
    Does does;
    const char* why;
  } const rows[] = {
      {0, false, 0, Does::kTakes, "the first"},
      {0, false, 1, Does::kAnswers, "the first was lost"},
      {1, false, 1, Does::kTakes, "the next"},
      {1, false, 0, Does::kAnswers, "one that came already"},
      {1, false, 2, Does::kAnswers, "one was lost in between"},
      {0, true, 0, Does::kIsSilent, "repeated while it is stored"},
      {1, true, 1, Does::kIsSilent, "the same later"},
      {1, true, 2, Does::kIsSilent, "the one after it"},
  };
  table(rows, [](const auto& row) {
    const SnapshotId id = snapshot_to(3, 9);
    Bench node({.term = 3});
    for (std::uint64_t i = 0; i < row.stored + (row.is_storing ? 1 : 0); ++i) {
      node.receive(1, 3, piece(id, i * kPiece));
      node.settle();
      REQUIRE(node.chunks_received().size() == i + 1);
      if (i < row.stored) node.raft().chunk_stored(node.now(), id, (i + 1) * kPiece);
      node.settle();
    }
    const std::size_t before = node.chunks_received().size();

    node.receive(1, 3, piece(id, row.offset * kPiece));
    const auto sent = node.settle();

    CHECK(node.chunks_received().size() == before + (row.does == Does::kTakes ? 1 : 0));
    const auto* reply = find<SnapshotReply>(sent, 1);
    REQUIRE((reply != nullptr) == (row.does == Does::kAnswers));
    if (reply != nullptr) CHECK(reply->next == row.stored * kPiece);
    if (reply != nullptr) CHECK(reply->snapshot == id);
  });
}

TEST_CASE("followers: a piece is kept only once the term that it came in is on disk") {
  // Or a crash could leave a snapshot of a term that the node has not reached.
  Bench node({.term = 1});
  node.receive(1, 5, piece(snapshot_to(5, 9), 0));
  CHECK(node.collect().chunks_received.empty());
  node.persist();
  REQUIRE(node.collect().chunks_received.size() == 1);
  CHECK(node.collect().chunks_received.empty());
}

TEST_CASE("followers: which of two snapshots goes on") {
  struct {
    std::uint64_t term;  // in which the second is offered; the first came in term 3
    std::uint64_t index;
    bool gives_way;
    const char* why;
  } const rows[] = {
      {3, 9, false, "the same"},
      {3, 8, false, "an older one, late: messages of the one leader overtake each other"},
      {3, 10, true, "a newer one"},
      {4, 8, true, "an older one of a new leader, who has no newer"},
      {4, 10, true, "a newer one of a new leader"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3});
    node.receive(1, 3, piece(snapshot_to(3, 9), 0));
    node.settle();
    node.raft().chunk_stored(node.now(), snapshot_to(3, 9), kPiece);
    node.settle();

    node.receive(2, row.term, piece(snapshot_to(3, row.index), 0));
    node.settle();

    CHECK(node.chunks_received().size() == (row.gives_way ? 2 : 1));
    if (row.gives_way) CHECK(node.chunks_received().back().snapshot.last.index == Index(row.index));
    if (row.gives_way) CHECK(node.chunks_received().back().offset == 0);
    // What is stored late of the one that gave way says nothing of the other.
    node.raft().chunk_stored(node.now(), snapshot_to(3, 9), 2 * kPiece);
    const auto* reply = find<SnapshotReply>(node.settle());
    CHECK((reply == nullptr) == row.gives_way);
  });
}

TEST_CASE("followers: a snapshot goes on from another leader where the first one left it") {
  const SnapshotId id = snapshot_to(3, 9);
  Bench node({.term = 3});
  node.receive(1, 3, piece(id, 0));
  node.settle();
  node.raft().chunk_stored(node.now(), id, kPiece);
  node.settle();

  node.receive(2, 4, piece(id, 0));
  const auto sent = node.settle();

  CHECK(node.chunks_received().size() == 1);
  REQUIRE(find<SnapshotReply>(sent, 2) != nullptr);
  CHECK(find<SnapshotReply>(sent, 2)->next == kPiece);
}

TEST_CASE("followers: what was stored while the leader changed is told to the new one") {
  const SnapshotId id = snapshot_to(3, 9);
  Bench node({.term = 3});
  node.receive(1, 3, piece(id, 0));
  node.settle();
  node.receive(2, 4, HeartbeatRequest{Index(0), Round(1)});
  node.settle();
  node.raft().chunk_stored(node.now(), id, kPiece);
  const auto sent = node.settle();
  CHECK(find<SnapshotReply>(sent, 1) == nullptr);
  REQUIRE(find<SnapshotReply>(sent, 2) != nullptr);
  CHECK(sent[0].term == Term(4));
}

TEST_CASE("followers: a snapshot that was refused comes anew") {
  const SnapshotId id = snapshot_to(3, 9);
  Bench node({.term = 3});
  node.receive(1, 3, piece(id, 0));
  node.settle();
  node.raft().chunk_stored(node.now(), id, kPiece);
  node.receive(1, 3, piece(id, kPiece));
  node.settle();
  node.raft().chunk_refused(id);

  node.receive(1, 3, piece(id, kPiece));
  const auto sent = node.settle();
  CHECK(node.chunks_received().size() == 2);
  REQUIRE(find<SnapshotReply>(sent, 1) != nullptr);
  CHECK(find<SnapshotReply>(sent, 1)->next == 0);
}

// --- Taking one in ---

TEST_CASE("restore: a suffix is kept only where index and term agree") {
  struct {
    LogPosition last;
    bool taken;
    Terms left;  // entries after the base
    std::uint64_t commit;
    const char* why;
  } const rows[] = {
      {at(2, 4), false, {1, 1, 2, 2, 2, 2}, 4, "what is committed is as new"},
      {at(1, 2), false, {1, 1, 2, 2, 2, 2}, 4, "or newer"},
      {at(2, 5), true, {2}, 5, "they agree: what follows stays"},
      {at(2, 6), true, {}, 6, "they agree, and nothing follows"},
      {at(3, 5), true, {}, 5, "another term: all goes"},
      {at(3, 6), true, {}, 6, "the same at the log's last"},
      {at(3, 9), true, {}, 9, "beyond the log"},
  };
  table(rows, [](const auto& row) {
    Bench node = follower_of_six();
    node.receive(1, 3, HeartbeatRequest{Index(0), Round(1)});
    node.settle();
    const SnapshotId id = snapshot_to(row.last.term.value(), row.last.index.value());

    CHECK(node.raft().restore(node.now(), id, node.raft().configuration()) == row.taken);

    CHECK(terms_of(node.raft().log()) == row.left);
    CHECK(node.commit() == row.commit);
    CHECK(node.raft().log().base() == (row.taken ? row.last : LogPosition()));
    CHECK_FALSE(node.raft().has_more_committed());
    const bool agrees = row.last.term == Term(2);
    const Ready& ready = node.collect();
    CHECK(ready.restart_after == (row.taken && !agrees ? std::optional(row.last) : std::nullopt));
    CHECK(ready.committed.empty());
    const auto* reply = find<AppendReply>(ready.send_after_durable, 1);
    REQUIRE((reply != nullptr) == row.taken);
    if (reply != nullptr) CHECK(reply->match == row.last.index);
  });
}

TEST_CASE("restore: no write from before it vouches for what comes after") {
  Bench node({.term = 2});
  node.receive(1, 2, append({}, {1, 1, 2, 2, 2, 2}));
  node.collect();  // and its write is under way
  REQUIRE(node.raft().restore(node.now(), snapshot_to(2, 9), node.raft().configuration()));
  CHECK(node.raft().durable() == Index(9));
  const WriteId before = node.written();
  node.receive(1, 2, append(at(2, 9), {2}));
  const Ready& ready = node.collect();
  REQUIRE(ready.restart_after == at(2, 9));
  REQUIRE(ready.entries.size() == 1);

  node.raft().persisted(node.now(), before);
  CHECK(node.raft().durable() == Index(9));
  node.persist();
  CHECK(node.raft().durable() == Index(10));
}

TEST_CASE("restore: a suffix that is kept is durable when its own write is") {
  Bench node({.term = 2});
  node.receive(1, 2, append({}, {2, 2, 2, 2, 2, 2}));
  node.collect();
  REQUIRE(node.raft().durable() == Index(0));

  REQUIRE(node.raft().restore(node.now(), snapshot_to(2, 4), node.raft().configuration()));

  CHECK(node.raft().durable() == Index(4));  // by the snapshot
  node.persist();
  CHECK(node.raft().durable() == Index(6));
}

TEST_CASE("restore: a leader's own log is newer than any snapshot") {
  Bench node({.term = 1});
  node.receive(1, 1, piece(snapshot_to(1, 9), 0));
  node.settle();
  node.elapse(Duration::milliseconds(600));
  node.elect();
  CHECK_FALSE(node.raft().restore(node.now(), snapshot_to(1, 9), node.raft().configuration()));
  CHECK(node.raft().is_leader());
  CHECK(node.raft().log().last() == at(2, 1));
}

}  // namespace
}  // namespace vesper::raft::testing
