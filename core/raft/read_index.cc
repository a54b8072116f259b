// Heartbeats, and linearizable reads by them (dissertation section 6.4). A round of heartbeats has
// a number. A read that came before round r left is confirmed once a majority has acknowledged r or
// a later round: then this node was still the leader after the read came in. One round serves all
// reads that waited for it, and the next leaves when it is confirmed, so that reads are grouped by
// the network's own pace.
#include <algorithm>

#include "core/raft/raft.h"

namespace vesper::raft {

Status Raft::read_index(RequestId request) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return Error{ErrorCode::kUnavailable, "this node is not the leader"};
  if (leader->reads.size() >= config_.waiting_reads_max) {
    return Error{ErrorCode::kLimit, "too many reads wait for a round of heartbeats"};
  }
  leader->reads.push_back({request, Round(0), Index(0)});
  return {};
}

void Raft::send_heartbeats() {
  auto& leader = std::get<Leader>(role_);
  leader.last_round = leader.last_round.next();
  leader.next_heartbeat = now_ + config_.heartbeat_interval;
  note_round_sent();

  // Until an entry of this term is committed, the commit index may lag behind what an earlier
  // leader told its clients: reads wait.
  if (commit_ >= leader.first_of_term) {
    for (auto read = leader.reads.rbegin(); read != leader.reads.rend() && read->round == Round(0);
         ++read) {
      read->round = leader.last_round;
      read->index = commit_;
    }
  }
  for (const Progress& progress : leader.progress) {
    if (progress.member() == config_.id) continue;
    // At most what that peer is known to hold: it can verify nothing by a heartbeat.
    send_now(progress.member(), term(),
             HeartbeatRequest{std::min(commit_, progress.match()), leader.last_round});
  }
  extend_lease();  // a cluster of one needs no reply
  grant_confirmed_reads();
}

// Whether reads wait that no round covers, and none is under way that they should wait for.
bool Raft::reads_need_round() const {
  const auto& leader = std::get<Leader>(role_);
  if (leader.reads.empty() || leader.reads.back().round != Round(0)) return false;
  if (commit_ < leader.first_of_term) return false;
  return is_confirmed(leader.last_round);
}

void Raft::on_heartbeat_request(const Message& message, const HeartbeatRequest& request) {
  if (!follow_leader(message.from)) return;
  promise_votes(config_.election_timeout_min);
  if (may_believe_match() && request.commit <= log_.last_index()) commit_to(request.commit);
  send_now(message.from, term(), HeartbeatReply{request.round, doubt_.value_or(Term())});
}

void Raft::on_heartbeat_reply(const Message& message, const HeartbeatReply& reply) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || reply.round > leader->last_round) return;
  Progress* const known = progress_of(*leader, message.from);
  if (known == nullptr) return;
  Progress& progress = *known;
  progress.heard_at = now_;
  progress.acked_round = std::max(progress.acked_round, reply.round);
  note_doubt(progress, reply.doubt);
  ask_for_lost_appends(progress);
  extend_lease();
  grant_confirmed_reads();
}

// Requests may have been lost: ask without entries whether the peer has all before the next one. At
// the heartbeats' pace, however many rounds the reads ask for.
void Raft::ask_for_lost_appends(Progress& progress) {
  if (!progress.counts()) return;
  if (progress.needs_snapshot()) return ask_for_lost_chunk(progress);
  if (now_ < progress.next_ask || lacks_compacted(progress)) return;
  progress.next_ask = now_ + config_.heartbeat_interval;
  if (progress.must_ask(log_.last_index())) send_append(progress, progress.next().previous());
}

// Whether a majority has acknowledged this round or a later one, this leader itself counted.
// Requires: it has left.
bool Raft::is_confirmed(Round round) const {
  const auto& leader = std::get<Leader>(role_);
  return has_quorum(configuration(), [&](std::size_t i) {
    const Progress& progress = leader.progress[i];
    return progress.member() == config_.id || progress.acked_round >= round;
  });
}

void Raft::grant_confirmed_reads() {
  auto& leader = std::get<Leader>(role_);
  Round confirmed;
  // A reply to an earlier round counts for none of the reads that came after it left.
  while (!leader.reads.empty() && leader.reads.front().round != Round(0)) {
    const Leader::WaitingRead read = leader.reads.front();
    if (read.round > confirmed && !is_confirmed(read.round)) return;
    confirmed = read.round;
    leader.reads.pop_front();
    if (read.asker) {
      send_now(*read.asker, term(),
               ReadIndexReply{.granted = true, .batch = read.batch, .index = read.index});
    } else {
      grant_read(read.request, read.index);
    }
  }
}

void Raft::lose_reads() {
  for (const Leader::WaitingRead& read : std::get<Leader>(role_).reads) {
    if (!read.asker) lost_reads_.push_back(read.request);  // a follower learns it by the new term
  }
}

// A leader of a later term may not know yet how far an earlier one had committed when a read was
// granted here: to wait for more than is needed harms nobody.
void Raft::grant_read(RequestId request, Index index) {
  last_read_index_ = std::max(last_read_index_, index);
  granted_reads_.push_back({request, last_read_index_});
}

}  // namespace vesper::raft
