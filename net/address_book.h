// Where the nodes of a cluster are reached, by id: where the configuration in force says; where it
// says nothing, as of founders before the first change, as the list says that this node was started
// with; of whoever stands in neither, where it says itself when it sends something. (A node that
// was away while others came in has to answer a leader that it never heard of.) Runtime owns it:
// its loop's thread tells of configurations, any thread asks.
#pragma once

#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/raft/configuration.h"
#include "net/ip_list.h"

namespace vesper::net {

class AddressBook {
 public:
  explicit AddressBook(Addresses list) : list_(std::move(list)) {}
  AddressBook(const AddressBook&) = delete;
  AddressBook& operator=(const AddressBook&) = delete;

  void meet(const raft::Configuration& configuration);
  // A node that sent something is reached at `line`. Of the last few strangers only. Errors:
  // kInvalid; what is wrong with the address.
  Status note_sender(NodeId id, std::string_view line);

  std::optional<NodeAddress> find(NodeId id) const;
  // As it stands where it comes from; empty: not known.
  std::string line_of(NodeId id) const;
  std::string line_of(const std::optional<NodeId>& id) const;
  // Of the members; before a configuration is known, of the list. By rising id.
  std::vector<std::string> lines() const;

 private:
  const NodeAddress* look_up(NodeId id) const;

  const Addresses list_;
  mutable std::mutex mutex_;
  std::vector<NodeId> members_;  // guarded by mutex_, as all that follows
  Addresses configured_;         // those of them that the configuration has an address of
  Addresses strangers_;
  std::deque<NodeId> strangers_order_;  // whoever came first goes first
};

}  // namespace vesper::net
