// Every safety invariant is broken once, by hand, and must be named; beside each stands what looks
// like it and is allowed. The checkers are fed what a world would tell them.
#include <doctest/doctest.h>

#include "core/kv/command.h"
#include "sim/check/applied.h"
#include "sim/check/logs.h"
#include "sim/check/terms.h"
#include "tests/sim/fed_checker.h"

namespace vesper::sim {
namespace {

using testing::entry;
using testing::invariant;

node::NodeView view_of(std::uint32_t id, std::uint64_t term) {
  node::NodeView view;
  view.id = NodeId(id);
  view.phase = node::Phase::kRunning;
  view.term = Term(term);
  return view;
}

node::NodeView leader_of(std::uint32_t id, std::uint64_t term) {
  node::NodeView view = view_of(id, term);
  view.role = node::Role::kLeader;
  view.vote = NodeId(id);
  return view;
}

raft::Message message(std::uint32_t from, std::uint32_t to, std::uint64_t term,
                      raft::MessageBody body) {
  return {NodeId(from), NodeId(to), Term(term), std::move(body)};
}

// --- Terms ---

struct Terms {
  Violations violations;
  TermChecker checker{3, violations};

  Terms() {
    for (std::uint32_t id = 0; id < 3; ++id) checker.on_start(NodeId(id));
  }
  void lead(std::uint32_t id, std::uint64_t term) { checker.is_new_leader(leader_of(id, term)); }
  void grant(std::uint32_t id, std::uint32_t to, std::uint64_t term, raft::HardState durable) {
    checker.on_send(view_of(id, term), message(id, to, term, raft::VoteReply{true}), durable);
  }
};

raft::HardState hard_state(std::uint64_t term, std::uint32_t vote) {
  return {Term(term), NodeId(vote)};
}

TEST_CASE("two leaders in one term break election safety, two in different terms do not") {
  Terms two;
  two.lead(0, 1);
  two.lead(1, 1);
  CHECK(invariant(two.violations) == "election-safety");

  Terms other_terms;
  other_terms.lead(0, 1);
  other_terms.lead(1, 2);
  other_terms.lead(0, 1);
  CHECK(invariant(other_terms.violations) == "none");
}

TEST_CASE("a node that leads a term again in another life breaks election safety") {
  Terms again;
  again.checker.on_recovered(view_of(0, 0), 1);
  again.lead(0, 1);
  again.checker.on_start(NodeId(0));
  again.checker.on_recovered(view_of(0, 0), 2);
  again.lead(0, 1);
  CHECK(invariant(again.violations) == "election-safety");
}

TEST_CASE("in one life a term never goes back; a crash may forget one that was never spoken") {
  Terms back;
  back.checker.on_view(view_of(0, 2));
  back.checker.on_view(view_of(0, 1));
  CHECK(invariant(back.violations) == "term-monotonic");

  Terms crashed;
  crashed.checker.on_view(view_of(0, 2));
  crashed.checker.on_start(NodeId(0));
  crashed.checker.on_recovered(view_of(0, 1), 2);
  crashed.checker.on_view(view_of(0, 1));
  CHECK(invariant(crashed.violations) == "none");
}

TEST_CASE("a vote changes neither in memory nor in messages within a term") {
  Terms in_memory;
  in_memory.checker.on_view(leader_of(0, 1));
  node::NodeView changed = view_of(0, 1);
  changed.vote = NodeId(2);
  in_memory.checker.on_view(changed);
  CHECK(invariant(in_memory.violations) == "vote-once");

  Terms in_messages;
  in_messages.grant(0, 1, 1, hard_state(1, 1));
  in_messages.checker.on_start(NodeId(0));
  in_messages.grant(0, 2, 1, hard_state(1, 2));
  CHECK(invariant(in_messages.violations) == "vote-once");

  Terms repeated;
  repeated.grant(0, 1, 1, hard_state(1, 1));
  repeated.grant(0, 1, 1, hard_state(1, 1));
  repeated.grant(0, 2, 2, hard_state(2, 2));
  CHECK(invariant(repeated.violations) == "none");
}

TEST_CASE("no term and no vote leaves before it is on disk") {
  Terms term;
  term.checker.on_send(view_of(0, 2), message(0, 1, 2, raft::HeartbeatReply{}), hard_state(1, 0));
  CHECK(invariant(term.violations) == "hard-state-durable");

  Terms vote;
  vote.grant(0, 1, 1, {Term(1), std::nullopt});
  CHECK(invariant(vote.violations) == "hard-state-durable");

  // A pre-vote speaks of a term that nobody has entered.
  Terms pre_vote;
  pre_vote.checker.on_send(view_of(0, 1), message(0, 1, 2, raft::PreVoteRequest{}),
                           hard_state(1, 0));
  pre_vote.checker.on_send(view_of(0, 1), message(0, 1, 2, raft::PreVoteReply{true}),
                           hard_state(1, 0));
  CHECK(invariant(pre_vote.violations) == "none");
}

TEST_CASE("a restart forgets neither a term that it spoke in nor a vote that it gave") {
  Terms term;
  term.checker.on_send(view_of(0, 2), message(0, 1, 2, raft::HeartbeatReply{}), hard_state(2, 0));
  term.checker.on_recovered(view_of(0, 1), 2);
  CHECK(invariant(term.violations) == "hard-state-durable");

  Terms vote;
  vote.grant(0, 1, 1, hard_state(1, 1));
  vote.checker.on_recovered(view_of(0, 1), 2);
  CHECK(invariant(vote.violations) == "hard-state-durable");
}

// --- Logs ---

// Three nodes' logs; every write is carried out by hand.
struct Logs {
  Violations violations;
  LogChecker checker{3, 0, violations};
  std::vector<std::uint64_t> writes = std::vector<std::uint64_t>(3);
  std::vector<std::uint64_t> tickets = std::vector<std::uint64_t>(3);

