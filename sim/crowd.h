// The clients of a simulated world: crowds that draw what they do next, each client with one
// operation at a time, and the operations under way. A client learns who leads from redirects and
// tries somebody else after a failure; with a session it tries a put again as the same operation
// (sim/session_client.h), without one it never does. Every draw is keyed by client, operation and
// what it is about, so that neither another crowd nor another fate of one operation reshuffles the
// rest. World moves requests and answers; the crowd decides.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/node/environment.h"
#include "sim/config.h"
#include "sim/observer.h"
#include "sim/session_client.h"

namespace vesper::sim {

// A request under way, in a slot that is used again: its generation tells the uses apart. It is an
// operation, one of the tries of a session's put, or a registration.
struct OpenOperation {
  OperationId id;  // 0: a registration
  ClientId client;
  NodeId node;
  node::RequestKind kind = node::RequestKind::kGet;
  std::string key;
  std::string value;
  std::optional<kv::IdempotencyKey> once;
  std::uint32_t generation = 0;
  // What its draws are keyed by: its client, and how many requests that client made before it.
  std::uint64_t drawn_for = 0;
  std::uint64_t number = 0;
  Duration late;  // how much longer than usual it is under way to its node
  bool is_open = false;
  bool at_follower = false;   // a get that any node may answer
  bool is_at_node = false;    // the node has it and has not answered
  bool is_abandoned = false;  // its put is over; the node may act on it all the same
  node::Answer answer;        // on its way back
};

class Crowd {
 public:
  explicit Crowd(const WorldConfig& config);

  // --- Clients ---
  std::size_t size() const { return clients_.size(); }
  bool is_idle(std::uint32_t client) const { return !clients_[client].is_waiting; }
  // How long until the client's next turn; never() if its crowd's rate is 0.
  Duration next_gap(std::uint32_t client);
  void set_rate(std::uint64_t rate_per_kilosecond);
  // What the client does next: the slot of an operation, or of a registration.
  // Requires: it is idle. Ensures: it waits.
  std::uint32_t next_operation(std::uint32_t client);
  // The slot of a second copy of the try that left just now, if the client sends one.
  std::optional<std::uint32_t> second_try(std::uint32_t client);
  // Whether the put of this number, of which a try failed, is still to be tried again.
  bool is_retry_due(std::uint32_t client, std::uint32_t operation) const;
  // Requires: is_retry_due.
  std::uint32_t next_try(std::uint32_t client);
  Duration timeout_of(const OpenOperation& operation) const;
  // How long the request or its answer is under way between client and node.
  enum class Way : std::uint8_t { kThere, kBack };
  Duration way(const OpenOperation& operation, Way way) const;
  bool is_lost(const OpenOperation& operation, Way way) const;
  // From now on nothing is.
  void end_losses() { loses_ = false; }

  // --- Operations ---
  // One of a client of its own.
  std::uint32_t single_operation(NodeId node, node::RequestKind kind, std::string_view key,
                                 std::string_view value);
  OpenOperation& operation(std::uint32_t slot) { return operations_[slot]; }
  std::size_t slots() const { return operations_.size(); }
  std::uint64_t open() const { return open_ + pausing_; }
  struct Closed {
    // The operation is over; `told` is its answer, nothing if the client stops waiting.
    bool is_over = false;
    std::optional<node::Answer> told;
    // After this time the client tries again.
    std::optional<Duration> retry_in;
  };
  // The request is answered, or its client waits for it no longer (nullptr); the client learns from
  // it where to go next. Frees the slot.
  Closed close(std::uint32_t slot, const node::Answer* answer);

  // The request's id inside its node, and back.
  static RequestId request_id(std::uint32_t slot, std::uint32_t generation) {
    return RequestId(static_cast<std::uint64_t>(generation) << 32 | slot);
  }

  static constexpr Duration kNever = Duration::nanoseconds(INT64_MAX);

 private:
  struct Client {
    std::uint32_t crowd = 0;
    std::uint64_t drawn_for = 0;
    RandomStream gaps;
    NodeId leader;  // whom it takes for the leader
    std::uint64_t operations = 0;
    std::uint64_t puts = 0;
    bool is_waiting = false;
    SessionClient session;  // of a crowd with sessions
  };
  // What a draw for one operation is about: each has a stream of its own.
  enum class Concern : std::uint8_t { kWhat, kThere, kBack, kWhomNext };
  RandomStream draws(std::uint64_t drawn_for, std::uint64_t number, Concern concern) const;
  // What is drawn for a try that follows this request of the client's.
  RandomStream retry_draws(const Client& client) const;
  // nullptr: a client of its own.
  const ClientsConfig* crowd_of(const OpenOperation& operation) const;
  std::uint32_t open_slot(ClientId client);
  // One of the client's, asked of the node that it takes for the leader.
  std::uint32_t open_request(std::uint32_t client);
  std::uint32_t open_try(std::uint32_t client);
  void free_slot(std::uint32_t slot);
  void learn(Client& client, const OpenOperation& operation, const node::Answer* answer);
  Closed close_try(Client& client, std::uint32_t slot, const node::Answer* answer);
  std::string next_value(std::uint32_t client);

  Random random_;
  Delay delay_;
  std::uint32_t nodes_;
  std::vector<ClientsConfig> crowds_;
  std::vector<Client> clients_;
  std::vector<OpenOperation> operations_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t next_id_ = 1;
  std::uint64_t next_single_;
  std::uint64_t singles_ = 0;
  std::uint64_t open_ = 0;
  std::uint64_t pausing_ = 0;  // puts between two tries
  bool loses_ = true;
};

}  // namespace vesper::sim
