#include "sim/check/outcome_watch.h"

#include <algorithm>
#include <array>
#include <utility>
#include <variant>

namespace vesper::sim {

namespace {

// What is only counted by the world, and happens everywhere for all that is known.
constexpr std::array<std::pair<std::uint64_t WorldCounts::*, Fault>, 9> kCounted = {
    {{&WorldCounts::dropped, Fault::kDrop},
     {&WorldCounts::burst_losses, Fault::kBurst},
     {&WorldCounts::delayed, Fault::kDelay},
     {&WorldCounts::overtaken, Fault::kReorder},
     {&WorldCounts::duplicated, Fault::kDuplicate},
     {&WorldCounts::replayed, Fault::kReplay},
     {&WorldCounts::lost_requests, Fault::kLostRequest},
     {&WorldCounts::lost_answers, Fault::kLostAnswer},
     {&WorldCounts::spikes, Fault::kDiskSpike}}};

// Windows: after these, what lasts throughout is judged anew.
constexpr std::int64_t kLong = 8;

}  // namespace

// --- Episodes ---

void OutcomeWatch::inject(Instant at, Fault fault, Place place, Span span, std::uint64_t times) {
  expire(at);
  outcomes_[fault].times += times;
  Instant until = Instant::never();
  if (span == Span::kMoment) until = at + window_;
  for (Episode& episode : open_) {
    if (episode.fault != fault || episode.place != place) continue;
    if (span != Span::kMoment) episode.until = until;
    return note_end(episode);
  }
  open_.push_back({.fault = fault,
                   .place = place,
                   .until = until,
                   .judged_at = span == Span::kThroughout ? at + window_ * kLong : Instant::never(),
                   .before = counts_.successes,
                   .seen = 0,
                   .seen_alone = 0});
  note_end(open_.back());
}

void OutcomeWatch::end(Instant at, Fault fault, Place place) {
  for (Episode& episode : open_) {
    if (episode.fault != fault || (episode.place & place) == 0) continue;
    if (episode.until == Instant::never()) episode.until = at + window_;
    note_end(episode);
  }
}

void OutcomeWatch::expire(Instant at) {
  if (at <= quiet_until_) return;
  std::erase_if(open_, [&](Episode& episode) {
    if (episode.until >= at && episode.judged_at >= at) return false;
    close(episode);
    if (episode.until < at) return true;
    episode.judged_at = at + window_ * kLong;
    episode.before = counts_.successes;
    episode.seen = episode.seen_alone = 0;
    return false;
  });
  quiet_until_ = Instant::never();
  for (const Episode& episode : open_) note_end(episode);
}

void OutcomeWatch::close(const Episode& episode) {
  Outcomes::Row& row = outcomes_[episode.fault];
  ++row.episodes;
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    if ((episode.seen >> i & 1) != 0) ++row.outcomes[i];
    if ((episode.seen_alone >> i & 1) != 0) ++row.alone[i];
  }
  const bool is_masked = episode.seen == 0 && counts_.successes > episode.before;
  if (is_masked) ++row.outcomes[static_cast<std::size_t>(Outcome::kMasked)];
}

void OutcomeWatch::see(Instant at, Evidence evidence, Place place) {
  expire(at);
  const auto outcome = static_cast<std::size_t>(outcome_of(evidence));
  std::optional<Fault> explains;
  bool is_alone = true;
  const auto can = [&](const Episode& episode) {
    return (episode.place & place) != 0 && can_cause(episode.fault, evidence);
  };
  for (Episode& episode : open_) {
    if (!can(episode)) continue;
    episode.seen |= 1U << outcome;
    is_alone = is_alone && explains.value_or(episode.fault) == episode.fault;
    explains = episode.fault;
  }
  if (explains && is_alone) {
    for (Episode& episode : open_) {
      if (can(episode)) episode.seen_alone |= 1U << outcome;
    }
  }
  if (explains) return;
  ++outcomes_.without_fault[outcome];
  if (!needs_fault(evidence)) return;
  for (Episode& episode : open_) {
    if ((episode.place & place) != 0) episode.seen |= 1U << outcome;
  }
}

Outcomes OutcomeWatch::finish(const World& world) {
  poll(world);
  for (const Episode& episode : open_) close(episode);
  open_.clear();
  return outcomes_;
}

// --- After each event ---

void OutcomeWatch::look(const World& world, Standing standing) {
  const Instant now = world.now();
  if (counts_of_ == nullptr) {
    counts_of_ = &world.counts();
    begin_clocks(world);
  }
  if (events_ % kPollEvents == 0) poll(world);
  if (had_majority_ && !standing.has_majority) see(now, Evidence::kNoMajority, missing(world));
  had_majority_ = standing.has_majority;
  if (standing.has_leader || !had_majority_ || !leader_) {
    leaderless_since_.reset();
    is_leaderless_told_ = false;
  } else if (!leaderless_since_) {
    leaderless_since_ = now;
  } else if (!is_leaderless_told_ && now - *leaderless_since_ > window_) {
    is_leaderless_told_ = true;
    see(now, Evidence::kNoLeader, kEverywhere);
  }
}

// Members that do not vote, and both ends of what does not connect.
OutcomeWatch::Place OutcomeWatch::missing(const World& world) {
  const auto votes = [&](NodeId node) {
    return world.is_up(node) && !world.is_paused(node) && !world.has_stopped(node) &&
           !world.view(node).doubt;
  };
  Place place = 0;
  for (const raft::Member& one : world.members().members()) {
    if (!votes(one.id)) place |= at_node(one.id);
    for (const raft::Member& other : world.members().members()) {
      if (one.id == other.id || world.is_connected(one.id, other.id)) continue;
      place |= at_node(one.id) | at_node(other.id);
    }
  }
  return place;
}

