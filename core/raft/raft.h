// The Raft protocol: values in, values out. It owns the log, the term, the vote and the role; it
// knows no clock, network or disk, does nothing by itself, and never calls out. Node feeds it and
// carries out what collect hands over (ready.h holds that contract). The handlers stand one concern
// a file:
//
//   raft.cc         the term rules, once, before the dispatch by role; ticks, collect, durability
//   election.cc     pre-vote, votes, leadership, check-quorum (paper 5.2, 5.4.1; diss. 9.6, 6.2)
//   replication.cc  append, conflict hint, commit (paper 5.3, 5.4.2)
//   read_index.cc   linearizable reads without a log write (diss. 6.4)
//   follower_reads.cc  the same at a follower, which asks its leader for the read index
//   lease.cc        reads by lease, off by default (diss. 6.4.1)
//   snapshot.cc     compaction, a snapshot's pieces to a follower (paper 7)
//   transfer.cc     leadership transfer (diss. 3.10)
//   membership.cc   who takes part: learners, joint consensus (diss. 4)
//   doubt.cc        a node whose disk lost a part of its log, until its peers have repaired it
//   state_bytes.cc  the state as bytes, for programs that compare states
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <utility>
#include <variant>
#include <vector>

#include "core/base/random.h"
#include "core/base/result.h"
#include "core/raft/config.h"
#include "core/raft/log.h"
#include "core/raft/progress.h"
#include "core/raft/quorum.h"
#include "core/raft/ready.h"

namespace vesper::raft {

// What each role owns: a follower cannot touch a leader's state, for it has none.
struct Follower {
  std::optional<NodeId> leader;
};
struct Candidate {
  bool pre_vote = true;  // the pre-vote round; then the vote itself
  std::vector<NodeId> granted;
  std::vector<NodeId> refused;
};
struct Leader {
  // Of the members of the latest configuration, in its order; this node's own among them while it
  // is one.
  std::vector<Progress> progress;
  // The no-op that opened this term: reads wait until it is committed.
  Index first_of_term;
  Round last_round;  // the last heartbeat round that was sent
  Instant next_heartbeat;
  struct WaitingRead {
    RequestId request;
    Round round;  // 0: no round has left since it came
    Index index;  // the commit index when that round left
    // A follower's batch, not this node's own request.
    std::optional<NodeId> asker;
    ReadBatch batch;
  };
  std::deque<WaitingRead> reads;  // oldest first
  std::size_t uncommitted_bytes = 0;
  struct Transfer {
    NodeId target;
    Instant ends_at;    // from then on this leader serves again
    Instant next_tell;  // when TimeoutNow may leave again, for it may be lost
  };
  std::optional<Transfer> transfer;  // under way
  // In this term, whatever became of it: its TimeoutNow may still be under way, and lets another
  // node be elected while this one is heard.
  bool has_begun_transfer = false;
  // Of voters in doubt, some of whom only a leader of a later term can repair.
  bool has_voters_in_doubt = false;
  // When rounds left that no majority has acknowledged yet, oldest first; only where leases are on.
  struct SentRound {
    Round round;
    Instant sent_at;
  };
  std::deque<SentRound> sent_rounds;
  Instant lease_until;
};
using RoleState = std::variant<Follower, Candidate, Leader>;

// What the leader knows of this member; nullptr if it is none.
Progress* progress_of(Leader& leader, NodeId member);
const Progress* progress_of(const Leader& leader, NodeId member);

class Raft {
 public:
  // Starts as a follower of nobody (paper section 5.2). `hard_state` and `log` are what the disk
  // held, all of it durable; `snapshot` is what the state machine holds: it stands for all at or
  // below the log's base, and the log holds its last position. Requires: the config's stated
  // relations. `doubt`: its disk lost a part of the log, and what it has promised of that it
  // promised in terms up to this one (doubt.cc). `safe`: the disk may yet lose what comes after
  // this entry, and the hard state, until it says that WriteId(1) is persisted.
  Raft(RaftConfig config, HardState hard_state, Log log, Instant now,
       const SnapshotId& snapshot = {}, std::optional<Term> doubt = std::nullopt,
       std::optional<Index> safe = std::nullopt);

  // --- Inputs. They change state; nothing leaves before collect. ---

