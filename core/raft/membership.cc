// Who takes part (dissertation chapter 4). A configuration is in force on a node from the moment
// that it is in the node's log, committed or not, and no more once it is truncated
// (note_configuration, truncate_from). What a leader does about it stands here.
//
//   - A new server comes as a learner and counts in no majority before it has caught up (4.2.1).
//   - Voters change by joint consensus (4.3): both majorities must agree until the joint
//     configuration is committed; then the leader appends the new voters alone.
//   - One change at a time, and none before an entry of the leader's own term is committed: the
//     error that was found in single-server changes in 2015 lets two leaders each count a majority
//     of a configuration that the other has not heard of.
//   - A leader that is no member of the new configuration leads until that is committed, without
//     counting itself, then hands over and steps down (4.2.2).
//   - Whoever was removed hears from the leader no more and would campaign; the others ignore it
//     while they hear a leader (4.2.3: must_ignore_vote_request), and pre-votes raise no term.
#include <algorithm>
#include <string>
#include <utility>

#include "core/base/names.h"
#include "core/raft/raft.h"

namespace vesper::raft {

const Progress* progress_of(const Leader& leader, NodeId member) {
  const auto at = std::lower_bound(
      leader.progress.begin(), leader.progress.end(), member,
      [](const Progress& progress, NodeId wanted) { return progress.member() < wanted; });
  return at == leader.progress.end() || at->member() != member ? nullptr : &*at;
}

Progress* progress_of(Leader& leader, NodeId member) {
  return const_cast<Progress*>(progress_of(std::as_const(leader), member));
}

// --- In the log ---

void Raft::note_configuration(const Entry& entry) {
  if (entry.kind() != EntryKind::kConfiguration) return;
  // Entry::decode, by which each entry came here from peer or disk, has refused any other bytes.
  configurations_.append(entry.index(), Configuration::decode(entry.payload()).value());
}

// --- Changes ---

Result<LogPosition> Raft::add_learner(Instant now, std::string_view address,
                                      const std::vector<std::string>& addresses) {
  now_ = std::max(now_, now);
  VESPER_TRY(may_change_members());
  Configuration known = configuration();
  known.fill_addresses(addresses);
  auto next = known.with_learner(address);
  if (!next.ok()) return next.error();
  return append_configuration(std::move(next.value()));
}

Result<LogPosition> Raft::set_incarnation(Instant now, NodeId learner, Incarnation incarnation) {
  now_ = std::max(now_, now);
  VESPER_TRY(may_change_members());
  auto next = configuration().with_incarnation(learner, incarnation);
  if (!next.ok()) return next.error();
  return append_configuration(std::move(next.value()));
}

Result<LogPosition> Raft::change_members(Instant now, const Configuration::Change& change,
                                         const std::vector<std::string>& addresses) {
  now_ = std::max(now_, now);
  VESPER_TRY(may_change_members());
  auto next = configuration().with_change(change);
  if (!next.ok()) return next.error();
  VESPER_TRY(may_promote(change.promote));
  next.value().fill_addresses(addresses);
  return append_configuration(std::move(next.value()));
}

Status Raft::may_change_members() const {
  const auto* leader = std::get_if<Leader>(&role_);
  if (leader == nullptr) return Error{ErrorCode::kUnavailable, "this node is not the leader"};
  if (leader->transfer) {
    return Error{ErrorCode::kUnavailable, "leadership is being handed over"};
  }
  if (commit_ < leader->first_of_term) {
    return Error{ErrorCode::kUnavailable, "this leader has committed nothing of its term yet"};
  }
  if (configuration().is_joint() || configurations_.latest_index() > commit_) {
    return Error{ErrorCode::kUnavailable, "another change of the membership is under way"};
  }
  return {};
}

// "If the last round lasts less than an election timeout, then the leader adds the new server to
// the cluster, under the assumption that there are not enough unreplicated entries to create a
// significant availability gap" (dissertation section 4.2.1).
void Raft::follow_catch_up(Progress& progress) {
  Progress::CatchUp& round = progress.catch_up;
  if (round.target) {
    if (progress.match() < *round.target) return;
    round.is_fast = now_ - round.began <= config_.election_timeout_min;
    round.target.reset();
  }
  if (progress.match() < log_.last_index()) {
    round.target = log_.last_index();
    round.began = now_;
  } else {
    round.is_fast = true;
  }
}

// "The leader aborts the change if the new server is unavailable or is so slow that it will never
// catch up" (same section); here it does not begin it.
Status Raft::may_promote(const std::vector<NodeId>& learners) const {
  for (const NodeId id : learners) {
    const Progress* const progress = progress_of(std::get<Leader>(role_), id);
    VESPER_CHECK(progress != nullptr);
    if (!progress->is_intact()) {
      return Error{ErrorCode::kUnavailable, name_of(id) + " lost a part of its log"};
    }
    if (now_ - progress->heard_at >= config_.election_timeout_min) {
      return Error{ErrorCode::kUnavailable, name_of(id) + " was not heard lately"};
    }
    const Progress::CatchUp& round = progress->catch_up;
    const bool is_late = round.target && now_ - round.began > config_.election_timeout_min;
    if (!round.is_fast || is_late) {
      const std::uint64_t lag = log_.last_index().value() - progress->match().value();
      return Error{ErrorCode::kUnavailable, name_of(id) + " lacks " + std::to_string(lag) +
                                                " entries and has to catch up first"};
    }
  }
  return {};
}

LogPosition Raft::append_configuration(Configuration configuration) {
  VESPER_CHECK(this->configuration().may_precede(configuration));
  std::vector<std::byte> payload;
  configuration.encode(payload);
  const LogPosition position{term(), log_.last_index().next()};
  append_to_log(Entry::make(position, EntryKind::kConfiguration, payload));
  configurations_.append(position.index, std::move(configuration));
  rebuild_progress();
  // A lease stands on the promises of one configuration's majority: it is earned anew.
  auto& leader = std::get<Leader>(role_);
  leader.sent_rounds.clear();
  leader.lease_until = Instant();
  return position;
}

// What is known of those who stay is kept.
void Raft::rebuild_progress() {
  auto& leader = std::get<Leader>(role_);
  std::vector<Progress> known = std::move(leader.progress);
  leader.progress.clear();
  for (const Member& member : configuration().members()) {
    const auto at = std::find_if(known.begin(), known.end(),
                                 [&](const Progress& each) { return each.member() == member.id; });
    if (at != known.end()) {
      leader.progress.push_back(std::move(*at));
      continue;
    }
    Progress progress(member.id, log_.last_index().next(), config_.inflight_appends_max);
    progress.heard_at = now_;
    if (member.id == config_.id) progress.set_own_match(durable_);
    progress.catch_up = {.target = log_.last_index(), .began = now_};
    leader.progress.push_back(std::move(progress));
  }
}

// What follows once the latest configuration is committed.
void Raft::continue_membership() {
  if (configurations_.latest_index() > commit_) return;
  if (commit_ < std::get<Leader>(role_).first_of_term) return;
  if (configuration().is_joint()) {
    append_configuration(configuration().settled());
    advance_commit();  // from now on the old voters need not agree
    return;
  }
  if (configuration().find(config_.id) != nullptr) return;
  // Dissertation section 4.2.2: "steps down once C_new is committed"; and section 3.10, so that
  // nobody waits for an election timeout.
  if (const auto next = most_caught_up()) send_now(*next, term(), TimeoutNow{});
  become_follower(std::nullopt);
}

}  // namespace vesper::raft
