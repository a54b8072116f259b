// Frames between nodes: what leaves, what becomes of it under way, what arrives.
#include <algorithm>
#include <utility>

#include "sim/tamper.h"
#include "sim/world_impl.h"

namespace vesper::sim {

namespace {

constexpr std::size_t kFrameSumOffset = 12;  // core/node/wire.h
// What waits in one link that is clogged, as in the buffers of a connection.
constexpr std::size_t kClogged = 4096;

// What tells frames apart in the run's hash.
std::uint64_t mark_of(const Member::Frame& frame) {
  if (frame.is_corrupt) return hash64(frame.bytes.view());
  return load_little<std::uint32_t>(frame.bytes.view().data() + kFrameSumOffset);
}

}  // namespace

void WorldImpl::send_frame(NodeId from, NodeId to, ByteView frame) {
  SharedBytes bytes = SharedBytes::copy_of(frame);
  if (interceptor == nullptr) return transmit(from, to, std::move(bytes), Duration());

  const auto decoded = node::decode_frame(bytes);
  VESPER_CHECK(decoded.ok());
  const Fate fate = interceptor->on_frame(decoded.value());
  if (fate.ends_turn) {
    ++counts.turn_stops;
    members[from.value()]->is_silenced = true;
    members[from.value()]->disk.close();
  }
  switch (fate.kind) {
    case Fate::Kind::kSend:
      return transmit(from, to, bytes, Duration());
    case Fate::Kind::kDrop:
      ++counts.lost;
      ++counts.dropped;
      return;
    case Fate::Kind::kHold:
      ++counts.held;
      held.push_back({from, to, bytes});
      return;
    case Fate::Kind::kDuplicate:
      ++counts.duplicated;
      transmit(from, to, bytes, Duration());
      return transmit(from, to, bytes, Duration());
    case Fate::Kind::kDelay:
      ++counts.delayed;
      return transmit(from, to, bytes, fate.delay);
  }
  VESPER_UNREACHABLE();
}

void WorldImpl::transmit(NodeId from, NodeId to, SharedBytes bytes, Duration extra) {
  if (config.remembers_frames) old_frames.remember(now, from, to, bytes);
  const Links::Arrivals arrivals = links.draw(now, from, to);
  if (arrivals.copies == 0) ++counts.lost;
  if (arrivals.is_dropped) ++counts.dropped;
  if (arrivals.is_lost_in_burst) ++counts.burst_losses;
  if (arrivals.copies > 1) ++counts.duplicated;
  for (std::size_t copy = 1; copy < arrivals.copies; ++copy) {
    send_copy(from, to, bytes, arrivals.after[copy - 1] + extra);
  }
  if (arrivals.copies > 0) {
    send_copy(from, to, std::move(bytes), arrivals.after[arrivals.copies - 1] + extra);
  }
  if (links.draw_replay(from, to) != nullptr) {
    const Duration age = links.config(from, to).replay_age;
    replay(from, to, {.type = {}, .since = now - Instant() > age ? now - age : Instant()});
  }
}

void WorldImpl::send_copy(NodeId from, NodeId to, SharedBytes bytes, Duration after) {
  InFlight frame{.from = from, .bytes = std::move(bytes), .number = ++frames_sent};
  if (RandomStream* const draws = links.draw_corruption(from, to)) {
    frame.bytes = tampered(frame.bytes.view(), *draws);
    frame.is_corrupt = true;
  }
  deliver_in(after, to, std::move(frame));
}

// Comes at once: how late it is is its own affair.
void WorldImpl::replay(NodeId from, NodeId to, const OldFrames::Wanted& which) {
  const auto old = old_frames.choose(from, to, which, links.replays(from, to));
  if (!old) return;
  ++counts.replayed;
  deliver_in(Duration(), to, {.from = from, .bytes = *old, .number = ++frames_sent});
}

void WorldImpl::deliver_in(Duration after, NodeId to, InFlight&& frame) {
  if (free_in_flight.empty()) {
    free_in_flight.push_back(static_cast<std::uint32_t>(in_flight.size()));
    in_flight.emplace_back();
  }
  const std::uint32_t slot = free_in_flight.back();
  free_in_flight.pop_back();
  in_flight[slot] = std::move(frame);
  queue.push({.at = now + after, .what = slot, .who = to.value(), .kind = EventKind::kDeliver});
}

void WorldImpl::on_deliver(const Event& event) {
  InFlight frame = std::move(in_flight[event.what]);
  free_in_flight.push_back(event.what);
  Member& member = *members[event.who];
  if (links.is_clogged(frame.from, member.id)) return clog_up(member.id, std::move(frame));
  // A partition also loses what was under way when it came.
  const bool arrives =
      member.node != nullptr && !member.has_stopped && links.passes(frame.from, member.id);
  if (!arrives) {
    ++counts.lost;
    return;
  }
  std::uint64_t& newest = newest_arrived[frame.from.value() * members.size() + member.id.value()];
  if (frame.number < newest) ++counts.overtaken;
  newest = std::max(newest, frame.number);
  const Member::Frame arrived{frame.from, std::move(frame.bytes), frame.is_corrupt};
  stir(mark_of(arrived));
  if (member.is_paused) {
    if (!put_in_inbox(member, arrived)) ++counts.lost;
    return;
  }
  ++counts.deliveries;
  if (!arrived.is_corrupt) {
    observers.tell<&WorldObserver::on_deliver>(now, arrived.from, member.id, arrived.bytes.view());
  }
  hand_frame(member, arrived);
  after_input(member);
}

void WorldImpl::hand_frame(Member& member, const Member::Frame& frame) {
  if (!frame.is_corrupt) return member.node->on_message(frame.bytes);
  ++counts.corrupted;
  const node::NodeView before = member.node->view();
  const Instant deadline = member.node->next_deadline();
  member.node->on_message(frame.bytes);
  const bool left_trace = node::decode_frame(frame.bytes).ok() ||
                          !(member.node->view() == before) ||
                          member.node->next_deadline() != deadline;
  observers.tell<&WorldObserver::on_corrupted>(now, frame.from, member.id, frame.bytes.view(),
                                               left_trace);
}

// --- Clogged links ---

void WorldImpl::clog_up(NodeId to, InFlight frame) {
  std::vector<InFlight>& waiting = clogged[{frame.from, to}];
  if (waiting.size() >= kClogged) {
    ++counts.lost;
    return;
  }
  ++counts.waited;
  waiting.push_back(std::move(frame));
}

bool WorldImpl::unclog(NodeId from, NodeId to) {
  if (!links.unclog(from, to)) return false;
  std::vector<InFlight> waiting = std::exchange(clogged[{from, to}], {});
  std::stable_sort(waiting.begin(), waiting.end(),
                   [](const InFlight& a, const InFlight& b) { return a.number < b.number; });
  for (InFlight& frame : waiting) deliver_in(Duration(), to, std::move(frame));
  return true;
}

}  // namespace vesper::sim
