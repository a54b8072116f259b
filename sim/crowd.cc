#include "sim/crowd.h"

#include <string>
#include <utility>

#include "sim/draws.h"

namespace vesper::sim {

namespace {

constexpr std::int64_t kKilosecond = 1'000'000'000'000;  // ns
constexpr std::uint64_t kGaps = 1;

}  // namespace

Crowd::Crowd(const WorldConfig& config)
    : random_(config.seed),
      delay_(config.network.delay),
      nodes_(config.all_nodes()),
      crowds_(config.clients) {
  for (std::uint32_t crowd = 0; crowd < crowds_.size(); ++crowd) {
    VESPER_CHECK(crowds_[crowd].keys > 0);
    for (std::uint64_t i = 0; i < crowds_[crowd].count; ++i) {
      // Keyed by crowd and place in it: another crowd, or a larger one, changes nothing for these.
      const std::uint64_t drawn_for = (std::uint64_t{crowd} + 1) << 32 | i;
      RandomStream gaps(random_, {Purpose::kClient, drawn_for, kGaps});
      const NodeId leader(static_cast<std::uint32_t>(gaps.below(nodes_)));
      clients_.push_back({.crowd = crowd, .drawn_for = drawn_for, .gaps = gaps, .leader = leader});
    }
  }
  next_single_ = clients_.size();
}

RandomStream Crowd::draws(std::uint64_t drawn_for, std::uint64_t number, Concern concern) const {
  const std::uint64_t which = number * 4 + static_cast<std::uint64_t>(concern);
  return {random_, {Purpose::kClientDelay, drawn_for, which}};
}

Duration Crowd::way(const OpenOperation& operation, Way way) const {
  const Concern concern = way == Way::kThere ? Concern::kThere : Concern::kBack;
  RandomStream stream = draws(operation.drawn_for, operation.number, concern);
  const ClientsConfig* const crowd = crowd_of(operation);
  const Delay& own = crowd != nullptr && crowd->delay ? *crowd->delay : delay_;
  const Duration delay = draw_delay(own, stream);
  return way == Way::kThere ? delay + operation.late : delay;
}

const ClientsConfig* Crowd::crowd_of(const OpenOperation& operation) const {
  const std::uint64_t client = operation.client.value();
  return client < clients_.size() ? &crowds_[clients_[client].crowd] : nullptr;
}

bool Crowd::is_lost(const OpenOperation& operation, Way way) const {
  const ClientsConfig* const crowd = crowd_of(operation);
  if (crowd == nullptr || !loses_) return false;
  const bool is_there = way == Way::kThere;
  const std::uint64_t share = is_there ? crowd->lose_requests_ppm : crowd->lose_answers_ppm;
  if (share == 0) return false;
  const std::uint64_t which = operation.number * 2 + (is_there ? 0 : 1);
  return RandomStream(random_, {Purpose::kClientLoss, operation.drawn_for, which})
      .chance_ppm(share);
}

Duration Crowd::next_gap(std::uint32_t client) {
  const ClientsConfig& crowd = crowds_[clients_[client].crowd];
  if (crowd.rate_per_kilosecond == 0) return kNever;
  const auto mean =
      Duration::nanoseconds(kKilosecond / static_cast<std::int64_t>(crowd.rate_per_kilosecond)) *
      static_cast<std::int64_t>(crowd.count);
  return clients_[client].gaps.exponential(mean);
}

void Crowd::set_rate(std::uint64_t rate_per_kilosecond) {
  for (ClientsConfig& crowd : crowds_) crowd.rate_per_kilosecond = rate_per_kilosecond;
}

std::uint32_t Crowd::next_operation(std::uint32_t client_index) {
  Client& client = clients_[client_index];
  const ClientsConfig& crowd = crowds_[client.crowd];
  VESPER_CHECK(!client.is_waiting);
  client.is_waiting = true;

  const std::uint32_t slot = open_request(client_index);
  OpenOperation& operation = operations_[slot];
  if (crowd.sessions && !client.session.is_registered()) {
    operation.kind = node::RequestKind::kRegister;
    return slot;
  }
  operation.id = OperationId(next_id_++);
  RandomStream what = draws(operation.drawn_for, operation.number, Concern::kWhat);
  operation.key = "k" + std::to_string(what.below(crowd.keys));
  const bool is_put = what.chance_ppm(crowd.put_ppm);
  operation.kind = is_put ? node::RequestKind::kPut : node::RequestKind::kGet;
  operation.value = is_put ? next_value(client_index) : std::string();
  if (what.chance_ppm(crowd.stray_ppm)) {
    operation.node = NodeId(static_cast<std::uint32_t>(what.below(nodes_)));
  }
  // Drawn last, so that an operation is the same in every other way with and without such reads.
  operation.at_follower = !is_put && what.chance_ppm(crowd.follower_reads_ppm);
  if (operation.at_follower) {
    operation.node = NodeId(static_cast<std::uint32_t>(what.below(nodes_)));
  }
  if (is_put && crowd.sessions) {
    client.session.begin(operation.id, operation.key, operation.value);
    operation.once = client.session.put()->once;
    client.session.on_try(slot);
  }
  return slot;
}

// --- Tries of one put ---

RandomStream Crowd::retry_draws(const Client& client) const {
  return {random_, {Purpose::kRetry, client.drawn_for, client.operations}};
}

std::uint32_t Crowd::open_try(std::uint32_t client_index) {
  const std::uint32_t slot = open_request(client_index);
  SessionClient& session = clients_[client_index].session;
  OpenOperation& operation = operations_[slot];
  operation.id = session.put()->id;
  operation.kind = node::RequestKind::kPut;
  operation.key = session.put()->key;
  operation.value = session.put()->value;
  operation.once = session.put()->once;
  session.on_try(slot);
  return slot;
}

std::optional<std::uint32_t> Crowd::second_try(std::uint32_t client_index) {
  const Client& client = clients_[client_index];
  if (!client.session.put()) return std::nullopt;
  RandomStream twice = retry_draws(client);
  if (!twice.chance_ppm(crowds_[client.crowd].twice_ppm)) return std::nullopt;
  const std::uint32_t slot = open_try(client_index);
  if (twice.chance_ppm(500'000)) {
    operations_[slot].node = NodeId(static_cast<std::uint32_t>(twice.below(nodes_)));
  }
  // As one that was stuck in a buffer somewhere, and comes when its put is long over.
  if (twice.chance_ppm(250'000)) {
    operations_[slot].late = twice.between(Duration(), Duration::seconds(2));
  }
  return slot;
}

bool Crowd::is_retry_due(std::uint32_t client, std::uint32_t operation) const {
  const SessionClient& session = clients_[client].session;
  return session.may_try_again() &&
         static_cast<std::uint32_t>(session.put()->id.value()) == operation;
}

std::uint32_t Crowd::next_try(std::uint32_t client) {
  --pausing_;
  return open_try(client);
}

Crowd::Closed Crowd::close_try(Client& client, std::uint32_t slot, const node::Answer* answer) {
  SessionClient::Ended ended = client.session.on_end(slot, answer);
  for (const std::uint32_t abandoned : ended.abandoned) operations_[abandoned].is_abandoned = true;
  if (ended.is_over) {
    client.is_waiting = false;
    return {.is_over = true, .told = std::move(ended.told), .retry_in = {}};
  }
  if (!ended.try_again) return {};
  ++pausing_;
  // By a redirect at once, else while an election may go on.
  const Duration pause_max = Duration::milliseconds(answer != nullptr && answer->leader ? 2 : 200);
  return {.is_over = false,
          .told = {},
          .retry_in = retry_draws(client).between(Duration::microseconds(100), pause_max)};
}

// A JSON string that no other put of the run carries.
std::string Crowd::next_value(std::uint32_t client_index) {
  Client& client = clients_[client_index];
  std::string value = "\"c" + std::to_string(client_index) + '.' + std::to_string(++client.puts);
  const std::uint64_t least = crowds_[client.crowd].value_bytes;
  while (value.size() + 1 < least) value += '.';
  value += '"';
  return value;
}

std::uint32_t Crowd::single_operation(NodeId node, node::RequestKind kind, std::string_view key,
                                      std::string_view value) {
  const std::uint32_t slot = open_slot(ClientId(next_single_++));
  OpenOperation& operation = operations_[slot];
  operation.id = OperationId(next_id_++);
  operation.drawn_for = 0;
  operation.number = singles_++;
  operation.node = node;
  operation.kind = kind;
  operation.key = key;
  operation.value = value;
  return slot;
}

std::uint32_t Crowd::open_request(std::uint32_t client_index) {
  Client& client = clients_[client_index];
  const std::uint32_t slot = open_slot(ClientId(client_index));
  OpenOperation& operation = operations_[slot];
  operation.drawn_for = client.drawn_for;
  operation.number = client.operations++;
  operation.node = client.leader;
  return slot;
}

std::uint32_t Crowd::open_slot(ClientId client) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<std::uint32_t>(operations_.size()));
    operations_.emplace_back();
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  OpenOperation& operation = operations_[slot];
  const std::uint32_t generation = operation.generation;
  operation = {.id = {}, .client = client, .node = {}, .generation = generation, .is_open = true};
  ++open_;
  return slot;
}

void Crowd::free_slot(std::uint32_t slot) {
  OpenOperation& operation = operations_[slot];
  VESPER_CHECK(operation.is_open);
  operation.is_open = false;
  operation.is_at_node = false;
  ++operation.generation;
  free_slots_.push_back(slot);
  --open_;
}

Duration Crowd::timeout_of(const OpenOperation& operation) const {
  const std::uint64_t client = operation.client.value();
  VESPER_CHECK(client < clients_.size());
  return crowds_[clients_[client].crowd].timeout + operation.late;
}

Crowd::Closed Crowd::close(std::uint32_t slot, const node::Answer* answer) {
  free_slot(slot);
  const OpenOperation& operation = operations_[slot];
  if (operation.is_abandoned) return {};
  Closed closed{.is_over = true, .told = {}, .retry_in = {}};
  if (answer != nullptr) closed.told = *answer;
  if (operation.client.value() >= clients_.size()) return closed;

  Client& client = clients_[operation.client.value()];
  learn(client, operation, answer);
  if (operation.once) return close_try(client, slot, answer);
  client.is_waiting = false;
  if (operation.kind == node::RequestKind::kRegister) {
    if (answer != nullptr && answer->outcome == node::Outcome::kSuccess) {
      client.session.on_registered(answer->session);
    }
    closed.is_over = false;  // it was no operation
  }
  return closed;
}

void Crowd::learn(Client& client, const OpenOperation& operation, const node::Answer* answer) {
  if (operation.at_follower) return;  // it says nothing of who leads
  const bool is_served = answer != nullptr && (answer->outcome == node::Outcome::kSuccess ||
                                               answer->outcome == node::Outcome::kAbsent ||
                                               answer->outcome == node::Outcome::kRefused);
  if (is_served) {
    client.leader = operation.node;
  } else if (answer != nullptr && answer->leader) {
    client.leader = *answer->leader;
  } else {
    RandomStream whom = draws(operation.drawn_for, operation.number, Concern::kWhomNext);
    client.leader = NodeId(static_cast<std::uint32_t>(whom.below(nodes_)));
  }
}

}  // namespace vesper::sim
