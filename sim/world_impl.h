// World's inside, for the .cc files of this folder only: world.cc has the loop and the public face,
// world_nodes.cc the lives of nodes and their faults, world_frames.cc what is sent between nodes,
// world_traffic.cc requests and answers, world_members.cc the operator who changes the members,
// world_faults.cc what disks and clocks do wrong.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "sim/clock.h"
#include "sim/crowd.h"
#include "sim/disk.h"
#include "sim/event_queue.h"
#include "sim/links.h"
#include "sim/old_frames.h"
#include "sim/world.h"

namespace vesper::sim {

// Set in the name of a request that is no client's.
inline constexpr std::uint64_t kOfOperator = std::uint64_t{1} << 63;

class WorldImpl;

// One node's place in the world: all that outlives its process, and the process. It is the node's
// network, its clients and its observer, and passes everything on to the world.
class Member final : public node::Network,
                     public node::Clients,
                     public node::Observer,
                     public DiskSchedule {
 public:
  Member(WorldImpl& world, NodeId id);

  void send(NodeId to, ByteView frame) override;
  void meet(const raft::Configuration&) override {}  // everybody can be reached by id
  void answer(RequestId request, const node::Answer& answer) override;
  void on_ready(const node::NodeView& view, const raft::Ready& ready) override;
  void on_send(const node::NodeView& view, const raft::Message& message) override;
  void on_log_submitted(const node::NodeView& view, std::uint64_t ticket, WriteId last) override;
  void on_restored(const node::NodeView& view, LogPosition last, std::uint64_t state_hash) override;
  void on_applied(const node::NodeView& view, const raft::Entry& entry,
                  const node::Applied& applied) override;
  void on_configuration(const node::NodeView& view, Index index,
                        const raft::Configuration& configuration) override;
  void on_event(const node::NodeEvent& event) override;
  void finish_in(storage::DiskLane lane, Duration after) override;

  // What came while the process was paused.
  struct Frame {
    NodeId from;
    SharedBytes bytes;
    bool is_corrupt = false;  // not as it was sent
  };
  struct Request {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
  };
  using Input = std::variant<Frame, Request, storage::DiskDone>;

  const NodeId id;
  SimClock clock;
  SimDisk disk;
  RandomStream turn_delays;
  std::unique_ptr<node::Node> node;  // nullptr: down
  node::Node::Standing standing;     // after its last turn
  std::uint32_t life = 0;
  bool is_paused = false;
  bool has_stopped = false;
  bool is_wiped = false;
  bool is_struck = false;  // its disk, since the node last opened it
  bool is_turn_due = false;
  // It is about to crash in the middle of a turn: nothing leaves it any more.
  bool is_silenced = false;
  Instant timer_at = Instant::never();  // of the world
  std::deque<Input> inbox;
  std::size_t inbox_traffic = 0;  // frames and requests in it

 private:
  WorldImpl& world_;
};

class WorldImpl : public WorldState {
 public:
  WorldImpl(WorldConfig config, Observers observers);

  // world.cc
  void start();
  void step();
  void advance_to(Instant at);
  void stir(std::uint64_t word) { hash = mix64(hash, word); }
  void fault(const std::string& what);
  Member& member(NodeId id) { return *members[id.value()]; }

  // world_nodes.cc
  void preset_disks();
  void start_node(Member& member);
  void crash(Member& member, CrashLoss loss);
  void pause(Member& member);
  void resume(Member& member);
  void after_input(Member& member);
  void take_turn(Member& member);
  void note_standing(Member& member);
  void arm_timer(Member& member);
  void on_timer(const Event& event);
  void on_turn(const Event& event);
  void on_disk_done(const Event& event);
  bool stops_at_disk(Member& member, storage::DiskLane lane);
  void note_stop(Member& member, const Error& reason);
  // What its disk has done to it since this was asked last.
  void note_misdeeds(Member& member);
  void note_damage(Member& member);
  void feed(Member& member, Member::Input input);

  // world_frames.cc
  struct InFlight {
    NodeId from;
    SharedBytes bytes;
    std::uint64_t number = 0;  // in the order in which frames left
    bool is_corrupt = false;
  };
  void send_frame(NodeId from, NodeId to, ByteView frame);
  void transmit(NodeId from, NodeId to, SharedBytes bytes, Duration extra);
  void send_copy(NodeId from, NodeId to, SharedBytes bytes, Duration after);
  void replay(NodeId from, NodeId to, const OldFrames::Wanted& which);
  void deliver_in(Duration after, NodeId to, InFlight&& frame);
  void on_deliver(const Event& event);
  void clog_up(NodeId to, InFlight frame);
  bool unclog(NodeId from, NodeId to);
  // The node gets the frame, without a turn.
  void hand_frame(Member& member, const Member::Frame& frame);

  // world_traffic.cc
  void tick_client_in(std::uint32_t client);
  void on_client_tick(const Event& event);
  void on_client_retry(const Event& event);
  OperationId invoke(std::uint32_t slot, Duration timeout);
  void send_request(std::uint32_t slot, Duration timeout);
  void send_retry(std::uint32_t slot);
  void send_second_try(std::uint32_t client);
  void end_request(std::uint32_t slot, const node::Answer* answer);
  void end_try(const OpenOperation& operation, const Crowd::Closed& closed);
  void on_request_arrive(const Event& event);
  void transfer(Member& member, std::optional<NodeId> target);
  void answer(RequestId request, const node::Answer& answer);
  void send_answer(std::uint32_t slot);
  void on_answer_arrive(const Event& event);
  void count_answer(const OpenOperation& operation, const node::Answer& answer);
  void count_verdict(Index index, kv::Verdict verdict);
  void on_give_up(const Event& event);
  void reset_connections(NodeId node);
  bool put_in_inbox(Member& member, Member::Input input);

  // world_members.cc
  void want_members(std::vector<NodeId> voters);
  void on_operator(const Event& event);
  void start_spares();
  bool go_on_with_members();
  void ask_as_operator(Member& asked, const node::Request& request);
  void note_members(const Member& seen);
  Member* leading_member();
  Member* find_leading_member() const;

  const WorldConfig config;
  const Observers observers;
  EventQueue queue;
  Index counted_verdicts;  // of the entries up to this one
  bool is_started = false;
  Links links;
  Crowd crowd;
  std::uint32_t tick_generation = 0;
  std::vector<std::unique_ptr<Member>> members;

  // Frames in flight, in slots that are used again.
  std::vector<InFlight> in_flight;
  std::vector<std::uint32_t> free_in_flight;
  struct Held {
    NodeId from;
    NodeId to;
    SharedBytes bytes;
  };
  std::vector<Held> held;
  std::uint64_t frames_sent = 0;
  std::vector<std::uint64_t> newest_arrived;  // by link: the number of the frame
  // By link: what waits in it until it is unclogged.
  std::map<std::pair<NodeId, NodeId>, std::vector<InFlight>> clogged;
  OldFrames old_frames;
  Interceptor* interceptor = nullptr;
  DiskWatcher* disk_watcher = nullptr;

  std::uint64_t operator_requests = 0;
  std::set<RequestId> transfer_requests;
  // What the operator is to bring about.
  struct Wanted {
    std::vector<NodeId> voters;
    Instant until;
  };
  Wanted wanted;
  std::uint32_t operator_generation = 0;
  // Who leads, unless a life, a pause, a role or a term has changed since somebody asked.
  std::optional<Member*> leader_now;
  // The members, as far as any node has known them to be committed.
  raft::Configuration members_now;
  Index members_known_to;
};

}  // namespace vesper::sim
