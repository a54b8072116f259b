// Tables for the rules of replication: paper figure 2 (AppendEntries, leaders), section 5.3's
// hint, section 5.4.2's commit rule, and what a heartbeat may commit.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

TEST_CASE("AppendEntries, receiver 2 to 5: check, cut at a conflict, append, commit what is new") {
  struct {
    Terms log;
    AppendRequest request;
    bool accepted;
    Terms log_after;
    std::uint64_t commit_after;
    const char* why;
  } const rows[] = {
      {{}, append({}, {1}), true, {1}, 0, "the first entry"},
      {{}, append({}, {}, 5), true, {}, 0, "nothing to an empty log commits nothing"},
      {{1}, append(at(1, 1), {2, 3}), true, {1, 2, 3}, 0, "4: new entries are appended"},
      {{1}, append(at(1, 2), {3}), false, {1}, 0, "2: no entry at prevLogIndex"},
      {{1, 1}, append(at(2, 2), {3}), false, {1, 1}, 0, "2: another term at prevLogIndex"},
      {{1, 2}, append(at(1, 1), {3}), true, {1, 3}, 0, "3: a conflict is deleted"},
      {{1, 2, 2, 2}, append(at(1, 1), {3}), true, {1, 3}, 0, "3: and all that follow it"},
      {{1, 2, 2}, append(at(1, 1), {2, 3}), true, {1, 2, 3}, 0, "3: from the conflict on only"},
      {{1, 2, 2}, append(at(1, 1), {2}), true, {1, 2, 2}, 0, "3: no conflict, nothing is deleted"},
      {{1, 2, 2}, append(at(1, 1), {}), true, {1, 2, 2}, 0, "3: nor by an empty request"},
      {{1, 2, 2}, append({}, {1, 2, 2}), true, {1, 2, 2}, 0, "4: entries already in the log"},
      {{1, 2}, append(at(1, 1), {2, 3, 3}), true, {1, 2, 3, 3}, 0, "4: some of them are new"},
      {{1, 1}, append(at(1, 2), {1}, 2), true, {1, 1, 1}, 2, "5: leaderCommit below the last new"},
      {{1, 1}, append(at(1, 2), {1}, 9), true, {1, 1, 1}, 3, "5: leaderCommit beyond the last new"},
      {{1, 1, 1}, append(at(1, 1), {}, 3), true, {1, 1, 1}, 1, "5: never its own last index"},
      {{1, 1, 1}, append(at(1, 1), {1}, 3), true, {1, 1, 1}, 2, "5: what this message verified"},
      {{1, 1, 1}, append(at(2, 3), {}, 3), false, {1, 1, 1}, 0, "5: a rejection commits nothing"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 4, .log = row.log});

    node.receive(1, 4, row.request);
    const auto sent = node.settle();

    REQUIRE(sent.size() == 1);
    const auto* reply = find<AppendReply>(sent, 1);
    REQUIRE(reply != nullptr);
    CHECK(reply->accepted == row.accepted);
    const std::uint64_t verified = row.request.previous.index.value() + row.request.entries.size();
    if (row.accepted) CHECK(reply->match == Index(verified));
    if (!row.accepted) CHECK(reply->rejected == row.request.previous.index);
    CHECK(terms_of(node.raft().log()) == row.log_after);
    CHECK(node.commit() == row.commit_after);
    CHECK(node.committed().size() == row.commit_after);
  });
}

TEST_CASE("AppendEntries, receiver 1: a request of an old term changes nothing") {
  struct {
    MessageBody body;
    const char* why;
  } const rows[] = {
      {append(at(1, 1), {3}), "a conflicting entry"},
      {append(at(1, 2), {2}), "a fitting entry"},
      {append(at(1, 2), {}, 2), "a commit index"},
      {HeartbeatRequest{Index(2), Round(1)}, "a heartbeat's commit index"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 4, .log = {1, 1}});

    node.receive(1, 3, row.body);
    const auto sent = node.settle();

    REQUIRE(sent.size() == 1);
    CHECK(sent[0].term == Term(4));  // the sender learns the term
    CHECK(find<AppendReply>(sent) == nullptr);
    CHECK(terms_of(node.raft().log()) == Terms{1, 1});
    CHECK(node.commit() == 0);
    CHECK(node.raft().leader() == std::nullopt);
  });
}

TEST_CASE("section 5.3: a rejection's hint is the last position that may still agree") {
  struct {
    Terms log;
    LogPosition previous;
    LogPosition hint;
    const char* why;
  } const rows[] = {
      {{}, at(3, 7), {}, "an empty log"},
      {{1, 1, 1}, at(3, 7), at(1, 3), "a short log: its end"},
      {{1, 1, 3, 3}, at(2, 4), at(1, 2), "a whole term too high is skipped"},
      {{1, 3, 3, 3}, at(2, 3), at(1, 1), "and so is its beginning"},
      {{3, 3, 3}, at(2, 3), {}, "everything is too high"},
      {{1, 1, 2, 2}, at(3, 4), at(2, 4), "lower terms may agree at the index itself"},
      {{1, 1, 2, 2, 5, 5}, at(3, 5), at(2, 4), "the index is within the term too high"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 5, .log = row.log});

    node.receive(1, 5, append(row.previous, {}));
    const auto sent = node.settle();

    const auto* reply = find<AppendReply>(sent, 1);
    REQUIRE(reply != nullptr);
    REQUIRE_FALSE(reply->accepted);
    CHECK(reply->hint == row.hint);
    CHECK(reply->rejected == row.previous.index);
  });
}

