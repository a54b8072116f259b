// The links of one node, one a peer (net/peer_link.h), each made when something is first sent to
// it. Whoever is a member no more keeps its link, for it must be told so if it comes back; but when
// there are many, those that left longest ago go. Runtime owns it; a user of its loop, whose thread
// alone calls.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/limits.h"
#include "net/address_book.h"
#include "net/event_loop.h"
#include "net/peer_link.h"

namespace vesper::net {

// What a node says of itself with all that it sends: the query of GET /peer.
struct ReturnAddress {
  NodeId id;
  std::string line;
};
// /peer?from=7&at=http://host:port
std::string peer_target(const ReturnAddress& from);
// Nothing: the target has no query. Errors: kInvalid.
Result<std::optional<ReturnAddress>> parse_peer_target(std::string_view target);

class PeerLinks : public EventLoop::User {
 public:
  // Members beside this node are fewer.
  static constexpr std::size_t kLinks = limits::kNodes;

  // Book and loop outlive it. Whoever owns it adds it to the loop.
  PeerLinks(const ReturnAddress& own, const AddressBook& book, EventLoop& loop)
      : target_(peer_target(own)), book_(book), loop_(loop) {}
  PeerLinks(const PeerLinks&) = delete;
  PeerLinks& operator=(const PeerLinks&) = delete;

  void meet(const raft::Configuration& configuration);
  // Lost if nobody knows where the node is.
  void send(NodeId to, ByteView frame);

  std::size_t size() const { return peers_.size(); }

  void end_round() override;
  LoopTime next_deadline() const override;
  void on_stop() override;

 private:
  struct Peer {
    std::unique_ptr<PeerLink> link;
    std::uint64_t left = 0;  // counts those who left, or never were members; 0: a member
  };
  Peer* peer_of(NodeId id);
  void make_room();

  const std::string target_;
  const AddressBook& book_;
  EventLoop& loop_;
  std::vector<NodeId> members_;
  std::map<NodeId, Peer> peers_;
  std::uint64_t left_ = 0;
  std::vector<std::unique_ptr<PeerLink>> ended_;  // in this round
};

}  // namespace vesper::net
