// Linearizable reads at a follower (dissertation section 6.4): "the follower would issue a request
// to the leader that just asked for its current readIndex". All reads of a turn make one request;
// the leader treats it as a read of its own, and the follower answers once it has applied that far.
#include <algorithm>

#include "core/raft/raft.h"

namespace vesper::raft {

Status Raft::ask_read_index(Instant now, RequestId request) {
  now_ = std::max(now_, now);
  if (is_leader() || !leader()) return Error{ErrorCode::kUnavailable, "this node follows nobody"};
  if (asked_in_term_ != term()) lose_asked_reads();
  if (asked_reads_.size() >= config_.waiting_reads_max) {
    return Error{ErrorCode::kLimit, "too many reads wait for the leader's read index"};
  }
  asked_in_term_ = term();
  asked_reads_.push_back({.request = request, .batch = ReadBatch(0), .came_at = now_});
  return {};
}

// Asks again at the heartbeats' pace, for request or reply may be lost, until the reads are too old
// for anyone to wait for them.
void Raft::ask_leader_for_reads() {
  if (asked_reads_.empty()) return;
  if (is_leader() || !leader() || asked_in_term_ != term()) return lose_asked_reads();
  while (!asked_reads_.empty() &&
         now_ - asked_reads_.front().came_at >= config_.election_timeout_max) {
    lost_reads_.push_back(asked_reads_.front().request);
    asked_reads_.pop_front();
  }
  if (asked_reads_.empty()) return;
  if (asked_reads_.back().batch != ReadBatch(0) && now_ < next_ask_) return;

  last_batch_ = last_batch_.next();
  for (auto read = asked_reads_.rbegin();
       read != asked_reads_.rend() && read->batch == ReadBatch(0); ++read) {
    read->batch = last_batch_;
  }
  next_ask_ = now_ + config_.heartbeat_interval;
  send_now(*leader(), term(), ReadIndexRequest{.batch = last_batch_});
}

void Raft::lose_asked_reads() {
  for (const AskedRead& read : asked_reads_) lost_reads_.push_back(read.request);
  asked_reads_.clear();
}

void Raft::on_read_index_request(const Message& message, const ReadIndexRequest& request) {
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || leader->reads.size() >= config_.waiting_reads_max) {
    send_now(message.from, term(), ReadIndexReply{.granted = false, .batch = request.batch});
    return;
  }
  if (holds_lease(now_)) {
    send_now(message.from, term(),
             ReadIndexReply{.granted = true, .batch = request.batch, .index = commit_});
    return;
  }
  leader->reads.push_back({.request = {},
                           .round = Round(0),
                           .index = Index(0),
                           .asker = message.from,
                           .batch = request.batch});
}

void Raft::on_read_index_reply(const Message& message, const ReadIndexReply& reply) {
  if (leader() != message.from || asked_in_term_ != term()) return;
  if (reply.batch > last_batch_) return;  // an earlier life asked, before the reads of this one
  // Its index was current after the batch was asked for, and so after every earlier one.
  while (!asked_reads_.empty() && asked_reads_.front().batch != ReadBatch(0) &&
         asked_reads_.front().batch <= reply.batch) {
    const RequestId request = asked_reads_.front().request;
    asked_reads_.pop_front();
    if (reply.granted) {
      grant_read(request, reply.index);
    } else {
      lost_reads_.push_back(request);
    }
  }
}

}  // namespace vesper::raft
