#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/kv/command.h"
#include "sim/world_impl.h"

namespace vesper::sim {

namespace {

std::string name(NodeId node) {
  return fmt::format("n{}", node.value());
}

}  // namespace

// --- The loop ---

WorldImpl::WorldImpl(WorldConfig world_config, Observers world_observers)
    : config(std::move(world_config)),
      observers(std::move(world_observers)),
      links(config),
      crowd(config),
      newest_arrived(std::size_t{config.all_nodes()} * config.all_nodes()),
      old_frames(config.seed),
      members_now(raft::Configuration::of_founders(std::vector<Incarnation>(config.nodes))) {
  hash = mix64(0, config.seed);
  VESPER_CHECK(config.nodes > 0 && config.all_nodes() <= limits::kNodes);
  for (std::uint32_t id = 0; id < config.all_nodes(); ++id) {
    members.push_back(std::make_unique<Member>(*this, NodeId(id)));
  }
}

void WorldImpl::start() {
  VESPER_CHECK(!std::exchange(is_started, true));
  if (config.preformed || !config.presets.empty()) preset_disks();
  for (std::uint32_t id = 0; id < config.nodes; ++id) start_node(*members[id]);
  for (std::uint32_t client = 0; client < crowd.size(); ++client) tick_client_in(client);
}

void WorldImpl::step() {
  const Event event = queue.pop();
  VESPER_CHECK(event.at >= now);
  now = event.at;
  const std::uint64_t number = ++counts.events;
  stir(static_cast<std::uint64_t>(event.at.nanoseconds()));
  stir(static_cast<std::uint64_t>(event.kind) << 56 | static_cast<std::uint64_t>(event.who) << 32 |
       event.what);
  switch (event.kind) {
    case EventKind::kDeliver:
      on_deliver(event);
      break;
    case EventKind::kTimer:
      on_timer(event);
      break;
    case EventKind::kTurn:
      on_turn(event);
      break;
    case EventKind::kDiskDone:
      on_disk_done(event);
      break;
    case EventKind::kRequestArrive:
      on_request_arrive(event);
      break;
    case EventKind::kAnswerArrive:
      on_answer_arrive(event);
      break;
    case EventKind::kGiveUp:
      on_give_up(event);
      break;
    case EventKind::kClientTick:
      on_client_tick(event);
      break;
    case EventKind::kClientRetry:
      on_client_retry(event);
      break;
    case EventKind::kOperator:
      on_operator(event);
      break;
  }
  observers.tell<&WorldObserver::on_event_end>(now, number);
}

void WorldImpl::advance_to(Instant at) {
  VESPER_CHECK(now <= at && at <= queue.next_at());
  now = at;
}

void WorldImpl::fault(const std::string& what) {
  ++counts.faults;
  last_fault_at = now;
  stir(hash64(as_bytes(what), static_cast<std::uint64_t>(now.nanoseconds())));
  observers.tell<&WorldObserver::on_fault>(now, what);
}

// --- The public face ---

World::World(WorldConfig config, Observers observers)
    : impl_(std::make_unique<WorldImpl>(std::move(config), std::move(observers))), state_(*impl_) {}
World::~World() = default;

void World::start() {
  impl_->start();
}
Instant World::next_at() const {
  return impl_->queue.next_at();
}
void World::step() {
  impl_->step();
}
void World::advance_to(Instant at) {
  impl_->advance_to(at);
}
void World::run_until(Instant at) {
  while (next_at() <= at) step();
  advance_to(at);
}

void World::partition(const std::vector<std::vector<NodeId>>& groups) {
  std::string what = "partition";
  for (const std::vector<NodeId>& group : groups) {
    if (what != "partition") what += " |";
    for (const NodeId node : group) what += ' ' + name(node);
  }
  if (impl_->links.partition(groups)) impl_->fault(what);
}

void World::cut(NodeId from, NodeId to) {
  if (!impl_->links.cut(from, to)) return;
  impl_->fault(fmt::format("cut {} -> {}", name(from), name(to)));
}

void World::mend(NodeId from, NodeId to) {
  if (!impl_->links.mend(from, to)) return;
  impl_->fault(fmt::format("mend {} -> {}", name(from), name(to)));
}

void World::heal() {
  bool is_change = impl_->links.heal();
  for (const auto& from : impl_->members) {
    for (const auto& to : impl_->members) is_change |= impl_->unclog(from->id, to->id);
  }
  if (is_change) impl_->fault("heal");
}

void World::clog(NodeId from, NodeId to) {
  if (!impl_->links.clog(from, to)) return;
  impl_->fault(fmt::format("clog {} -> {}", name(from), name(to)));
}

void World::unclog(NodeId from, NodeId to) {
  if (!impl_->unclog(from, to)) return;
  impl_->fault(fmt::format("unclog {} -> {}", name(from), name(to)));
}

void World::replay(NodeId from, NodeId to, std::string_view type, std::uint64_t count) {
  VESPER_CHECK(impl_->config.remembers_frames);
  const std::uint64_t before = impl_->counts.replayed;
  for (std::uint64_t i = 0; i < count; ++i) {
    impl_->replay(from, to, {.type = type, .since = Instant()});
  }
  if (impl_->counts.replayed == before) return;
  impl_->fault(fmt::format("replay {} -> {}", name(from), name(to)));
}

void World::crash(NodeId node, std::optional<CrashLoss> loss) {
  Member& member = impl_->member(node);
  if (member.node != nullptr) impl_->crash(member, loss.value_or(member.disk.config().on_crash));
}

void World::restart(NodeId node) {
  Member& member = impl_->member(node);
  if (member.node != nullptr) return;
  impl_->fault("restart " + name(node));
  impl_->start_node(member);
}

void World::pause(NodeId node) {
  Member& member = impl_->member(node);
  if (member.node != nullptr && !member.is_paused) impl_->pause(member);
}

void World::resume(NodeId node) {
  Member& member = impl_->member(node);
  if (member.node != nullptr && member.is_paused) impl_->resume(member);
}

void World::fire_timer(NodeId node) {
  Member& member = impl_->member(node);
  if (member.node == nullptr || member.is_paused || member.has_stopped) return;
  impl_->fault("timeout of " + name(node));
  member.clock.jump_to(member.node->next_deadline());
  impl_->take_turn(member);
}

void World::set_network(const LinkConfig& link) {
  if (impl_->links.set_all(link)) impl_->fault("network");
}

void World::set_link(NodeId from, NodeId to, const LinkConfig& link) {
  if (!impl_->links.set(from, to, link)) return;
  impl_->fault(fmt::format("link {} -> {}", name(from), name(to)));
}

void World::set_disk(NodeId node, const DiskConfig& disk) {
  SimDisk& of_node = impl_->member(node).disk;
  if (of_node.config() == disk) return;
  of_node.set_config(disk);
  impl_->fault("disk of " + name(node));
}

void World::set_disk_room(NodeId node, std::optional<SimDisk::Room> room) {
  SimDisk& disk = impl_->member(node).disk;
  if (!room && !disk.has_limit()) return;
  disk.set_room(room);
  impl_->fault(room ? fmt::format("disk of {} is full but for {} bytes{}", name(node), room->bytes,
                                  room->is_in_place ? ", writes in place too" : "")
                    : "disk of " + name(node) + " has room");
}

void World::flip_bit(NodeId node, const std::string& file, std::uint64_t offset, unsigned bit) {
  VESPER_CHECK(!is_up(node));
  impl_->member(node).disk.flip_bit(file, offset, bit);
  impl_->fault(fmt::format("flip bit {} at {} of {} of {}", bit, offset, file, name(node)));
  impl_->note_damage(impl_->member(node));
}

void World::transfer(NodeId node, std::optional<NodeId> target) {
  Member& member = impl_->member(node);
  if (member.node == nullptr || member.is_paused || member.has_stopped) return;
  impl_->fault("transfer from " + name(node) + (target ? " to " + name(*target) : ""));
  impl_->transfer(member, target);
}

void World::want_members(std::vector<NodeId> voters) {
  impl_->want_members(std::move(voters));
}

void World::wipe(NodeId node) {
  Member& member = impl_->member(node);
  if (member.node != nullptr) impl_->crash(member, CrashLoss::kLoseAll);
  member.disk.wipe();
  member.is_wiped = true;
  impl_->fault("wipe " + name(node));
  impl_->observers.tell<&WorldObserver::on_wipe>(impl_->now, node);
}

void World::intercept(Interceptor* interceptor) {
  impl_->interceptor = interceptor;
}

void World::watch_disks(DiskWatcher* watcher) {
  impl_->disk_watcher = watcher;
}

void World::release_held(const Release& release) {
  std::vector<WorldImpl::Held>& held = impl_->held;
  if (held.size() < release.nth.value_or(1)) return;
  std::vector<WorldImpl::Held> released;
  if (release.nth) {
    const auto one = held.begin() + static_cast<std::ptrdiff_t>(*release.nth - 1);
    released.push_back(std::move(*one));
    held.erase(one);
  } else {
    released = std::exchange(held, {});
  }
  if (release.is_reverse) std::reverse(released.begin(), released.end());
  for (const WorldImpl::Held& frame : released) {
    impl_->transmit(frame.from, frame.to, frame.bytes, Duration());
  }
  impl_->fault("release");
}

std::uint64_t World::held() const {
  return impl_->held.size();
}

bool World::alter(NodeId node, std::string_view key, std::optional<std::string_view> value) {
  Member& member = impl_->member(node);
  if (member.node == nullptr || member.has_stopped) return false;
  kv::StateMachine& machine = member.node->machine();
  const SharedBytes* held = machine.store().get(key);
  if (value) {
    std::vector<std::byte> payload;
    kv::encode_put(as_bytes(key), as_bytes(*value), payload);
    const Index last(machine.store().size());  // says nothing: no session has a part in it
    VESPER_CHECK(machine.apply(last, SharedBytes::copy_of(payload)).ok());
  } else {
    if (held == nullptr || held->empty()) return false;
    // No writer of the core could: that is what damage is.
    const_cast<std::byte*>(held->view().data())[held->size() / 2] ^= std::byte{1};
  }
  impl_->fault(fmt::format("alter n{}", node.value()));
  impl_->observers.tell<&WorldObserver::on_altered>(impl_->now, node);
  return true;
}

OperationId World::put(NodeId node, std::string_view key, std::string_view value,
                       Duration timeout) {
  return impl_->invoke(impl_->crowd.single_operation(node, node::RequestKind::kPut, key, value),
                       timeout);
}

OperationId World::get(NodeId node, std::string_view key, Duration timeout, bool at_follower) {
  const std::uint32_t slot = impl_->crowd.single_operation(node, node::RequestKind::kGet, key, {});
  impl_->crowd.operation(slot).at_follower = at_follower;
  return impl_->invoke(slot, timeout);
}

void World::set_client_rate(std::uint64_t rate_per_kilosecond) {
  impl_->crowd.set_rate(rate_per_kilosecond);
  ++impl_->tick_generation;
  for (std::uint32_t client = 0; client < impl_->crowd.size(); ++client) {
    impl_->tick_client_in(client);
  }
}

void World::end_client_losses() {
  impl_->crowd.end_losses();
}

std::uint64_t World::open_operations() const {
  return impl_->crowd.open();
}
const WorldConfig& World::config() const {
  return impl_->config;
}
bool World::is_up(NodeId node) const {
  return impl_->member(node).node != nullptr;
}
bool World::is_paused(NodeId node) const {
  return impl_->member(node).is_paused;
}
bool World::has_stopped(NodeId node) const {
  return impl_->member(node).has_stopped;
}
bool World::is_wiped(NodeId node) const {
  return impl_->member(node).is_wiped;
}
bool World::has_begun(NodeId node) const {
  return impl_->member(node).life > 0;
}
const raft::Configuration& World::members() const {
  return impl_->members_now;
}
std::vector<raft::Configuration> World::configurations_in_force() const {
  std::vector<raft::Configuration> found{impl_->members_now};
  for (const auto& member : impl_->members) {
    if (member->node == nullptr || member->has_stopped) continue;
    if (member->standing.configuration <= impl_->members_known_to) continue;
    found.push_back(member->node->configurations()->latest());
  }
  return found;
}
const node::NodeView& World::view(NodeId node) const {
  VESPER_CHECK(is_up(node));
  return impl_->member(node).node->view();
}
const node::Node& World::node(NodeId node) const {
  VESPER_CHECK(is_up(node));
  return *impl_->member(node).node;
}
bool World::is_connected(NodeId a, NodeId b) const {
  const Links& links = impl_->links;
  return links.passes(a, b) && links.passes(b, a) && !links.is_clogged(a, b) &&
         !links.is_clogged(b, a);
}

std::optional<NodeId> World::leader() const {
  const Member* leader = impl_->leading_member();
  return leader == nullptr ? std::nullopt : std::optional(leader->id);
}

std::vector<storage::FileInfo> World::files(NodeId node) const {
  VESPER_CHECK(!is_up(node));
  return impl_->member(node).disk.list().value();
}

}  // namespace vesper::sim
