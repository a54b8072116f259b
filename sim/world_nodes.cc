// The lives of nodes: how they start, take turns, pause, stop and die.
#include <fmt/format.h>

#include <utility>

#include "core/kv/command.h"
#include "sim/world_impl.h"

namespace vesper::sim {

namespace {

constexpr DrawKey kClusterIdentity{Purpose::kIdentity, limits::kNodes};

ClockConfig clock_of(const WorldConfig& config, NodeId id) {
  const auto found = config.clocks.find(id);
  return found == config.clocks.end() ? ClockConfig() : found->second;
}

SimDisk::Options disk_of(const WorldConfig& config, NodeId id) {
  const auto found = config.disks.find(id);
  return {.node = id,
          .random = Random(config.seed),
          .config = found == config.disks.end() ? config.disk : found->second};
}

std::vector<raft::Entry> entries_of(const Preset& preset) {
  std::vector<raft::Entry> entries;
  for (const Term term : preset.entry_terms) {
    const LogPosition position{term, Index(entries.size() + 1)};
    // The same position holds the same command in every log, as Log Matching promises.
    const std::string key = fmt::format("preset{}", position.index.value());
    const std::string value = fmt::format("\"t{}\"", term.value());
    std::vector<std::byte> payload;
    kv::encode_put(as_bytes(key), as_bytes(value), payload);
    entries.push_back(raft::Entry::make(position, raft::EntryKind::kCommand, payload));
  }
  return entries;
}

}  // namespace

Member::Member(WorldImpl& world, NodeId member_id)
    : id(member_id),
      clock(world.now, clock_of(world.config, id)),
      disk(disk_of(world.config, id), *this),
      turn_delays(Random(world.config.seed), {Purpose::kTurnDelay, id.value()}),
      world_(world) {}

// --- What a node does, passed on ---

void Member::send(NodeId to, ByteView frame) {
  if (is_silenced) return;
  world_.send_frame(id, to, frame);
}
void Member::answer(RequestId request, const node::Answer& answer) {
  if (is_silenced) return;
  world_.observers.tell<&WorldObserver::on_request_answered>(world_.now, id, request, answer);
  world_.answer(request, answer);
}
void Member::on_ready(const node::NodeView& seen, const raft::Ready& ready) {
  world_.observers.tell<&WorldObserver::on_ready>(world_.now, seen, ready);
}
void Member::on_send(const node::NodeView& seen, const raft::Message& message) {
  if (is_silenced) return;
  world_.observers.tell<&WorldObserver::on_send>(world_.now, seen, message);
}
void Member::on_log_submitted(const node::NodeView& seen, std::uint64_t ticket, WriteId last) {
  if (is_silenced) return;
  world_.observers.tell<&WorldObserver::on_log_submitted>(world_.now, seen, ticket, last);
}
void Member::on_restored(const node::NodeView& seen, LogPosition last, std::uint64_t state_hash) {
  world_.observers.tell<&WorldObserver::on_restored>(world_.now, seen, last, state_hash);
}

void Member::on_applied(const node::NodeView& seen, const raft::Entry& entry,
                        const node::Applied& applied) {
  world_.stir(applied.state_hash ^ entry.index().value());
  world_.count_verdict(entry.index(), applied.verdict);
  world_.observers.tell<&WorldObserver::on_applied>(world_.now, seen, entry, applied);
}
void Member::on_configuration(const node::NodeView& seen, Index index,
                              const raft::Configuration& configuration) {
  ++world_.members_version;
  world_.observers.tell<&WorldObserver::on_configuration>(world_.now, seen, index, configuration);
}
void Member::on_event(const node::NodeEvent& event) {
  if (event.kind == node::NodeEvent::Kind::kDoubt) {
    ++(event.view.doubt ? world_.counts.doubts : world_.counts.repairs);
  }
  world_.observers.tell<&WorldObserver::on_node_event>(world_.now, event);
}
void Member::finish_in(storage::DiskLane lane, Duration after) {
  world_.queue.push({.at = world_.now + after,
                     .what = static_cast<std::uint32_t>(lane),
                     .generation = life,
                     .who = id.value(),
                     .kind = EventKind::kDiskDone});
}

// --- Lives ---

void WorldImpl::preset_disks() {
  const Random random(config.seed);
  storage::Identity identity;
  identity.cluster = ClusterId(random.draw(kClusterIdentity, 0) | 1);
  for (std::uint32_t id = 0; id < config.nodes; ++id) {
    identity.founders.emplace_back(random.draw({Purpose::kIdentity, id}, 0) | 1);
  }
  for (const auto& each : members) {
    if (each->id.value() >= config.nodes) break;  // a spare begins with nothing
    identity.node = each->id;
    identity.incarnation = identity.founders[each->id.value()];
    const auto preset = config.presets.find(each->id);
    each->disk.preset(preset == config.presets.end()
                          ? storage::Wal::format(identity, config.node.wal)
                          : storage::Wal::format(identity, config.node.wal,
                                                 preset->second.hard_state,
                                                 entries_of(preset->second)));
    each->disk.preset(storage::write_identity(identity));
  }
}

void WorldImpl::start_node(Member& member) {
  leader_now.reset();
  ++member.life;
  member.is_paused = false;
  member.has_stopped = false;
  member.is_turn_due = false;
  member.timer_at = Instant::never();

  node::NodeConfig node_config = config.node;
  node_config.id = member.id;
  if (member.id.value() < config.nodes) {
    node_config.cluster_size = config.nodes;
  } else {
    for (const raft::Member& each : members_now.members()) {
      if (each.id != member.id) node_config.join_by.push_back(each.id);
    }
  }
  // A seed of its own for every life: a node that forgot a draw must not repeat it.
  const Random random(
      Random(config.seed).draw({Purpose::kScenario, member.id.value(), 1}, member.life));
  member.node = std::make_unique<node::Node>(
      node_config, node::Environment{member.clock, member, member.disk, member, member, random});
  observers.tell<&WorldObserver::on_start>(now, member.id, member.life);

  const Status opened = member.node->open();
  note_misdeeds(member);
  note_standing(member);
  leader_now.reset();  // whoever was asked about meanwhile had the view of the life before
  if (!opened.ok()) return note_stop(member, opened.error());
  member.is_struck = false;
  observers.tell<&WorldObserver::on_opened>(now, *member.node);
  take_turn(member);
}

void WorldImpl::note_stop(Member& member, const Error& reason) {
  leader_now.reset();
  member.has_stopped = true;
  stir(hash64(as_bytes(reason.message)));
  reset_connections(member.id);
  observers.tell<&WorldObserver::on_stopped>(now, member.id, reason);
}

void WorldImpl::crash(Member& member, CrashLoss loss) {
  fault(fmt::format("crash n{}", member.id.value()));
  for (const std::uint64_t ticket : member.disk.crash(loss)) {
    observers.tell<&WorldObserver::on_log_durable>(now, member.id, ticket);
  }
  note_misdeeds(member);
  if (member.disk.took_back()) {
    observers.tell<&WorldObserver::on_unsynced_lost>(now, member.id, loss);
  }
  leader_now.reset();
  member.node.reset();
  member.is_silenced = false;
  ++member.life;  // whatever is still under way for it is for nobody
  member.is_paused = false;
  member.has_stopped = false;
  member.inbox.clear();
  member.inbox_traffic = 0;
  ++members_version;
  reset_connections(member.id);
  observers.tell<&WorldObserver::on_crash>(now, member.id);
}

void WorldImpl::pause(Member& member) {
  leader_now.reset();
  member.is_paused = true;
  fault(fmt::format("pause n{}", member.id.value()));
  observers.tell<&WorldObserver::on_pause>(now, member.id);
}

void WorldImpl::resume(Member& member) {
  leader_now.reset();
  member.is_paused = false;
  fault(fmt::format("resume n{}", member.id.value()));
  member.inbox_traffic = 0;
  for (Member::Input& input : std::exchange(member.inbox, {})) feed(member, std::move(input));
  if (!member.has_stopped) take_turn(member);
}

// One input, without a turn.
void WorldImpl::feed(Member& member, Member::Input input) {
  if (member.has_stopped) return;
  if (auto* frame = std::get_if<Member::Frame>(&input)) {
    hand_frame(member, *frame);
  } else if (auto* done = std::get_if<storage::DiskDone>(&input)) {
    member.node->on_disk_done(std::move(*done));
  } else {
    const auto& request = std::get<Member::Request>(input);
    OpenOperation& operation = crowd.operation(request.slot);
    if (!operation.is_open || operation.generation != request.generation) return;
    operation.is_at_node = true;
    const RequestId id = Crowd::request_id(request.slot, request.generation);
    observers.tell<&WorldObserver::on_request_taken>(now, member.id, id);
    member.node->on_request(id, {.kind = operation.kind,
                                 .key = operation.key,
                                 .value = operation.value,
                                 .once = operation.once,
                                 .target = {},
                                 .at_follower = operation.at_follower});
  }
}

// --- Turns ---

void WorldImpl::after_input(Member& member) {
  if (config.turn_delay_max == Duration()) return take_turn(member);
  if (std::exchange(member.is_turn_due, true)) return;
  queue.push({.at = now + member.turn_delays.between(Duration(), config.turn_delay_max),
              .generation = member.life,
              .who = member.id.value(),
              .kind = EventKind::kTurn});
}

void WorldImpl::note_standing(Member& member) {
  const node::Node::Standing before = std::exchange(member.standing, member.node->standing());
  if (member.standing.role != before.role || member.standing.term != before.term) {
    leader_now.reset();
  }
}

void WorldImpl::take_turn(Member& member) {
  member.node->run_turn();
  note_standing(member);
  const node::Node::Standing& standing = member.standing;
  stir(standing.term.value() << 32 ^ standing.commit.value());
  stir(standing.last.value() << 32 ^ standing.durable.value());
  note_members(member);
  if (member.node->stopped()) {
    if (!member.has_stopped) note_stop(member, member.node->stop_reason());
    return;
  }
  arm_timer(member);
}

// One timer a node. A deadline that moved later is noticed when the old one fires, so that
// heartbeats do not fill the queue.
void WorldImpl::arm_timer(Member& member) {
  const Instant local = member.node->next_deadline();
  // Most deadlines only move away: the node's clock need not be asked then.
  Instant at = member.clock.world_at(local);
  if (at < now) at = now;
  if (at >= member.timer_at) return;
  member.timer_at = at;
  queue.push(
      {.at = at, .generation = member.life, .who = member.id.value(), .kind = EventKind::kTimer});
}

void WorldImpl::on_timer(const Event& event) {
  Member& member = *members[event.who];
  if (member.life != event.generation || member.timer_at != event.at || member.has_stopped) return;
  ++counts.timers;
  member.timer_at = Instant::never();
  if (member.is_paused) return;
  if (member.node->next_deadline() > member.clock.now()) return arm_timer(member);
  take_turn(member);
}

void WorldImpl::on_turn(const Event& event) {
  Member& member = *members[event.who];
  if (member.life != event.generation) return;
  ++counts.turns;
  member.is_turn_due = false;
  if (!member.is_paused && !member.has_stopped) take_turn(member);
}

// Then the batch stays where it stopped, for the crash to come.
bool WorldImpl::stops_at_disk(Member& member, storage::DiskLane lane) {
  if (disk_watcher == nullptr) return false;
  const std::vector<storage::DiskOp>& ops = member.disk.under_way(lane).ops;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const DiskStop stop = disk_watcher->on_disk_op(member.id, lane, ops[i]);
    if (stop == DiskStop::kNone) continue;
    ++counts.disk_stops;
    member.disk.stop_at(lane, stop == DiskStop::kAfter ? i + 1 : i);
    return true;
  }
  return false;
}

void WorldImpl::on_disk_done(const Event& event) {
  Member& member = *members[event.who];
  if (member.life != event.generation) return;
  if (member.disk.has_to_wait(static_cast<storage::DiskLane>(event.what))) return;
  if (stops_at_disk(member, static_cast<storage::DiskLane>(event.what))) return;
  ++counts.completions;
  storage::DiskDone done = member.disk.finish(static_cast<storage::DiskLane>(event.what));
  note_misdeeds(member);
  const std::uint64_t ticket = done.batch.ticket;
  if (done.status.ok() && done.batch.lane == storage::DiskLane::kLog) {
    observers.tell<&WorldObserver::on_log_durable>(now, member.id, ticket);
  }
  if (member.has_stopped) return;
  if (member.is_paused) {
    member.inbox.emplace_back(std::move(done));
    return;
  }
  member.node->on_disk_done(std::move(done));
  after_input(member);
}

}  // namespace vesper::sim
