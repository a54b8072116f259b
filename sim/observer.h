// What happens in a simulated world, told from outside as it happens: to the checkers, the history,
// the trace. The core knows none of them. World calls every observer in the same order; an observer
// never calls back. All instants are the world's own time, from 0; a node's own clock may differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/time.h"
#include "core/base/types.h"
#include "core/node/environment.h"
#include "core/node/node.h"
#include "core/node/wire.h"
#include "core/raft/ready.h"
#include "sim/config.h"

namespace vesper::sim {

using ClientId = StrongId<struct ClientIdTag>;
using OperationId = StrongId<struct OperationIdTag>;

// What one client wants, and the node that it tries first. With a session, all tries are one
// operation; without, a retry is a new one.
struct Operation {
  OperationId id;
  ClientId client;
  NodeId node;
  node::RequestKind kind = node::RequestKind::kGet;
  std::string_view key;
  std::string_view value;  // kPut
  std::optional<kv::IdempotencyKey> once;
};

class WorldObserver {
 public:
  virtual ~WorldObserver() = default;

  // --- Lives. A life begins with start and open, and ends with a crash; its memory ends with it.
  virtual void on_start(Instant /*at*/, NodeId /*node*/, std::uint64_t /*life*/) {}
  // open succeeded: what the disk held (view), before any turn.
  virtual void on_opened(Instant /*at*/, const node::Node& /*node*/) {}
  virtual void on_crash(Instant /*at*/, NodeId /*node*/) {}
  // open failed, or the running node stopped itself. It may be crashed and started again.
  virtual void on_stopped(Instant /*at*/, NodeId /*node*/, const Error& /*reason*/) {}
  // Its disk is empty now; the node is down.
  virtual void on_wipe(Instant /*at*/, NodeId /*node*/) {}
  // Its state was damaged, on purpose.
  virtual void on_altered(Instant /*at*/, NodeId /*node*/) {}
  // The process is held, as by SIGSTOP.
  virtual void on_pause(Instant /*at*/, NodeId /*node*/) {}

  // --- What a node does: as core/node/environment.h's Observer says.
  virtual void on_ready(Instant /*at*/, const node::NodeView& /*view*/,
                        const raft::Ready& /*ready*/) {}
  virtual void on_send(Instant /*at*/, const node::NodeView& /*view*/,
                       const raft::Message& /*message*/) {}
  virtual void on_log_submitted(Instant /*at*/, const node::NodeView& /*view*/,
                                std::uint64_t /*ticket*/, WriteId /*last*/) {}
  // The disk carried out the log batch `ticket` whole: its writes are durable from now on, though
  // the node has not been told yet.
  virtual void on_log_durable(Instant /*at*/, NodeId /*node*/, std::uint64_t /*ticket*/) {}
  virtual void on_applied(Instant /*at*/, const node::NodeView& /*view*/,
                          const raft::Entry& /*entry*/, const node::Applied& /*applied*/) {}
  virtual void on_restored(Instant /*at*/, const node::NodeView& /*view*/, LogPosition /*last*/,
                           std::uint64_t /*state_hash*/) {}
  virtual void on_configuration(Instant /*at*/, const node::NodeView& /*view*/, Index /*index*/,
                                const raft::Configuration& /*configuration*/) {}
  virtual void on_node_event(Instant /*at*/, const node::NodeEvent& /*event*/) {}
  // A request was handed to the node, and the node has answered it, whether or not its client still
  // waits. The id is the node's name for it.
  virtual void on_request_taken(Instant /*at*/, NodeId /*node*/, RequestId /*request*/) {}
  virtual void on_request_answered(Instant /*at*/, NodeId /*node*/, RequestId /*request*/,
                                   const node::Answer& /*answer*/) {}

  // --- The disk: something that stood on this node's is not what was written any more.
  virtual void on_damage(Instant /*at*/, NodeId /*node*/) {}
  // The same of what stood at rest, and which part it was; on_damage comes too.
  virtual void on_strike(Instant /*at*/, NodeId /*node*/, DamagePart /*part*/) {}
  // A crash took back something that was not synced, by this rule.
  virtual void on_unsynced_lost(Instant /*at*/, NodeId /*node*/, CrashLoss /*loss*/) {}
  // It gave the node an error that a fault made.
  virtual void on_disk_error(Instant /*at*/, NodeId /*node*/, std::string_view /*operation*/) {}

  // --- The clock: it stands still from now on, or goes on.
  virtual void on_clock_stopped(Instant /*at*/, NodeId /*node*/, bool /*stands_still*/) {}

  // --- The network: a frame reached a node that is up.
  virtual void on_deliver(Instant /*at*/, NodeId /*from*/, NodeId /*to*/, ByteView /*frame*/) {}

  // The same of a frame that is not as it was sent. left_trace: the node took it for a frame, or is
  // another one than before.
  virtual void on_corrupted(Instant /*at*/, NodeId /*from*/, NodeId /*to*/, ByteView /*frame*/,
                            bool /*left_trace*/) {}

  // --- Clients. Each operation is invoked once, then answered once or given up once.
  virtual void on_invoke(Instant /*at*/, const Operation& /*operation*/) {}
  // Another try of a put that is under way: one before it failed, or is not answered yet.
  virtual void on_retry(Instant /*at*/, OperationId /*id*/, NodeId /*node*/) {}
  // The client asks for a session. No operation: nobody can tell what its answer says.
  virtual void on_register(Instant /*at*/, ClientId /*client*/, NodeId /*node*/) {}
  virtual void on_answer(Instant /*at*/, OperationId /*id*/, const node::Answer& /*answer*/) {}
  // The client stopped waiting: a put may or may not take effect, now or later.
  virtual void on_give_up(Instant /*at*/, OperationId /*id*/) {}
  // A try, the first or another, is over: no node will be asked for it any more. The last one may
  // end long after the operation's answer.
  virtual void on_try_end(Instant /*at*/, OperationId /*id*/) {}

  // --- Faults and their ends, as a line of text: "partition n0 n1 | n2 n3 n4", "crash n2", ...
  virtual void on_fault(Instant /*at*/, std::string_view /*what*/) {}

  // One event is over: every node is between turns.
  virtual void on_event_end(Instant /*at*/, std::uint64_t /*event*/) {}
};

}  // namespace vesper::sim
