#include "net/address_book.h"

#include <utility>

#include "core/base/limits.h"

namespace vesper::net {

namespace {

constexpr std::size_t kStrangers = limits::kNodes;

}  // namespace

void AddressBook::meet(const raft::Configuration& configuration) {
  std::vector<NodeId> members;
  Addresses configured;
  for (const raft::Member& member : configuration.members()) {
    members.push_back(member.id);
    // POST /members lets nothing else in: of a member without one it is as if it said nothing.
    auto address = parse_address(member.address);
    if (address.ok()) configured.emplace(member.id, std::move(address.value()));
  }
  const std::lock_guard lock(mutex_);
  members_ = std::move(members);
  configured_ = std::move(configured);
}

Status AddressBook::note_sender(NodeId id, std::string_view line) {
  const std::lock_guard lock(mutex_);
  if (look_up(id) != nullptr) return {};
  auto address = parse_address(line);
  if (!address.ok()) return address.error();
  if (strangers_order_.size() == kStrangers) {
    strangers_.erase(strangers_order_.front());
    strangers_order_.pop_front();
  }
  strangers_.emplace(id, std::move(address.value()));
  strangers_order_.push_back(id);
  return {};
}

const NodeAddress* AddressBook::look_up(NodeId id) const {
  for (const Addresses* from : {&std::as_const(configured_), &list_, &std::as_const(strangers_)}) {
    if (const auto found = from->find(id); found != from->end()) return &found->second;
  }
  return nullptr;
}

std::optional<NodeAddress> AddressBook::find(NodeId id) const {
  const std::lock_guard lock(mutex_);
  const NodeAddress* found = look_up(id);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

std::string AddressBook::line_of(NodeId id) const {
  const std::lock_guard lock(mutex_);
  const NodeAddress* found = look_up(id);
  return found == nullptr ? std::string() : found->line;
}

std::string AddressBook::line_of(const std::optional<NodeId>& id) const {
  return id ? line_of(*id) : std::string();
}

std::vector<std::string> AddressBook::lines() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> lines;
  if (members_.empty()) {
    for (const auto& [id, address] : list_) lines.push_back(address.line);
  }
  for (const NodeId member : members_) {
    if (const NodeAddress* found = look_up(member)) lines.push_back(found->line);
  }
  return lines;
}

}  // namespace vesper::net
