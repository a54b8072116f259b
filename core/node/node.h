// One member of the cluster: Raft, its log, the store and the waiting requests, and the turn that
// binds them. One thread owns a Node. Inputs (on_message, on_request, on_disk_done) change state
// only; run_turn produces every effect: frames to the network, batches to the disk, answers to
// clients. The caller feeds any number of inputs, then takes one turn, then sleeps until an input
// comes or next_deadline() passes. All that arrived together becomes one write and one message a
// peer.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "core/kv/state_machine.h"
#include "core/node/environment.h"
#include "core/node/snapshot_options.h"
#include "core/raft/config.h"
#include "core/raft/configuration.h"
#include "core/raft/log.h"
#include "core/storage/wal.h"

namespace vesper::node {

struct NodeConfig {
  NodeId id;
  // The lines of the ip list; ids are 0..cluster_size-1. 0: the node has joined, or is to join, a
  // cluster that was formed of others.
  std::size_t cluster_size = 0;
  // Of the ip list, by node id: what a configuration says of founders.
  std::vector<std::string> addresses;
  // Where cluster_size is 0 and the directory is empty: the members that are asked to take it in.
  std::vector<NodeId> join_by;
  // Its id, configuration and random are set by the Node.
  raft::RaftConfig raft;
  storage::WalOptions wal;
  SnapshotOptions snapshots;
  // A request is answered within this time of on_request, whatever happens.
  Duration request_timeout = Duration::milliseconds(800);
  std::size_t waiting_requests_max = limits::kWaitingRequests;
  std::size_t unwritten_bytes_max = limits::kUnwrittenBytes;
  // The same on all nodes, always.
  kv::SessionBounds sessions;
  // How often the states are compared (consistency.h); 0: never, and memory is not walked over.
  Duration check_interval;
  // Of the walk over memory, in one slice; not 0.
  std::size_t scrub_pairs = limits::kScrubPairs;
  // How often an empty node says Hello.
  Duration hello_interval = Duration::milliseconds(100);
  // Form the cluster alone, without waiting for all to be up and empty (vesperd --form; its help
  // says the risk).
  bool form = false;
};

class NodeImpl;

class Node {
 public:
  Node(NodeConfig config, Environment environment);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // Reads the data directory. Blocking; call once, before anything else.
  // Errors: kCorruption (damage), kMismatch (another node's or cluster's directory), kIo. The node
  // must not run.
  Status open();

  // One frame from a peer, from the network as it came: any bytes. Entries keep sharing them.
  void on_message(const SharedBytes& frame);
  // Requires: the id is new in this life. The key of a get or a put is not empty; key and value are
  // within limits.h; of `once`, neither session nor number is 0.
  void on_request(RequestId id, const Request& request);
  void on_disk_done(storage::DiskDone done);

  void run_turn();

  // When the next turn is due at the latest, on this node's clock, if no input comes before.
  Instant next_deadline() const;

  // As it is now: the reference shows it until the node is asked or fed again.
  const NodeView& view() const;
  // The little of it that whoever drives many nodes asks after every turn.
  struct Standing {
    Role role = Role::kFollower;
    Term term;
    Index commit;
    Index last;
    Index durable;
    Index configuration;
  };
  Standing standing() const;
  bool stopped() const;
  // Requires: stopped(). Why, with file and place where it is the disk's.
  const Error& stop_reason() const;
  // The store, for tests and checkers between turns.
  const SharedBytes* peek(std::string_view key) const;
  // The state itself, for tests and the simulator to damage between turns.
  kv::StateMachine& machine();
  // The log in memory, for tests and checkers between turns; nullptr while the cluster is not
  // formed.
  const raft::Log* log() const;
  // The configurations that this node knows; nullptr likewise.
  const raft::Configurations* configurations() const;

 private:
  std::unique_ptr<NodeImpl> impl_;
};

}  // namespace vesper::node
