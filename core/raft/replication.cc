// Log replication: the leader's appends and their pacing, the follower's consistency check, the
// hint that finds where two logs part, and the commit index.
#include <algorithm>

#include "core/raft/raft.h"

namespace vesper::raft {

Result<LogPosition> Raft::propose(ByteView payload) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return Error{ErrorCode::kUnavailable, "this node is not the leader"};
  // Dissertation section 3.10: "the prior leader stops accepting new client requests".
  if (leader->transfer) return Error{ErrorCode::kUnavailable, "leadership is being handed over"};
  if (payload.size() > limits::kEntryPayloadBytes) {
    return Error{ErrorCode::kLimit, "the command is longer than an entry may be"};
  }
  // One proposal always passes, or a limit below its size would refuse it for ever.
  if (leader->uncommitted_bytes > 0 &&
      leader->uncommitted_bytes + payload.size() > config_.uncommitted_bytes_max) {
    return Error{ErrorCode::kLimit, "too many bytes wait to be committed"};
  }
  Entry entry = Entry::make({term(), log_.last_index().next()}, EntryKind::kCommand, payload);
  const LogPosition position = entry.position();
  append_to_log(std::move(entry));
  return position;
}

// Leader only, and only ever at the end: "a leader never overwrites or deletes entries in its log"
// (paper figure 3, Leader Append-Only).
void Raft::append_to_log(Entry entry) {
  std::get<Leader>(role_).uncommitted_bytes += entry.payload().size();
  log_.append(std::move(entry));
}

// All that was proposed since the last turn leaves together: one message a peer, as far as its
// window allows.
void Raft::replicate() {
  for (Progress& progress : std::get<Leader>(role_).progress) {
    if (progress.member() == config_.id || progress.needs_snapshot()) continue;
    if (!progress.counts()) continue;
    if (lacks_compacted(progress)) {
      begin_snapshot(progress);
      continue;
    }
    while (progress.can_send() && progress.next() <= log_.last_index()) {
      send_append(progress, log_.last_index());
    }
  }
}

// Whether the entries that this member needs next are in the log no more.
bool Raft::lacks_compacted(const Progress& progress) const {
  return progress.next().previous() < log_.base().index;
}

// One AppendRequest with entries from progress.next() up to `last`, as many as one message may
// carry.
void Raft::send_append(Progress& progress, Index last) {
  const Index previous = progress.next().previous();
  AppendRequest request{
      .previous = {log_.term_at(previous), previous}, .commit = commit_, .entries = {}};
  std::size_t bytes = 0;
  request.entries.reserve(
      std::min<std::size_t>(last.value() - previous.value(), config_.append_entries_max));
  for (Index index = progress.next();
       index <= last && request.entries.size() < config_.append_entries_max; index = index.next()) {
    const Entry& entry = log_.at(index);
    const std::size_t more = entry.record().size();
    if (bytes + more > config_.append_bytes_max && !request.entries.empty()) break;
    bytes += more;
    request.entries.push_back(entry);
  }
  progress.on_sent(previous.plus(request.entries.size()), bytes);
  send_now(progress.member(), term(), std::move(request));
}

// Paper figure 2, AppendEntries receiver implementation.
void Raft::on_append_request(const Message& message, const AppendRequest& request) {
  if (!follow_leader(message.from)) return;
  if (!log_.contains(request.previous)) {
    // Paper section 5.3: tell the leader where the logs may still agree, so that it skips whole
    // terms.
    send_now(message.from, term(),
             AppendReply{.accepted = false,
                         .match = Index(0),
                         .rejected = request.previous.index,
                         .hint = log_.find_hint(request.previous)});
    return;
  }
  if (!append_entries(request)) return;

  // Up to the last index that this very message verified, never this node's own last index: what
  // follows may be another leader's leftovers.
  const Index match = request.previous.index.plus(request.entries.size());
  commit_to(std::min(request.commit, match));
  send_after_durable(message.from,
                     AppendReply{.accepted = true, .match = match, .rejected = {}, .hint = {}});
}

// False: the request contradicts what is committed here. No correct leader sends that; nothing is
// changed.
bool Raft::append_entries(const AppendRequest& request) {
  for (const Entry& entry : request.entries) {
    if (log_.contains(entry.position()))
      continue;  // have it: a repeated or reordered request shortens nothing
    if (entry.index() <= log_.last_index()) {
      // "If an existing entry conflicts with a new one, delete the existing entry and all that
      // follow it."
      if (entry.index() <= commit_) return false;
      truncate_from(entry.index());
    }
    log_.append(entry);
    note_configuration(entry);
  }
  return true;
}

void Raft::truncate_from(Index from) {
  VESPER_CHECK(!is_leader());
  VESPER_CHECK(from > commit_);
  log_.truncate_from(from);
  // Dissertation section 4.1: "a server must be prepared to fall back to a previous configuration".
  configurations_.truncate_from(from);
  if (from > collected_) return;  // nothing of it was handed out to be written

  const Index last = from.previous();
  truncate_from_ = std::min(truncate_from_.value_or(from), from);
  collected_ = last;
  durable_ = std::min(durable_, last);
  // No write that is still under way may vouch for an index that is rewritten from here on.
  for (PendingWrite& write : pending_writes_) write.last = std::min(write.last, last);
}

void Raft::on_append_reply(const Message& message, const AppendReply& reply) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return;
  Progress* const known = progress_of(*leader, message.from);
  if (known == nullptr) return;  // a member no more
  Progress& progress = *known;
  progress.heard_at = now_;
  if (!progress.counts()) return;

  if (!reply.accepted) {
    progress.on_rejected(reply.rejected, log_.find_hint(reply.hint).index);
    return;
  }
  if (reply.match > log_.last_index()) return;  // no correct follower says so
  if (!progress.on_accepted(reply.match, log_.base().index)) return;
  follow_catch_up(progress);
  advance_commit();
}

void Raft::advance_commit() {
  auto& leader = std::get<Leader>(role_);
  // The majority of the latest configuration, committed or not (dissertation section 4.1); both
  // majorities while it is joint (4.3). A leader that it removes "does not count itself" (4.2.2).
  const Index majority =
      reached_by_quorum(configuration(), [&](std::size_t i) { return leader.progress[i].match(); });
  if (majority <= commit_) return;
  // Paper section 5.4.2 and figure 8: only an entry of this leader's own term is committed by
  // counting copies; all before it are committed with it.
  if (log_.term_at(majority) != term()) return;

  for (Index index = commit_.next(); index <= majority; index = index.next()) {
    if (index < leader.first_of_term) continue;
    leader.uncommitted_bytes -= log_.at(index).payload().size();
  }
  commit_to(majority);
}

void Raft::commit_to(Index index) {
  VESPER_CHECK(index <= log_.last_index());
  commit_ = std::max(commit_, index);
  if (incoming_ && incoming_->snapshot.last.index <= commit_) incoming_.reset();
}

}  // namespace vesper::raft
