// What begins and ends the episodes of faults: their lines, and the lives of nodes.
#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "sim/check/outcome_watch.h"

namespace vesper::sim {

namespace {

constexpr std::array<std::pair<std::string_view, Fault>, kDiskOperations> kErrors = {
    {{"read", Fault::kReadError},
     {"write", Fault::kWriteError},
     {"create", Fault::kCreateError},
     {"rename", Fault::kRenameError},
     {"sync", Fault::kSyncError}}};

// Of a disk's bytes and names: over when the node has found out, or starts without a doubt.
constexpr std::array kDamages = {Fault::kLogRot,      Fault::kSnapshotRot, Fault::kSectorLost,
                                 Fault::kMisdirected, Fault::kWriteLost,   Fault::kNameLost,
                                 Fault::kOldNameBack};
constexpr std::array kCrashes = {Fault::kCrash,          Fault::kTurnCrash,    Fault::kDiskCrash,
                                 Fault::kCrashOfSeveral, Fault::kRollingCrash, Fault::kCrashLoop};
constexpr std::array kUnsynced = {Fault::kUnsyncedLost, Fault::kUnsyncedTorn,
                                  Fault::kUnsyncedReordered};
constexpr std::array kErrorFaults = {Fault::kReadError, Fault::kWriteError, Fault::kCreateError,
                                     Fault::kRenameError, Fault::kSyncError};

bool has(std::string_view what, std::string_view part) {
  return what.find(part) != std::string_view::npos;
}

}  // namespace

// The nodes that a fault's line names: "n" and a number, as a word.
OutcomeWatch::Place OutcomeWatch::named_in(std::string_view what) {
  Place place = 0;
  for (std::size_t i = 0; i + 2 < what.size(); ++i) {
    if (what[i] != ' ' || what[i + 1] != 'n') continue;
    std::size_t digit = i + 2;
    std::uint64_t number = 0;
    while (digit < what.size() && what[digit] >= '0' && what[digit] <= '9') {
      number = number * 10 + static_cast<std::uint64_t>(what[digit++] - '0');
    }
    if (digit > i + 2 && number < limits::kNodes) place |= Place{1} << number;
  }
  return place;
}

// --- Faults ---

void OutcomeWatch::on_fault(Instant at, std::string_view what) {
  inject_links(at, what);
  inject_disks_and_clocks(at, what);
  if (what.starts_with("pause ")) {
    inject(at, Fault::kPause, named_in(what), Span::kUntilEnd);
  } else if (what.starts_with("resume ")) {
    end(at, Fault::kPause, named_in(what));
  } else if (what.starts_with("transfer ")) {
    transfer_until_ = at + window_;
  }
}

void OutcomeWatch::inject_links(Instant at, std::string_view what) {
  const Place place = named_in(what);
  if (what.starts_with("partition ")) {
    inject(at, Fault::kPartition, kEverywhere, Span::kUntilEnd);
  } else if (what.starts_with("cut ")) {
    inject(at, Fault::kCut, place, Span::kUntilEnd);
  } else if (what.starts_with("clog ")) {
    inject(at, Fault::kClog, place, Span::kUntilEnd);
  } else if (what.starts_with("mend n")) {
    end(at, Fault::kCut, place);
  } else if (what.starts_with("unclog ")) {
    end(at, Fault::kClog, place);
  } else if (what == "release") {
    end(at, Fault::kHold, kEverywhere);
  } else if (what == "heal") {
    for (const Fault fault : {Fault::kPartition, Fault::kCut, Fault::kClog}) {
      end(at, fault, kEverywhere);
    }
  }
}

void OutcomeWatch::inject_disks_and_clocks(Instant at, std::string_view what) {
  const Place place = named_in(what);
  if (what.starts_with("stall ")) {
    inject(at, Fault::kDiskStall, place, Span::kUntilEnd);
  } else if (what.starts_with("mend the disk")) {
    end(at, Fault::kDiskStall, place);
    for (std::size_t node = 0; node < nodes_.size(); ++node) {
      if ((place >> node & 1) != 0) nodes_[node].lasting_errors = 0;
    }
  } else if (what.starts_with("fail every ")) {
    for (std::size_t i = 0; i < kErrors.size(); ++i) {
      if (!has(what, kErrors[i].first)) continue;
      for (std::size_t node = 0; node < nodes_.size(); ++node) {
        if ((place >> node & 1) != 0) nodes_[node].lasting_errors |= 1U << i;
      }
    }
  } else if (what.starts_with("disk of ") && has(what, " is full ")) {
    limited_ |= place;
    inject(at, Fault::kDiskFull, place, Span::kUntilEnd);
  } else if (what.starts_with("disk of ") && has(what, " has room")) {
    limited_ &= ~place;
    end(at, Fault::kDiskFull, place & ~full_);  // else once the node has noticed
  } else if (what.starts_with("disk of ")) {
    changed_disks_ |= place;
  } else if (what.starts_with("misdirects ")) {
    damage(at, Fault::kMisdirected, NodeId(static_cast<std::uint32_t>(std::countr_zero(place))));
  } else if (what.starts_with("loses ")) {
    damage(at, Fault::kWriteLost, NodeId(static_cast<std::uint32_t>(std::countr_zero(place))));
  } else if (what.starts_with("clock of ")) {
    if (has(what, " leaps ahead")) inject(at, Fault::kClockLeap, place, Span::kMoment);
    if (has(what, " drifts by")) changed_clocks_ |= place;
    if (has(what, " stands still")) inject(at, Fault::kClockStopped, place, Span::kUntilEnd);
    if (has(what, " goes on")) end(at, Fault::kClockStopped, place);
  }
}

void OutcomeWatch::damage(Instant at, Fault fault, NodeId node) {
  inject(at, fault, at_node(node), Span::kUntilEnd);
  nodes_[node.value()].damage = fault;
}

void OutcomeWatch::on_strike(Instant at, NodeId node, DamagePart part) {
  const auto strike = [&](Fault fault) { damage(at, fault, node); };
  switch (part) {
    case DamagePart::kRecord:
    case DamagePart::kFirstRecord:
    case DamagePart::kLastRecord:
    case DamagePart::kSegment:
      return strike(Fault::kLogRot);
    case DamagePart::kSnapshot:
      return strike(Fault::kSnapshotRot);
    case DamagePart::kSector:
      return strike(Fault::kSectorLost);
    case DamagePart::kName:
      return strike(Fault::kNameLost);
    case DamagePart::kOldName:
      return strike(Fault::kOldNameBack);
    case DamagePart::kMisdirected:
    case DamagePart::kLostWrite:
      return;  // come to pass later: on_fault
  }
}

void OutcomeWatch::on_unsynced_lost(Instant at, NodeId node, CrashLoss loss) {
  const Fault fault = loss == CrashLoss::kLoseAll ? Fault::kUnsyncedLost
                      : loss == CrashLoss::kTear  ? Fault::kUnsyncedTorn
                                                  : Fault::kUnsyncedReordered;
  inject(at, fault, at_node(node), Span::kUntilEnd);
}

void OutcomeWatch::on_disk_error(Instant at, NodeId node, std::string_view operation) {
  for (std::size_t i = 0; i < kErrors.size(); ++i) {
    if (operation != kErrors[i].first) continue;
    const bool lasts = (nodes_[node.value()].lasting_errors >> i & 1) != 0;
    inject(at, lasts ? Fault::kLastingError : kErrors[i].second, at_node(node), Span::kUntilEnd);
  }
}

void OutcomeWatch::on_wipe(Instant at, NodeId node) {
  inject(at, Fault::kWiped, at_node(node), Span::kThroughout);
}

void OutcomeWatch::on_altered(Instant at, NodeId) {
  // A snapshot that holds it outlives the process, and others may take it.
  inject(at, Fault::kAltered, kEverywhere, Span::kThroughout);
}

// --- Lives ---

void OutcomeWatch::on_crash(Instant at, NodeId node) {
  count_crash(at, node);
  nodes_[node.value()].is_open = false;
  end(at, Fault::kPause, at_node(node));
  full_ &= ~at_node(node);
  end(at, Fault::kDiskFull, at_node(node) & ~limited_);
  // Of an error that it died before it heard of nothing can come.
  if (std::exchange(nodes_[node.value()].has_stopped, false)) return;
  std::erase_if(open_, [&](const Episode& episode) {
    const bool is_error =
        episode.fault == Fault::kLastingError ||
        std::find(kErrorFaults.begin(), kErrorFaults.end(), episode.fault) != kErrorFaults.end();
    if (!is_error || episode.place != at_node(node) || episode.until != Instant::never())
      return false;
    --outcomes_[episode.fault].times;
    return true;
  });
}

void OutcomeWatch::count_crash(Instant at, NodeId node) {
  const Place place = at_node(node);
  const auto crash = [&](Fault fault) { inject(at, fault, place, Span::kUntilEnd); };
  crash(Fault::kCrash);
  if (counts_of_ != nullptr) {
    const auto has_more = [&](std::uint64_t WorldCounts::*counter) {
      return std::exchange(counts_.*counter, counts_of_->*counter) != counts_of_->*counter;
    };
    if (has_more(&WorldCounts::turn_stops)) crash(Fault::kTurnCrash);
    if (has_more(&WorldCounts::disk_stops)) crash(Fault::kDiskCrash);
  }
  if (at != std::exchange(crashed_at_, at)) crashed_then_ = 0;
  if (crashed_then_ != 0) {
    crash(Fault::kCrashOfSeveral);
    // The first of them was not known to be one of several.
    if (std::has_single_bit(crashed_then_)) {
      inject(at, Fault::kCrashOfSeveral, crashed_then_, Span::kUntilEnd);
    }
  }
  crashed_then_ |= place;
  const auto is_new = [&](const Node& each) {
    return each.restarted_at && at - *each.restarted_at <= window_;
  };
  const bool is_loop = is_new(nodes_[node.value()]);
  const auto new_ones = std::count_if(nodes_.begin(), nodes_.end(), is_new);
  if (is_loop) crash(Fault::kCrashLoop);
  if (new_ones > (is_loop ? 1 : 0)) crash(Fault::kRollingCrash);
}

void OutcomeWatch::on_start(Instant at, NodeId node, std::uint64_t life) {
  Node& started = nodes_[node.value()];
  started.is_open = false;
  started.has_stopped = false;
  if (life > 1) started.restarted_at = at;
  for (const Fault fault : kCrashes) end(at, fault, at_node(node));
  for (const Fault fault : kErrorFaults) end(at, fault, at_node(node));
  end(at, Fault::kLastingError, at_node(node));
}

void OutcomeWatch::on_opened(Instant at, const node::Node& node) {
  const node::NodeView view = node.view();
  Node& opened = nodes_[view.id.value()];
  opened.is_open = true;
  if (view.torn_tails > 0) see(at, Evidence::kTornTailCut, at_node(view.id));
  for (const Fault fault : kUnsynced) end(at, fault, at_node(view.id));
  if (!view.doubt) return end_damage(at, view.id);
  // A crash may bring back a doubt that was over.
  if (opened.damage) inject(at, *opened.damage, at_node(view.id), Span::kUntilEnd, 0);
}

void OutcomeWatch::end_damage(Instant at, NodeId node) {
  for (const Fault fault : kDamages) end(at, fault, at_node(node));
}

void OutcomeWatch::on_stopped(Instant at, NodeId node, const Error& reason) {
  const bool was_open = nodes_[node.value()].is_open;
  nodes_[node.value()].has_stopped = true;
  const auto tell = [&](Evidence evidence) { see(at, evidence, at_node(node)); };
  switch (reason.code) {
    case ErrorCode::kIo:
    case ErrorCode::kNoSpace:
      return tell(was_open ? Evidence::kStoppedByError : Evidence::kStartRefused);
    case ErrorCode::kCorruption:
      return tell(was_open ? Evidence::kStoppedDamaged : Evidence::kStartRefused);
    case ErrorCode::kDiverged:
      return tell(was_open ? Evidence::kStoppedWrong : Evidence::kStartRefused);
    case ErrorCode::kMismatch:
      return tell(Evidence::kStartRefused);  // an empty directory, or another cluster's
    case ErrorCode::kRemoved:                // as it was told to
    case ErrorCode::kInvalid:
    case ErrorCode::kLimit:
    case ErrorCode::kUnavailable:
      return;
  }
}

}  // namespace vesper::sim