void OutcomeWatch::poll(const World& world) {
  const WorldCounts& counts = world.counts();
  const Instant now = world.now();
  for (const auto& [counter, fault] : kCounted) {
    const std::uint64_t times = counts.*counter - counts_.*counter;
    if (times > 0) inject(now, fault, kEverywhere, Span::kMoment, times);
    counts_.*counter = counts.*counter;
  }
  if (counts.held != counts_.held) {
    inject(now, Fault::kHold, kEverywhere, Span::kUntilEnd, counts.held - counts_.held);
    counts_.held = counts.held;
  }
  counts_.successes = counts.successes;
  if (std::exchange(counts_.changes, counts.changes) != counts.changes) {
    Place members = 0;
    for (const raft::Member& member : world.members().members()) members |= at_node(member.id);
    see(now, Evidence::kReplaced, ~members);
  }
  if ((changed_disks_ | changed_clocks_) != 0) poll_changed(world);
}

// Slower than the file says, and back again: what happened says only that it changed.
void OutcomeWatch::poll_changed(const World& world) {
  const Instant now = world.now();
  const auto change = [&](Fault fault, NodeId node, bool is_usual) {
    if (is_usual) return end(now, fault, at_node(node));
    inject(now, fault, at_node(node), Span::kUntilEnd);
  };
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    const NodeId node(i);
    if ((changed_disks_ & at_node(node)) != 0) {
      change(Fault::kDiskSlow, node, world.is_disk_as_usual(node));
    }
    if ((changed_clocks_ & at_node(node)) != 0) {
      change(Fault::kClockDrift, node, world.is_clock_as_usual(node));
    }
  }
  changed_disks_ = 0;
  changed_clocks_ = 0;
}

void OutcomeWatch::begin_clocks(const World& world) {
  for (const auto& [node, clock] : world.config().clocks) {
    if (clock.offset != Duration()) {
      inject(world.now(), Fault::kClockOffset, at_node(node), Span::kThroughout);
    }
    if (clock.drift_ppm != 0) {
      inject(world.now(), Fault::kClockDrift, at_node(node), Span::kThroughout);
    }
  }
}

// --- What nodes do ---

void OutcomeWatch::on_ready(Instant at, const node::NodeView& view, const raft::Ready& ready) {
  if (ready.truncate_from) see(at, Evidence::kTailDropped, at_node(view.id));
}

void OutcomeWatch::on_send(Instant at, const node::NodeView& view, const raft::Message& message) {
  const auto* reply = std::get_if<raft::AppendReply>(&message.body);
  if (reply != nullptr && !reply->accepted) see(at, Evidence::kAppendRejected, at_node(view.id));
}

void OutcomeWatch::on_restored(Instant at, const node::NodeView& view, LogPosition, std::uint64_t) {
  see(at, Evidence::kSnapshotTaken, at_node(view.id));
}

void OutcomeWatch::on_node_event(Instant at, const node::NodeEvent& event) {
  const NodeId node = event.view.id;
  switch (event.kind) {
    case node::NodeEvent::Kind::kRole: {
      if (event.view.role != node::Role::kLeader || event.view.term <= leader_term_) return;
      leader_term_ = event.view.term;
      const std::optional<NodeId> before = std::exchange(leader_, node);
      // The first is no repair, nor is one that was asked for.
      if (!before || at < transfer_until_) return;
      return see(at, Evidence::kNewLeader, at_node(*before) | at_node(node));
    }
    case node::NodeEvent::Kind::kDoubt:
      if (!event.detail.starts_with("over")) return;
      see(at, Evidence::kDoubtOver, at_node(node));
      return end_damage(at, node);
    case node::NodeEvent::Kind::kDisk:
      if (event.detail.starts_with("is full")) {
        full_ |= at_node(node);
        return;
      }
      full_ &= ~at_node(node);
      see(at, Evidence::kRoomAgain, at_node(node));
      return end(at, Fault::kDiskFull, at_node(node) & ~limited_);
    case node::NodeEvent::Kind::kIgnored:
      return see(at, Evidence::kFrameIgnored, at_node(node));
    default:
      return;
  }
}

void OutcomeWatch::on_corrupted(Instant at, NodeId from, NodeId to, ByteView, bool left_trace) {
  const Place place = at_node(from) | at_node(to);
  inject(at, Fault::kCorrupt, place, Span::kMoment);
  if (!left_trace) see(at, Evidence::kFrameRefused, place);
}

// --- Clients ---

void OutcomeWatch::on_request_answered(Instant at, NodeId node, RequestId,
                                       const node::Answer& answer) {
  if (answer.outcome == node::Outcome::kDiskFull) see(at, Evidence::kNoRoom, at_node(node));
  const bool is_refused =
      answer.outcome == node::Outcome::kRejected || answer.outcome == node::Outcome::kOverloaded;
  if (is_refused) see(at, Evidence::kRequestRefused, kEverywhere);
}

void OutcomeWatch::on_retry(Instant, OperationId id, NodeId) {
  retried_.insert(id);
}

void OutcomeWatch::on_answer(Instant at, OperationId id, const node::Answer& answer) {
  if (retried_.empty() || retried_.erase(id) == 0) return;
  if (answer.outcome != node::Outcome::kSuccess) return;
  see(at, Evidence::kSuccessOfRetry, kEverywhere);
}

void OutcomeWatch::on_give_up(Instant, OperationId id) {
  retried_.erase(id);
}

}  // namespace vesper::sim
