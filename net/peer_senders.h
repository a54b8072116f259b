// The senders of one node, one a peer (net/peer_sender.h), each made when something is first sent
// to it. Whoever is a member no more keeps its sender, for it must be told so if it comes back; but
// when there are many, those that left longest ago go. The core thread owns it; it never waits.
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
#include "net/peer_sender.h"

namespace vesper::net {

// What a node says of itself with all that it sends: the query of POST /peer.
struct ReturnAddress {
  NodeId id;
  std::string line;
};
// /peer?from=7&at=http://host:port
std::string peer_target(const ReturnAddress& from);
// Nothing: the target has no query. Errors: kInvalid.
Result<std::optional<ReturnAddress>> parse_peer_target(std::string_view target);

class PeerSenders {
 public:
  // Members beside this node are fewer.
  static constexpr std::size_t kSenders = limits::kNodes;

  // The book outlives it.
  PeerSenders(const ReturnAddress& own, const AddressBook& book)
      : target_(peer_target(own)), book_(book) {}
  ~PeerSenders() { stop(); }
  PeerSenders(const PeerSenders&) = delete;
  PeerSenders& operator=(const PeerSenders&) = delete;

  void meet(const raft::Configuration& configuration);
  // Lost if nobody knows where the node is.
  void send(NodeId to, ByteView frame);
  // Waits for all of them; see PeerSender's destructor.
  void stop();

  std::size_t size() const { return peers_.size(); }

 private:
  struct Peer {
    std::unique_ptr<PeerSender> sender;
    std::uint64_t left = 0;  // counts those who left, or never were members; 0: a member
  };
  Peer* peer_of(NodeId id);
  void make_room();

  const std::string target_;
  const AddressBook& book_;
  std::vector<NodeId> members_;
  std::map<NodeId, Peer> peers_;
  std::uint64_t left_ = 0;
  std::vector<std::unique_ptr<PeerSender>> ending_;  // told to stop, and waited for by nobody
};

}  // namespace vesper::net