  // Fires the deadlines that have passed by `now`.
  void tick(Instant now);
  // A message from a peer. Requires: the codec accepted it. A message that is not for this node is
  // ignored. The sender need not be a member here: "a server accepts AppendEntries requests from a
  // leader that is not part of the server's latest configuration", and votes likewise (dissertation
  // section 4.1).
  void step(Instant now, const Message& message);
  // Appends a command to the leader's log.
  // Errors: kUnavailable (not the leader, or about to hand over), kLimit (too many uncommitted
  // bytes, or the payload is too long).
  Result<LogPosition> propose(ByteView payload);
  // Asks for a linearizable read: `request` comes back in Ready::reads, or in Ready::lost_reads
  // when leadership is lost. Errors: kUnavailable (not the leader), kLimit (too many reads wait).
  Status read_index(RequestId request);
  // The same at a follower, by its leader's read index. Errors: kUnavailable (it follows nobody, or
  // leads), kLimit (too many reads wait).
  Status ask_read_index(Instant now, RequestId request);
  // Grants the read at once if this leader holds a lease. Requires: `now` was read after the
  // request came. False: ask by read_index.
  bool read_by_lease(Instant now, RequestId request);
  // Begins to hand leadership over to `target`, or to the most caught-up voter that was heard
  // lately. Until that node leads, but at most for one minimum election timeout, proposals are
  // refused. Errors: kUnavailable (not the leader, one is under way, nobody to take over), kInvalid
  // (no such voter, or this node).
  Status transfer(Instant now, std::optional<NodeId> target);
  // Changes of the membership, one at a time. The answer is the entry that begins it; it is over
  // when a configuration that is not joint is committed at or after it. Errors: kUnavailable (not
  // the leader or about to hand over, another change under way, nothing of this term committed),
  // kInvalid and kLimit (what cannot be done, in words). `addresses` are those of the list that the
  // cluster was started from, by node id: they become a part of the configuration.
  Result<LogPosition> add_learner(Instant now, std::string_view address,
                                  const std::vector<std::string>& addresses);
  Result<LogPosition> set_incarnation(Instant now, NodeId learner, Incarnation incarnation);
  Result<LogPosition> change_members(Instant now, const Configuration::Change& change,
                                     const std::vector<std::string>& addresses);
  // Every write up to `write` is on disk, whatever the term: moves the durable index to what those
  // writes wrote and no later write truncated, counts this node's own vote and own match, lowers
  // the hard-state barrier.
  void persisted(Instant now, WriteId write);

  // --- Snapshots. ---

  // `newest` is durable here, and the entries up to `to` leave the log. Requires: they were handed
  // out as committed and are durable; newest.last.index is no lower than before and at least `to`.
  void compact(const SnapshotId& newest, Index to);
  // Whether this snapshot is on its way to a follower: it must be kept.
  bool sends_snapshot(const SnapshotId& snapshot) const;
  // The piece that was wanted.
  void chunk_read(Instant now, const ChunkWanted& wanted, SharedBytes bytes);
  // The piece that was received is kept; the one at `next` may come.
  void chunk_stored(Instant now, const SnapshotId& snapshot, std::uint64_t next);
  // What was received is no part of the snapshot that it claims to be: it has to come anew.
  void chunk_refused(const SnapshotId& snapshot);
  // All of the snapshot is durable here. Requires: no input came since the last collect.
  // True: the log now stands at its end, and the caller's state machine must too, before the next
  // collect. False: it is older than what is here.
  bool restore(Instant now, const SnapshotId& snapshot, const Configuration& configuration);

  // --- Output. ---

  // Moves everything that is to be done into `ready` (cleared first). False: there is nothing to
  // do.
  bool collect(Ready& ready);
  // Whether committed entries are left over: more than one Ready may carry.
  bool has_more_committed() const { return handed_out_ < commit_; }

  // --- Questions. ---

