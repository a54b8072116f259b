// One bare Raft on a test bench: the test is its clock, its network and its disk. `receive`,
// `elapse` and `raft()` put something in; `settle` plays a disk that completes at once and hands
// back all that left, in order; `collect` and `persist` play a slow one by hand.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/raft/raft.h"
#include "tests/core/properties.h"

namespace vesper::raft::testing {

using Terms = std::vector<std::uint64_t>;  // a log, by the terms of its entries

Entry entry(std::uint64_t term, std::uint64_t index);
LogPosition at(std::uint64_t term, std::uint64_t index);
Log log_of(const Terms& terms, LogPosition base = {});
// Of the entries after its base.
Terms terms_of(const Log& log);
// Entries of these terms that follow `previous`.
AppendRequest append(LogPosition previous, const Terms& terms, std::uint64_t commit = 0);
AppendReply accepted(std::uint64_t match);
AppendReply rejected(std::uint64_t index, LogPosition hint);

struct Start {
  std::uint64_t term = 0;
  std::optional<std::uint32_t> vote;
  Terms log;
  std::uint32_t nodes = 3;
  SnapshotId snapshot = {};                 // which the log follows
  std::optional<std::uint64_t> doubt = {};  // its disk lost a part of the log, in this term
  // What follows this entry is not safe before the first `persist`.
  std::optional<std::uint64_t> safe = {};
};

class Bench {
 public:
  // Node 0 of `start.nodes`, as it comes up from a disk that held `start`.
  explicit Bench(const Start& start = {}, RaftConfig config = {});

  Raft& raft() { return raft_; }
  const Raft& raft() const { return raft_; }
  Instant now() const { return now_; }

  void receive(std::uint32_t from, std::uint64_t term, MessageBody body);
  void elapse(Duration time);
  // Moves to the next deadline and lets it fire.
  void time_out();
  bool propose(std::string_view command = "x");

  // One collect, and nothing persisted.
  const Ready& collect();
  // The disk completes all that was collected.
  void persist() { raft_.persisted(now_, written_); }
  WriteId written() const { return written_; }
  // Collects and persists until nothing is left to do: all messages that left since, in order.
  std::vector<Message> settle();

  // Makes this node leader by its peers' answers; all is settled, nothing is committed.
  void elect();
  // Makes it candidate of the next term, its requests sent.
  void stand();
  // What settle has seen of commands and reads since the start.
  const std::vector<Entry>& committed() const { return committed_; }
  const std::vector<GrantedRead>& reads() const { return reads_; }
  const std::vector<RequestId>& lost_reads() const { return lost_reads_; }
  // And of a snapshot's pieces.
  const std::vector<ChunkWanted>& chunks_wanted() const { return chunks_wanted_; }
  const std::vector<ChunkReceived>& chunks_received() const { return chunks_received_; }

  bool is_follower() const { return std::holds_alternative<Follower>(raft_.role()); }
  bool is_candidate() const { return std::holds_alternative<Candidate>(raft_.role()); }
  std::uint64_t term() const { return raft_.term().value(); }
  std::uint64_t commit() const { return raft_.commit().value(); }

 private:
  static RaftConfig complete(RaftConfig config, const Start& start);

  Instant now_ = Instant::from_nanoseconds(1'000'000'000);
  Raft raft_;
  Ready ready_;
  WriteId written_;
  std::vector<Entry> committed_;
  std::vector<GrantedRead> reads_;
  std::vector<RequestId> lost_reads_;
  std::vector<ChunkWanted> chunks_wanted_;
  std::vector<ChunkReceived> chunks_received_;
};

// The first body of this kind, to this node if one is named; nullptr if there is none.
template <class Body>
const Body* find(const std::vector<Message>& messages, std::optional<std::uint32_t> to = {}) {
  for (const Message& message : messages) {
    if (to && message.to != NodeId(*to)) continue;
    if (const Body* body = std::get_if<Body>(&message.body)) return body;
  }
  return nullptr;
}
template <class Body>
std::size_t count_of(const std::vector<Message>& messages) {
  std::size_t count = 0;
  for (const Message& message : messages) count += std::holds_alternative<Body>(message.body);
  return count;
}

// Checks every row of a table and counts both. `why` names the row where it fails.
template <class Row, std::size_t kRows, class Check>
void table(const Row (&rows)[kRows], Check check) {
  for (const Row& row : rows) {
    INFO(std::string(row.why));
    check(row);
    vesper::testing::count_more("rule tables", 1, "rows");
  }
  vesper::testing::count("rule tables", 1);
}

}  // namespace vesper::raft::testing