  Logs() {
    for (std::uint32_t id = 0; id < 3; ++id) checker.on_recovered(view_of(id, 0), nullptr);
  }
  void write(node::NodeView view, std::vector<raft::Entry> entries,
             std::optional<Index> truncate_from = std::nullopt) {
    raft::Ready ready;
    ready.write = WriteId(++writes[view.id.value()]);
    ready.truncate_from = truncate_from;
    ready.entries = std::move(entries);
    checker.on_ready(view, ready);
  }
  void sync(std::uint32_t id) {
    const std::uint64_t ticket = ++tickets[id];
    checker.on_log_submitted(NodeId(id), ticket, WriteId(writes[id]));
    checker.on_log_durable(NodeId(id), ticket);
  }
  void commit(node::NodeView view, std::uint64_t index) {
    view.commit = Index(index);
    checker.on_ready(view, {});
  }
  void acknowledge(std::uint32_t id, std::uint64_t match) {
    const raft::AppendReply reply{
        .accepted = true, .match = Index(match), .rejected = {}, .hint = {}};
    checker.on_send(view_of(id, 1), message(id, 0, 1, reply));
  }
};

TEST_CASE("an entry of the same index and term ends the same log everywhere") {
  Logs other_content;
  other_content.write(leader_of(0, 1), {entry(1, 1, "1")});
  other_content.write(view_of(1, 1), {entry(1, 1, "2")});
  CHECK(invariant(other_content.violations) == "log-matching");

  Logs other_past;
  other_past.write(view_of(0, 3), {entry(1, 1), entry(2, 3)});
  other_past.write(view_of(1, 3), {entry(1, 2), entry(2, 3)});
  CHECK(invariant(other_past.violations) == "log-matching");

  Logs other_term;
  other_term.write(leader_of(0, 1), {entry(1, 1, "1")});
  other_term.write(leader_of(1, 2), {entry(1, 2, "2")});
  other_term.write(view_of(2, 2), {entry(1, 2, "2")});
  CHECK(invariant(other_term.violations) == "none");
}

TEST_CASE("a log grows without gaps") {
  Logs gap;
  gap.write(leader_of(0, 1), {entry(2, 1)});
  CHECK(invariant(gap.violations) == "log-matching");
}

TEST_CASE("a leader never removes its entries, a follower may") {
  Logs leader;
  leader.write(leader_of(0, 1), {entry(1, 1)});
  leader.write(leader_of(0, 1), {}, Index(1));
  CHECK(invariant(leader.violations) == "leader-append-only");

  Logs follower;
  follower.write(view_of(0, 1), {entry(1, 1)});
  follower.write(view_of(0, 2), {entry(1, 2)}, Index(1));
  CHECK(invariant(follower.violations) == "none");
}

TEST_CASE("a leader commits only what is on the disks of a majority") {
  Logs one_disk;
  one_disk.write(leader_of(0, 1), {entry(1, 1)});
  one_disk.write(view_of(1, 1), {entry(1, 1)});
  one_disk.sync(0);
  one_disk.commit(leader_of(0, 1), 1);
  CHECK(invariant(one_disk.violations) == "commit-durable");

  Logs two_disks;
  two_disks.write(leader_of(0, 1), {entry(1, 1)});
  two_disks.write(view_of(1, 1), {entry(1, 1)});
  two_disks.write(view_of(2, 1), {entry(1, 1)});
  two_disks.sync(1);
  two_disks.sync(2);
  two_disks.commit(leader_of(0, 1), 1);
  CHECK(invariant(two_disks.violations) == "none");
}

TEST_CASE("a follower too commits only what is on the disks of a majority") {
  Logs logs;
  for (std::uint32_t id = 0; id < 2; ++id) logs.write(view_of(id, 1), {entry(1, 1)});
  logs.sync(0);
  logs.commit(view_of(1, 1), 1);
  CHECK(invariant(logs.violations) == "commit-durable");
}

TEST_CASE("a new leader holds what was committed in earlier terms, not what was in later ones") {
  Logs logs;
  for (std::uint32_t id = 0; id < 2; ++id) {
    logs.write(id == 0 ? leader_of(0, 2) : view_of(1, 2), {entry(1, 2)});
    logs.sync(id);
  }
  logs.commit(leader_of(0, 2), 1);
  logs.checker.on_new_leader(leader_of(2, 1));  // elected late, in a term before
  CHECK(invariant(logs.violations) == "none");
  logs.checker.on_new_leader(leader_of(1, 3));
  CHECK(invariant(logs.violations) == "none");
  logs.checker.on_new_leader(leader_of(2, 4));
  CHECK(invariant(logs.violations) == "leader-completeness");
}

TEST_CASE("a commit index goes neither back nor beyond the log, but a restart starts it anew") {
  Logs back;
  for (std::uint32_t id = 0; id < 2; ++id) {
    back.write(view_of(id, 1), {entry(1, 1), entry(2, 1)});
    back.sync(id);
  }
  back.commit(view_of(0, 1), 2);
  back.commit(view_of(0, 1), 1);
  CHECK(invariant(back.violations) == "commit-monotonic");

  Logs beyond;
  beyond.commit(view_of(0, 1), 1);
  CHECK(invariant(beyond.violations) == "commit-monotonic");

  Logs restarted;
  for (std::uint32_t id = 0; id < 2; ++id) {
    restarted.write(view_of(id, 1), {entry(1, 1)});
    restarted.sync(id);
  }
  restarted.commit(view_of(0, 1), 1);
  const raft::Log log({entry(1, 1)});
  restarted.checker.on_recovered(view_of(0, 0), &log);
  restarted.commit(view_of(0, 1), 0);
  CHECK(invariant(restarted.violations) == "none");
}

TEST_CASE("what is acknowledged is on disk") {
  Logs early;
  early.write(view_of(1, 1), {entry(1, 1), entry(2, 1)});
  early.acknowledge(1, 2);
  CHECK(invariant(early.violations) == "durable-acknowledgement");

  Logs late;
  late.write(view_of(1, 1), {entry(1, 1), entry(2, 1)});
  late.sync(1);
  late.write(view_of(1, 1), {entry(3, 1)});
  late.acknowledge(1, 2);
  CHECK(invariant(late.violations) == "none");

  // The disk still holds what a later write cuts off: that vouches for nothing.
  Logs rewritten;
  rewritten.write(view_of(1, 1), {entry(1, 1)});
  rewritten.sync(1);
  rewritten.write(view_of(1, 2), {entry(1, 2)}, Index(1));
  rewritten.acknowledge(1, 1);
  CHECK(invariant(rewritten.violations) == "durable-acknowledgement");
}

TEST_CASE("a restart finds what was durable, perhaps more of what was written, and nothing else") {
  const raft::Log none;
  const raft::Log one({entry(1, 1)});
  const raft::Log two({entry(1, 1), entry(2, 1)});
  const raft::Log three({entry(1, 1), entry(2, 1), entry(3, 1)});
  const raft::Log other({entry(1, 1), entry(2, 2)});
  struct Row {
    const raft::Log* found;
    const char* expected;
    const char* why;
  };
  const Row rows[] = {
      {&none, "durable-log", "all is lost"},
      {&one, "none", "exactly what was synced"},
      {&two, "none", "a part of the write under way"},
      {&three, "none", "all of it"},
      {&other, "durable-log", "an entry that nobody wrote"},
  };
  for (const Row& row : rows) {
    Logs logs;
    logs.write(view_of(0, 1), {entry(1, 1)});
    logs.sync(0);
    logs.write(view_of(0, 1), {entry(2, 1), entry(3, 1)});
    logs.checker.on_recovered(view_of(0, 0), row.found);
    CAPTURE(row.why);
    CHECK(invariant(logs.violations) == row.expected);
  }
}

// --- What is applied, and what clients are told ---

struct Clients {
  Violations violations;
  AppliedChecker checker{2, violations};
  std::uint64_t next = 1;

