#include "sim/check/marker.h"

#include <algorithm>
#include <variant>

#include "sim/world.h"

namespace vesper::sim {

namespace {

// By how a fault's line begins; what is seen better elsewhere has no place here.
constexpr std::array<std::pair<std::string_view, Mark>, 12> kFaults = {
    {{"partition ", Mark::kPartition},
     {"cut ", Mark::kCut},
     {"clog ", Mark::kLinkClogged},
     {"network", Mark::kNetworkChanged},
     {"disk of ", Mark::kDiskSlowed},
     {"wipe ", Mark::kDiskWiped},
     {"damage ", Mark::kDiskDamaged},
     {"stall ", Mark::kDiskStalled},
     {"misdirects ", Mark::kWriteMisdirected},
     {"loses ", Mark::kWriteLost},
     {"lose s", Mark::kNameLost},
     {"bring back ", Mark::kOldNameBack}}};
// By what a fault's line says besides.
constexpr std::array<std::pair<std::string_view, Mark>, 3> kClockFaults = {
    {{" leaps ahead", Mark::kClockLeap},
     {" stands still", Mark::kClockStopped},
     {" drifts by", Mark::kClockDriftChanged}}};
constexpr std::array<std::pair<std::string_view, Mark>, kDiskOperations> kDiskErrors = {
    {{"read", Mark::kDiskReadError},
     {"write", Mark::kDiskWriteError},
     {"create", Mark::kDiskCreateError},
     {"rename", Mark::kDiskRenameError},
     {"sync", Mark::kDiskSyncError}}};

// Of what only the counters of a node's view tell.
void hit_more(Mark mark, std::uint64_t now, std::uint64_t& before, Marks& marks) {
  if (now > before) marks.hit(mark, now - before);
  before = now;
}

}  // namespace

Marks Marker::marks(const World& world) const {
  Marks marks = marks_;
  const WorldCounts& counts = world.counts();
  marks.hit(Mark::kFrameLost, counts.lost);
  marks.hit(Mark::kFrameRepeated, counts.duplicated);
  marks.hit(Mark::kFrameDelayed, counts.delayed);
  marks.hit(Mark::kFrameHeld, counts.held);
  marks.hit(Mark::kFrameCorrupted, counts.corrupted);
  marks.hit(Mark::kFrameReplayed, counts.replayed);
  marks.hit(Mark::kBurstLoss, counts.burst_losses);
  marks.hit(Mark::kFrameWaited, counts.waited);
  marks.hit(Mark::kRequestLost, counts.lost_requests);
  marks.hit(Mark::kAnswerLost, counts.lost_answers);
  marks.hit(Mark::kTurnCrash, counts.turn_stops);
  marks.hit(Mark::kDiskCrash, counts.disk_stops);
  marks.hit(Mark::kTransferDone, counts.transfers);
  marks.hit(Mark::kRetry, counts.retries);
  marks.hit(Mark::kMembersChanged, counts.changes);
  marks.hit(Mark::kDiskSpike, counts.spikes);
  for (const auto& [node, clock] : world.config().clocks) {
    if (clock.drift_ppm != 0) marks.hit(Mark::kClockDrift);
  }
  return marks;
}

// --- Lives ---

void Marker::on_start(Instant, NodeId node, std::uint64_t life) {
  seen(node) = Seen{};
  seen(node).is_up = true;
  if (life > 1) marks_.hit(Mark::kRestart);
}

void Marker::on_opened(Instant, const node::Node& node) {
  const node::NodeView view = node.view();
  marks_.hit(Mark::kTornTail, view.torn_tails);
  if (view.snapshot > Index(0)) marks_.hit(Mark::kRestartFromSnapshot);
  seen(view.id).base = view.base;
}

void Marker::on_crash(Instant, NodeId node) {
  marks_.hit(Mark::kCrash);
  seen(node).is_up = false;
  const bool is_any_up =
      std::any_of(seen_.begin(), seen_.end(), [](const Seen& each) { return each.is_up; });
  if (!is_any_up) marks_.hit(Mark::kAllDown);
}

void Marker::on_altered(Instant, NodeId) {
  marks_.hit(Mark::kAltered);
}

void Marker::on_stopped(Instant, NodeId, const Error& reason) {
  const auto says = [&](std::string_view text) {
    return reason.message.find(text) != std::string::npos;
  };
  if (reason.code == ErrorCode::kDiverged) marks_.hit(Mark::kDivergedStopped);
  if (reason.code == ErrorCode::kIo) marks_.hit(Mark::kDiskErrorStopped);
  if (reason.code == ErrorCode::kCorruption) marks_.hit(Mark::kDamagedRefused);
  if (reason.message.starts_with("sync ")) marks_.hit(Mark::kSyncFailed);
  if (says("was removed from the cluster")) marks_.hit(Mark::kRemovedNodeStopped);
  if (says("this data directory is empty")) marks_.hit(Mark::kWipedNodeRefused);
}

void Marker::on_pause(Instant, NodeId) {
  marks_.hit(Mark::kPause);
}

void Marker::on_fault(Instant, std::string_view what) {
  for (const auto& [begin, mark] : kFaults) {
    if (what.starts_with(begin)) marks_.hit(mark);
  }
  if (!what.starts_with("clock of ")) return;
  for (const auto& [part, mark] : kClockFaults) {
    if (what.find(part) != std::string_view::npos) marks_.hit(mark);
  }
}

void Marker::on_disk_error(Instant, NodeId, std::string_view operation) {
  for (const auto& [name, mark] : kDiskErrors) {
    if (operation == name) marks_.hit(mark);
  }
}

// --- What nodes do ---

void Marker::see(const node::NodeView& view) {
  Seen& before = seen(view.id);
  hit_more(Mark::kLeaseRead, view.lease_reads, before.lease_reads, marks_);
  hit_more(Mark::kFollowerRead, view.follower_reads, before.follower_reads, marks_);
  hit_more(Mark::kStatesAgreed, view.checks, before.checks, marks_);
  if (view.base > before.base) marks_.hit(Mark::kLogCut);
  before.base = view.base;
  const bool is_all_cut = view.base > Index(0) && view.base == view.last;
  if (is_all_cut && !before.is_all_cut) marks_.hit(Mark::kWholeLogCut);
  before.is_all_cut = is_all_cut;
}

void Marker::on_ready(Instant, const node::NodeView& view, const raft::Ready& ready) {
  see(view);
  if (ready.truncate_from) marks_.hit(Mark::kEntriesTruncated);
}

void Marker::on_send(Instant, const node::NodeView& view, const raft::Message& message) {
  see(view);
  if (const auto* reply = std::get_if<raft::AppendReply>(&message.body)) {
    if (!reply->accepted) marks_.hit(Mark::kAppendRejected);
  } else if (const auto* piece = std::get_if<raft::SnapshotRequest>(&message.body)) {
    see_piece(message, *piece);
  }
}

// The follower said that it has more of it than this leader sent: from another.
void Marker::see_piece(const raft::Message& message, const raft::SnapshotRequest& piece) {
  marks_.hit(Mark::kSnapshotPieceSent);
  Sent& sent = seen(message.from).sent[message.to];
  if (sent.snapshot != piece.snapshot) sent = {.snapshot = piece.snapshot};
  if (piece.offset > sent.next) marks_.hit(Mark::kSnapshotSentOn);
  sent.next = std::max(sent.next, piece.offset + piece.chunk.size());
}

void Marker::on_applied(Instant, const node::NodeView& view, const raft::Entry&,
                        const node::Applied& applied) {
  // Once an entry, not once a node: by whoever led when it was applied there.
  if (view.role != node::Role::kLeader) return;
  switch (applied.verdict) {
    case kv::Verdict::kNone:
    case kv::Verdict::kApplied:
      return;
    case kv::Verdict::kRepeated:
      return marks_.hit(Mark::kRepeated);
    case kv::Verdict::kOtherBody:
      return marks_.hit(Mark::kOtherBody);
    case kv::Verdict::kBelowWindow:
      return marks_.hit(Mark::kBelowWindow);
    case kv::Verdict::kExpired:
      return marks_.hit(Mark::kSessionExpired);
    case kv::Verdict::kNeverIssued:
      return marks_.hit(Mark::kNeverIssued);
  }
}

void Marker::on_restored(Instant, const node::NodeView& view, LogPosition last, std::uint64_t) {
  marks_.hit(Mark::kSnapshotInstalled);
  seen(view.id).restored = last.index;
}

void Marker::on_configuration(Instant, const node::NodeView& view, Index index,
                              const raft::Configuration& configuration) {
  Seen& before = seen(view.id);
  if (before.configuration && index < before.configuration_index) {
    marks_.hit(Mark::kConfigurationRolledBack);
  } else if (before.configuration && view.role == node::Role::kLeader) {
    see_change(*before.configuration, configuration);  // once, by who made it
  }
  before.configuration = configuration;
  before.configuration_index = index;
}

void Marker::see_change(const raft::Configuration& before, const raft::Configuration& now) {
  if (now.next_id() > before.next_id()) marks_.hit(Mark::kLearnerAdded);
  if (now.is_joint() && !before.is_joint()) marks_.hit(Mark::kJointConfiguration);
  if (!now.is_joint() && before.is_joint()) marks_.hit(Mark::kJointLeft);
  for (const raft::Member& member : now.members()) {
    const raft::Member* const was = before.find(member.id);
    if (was != nullptr && was->incarnation != member.incarnation) marks_.hit(Mark::kLearnerJoined);
  }
}

void Marker::on_node_event(Instant, const node::NodeEvent& event) {
  switch (event.kind) {
    case node::NodeEvent::Kind::kFormed:
      return marks_.hit(Mark::kFormed);
    case node::NodeEvent::Kind::kRole:
      return see_role(event.view);
    case node::NodeEvent::Kind::kSnapshot:
      if (event.view.snapshot != seen(event.view.id).restored) marks_.hit(Mark::kSnapshotMade);
      return;
    case node::NodeEvent::Kind::kTransfer:
      return marks_.hit(event.detail.starts_with("to ") ? Mark::kTransferStarted
                                                        : Mark::kTransferGivenUp);
    case node::NodeEvent::Kind::kDisk:
      return marks_.hit(event.detail.starts_with("is full") ? Mark::kDiskFull : Mark::kDiskRoom);
    case node::NodeEvent::Kind::kDiffers:
      return marks_.hit(Mark::kDifferenceReported);
    case node::NodeEvent::Kind::kDoubt:
      return marks_.hit(event.detail.starts_with("over") ? Mark::kDoubtEnded : Mark::kDoubt);
    case node::NodeEvent::Kind::kMembers:
    case node::NodeEvent::Kind::kWaiting:
    case node::NodeEvent::Kind::kRecovered:
    case node::NodeEvent::Kind::kIgnored:
    case node::NodeEvent::Kind::kStopped:
      return;
  }
}

void Marker::see_role(const node::NodeView& view) {
  switch (view.role) {
    case node::Role::kFollower:
      return;
    case node::Role::kPreCandidate:
      return marks_.hit(Mark::kPreVote);
    case node::Role::kCandidate:
      return marks_.hit(Mark::kElection);
    case node::Role::kLeader:
      break;
  }
  seen(view.id).sent.clear();
  if (view.term <= leader_term_) return;
  marks_.hit(Mark::kLeader);
  if (leader_term_ > Term(0) && open_operations_ > 0) marks_.hit(Mark::kLeaderChangeUnderLoad);
  leader_term_ = view.term;
}

// --- Clients ---

void Marker::on_invoke(Instant, const Operation&) {
  ++open_operations_;
}

void Marker::on_answer(Instant, OperationId, const node::Answer& answer) {
  --open_operations_;
  if (answer.outcome == node::Outcome::kRedirect) marks_.hit(Mark::kRedirect);
  if (answer.outcome == node::Outcome::kOverloaded) marks_.hit(Mark::kOverloaded);
  if (answer.outcome == node::Outcome::kDiskFull) marks_.hit(Mark::kRefusedForRoom);
  if (answer.outcome == node::Outcome::kUnknown) marks_.hit(Mark::kOutcomeUnknown);
}

void Marker::on_give_up(Instant, OperationId) {
  --open_operations_;
}

}  // namespace vesper::sim
