// The sentences of the Raft paper's section 7 and figure 13, each as a test named by its words; the
// others stand in paper_test.cc.
#include <doctest/doctest.h>

#include "tests/raft/bench.h"
#include "tests/raft/sentence.h"

namespace vesper::raft::testing {
namespace {

const SnapshotId kSnapshot{.last = {Term(2), Index(4)}, .bytes = 20, .checksum = 1};

// In term 2, with entries 1 to 6, of which 4 are committed.
Bench follower_of_six() {
  Bench node({.term = 2});
  node.receive(1, 2, append({}, {1, 1, 2, 2, 2, 2}, 4));
  node.settle();
  return node;
}

SnapshotRequest piece(const SnapshotId& id, std::uint64_t offset) {
  return {id, offset, SharedBytes::copy_of(as_bytes("0123456789"))};
}

SENTENCE(
    "7: Each server takes snapshots independently, covering just the committed entries in its "
    "log") {
  const Counted counted;
  Bench node = follower_of_six();
  node.raft().compact(kSnapshot, Index(4));
  CHECK(terms_of(node.raft().log()) == Terms{2, 2});
  CHECK(node.settle().empty());  // nobody is asked
}

SENTENCE(
    "7: the last included index is the index of the last entry in the log that the snapshot "
    "replaces (the last entry the state machine had applied), and the last included term is the "
    "term of this entry. These are preserved to support the AppendEntries consistency check for "
    "the first log entry following the snapshot") {
  const Counted counted;
  for (const std::uint64_t term : {1U, 2U}) {
    CAPTURE(term);
    Bench node({.term = 2, .snapshot = kSnapshot});
    node.receive(1, 2, append(at(term, 4), {2}));
    const auto sent = node.settle();
    REQUIRE(find<AppendReply>(sent, 1) != nullptr);
    CHECK(find<AppendReply>(sent, 1)->accepted == (term == 2));
  }
}

SENTENCE(
    "7: Once a server completes writing a snapshot, it may delete all log entries up through the "
    "last included index, as well as any prior snapshot") {
  const Counted counted;
  Bench node = follower_of_six();
  node.raft().compact({.last = at(1, 2), .bytes = 9, .checksum = 1}, Index(2));
  node.raft().compact(kSnapshot, Index(4));
  CHECK(node.raft().log().first_index() == Index(5));
}

SENTENCE(
    "7: the leader must occasionally send snapshots to followers that lag behind. This happens "
    "when the leader has already discarded the next log entry that it needs to send to a "
    "follower") {
  const Counted counted;
  Bench node({.term = 2, .log = {2, 2}, .snapshot = kSnapshot});
  node.elect();
  node.receive(1, 3, rejected(6, at(2, 4)));
  node.settle();
  CHECK(node.chunks_wanted().empty());  // entry 5 is there
  node.receive(2, 3, rejected(6, at(1, 3)));
  node.settle();
  REQUIRE(node.chunks_wanted().size() == 1);
  CHECK(node.chunks_wanted()[0].to == NodeId(2));
}

SENTENCE(
    "7: Usually the snapshot will contain new information not already in the recipient's log. In "
    "this case, the follower discards its entire log; it is all superseded by the snapshot and "
    "may possibly have uncommitted entries that conflict with the snapshot") {
  const Counted counted;
  Bench node = follower_of_six();
  const SnapshotId newer{.last = at(3, 6), .bytes = 10, .checksum = 2};
  node.receive(1, 3, piece(newer, 0));
  node.settle();
  REQUIRE(node.chunks_received().size() == 1);
  CHECK(node.raft().restore(node.now(), newer, node.raft().configuration()));
  CHECK(node.raft().log().last() == at(3, 6));
  CHECK(terms_of(node.raft().log()).empty());
  CHECK(node.collect().restart_after == at(3, 6));
}

SENTENCE(
    "7: If instead the follower receives a snapshot that describes a prefix of its log (due to "
    "retransmission or by mistake), then log entries covered by the snapshot are deleted but "
    "entries following the snapshot are still valid and must be retained") {
  const Counted counted;
  Bench node = follower_of_six();
  const SnapshotId prefix{.last = at(2, 5), .bytes = 10, .checksum = 2};
  CHECK(node.raft().restore(node.now(), prefix, node.raft().configuration()));
  CHECK(node.raft().log().base() == at(2, 5));
  CHECK(node.raft().log().last() == at(2, 6));
}

SENTENCE("Figure 13: Reply immediately if term < currentTerm") {
  const Counted counted;
  Bench node({.term = 5});
  node.receive(1, 4, piece(kSnapshot, 0));
  CHECK(node.settle().front().term == Term(5));
  CHECK(node.chunks_received().empty());
}

SENTENCE(
    "Figure 13: Create new snapshot file if first chunk (offset is 0). Write data into snapshot "
    "file at given offset. Reply and wait for more data chunks if done is false") {
  const Counted counted;
  Bench node({.term = 2});
  node.receive(1, 2, piece(kSnapshot, 0));
  node.settle();
  REQUIRE(node.chunks_received().size() == 1);
  CHECK(node.chunks_received()[0].offset == 0);
  node.raft().chunk_stored(node.now(), kSnapshot, 10);
  const auto sent = node.settle();
  REQUIRE(find<SnapshotReply>(sent, 1) != nullptr);
  CHECK(find<SnapshotReply>(sent, 1)->next == 10);
  node.receive(1, 2, piece(kSnapshot, 10));
  node.settle();
  CHECK(node.chunks_received().back().offset == 10);
}

}  // namespace
}  // namespace vesper::raft::testing