  OperationId put(std::string_view value) {
    const OperationId id(next++);
    checker.on_invoke(testing::put(id, value));
    return id;
  }
  void apply(std::uint32_t node, const raft::Entry& applied, std::uint64_t state_hash = 7) {
    checker.on_applied(view_of(node, 1), applied, {kv::Verdict::kApplied, state_hash});
  }
  void answer(OperationId id, node::Outcome outcome) {
    checker.on_answer(id, {.outcome = outcome, .leader = {}, .value = {}});
  }
};

TEST_CASE("all nodes apply the same entries, each once, in order, with equal states") {
  struct Row {
    raft::Entry second;
    std::uint64_t state_hash;
    const char* expected;
    const char* why;
  };
  const Row rows[] = {
      {entry(1, 1, "1"), 7, "none", "the same"},
      {entry(1, 1, "2"), 7, "state-machine-safety", "another command"},
      {entry(1, 2, "1"), 7, "state-machine-safety", "another term"},
      {entry(1, 1, "1"), 8, "state-machine-safety", "another state"},
      {entry(2, 1, "1"), 7, "state-machine-safety", "a gap"},
  };
  for (const Row& row : rows) {
    Clients clients;
    clients.put("1");
    clients.put("2");
    clients.apply(0, entry(1, 1, "1"));
    clients.apply(1, row.second, row.state_hash);
    CAPTURE(row.why);
    CHECK(invariant(clients.violations) == row.expected);
  }
}

TEST_CASE("an entry is not applied twice in one life, and again in the next") {
  Clients twice;
  twice.put("1");
  twice.apply(0, entry(1, 1, "1"));
  twice.apply(0, entry(1, 1, "1"));
  CHECK(invariant(twice.violations) == "state-machine-safety");

  Clients restarted;
  restarted.put("1");
  restarted.apply(0, entry(1, 1, "1"));
  restarted.checker.on_recovered(view_of(0, 1), 2, nullptr);
  restarted.apply(0, entry(1, 1, "1"));
  CHECK(invariant(restarted.violations) == "none");
}

TEST_CASE("only what a client sent, or what was there from the start, is applied") {
  Clients invented;
  invented.apply(0, entry(1, 1, "1"));
  CHECK(invariant(invented.violations) == "only-client-commands");

  Clients preset;
  const raft::Log log({entry(1, 1, "1")});
  preset.checker.on_recovered(view_of(0, 1), 1, &log);
  preset.apply(0, entry(1, 1, "1"));
  CHECK(invariant(preset.violations) == "none");
}

TEST_CASE("a put that was told success was applied, one that was told rejected never is") {
  Clients lost;
  lost.answer(lost.put("1"), node::Outcome::kSuccess);
  CHECK(invariant(lost.violations) == "lost-write");

  Clients kept;
  const OperationId put = kept.put("1");
  kept.apply(0, entry(1, 1, "1"));
  kept.answer(put, node::Outcome::kSuccess);
  CHECK(invariant(kept.violations) == "none");

  Clients rejected_then_applied;
  rejected_then_applied.answer(rejected_then_applied.put("1"), node::Outcome::kRejected);
  rejected_then_applied.apply(0, entry(1, 1, "1"));
  CHECK(invariant(rejected_then_applied.violations) == "rejected-write");

  Clients applied_then_rejected;
  const OperationId late = applied_then_rejected.put("1");
  applied_then_rejected.apply(0, entry(1, 1, "1"));
  applied_then_rejected.answer(late, node::Outcome::kRedirect);
  CHECK(invariant(applied_then_rejected.violations) == "rejected-write");

  Clients unknown;
  unknown.answer(unknown.put("1"), node::Outcome::kUnknown);
  unknown.apply(0, entry(1, 1, "1"));
  CHECK(invariant(unknown.violations) == "none");
}

}  // namespace
}  // namespace vesper::sim