  // When tick is due. Never Instant::never(): a follower always has an election timeout.
  Instant next_deadline() const;
  const RoleState& role() const { return role_; }
  bool is_leader() const { return std::holds_alternative<Leader>(role_); }
  std::optional<NodeId> leader() const {
    if (is_leader()) return config_.id;
    if (const auto* follower = std::get_if<Follower>(&role_)) return follower->leader;
    return std::nullopt;
  }
  // The term above which a leader must have repaired this node before it votes again.
  std::optional<Term> doubt() const { return doubt_; }
  // Whom this leader is handing over to.
  std::optional<NodeId> transfer_target() const;
  // Whether this leader began a transfer in its term, whatever became of it.
  bool has_begun_transfer() const;
  // Whether nobody else can lead at this moment of this leader's clock. Always false where leases
  // are off.
  bool holds_lease(Instant now) const;
  Term term() const { return hard_state_.term; }
  const HardState& hard_state() const { return hard_state_; }
  Index commit() const { return commit_; }
  Index durable() const { return durable_; }
  const Log& log() const { return log_; }
  const RaftConfig& config() const { return config_; }
  // In force here: the latest in the log, committed or not. All of them, for those that know an
  // index.
  const Configuration& configuration() const { return configurations_.latest(); }
  const Configurations& configurations() const { return configurations_; }
  // Appends what decides how this node goes on, but for times and draws, with every node under
  // another name: two nodes that give the same bytes go on alike. Requires: names[id] for each
  // member, each below names.size(); no reads, snapshots, transfers, changes of members or doubt.
  void encode_state(std::span<const NodeId> names, std::vector<std::byte>& out) const;

 private:
  // raft.cc
  void adopt_term(Term term);
  void become_follower(std::optional<NodeId> leader);
  bool follow_leader(NodeId leader);
  void step_in_term(const Message& message);
  void answer_stale(const Message& message);
  void set_hard_state(HardState hard_state);
  bool barrier_is_up() const { return hard_state_written_.has_value() || hard_state_changed_; }
  template <class Body>
  void send_now(NodeId to, Term term, Body body) {
    if (now_messages_.size() >= limits::kBarredMessages) make_room_behind_barrier();
    put_message(now_messages_, to, term, std::move(body));
  }
  template <class Body>
  void send_after_durable(NodeId to, Body body) {
    put_message(durable_messages_, to, term(), std::move(body));
  }
  // Made where it stands: a body of many kinds is dear to move.
  template <class Body>
  void put_message(std::vector<Message>& messages, NodeId to, Term term, Body body) {
    Message& message = messages.emplace_back();
    message.from = config_.id;
    message.to = to;
    message.term = term;
    message.body.template emplace<Body>(std::move(body));
  }
  void make_room_behind_barrier();
  void reset_election_deadline();
  void note_configuration(const Entry& entry);
  // Whether anything changed that is to be written, since the last collect.
  bool has_write() const {
    return hard_state_changed_ || restart_after_ || truncate_from_ ||
           collected_ != log_.last_index();
  }
  // As after most messages. What waits behind a barrier counts as something.
  bool has_nothing_to_hand_out() const {
    return !has_write() && now_messages_.empty() && durable_messages_.empty() &&
           handed_out_ == commit_ && granted_reads_.empty() && lost_reads_.empty() &&
           chunks_wanted_.empty() && chunks_received_.empty();
  }
  void collect_write(Ready& ready);
  void collect_messages(Ready& ready);
  void check_ready(const Ready& ready) const;

  // election.cc
  bool may_campaign() const;
  bool must_ignore_vote_request(const MessageBody& body) const;
  bool is_waiting_for_own_vote() const;
  void campaign();
  void start_pre_vote();
  enum class Cause { kTimeout, kTransfer };
  void start_election(Cause cause);
  void become_leader();
  void on_pre_vote_request(const Message& message, const PreVoteRequest& request);
  void on_pre_vote_reply(const Message& message, const PreVoteReply& reply);
  void on_vote_request(const Message& message, const VoteRequest& request);
  void on_vote_reply(const Message& message, const VoteReply& reply);
  void count_vote(NodeId voter, bool granted);
  void check_quorum();

  // replication.cc
  void append_to_log(Entry entry);
  void replicate();
  bool lacks_compacted(const Progress& progress) const;
  void send_append(Progress& progress, Index last);
  void on_append_request(const Message& message, const AppendRequest& request);
  void on_append_reply(const Message& message, const AppendReply& reply);
  bool append_entries(const AppendRequest& request);
  void truncate_from(Index from);
  void advance_commit();
  void commit_to(Index index);

