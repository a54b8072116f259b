// Leadership transfer (dissertation section 3.10): the leader takes no more proposals, brings its
// successor's log up to its own, and tells it to campaign at once. If nothing comes of it within
// one minimum election timeout the leader serves again; a TimeoutNow that arrives later still makes
// an election like any other.
#include <algorithm>
#include <string>

#include "core/base/names.h"
#include "core/raft/raft.h"

namespace vesper::raft {

Status Raft::transfer(Instant now, std::optional<NodeId> target) {
  now_ = std::max(now_, now);
  auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return Error{ErrorCode::kUnavailable, "this node is not the leader"};
  if (leader->transfer) {
    return Error{ErrorCode::kUnavailable,
                 "leadership is already being handed over to " + name_of(leader->transfer->target)};
  }
  if (target == config_.id) return Error{ErrorCode::kInvalid, name_of(*target) + " leads already"};
  const Member* member = target ? configuration().find(*target) : nullptr;
  if (target && (member == nullptr || !is_new_voter(member->standing))) {
    return Error{ErrorCode::kInvalid, name_of(*target) + " is no voter of this cluster"};
  }
  if (target && !progress_of(*leader, *target)->is_intact()) {
    return Error{ErrorCode::kUnavailable, name_of(*target) + " lost a part of its log"};
  }
  if (!target) target = most_caught_up();
  if (!target) return Error{ErrorCode::kUnavailable, "no other voter was heard lately"};

  // "If leadership transfer does not complete after about an election timeout, the prior leader
  // aborts the transfer and resumes accepting client requests."
  leader->transfer = Leader::Transfer{
      .target = *target, .ends_at = now_ + config_.election_timeout_min, .next_tell = now_};
  leader->has_begun_transfer = true;
  return {};
}

// The first of those that need the least, among the other voters whose answers say that they live.
std::optional<NodeId> Raft::most_caught_up() const {
  const Progress* best = nullptr;
  for (const Progress& progress : std::get<Leader>(role_).progress) {
    if (progress.member() == config_.id || !progress.is_intact()) continue;
    if (!is_new_voter(configuration().find(progress.member())->standing)) continue;
    if (now_ - progress.heard_at >= config_.election_timeout_min) continue;
    if (best == nullptr || progress.match() > best->match()) best = &progress;
  }
  return best == nullptr ? std::nullopt : std::optional(best->member());
}

// "The prior leader fully updates the target server's log to match its own, using the normal log
// replication mechanism": what it holds durably, not what was sent to it. Then it is told, at the
// heartbeats' pace, for the message may be lost.
void Raft::continue_transfer() {
  auto& leader = std::get<Leader>(role_);
  if (!leader.transfer || now_ < leader.transfer->next_tell) return;
  const NodeId target = leader.transfer->target;
  const Progress* progress = progress_of(leader, target);
  if (progress == nullptr || progress->match() < log_.last_index()) return;
  leader.transfer->next_tell = now_ + config_.heartbeat_interval;
  send_now(target, term(), TimeoutNow{});
}

void Raft::end_overdue_transfer() {
  auto& leader = std::get<Leader>(role_);
  if (leader.transfer && now_ >= leader.transfer->ends_at) leader.transfer.reset();
}

// "This request has the same effect as the target server's election timer firing": but without a
// pre-vote, which every voter that hears the leader would ignore.
void Raft::on_timeout_now(const Message& message) {
  if (!follow_leader(message.from) || doubt_ || !may_campaign()) return;
  start_election(Cause::kTransfer);
}

std::optional<NodeId> Raft::transfer_target() const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr || !leader->transfer) return std::nullopt;
  return leader->transfer->target;
}

bool Raft::has_begun_transfer() const {
  const auto* leader = std::get_if<Leader>(&role_);
  return leader != nullptr && leader->has_begun_transfer;
}

}  // namespace vesper::raft