TEST_CASE("a request that contradicts what is committed is ignored, the log stays") {
  struct {
    AppendRequest request;
    const char* why;
  } const rows[] = {
      {append({}, {2}), "at the first entry"},
      {append(at(1, 1), {3}), "at the last committed entry"},
      {append({}, {1, 3, 3}), "behind one that agrees"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 4, .log = {1, 2, 2}});
    node.receive(1, 4, append(at(2, 2), {}, 2));
    node.settle();
    REQUIRE(node.commit() == 2);

    node.receive(1, 4, row.request);

    CHECK(node.settle().empty());
    CHECK(terms_of(node.raft().log()) == Terms{1, 2, 2});
  });
}

TEST_CASE("a heartbeat commits what it says and the log holds, and moves nothing else") {
  struct {
    std::uint64_t commit;
    std::uint64_t commit_after;
    const char* why;
  } const rows[] = {
      {0, 1, "a commit index never goes back"},
      {1, 1, "the same"},
      {2, 2, "one further"},
      {3, 3, "up to the end"},
      {4, 1, "beyond the log: no correct leader sends it"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 4, .log = {1, 2, 2}});
    node.receive(1, 4, append(at(1, 1), {}, 1));
    node.settle();

    node.receive(1, 4, HeartbeatRequest{Index(row.commit), Round(7)});
    const auto sent = node.settle();

    const auto* reply = find<HeartbeatReply>(sent, 1);
    REQUIRE(reply != nullptr);
    CHECK(reply->round == Round(7));
    CHECK(node.commit() == row.commit_after);
    CHECK(terms_of(node.raft().log()) == Terms{1, 2, 2});
  });
}

struct Ack {
  std::uint32_t from;
  std::uint64_t match;
};

TEST_CASE("leaders, section 5.4.2: commit what a majority holds, by an entry of this term only") {
  // Node 0 leads term 4 of five nodes with entries of terms 2, 2, 3 and its no-op at index 4.
  struct {
    std::vector<Ack> acks;
    std::uint64_t commit;
    const char* why;
  } const rows[] = {
      {{}, 0, "its own copy is one of five"},
      {{{1, 4}}, 0, "two of five"},
      {{{1, 4}, {2, 4}}, 4, "three of five: the no-op and all before it"},
      {{{1, 3}, {2, 3}, {3, 3}, {4, 3}}, 0, "old terms are never committed by counting"},
      {{{1, 3}, {2, 3}, {3, 3}, {4, 4}}, 0, "even where one peer has more"},
      {{{1, 4}, {2, 3}, {3, 4}}, 4, "the third highest match counts"},
      {{{1, 4}, {1, 4}, {1, 4}}, 0, "a repeated acknowledgement counts once"},
      {{{1, 4}, {2, 4}, {2, 1}}, 4, "a late one takes nothing back"},
      {{{1, 9}, {2, 9}}, 0, "beyond the leader's log: no correct follower says so"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {2, 2, 3}, .nodes = 5});
    node.elect();
    REQUIRE(node.raft().log().last() == at(4, 4));

    for (const Ack& ack : row.acks) node.receive(ack.from, 4, accepted(ack.match));
    node.settle();

    CHECK(node.commit() == row.commit);
    CHECK(node.committed().size() == row.commit);
  });
}

TEST_CASE("leaders: a rejection moves nextIndex back to where the logs may agree") {
  // The leader's log: 1 1 2 2 3 3, then its no-op at 7, term 4.
  struct {
    LogPosition hint;
    LogPosition previous;
    const char* why;
  } const rows[] = {
      {at(3, 5), at(3, 5), "a short log of the same terms"},
      {at(2, 4), at(2, 4), "two entries shorter"},
      {at(2, 5), at(2, 4), "a term that the leader has only below"},
      {at(1, 5), at(1, 2), "its last entry of that term"},
      {{}, {}, "an empty log"},
  };
  table(rows, [](const auto& row) {
    Bench node({.term = 3, .log = {1, 1, 2, 2, 3, 3}});
    node.elect();

    node.receive(1, 4, rejected(6, row.hint));
    const auto sent = node.settle();

    const auto* request = find<AppendRequest>(sent, 1);
    REQUIRE(request != nullptr);
    CHECK(request->previous == row.previous);
    CHECK(request->entries.size() == 7 - row.previous.index.value());
    CHECK(find<AppendRequest>(sent, 2) == nullptr);
  });
}

TEST_CASE("leaders: a heartbeat's commit index is at most that peer's match") {
  struct {
    std::uint64_t match;
    std::uint64_t commit;
    const char* why;
  } const rows[] = {
      {0, 0, "nothing is known of its log"},
      {1, 1, "it holds one entry"},
      {3, 3, "it holds all that is committed"},
      {4, 3, "it holds more: the commit index itself"},
  };
  table(rows, [](const auto& row) {
    Bench node({.nodes = 5});
    node.elect();
    for (int i = 0; i < 3; ++i) REQUIRE(node.propose());
    for (const std::uint32_t peer : {1U, 2U}) node.receive(peer, 1, accepted(3));
    if (row.match > 0) node.receive(3, 1, accepted(row.match));
    node.settle();
    REQUIRE(node.commit() == 3);

    node.time_out();
    const auto sent = node.settle();

    const auto* heartbeat = find<HeartbeatRequest>(sent, 3);
    REQUIRE(heartbeat != nullptr);
    CHECK(heartbeat->commit == Index(row.commit));
  });
}

}  // namespace
}  // namespace vesper::raft::testing