  // read_index.cc
  void send_heartbeats();
  void on_heartbeat_request(const Message& message, const HeartbeatRequest& request);
  void on_heartbeat_reply(const Message& message, const HeartbeatReply& reply);
  void ask_for_lost_appends(Progress& progress);
  bool reads_need_round() const;
  bool is_confirmed(Round round) const;
  void grant_confirmed_reads();
  void lose_reads();
  void grant_read(RequestId request, Index index);

  // follower_reads.cc
  void ask_leader_for_reads();
  void lose_asked_reads();
  void on_read_index_request(const Message& message, const ReadIndexRequest& request);
  void on_read_index_reply(const Message& message, const ReadIndexReply& reply);

  // lease.cc
  Duration lease_time() const;
  void promise_votes(Duration time);
  void note_round_sent();
  void extend_lease();

  // transfer.cc
  void continue_transfer();
  void end_overdue_transfer();
  void on_timeout_now(const Message& message);
  std::optional<NodeId> most_caught_up() const;

  // membership.cc
  Status may_change_members() const;
  void follow_catch_up(Progress& progress);
  Status may_promote(const std::vector<NodeId>& learners) const;
  LogPosition append_configuration(Configuration configuration);
  void rebuild_progress();
  void continue_membership();

  // doubt.cc
  void end_doubt_if_repaired();
  bool may_believe_match() const { return !doubt_ || term() > *doubt_; }
  void note_doubt(Progress& progress, Term doubt);
  void lead_anew_for_doubt();

  // snapshot.cc
  void begin_snapshot(Progress& progress);
  void ask_for_chunk(Progress& progress);
  void ask_for_lost_chunk(Progress& progress);
  void forget_silent_receivers();
  void on_snapshot_request(const Message& message, const SnapshotRequest& request);
  void on_snapshot_reply(const Message& message, const SnapshotReply& reply);

  // state_bytes.cc
  void encode_role(std::span<const NodeId> names, ByteWriter& out) const;
  void encode_log(ByteWriter& out) const;

  // A write that was handed out and is not yet persisted.
  struct PendingWrite {
    WriteId id;
    Index last;  // the last index that it and no later write vouches for
  };

  // A follower's read that its leader was or will be asked about.
  struct AskedRead {
    RequestId request;
    ReadBatch batch;  // 0: not asked yet
    Instant came_at;
  };

  // The snapshot that is coming in, whatever the leader that sends it.
  struct Incoming {
    SnapshotId snapshot;
    Term term;               // in which a piece of it last came
    std::uint64_t next = 0;  // what is below is stored
    bool is_storing = false;
  };

  const RaftConfig config_;
  RandomStream timeouts_;
  Log log_;
  Configurations configurations_;

  Term asked_in_term_;
  ReadBatch last_batch_;
  Instant next_ask_;
  Index last_read_index_;  // granted indexes never go down
  // Where leases are on: until then this node has promised a leader not to help another one.
  Instant withholds_votes_until_;
  SnapshotId newest_snapshot_;  // durable here
  std::optional<Incoming> incoming_;

  // From here to the messages stands what nearly every input or collect looks at.
  RoleState role_;
  Instant now_;
  HardState hard_state_;
  Index commit_;
  Index handed_out_;  // committed entries up to here were collected
  // Leadership as seen from here: when a leader of the current term was last heard (never: not in
  // this life).
  std::optional<Instant> heard_from_leader_;
  Instant election_deadline_;
  std::optional<Term> doubt_;

  // Durability. Entries above collected_ were appended since the last collect.
  Index collected_;
  Index durable_;
  WriteId last_write_;
  bool hard_state_changed_ = false;            // since the last collect
  std::optional<WriteId> hard_state_written_;  // the last write of one that is not yet persisted
  std::optional<LogPosition> restart_after_;   // since the last collect
  std::optional<Index> truncate_from_;         // since the last collect, and after that restart
  std::deque<PendingWrite> pending_writes_;

  std::vector<Message> now_messages_;      // to send_now, once the barrier is down
  std::vector<Message> durable_messages_;  // to send_after_durable
  std::vector<GrantedRead> granted_reads_;
  std::vector<RequestId> lost_reads_;
  std::vector<ChunkWanted> chunks_wanted_;
  std::vector<ChunkReceived> chunks_received_;
  std::deque<AskedRead> asked_reads_;  // oldest first, all in asked_in_term_
};

}  // namespace vesper::raft
