#include "core/node/node.h"

#include <algorithm>
#include <string>
#include <utility>

#include "core/kv/command.h"
#include "core/node/node_impl.h"

namespace vesper::node {

// --- The public face ---

Node::Node(NodeConfig config, Environment environment)
    : impl_(std::make_unique<NodeImpl>(std::move(config), environment)) {}
Node::~Node() = default;

Status Node::open() {
  return impl_->open();
}
void Node::on_message(const SharedBytes& frame) {
  impl_->on_message(frame);
}
void Node::on_request(RequestId id, const Request& request) {
  impl_->on_request(id, request);
}
void Node::on_disk_done(storage::DiskDone done) {
  impl_->on_disk_done(std::move(done));
}
void Node::run_turn() {
  impl_->run_turn();
}
Instant Node::next_deadline() const {
  return impl_->next_deadline();
}
const NodeView& Node::view() const {
  return impl_->view();
}
Node::Standing Node::standing() const {
  return impl_->standing();
}
bool Node::stopped() const {
  return impl_->stopped();
}
const Error& Node::stop_reason() const {
  return impl_->stop_reason();
}
const SharedBytes* Node::peek(std::string_view key) const {
  return impl_->peek(key);
}
kv::StateMachine& Node::machine() {
  return impl_->machine();
}
const raft::Log* Node::log() const {
  return impl_->log();
}
const raft::Configurations* Node::configurations() const {
  return impl_->configurations();
}

// --- Start ---

NodeImpl::NodeImpl(NodeConfig config, Environment environment)
    : config_(std::move(config)),
      environment_(environment),
      machine_(config_.sessions),
      snapshots_(environment_.disk, config_.snapshots, config_.sessions),
      intake_(environment_.disk, config_.sessions),
      consistency_(config_.id) {
  VESPER_CHECK(config_.cluster_size <= limits::kNodes);
  VESPER_CHECK(is_joining() || config_.id.value() < config_.cluster_size);
}

Status NodeImpl::start_raft() {
  raft::RaftConfig config = config_.raft;
  config.id = config_.id;
  config.random = environment_.random;
  config.configuration = raft::Configuration::of_founders(identity_.founders);
  auto recovered = recover_log(config.configuration);
  if (!recovered.ok()) return recovered.error();
  storage::RecoveredLog& log = recovered.value();
  const raft::SnapshotId snapshot = snapshots_.newest();
  applied_ = snapshot.last.index;
  reported_snapshot_ = applied_;
  std::string found = std::to_string(log.entries.size()) + " entries, term " +
                      std::to_string(log.hard_state.term.value());
  if (applied_ > Index(0)) found += ", a snapshot to " + std::to_string(applied_.value());
  for (const std::string& note : log.notes) found += "; " + note;

  torn_tails_ = log.torn_tails;
  wal_.emplace(std::move(log.wal));
  doubt_ = std::move(log.doubt);
  const std::optional<Term> doubt_term =
      doubt_ ? std::optional(doubt_->hard_state.term) : std::nullopt;
  raft_.emplace(std::move(config), log.hard_state, raft::Log(log.base, std::move(log.entries)),
                environment_.clock.now(), snapshot, doubt_term, log.unmarked_after);
  is_end_unmarked_ = log.unmarked_after.has_value();
  if (is_end_unmarked_) last_write_ = WriteId(1);  // what vouches for the end waits for its mark
  phase_ = Phase::kRunning;
  reported_ = {Role::kFollower, raft_->term(), std::nullopt};
  emit(NodeEvent::Kind::kRecovered, std::move(found));
  report_doubt();
  follow_configuration();
  return {};
}

// --- Inputs ---

void NodeImpl::on_message(const SharedBytes& bytes) {
  if (stopped()) return;
  Frame frame;
  if (const Status decoded = decode_frame(bytes, frame); !decoded.ok()) {
    return ignore(decoded.error().message);
  }
  if (frame.to != config_.id || frame.from == config_.id) {
    return ignore("a frame from n" + std::to_string(frame.from.value()) + " to n" +
                  std::to_string(frame.to.value()));
  }
  if (const auto* hello = std::get_if<Hello>(&frame.body)) return on_hello(frame, *hello);
  if (const auto* form = std::get_if<Form>(&frame.body)) return on_form(frame, *form);
  if (const auto* refusal = std::get_if<Refusal>(&frame.body)) return on_refusal(frame, *refusal);
  on_raft_message(frame);
}

void NodeImpl::on_raft_message(Frame& frame) {
  // Still forming, or a doubt not yet on disk: the sender will try again.
  if (!raft_ || wal_->is_cutting()) return;
  if (frame.cluster != identity_.cluster) return on_other_cluster(frame);
  if (is_foreign(frame)) return;
  if (!other_clusters_.empty()) other_clusters_.erase(frame.from);
  if (const auto* fingerprint = std::get_if<Fingerprint>(&frame.body)) {
    return consistency_.on_fingerprint(frame.from, *fingerprint);
  }
  auto& message = std::get<raft::Message>(frame.body);
  if (!wal_->is_limited() || takes(message)) raft_->step(environment_.clock.now(), message);
}

void NodeImpl::on_request(RequestId id, const Request& request) {
  const bool has_key = request.kind == RequestKind::kGet || request.kind == RequestKind::kPut;
  VESPER_CHECK(request.key.empty() != has_key);
  VESPER_CHECK(request.key.size() <= limits::kKeyBytes);
  VESPER_CHECK(request.value.size() <= limits::kValueBytes);
  if (!raft_ || stopped()) return waiters_.answer(id, {.outcome = Outcome::kRejected});
  if (request.kind == RequestKind::kListMembers) return list_members(id);
  if (request.kind == RequestKind::kSnapshotPart) return read_snapshot_part(id, request);
  const bool asks_leader = request.kind == RequestKind::kSnapshot ||
                           (request.at_follower && request.kind == RequestKind::kGet);
  if (!raft_->is_leader() && !(asks_leader && raft_->leader())) {
    const std::optional<NodeId> leader = raft_->leader();
    return waiters_.answer(
        id, {.outcome = leader ? Outcome::kRedirect : Outcome::kRejected, .leader = leader});
  }
  if (waiters_.size() >= config_.waiting_requests_max) {
    return waiters_.answer(id, {.outcome = Outcome::kOverloaded});
  }
  switch (request.kind) {
    case RequestKind::kPut:
    case RequestKind::kRegister:
      return propose(id, request);
    case RequestKind::kGet:
    case RequestKind::kSnapshot:
      return get(id, request);
    case RequestKind::kTransfer:
      return transfer(id, request);
    case RequestKind::kAddMember:
    case RequestKind::kChangeMembers:
      return change_members(id, request);
    case RequestKind::kListMembers:
    case RequestKind::kSnapshotPart:
      break;  // answered above
  }
  VESPER_UNREACHABLE();
}

void NodeImpl::propose(RequestId id, const Request& request) {
  // The others may commit without this node's disk, so Raft's own bound does not hold here.
  if (wal_->pending_bytes() > config_.unwritten_bytes_max) {
    return waiters_.answer(id, {.outcome = Outcome::kOverloaded});
  }
  scratch_.clear();
  if (request.kind == RequestKind::kRegister) {
    kv::encode_register(scratch_);
  } else if (request.once) {
    kv::encode_put_once(*request.once, as_bytes(request.key), as_bytes(request.value), scratch_);
  } else {
    kv::encode_put(as_bytes(request.key), as_bytes(request.value), scratch_);
  }
  if (!wal_->has_room(storage::Wal::Use::kClientWrite, scratch_.size())) return refuse_for_room(id);
  wal_->promise(scratch_.size());
  const auto position = raft_->propose(scratch_);
  if (!position.ok()) return refuse_proposal(id, position.error());
  waiters_.add_proposal(id, position.value(), environment_.clock.now() + config_.request_timeout);
}

// A leader that hands over is as good as none: its client asks again at once, and finds the next.
void NodeImpl::refuse_proposal(RequestId id, const Error& why) {
  const bool is_full = why.code == ErrorCode::kLimit;
  waiters_.answer(id, {.outcome = is_full ? Outcome::kOverloaded : Outcome::kRejected});
}

void NodeImpl::get(RequestId id, const Request& request) {
  // A lease is judged by what the clock shows now, after the request came: a process may have been
  // held in between.
  const Instant now = environment_.clock.now();
  const RequestId read = waiters_.next_read();
  if (raft_->read_by_lease(now, read)) {
    ++lease_reads_;
  } else {
    const Status asked =
        raft_->is_leader() ? raft_->read_index(read) : raft_->ask_read_index(now, read);
    if (!asked.ok()) return waiters_.answer(id, {.outcome = Outcome::kOverloaded});
    if (!raft_->is_leader()) ++follower_reads_;
  }
  waiters_.add_get(id, request.key, now + config_.request_timeout);
}

void NodeImpl::on_disk_done(storage::DiskDone done) {
  if (stopped()) return;
  if (!wal_) return on_identity_written(done.status);
  if (done.batch.ticket >= kSnapshotTickets) {
    const Instant now = environment_.clock.now();
    const Status status = done.batch.ticket >= kIntakeTickets
                              ? intake_.on_disk_done(done, now, *raft_)
                              : snapshots_.on_disk_done(std::move(done), now, *raft_);
    if (!status.ok()) stop(status.error());
    return;
  }
  const auto durable = wal_->on_disk_done(std::move(done));
  if (!durable.ok()) return stop(durable.error());
  if (durable.value() == WriteId()) return;
  durable_write_ = durable.value();
  is_end_unmarked_ = false;
  raft_->persisted(environment_.clock.now(), durable_write_);
}

// --- The turn ---

void NodeImpl::run_turn() {
  const Instant now = environment_.clock.now();
  switch (phase_) {
    case Phase::kForming:
      run_forming_turn(now);
      break;
    case Phase::kRunning:
      run_raft_turn(now);
      if (config_.check_interval != Duration()) check_state(now);
      break;
    case Phase::kStopped:
      waiters_.fail_all();
      break;
  }
  if (!waiters_.answers().empty()) give_answers();
}

void NodeImpl::run_raft_turn(Instant now) {
  raft_->tick(now);
  if (waiters_.has_transfer()) follow_transfer();
  if (is_disk_full() || try_room_at_ || refused_for_room_) keep_room(now);
  if (raft_->is_leader()) hand_over_if_disk_hangs(now);
  if (has_snapshot_work()) keep_snapshots(now);
  send_held();
  // One Ready a turn: a long backlog of committed entries, as after a restart, is applied between
  // heartbeats and messages (next_deadline says that more is due), or its leader would fall silent.
  if (raft_->collect(ready_)) carry_out();
  if (intake_.has_whole()) restore();
  follow_configuration();
  if (waiters_.has_change()) follow_change();
  if (doubt_) follow_doubt();
  flush_log(now);
  if (waiters_.has_granted()) waiters_.serve_reads(applied_, machine_.store());
  if (waiters_.wants_snapshot() || snapshots_.has_parts()) serve_snapshots();
  waiters_.expire(now);
  if (!tell_formed_.empty()) {
    for (const NodeId peer : std::exchange(tell_formed_, {})) tell_formed(peer);
  }
  if (!refusals_.empty()) send_refusals();
  if (!members_.is_voter) say_hello_as_learner(now);
  report_changes();
  // Which configuration is committed, only another commit index changes.
  if (judged_commit_ != raft_->commit()) stop_if_removed();
}

// Carries out one Ready by its contract (core/raft/ready.h). Raft stands still meanwhile: one look
// at it is enough for all that an observer is shown, but for what applying changes (and for the
// log's room, which only operators ask for).
void NodeImpl::carry_out() {
  environment_.observer.on_ready(view(), ready_);
  if (ready_.write != WriteId()) {
    wal_->append(ready_);
    last_write_ = ready_.write;
  }
  for (const raft::Message& message : ready_.send_now) send(message);
  for (raft::Message& message : ready_.send_after_durable) hold(std::move(message));
  send_held();
  for (const raft::Entry& entry : ready_.committed) apply(entry);
  for (const raft::ChunkWanted& wanted : ready_.chunks_wanted) snapshots_.read(wanted);
  for (const raft::ChunkReceived& chunk : ready_.chunks_received) take_chunk(chunk);
  for (const raft::GrantedRead& read : ready_.reads) waiters_.on_read_granted(read);
  for (const RequestId read : ready_.lost_reads) waiters_.on_read_lost(read);
}

// Requires: view_ shows this node as it is.
void NodeImpl::send(const raft::Message& message) {
  environment_.observer.on_send(view_, message);
  scratch_.clear();
  encode_raft_frame({identity_.cluster, identity_.incarnation}, message, scratch_);
  environment_.network.send(message.to, scratch_);
}

// A leader that asks again and again while this node's disk hangs gets one answer, not a queue.
void NodeImpl::hold(raft::Message message) {
  if (!held_.empty() && held_.back().write == last_write_ &&
      held_.back().message.to == message.to && held_.back().message.term == message.term) {
    auto* before = std::get_if<raft::AppendReply>(&held_.back().message.body);
    const auto* reply = std::get_if<raft::AppendReply>(&message.body);
    if (before != nullptr && reply != nullptr && before->accepted && reply->accepted) {
      before->match = std::max(before->match, reply->match);
      return;
    }
  }
  held_.push_back({last_write_, std::move(message)});
}

void NodeImpl::send_held() {
  if (held_.empty() || held_.front().write > durable_write_) return;
  look();
  while (!held_.empty() && held_.front().write <= durable_write_) {
    // A message of a term that this node has left promises nothing that anyone still counts; as
    // after any loss, its receiver asks again.
    if (held_.front().message.term == raft_->term()) send(held_.front().message);
    held_.pop_front();
  }
}

void NodeImpl::flush_log(Instant now) {
  wal_->flush();
  const auto& flight = wal_->in_flight();
  if (!flight || (has_observed_ticket_ && flight->ticket == observed_ticket_)) return;
  observed_ticket_ = flight->ticket;
  has_observed_ticket_ = true;
  observed_at_ = now;
  environment_.observer.on_log_submitted(view(), flight->ticket, flight->last);
}

void NodeImpl::apply(const raft::Entry& entry) {
  VESPER_CHECK(entry.index() == applied_.next());
  kv::Verdict verdict = kv::Verdict::kNone;
  switch (entry.kind()) {
    case raft::EntryKind::kNoop:
    case raft::EntryKind::kConfiguration:  // Raft's own
      break;
    case raft::EntryKind::kCommand:
      // Bytes that are no command change nothing, on every node alike. Only a peer that is not one
      // of us could have proposed them.
      if (const auto applied = machine_.apply(entry.index(), entry.shared_payload());
          applied.ok()) {
        verdict = applied.value();
      } else {
        ignore("entry " + std::to_string(entry.index().value()) + ": " + applied.error().message);
      }
      break;
  }
  applied_ = entry.index();
  if (kv::is_check_point(entry.payload())) {
    consistency_.on_applied({applied_, machine_.state_hash()},
                            raft_->configurations().at(applied_));
  }
  snapshots_.on_applied(entry, *raft_, machine_);
  look_at_machine();
  environment_.observer.on_applied(view_, entry, {verdict, view_.state_hash});
  waiters_.on_applied(entry.position(), verdict);
}

void NodeImpl::give_answers() {
  // Clients may not call back, so the list does not change meanwhile.
  for (const Waiters::Answered& answered : waiters_.answers()) {
    environment_.clients.answer(answered.request, answered.answer);
  }
  waiters_.answers().clear();
}

Instant NodeImpl::next_deadline() const {
  switch (phase_) {
    case Phase::kForming:
      return next_hello_;
    case Phase::kRunning:
      if (raft_->has_more_committed() || snapshots_.has_more(*raft_) || intake_.has_more()) {
        return environment_.clock.now();
      }
      return std::min({raft_->next_deadline(), waiters_.next_deadline(), room_deadline()});
    case Phase::kStopped:
      return Instant::never();
  }
  VESPER_UNREACHABLE();
}

}  // namespace vesper::node
