#include "core/raft/configuration.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/names.h"

namespace vesper::raft {

namespace {

Error impossible(std::string why) {
  return {ErrorCode::kInvalid, std::move(why)};
}

Error invalid(const char* what) {
  return {ErrorCode::kInvalid, std::string("configuration: ") + what};
}

bool has(const std::vector<NodeId>& nodes, NodeId id) {
  return std::find(nodes.begin(), nodes.end(), id) != nodes.end();
}

using IsVoter = bool (*)(Standing);

std::vector<NodeId> those(const Configuration& configuration, IsVoter is_voter) {
  std::vector<NodeId> ids;
  for (const Member& member : configuration.members()) {
    if (is_voter(member.standing)) ids.push_back(member.id);
  }
  return ids;
}

}  // namespace

const char* standing_name(Standing standing) {
  switch (standing) {
    case Standing::kVoter:
      return "voter";
    case Standing::kLearner:
      return "learner";
    case Standing::kIncoming:
      return "incoming";
    case Standing::kOutgoing:
      return "outgoing";
  }
  VESPER_UNREACHABLE();
}

Configuration Configuration::of_founders(const std::vector<Incarnation>& incarnations) {
  VESPER_CHECK(!incarnations.empty() && incarnations.size() <= limits::kNodes);
  Configuration configuration;
  for (const Incarnation incarnation : incarnations) {
    configuration.members_.push_back(
        {configuration.next_id_, Standing::kVoter, incarnation, std::string()});
    configuration.next_id_ = NodeId(configuration.next_id_.value() + 1);
  }
  return configuration;
}

const Member* Configuration::search(NodeId id) const {
  const auto at =
      std::lower_bound(members_.begin(), members_.end(), id,
                       [](const Member& member, NodeId wanted) { return member.id < wanted; });
  return at == members_.end() || at->id != id ? nullptr : &*at;
}

Member* Configuration::find(NodeId id) {
  return const_cast<Member*>(std::as_const(*this).find(id));
}

bool Configuration::is_voter(NodeId id) const {
  const Member* member = find(id);
  return member != nullptr && member->standing != Standing::kLearner;
}

void Configuration::settle_flags() {
  joint_ = std::any_of(members_.begin(), members_.end(), [](const Member& member) {
    return member.standing == Standing::kIncoming || member.standing == Standing::kOutgoing;
  });
}

// --- Changes ---

Result<Configuration> Configuration::with_learner(std::string_view address) const {
  VESPER_CHECK(!joint_);
  if (members_.size() >= limits::kNodes) {
    return Error{ErrorCode::kLimit, "the cluster has as many members as it may"};
  }
  if (next_id_.value() >= limits::kNodeIds) {
    return Error{ErrorCode::kLimit, "the cluster has used up its node ids"};
  }
  if (address.size() > limits::kAddressBytes) {
    return Error{ErrorCode::kLimit, "the address is longer than it may be"};
  }
  for (const Member& member : members_) {
    if (!address.empty() && member.address == address) {
      return impossible(name_of(member.id) + " is a member at " + std::string(address));
    }
  }
  Configuration next = *this;
  next.members_.push_back({next_id_, Standing::kLearner, Incarnation(), std::string(address)});
  next.next_id_ = NodeId(next_id_.value() + 1);
  return next;
}

Result<Configuration> Configuration::with_incarnation(NodeId id, Incarnation incarnation) const {
  VESPER_CHECK(!joint_ && incarnation != Incarnation());
  Configuration next = *this;
  Member* member = next.find(id);
  if (member == nullptr || member->standing != Standing::kLearner) {
    return impossible(name_of(id) + " is no learner of this cluster");
  }
  if (member->incarnation != Incarnation()) return impossible(name_of(id) + " has come up before");
  member->incarnation = incarnation;
  return next;
}

Status Configuration::check_change(const Change& change) const {
  if (change.promote.empty() && change.remove.empty()) return impossible("nothing is to change");
  for (const NodeId id : change.promote) {
    const Member* member = find(id);
    if (member == nullptr) return impossible(name_of(id) + " is no member of this cluster");
    if (member->standing != Standing::kLearner)
      return impossible(name_of(id) + " is a voter already");
    if (member->incarnation == Incarnation())
      return impossible(name_of(id) + " has not joined yet");
    if (has(change.remove, id))
      return impossible(name_of(id) + " cannot both be promoted and leave");
  }
  for (const NodeId id : change.remove) {
    if (find(id) == nullptr) return impossible(name_of(id) + " is no member of this cluster");
  }
  return {};
}

Result<Configuration> Configuration::with_change(const Change& change) const {
  VESPER_CHECK(!joint_);
  VESPER_TRY(check_change(change));
  Configuration next = *this;
  std::erase_if(next.members_, [&](const Member& member) {
    return member.standing == Standing::kLearner && has(change.remove, member.id);
  });
  for (Member& member : next.members_) {
    if (has(change.promote, member.id)) member.standing = Standing::kIncoming;
    if (has(change.remove, member.id)) member.standing = Standing::kOutgoing;
  }
  if (those(next, is_new_voter).empty())
    return impossible("the cluster would be left without voters");
  next.settle_flags();
  return next;
}

Configuration Configuration::settled() const {
  VESPER_CHECK(joint_);
  Configuration next = *this;
  std::erase_if(next.members_,
                [](const Member& member) { return member.standing == Standing::kOutgoing; });
  for (Member& member : next.members_) {
    if (member.standing == Standing::kIncoming) member.standing = Standing::kVoter;
  }
  next.joint_ = false;
  return next;
}

void Configuration::fill_addresses(const std::vector<std::string>& addresses) {
  for (Member& member : members_) {
    if (member.address.empty() && member.id.value() < addresses.size()) {
      member.address = addresses[member.id.value()];
    }
  }
}

bool Configuration::may_precede(const Configuration& next) const {
  if (next.next_id_ < next_id_ || (joint_ && next.joint_)) return false;
  // Whoever elects and commits by the one has to meet whoever does by the other: a joint one keeps
  // the majority that was, and only a joint one may be left for another majority.
  const IsVoter before = joint_ ? is_new_voter : is_old_voter;
  if (those(*this, before) != those(next, is_old_voter)) return false;
  return next.joint_ || those(next, is_old_voter) == those(next, is_new_voter);
}

// --- Bytes ---

void Configuration::encode(std::vector<std::byte>& out) const {
  ByteWriter writer(out);
  writer.u32(next_id_.value());
  writer.u32(static_cast<std::uint32_t>(members_.size()));
  for (const Member& member : members_) {
    writer.u32(member.id.value());
    writer.u8(static_cast<std::uint8_t>(member.standing));
    writer.u64(member.incarnation.value());
    writer.u16(static_cast<std::uint16_t>(member.address.size()));
    writer.bytes(as_bytes(member.address));
  }
}

Result<Configuration> Configuration::decode(ByteView bytes) {
  ByteReader in(bytes);
  Configuration configuration;
  configuration.next_id_ = NodeId(in.u32());
  const std::uint32_t count = in.u32();
  if (!in.ok() || count == 0 || count > limits::kNodes) return invalid("no count of members");
  for (std::uint32_t i = 0; i < count; ++i) {
    Member member;
    member.id = NodeId(in.u32());
    const std::uint8_t standing = in.u8();
    member.incarnation = Incarnation(in.u64());
    const std::uint16_t length = in.u16();
    if (!in.ok() || length > limits::kAddressBytes) return invalid("a member cut short");
    const ByteView address = in.bytes(length);
    if (!in.ok()) return invalid("an address cut short");
    if (standing > static_cast<std::uint8_t>(Standing::kOutgoing)) {
      return invalid("an unknown standing");
    }
    if (member.id >= configuration.next_id_) return invalid("an id that was never given out");
    if (!configuration.members_.empty() && configuration.members_.back().id >= member.id) {
      return invalid("ids that do not rise");
    }
    member.standing = static_cast<Standing>(standing);
    member.address = as_text(address);
    configuration.members_.push_back(std::move(member));
  }
  if (in.remaining() != 0) return invalid("bytes left over");
  if (those(configuration, is_old_voter).empty() || those(configuration, is_new_voter).empty()) {
    return invalid("no voters");
  }
  configuration.settle_flags();
  return configuration;
}

// --- The stack ---

const Configuration& Configurations::search(Index index) const {
  const auto after =
      std::upper_bound(stack_.begin(), stack_.end(), index,
                       [](Index wanted, const Placed& at) { return wanted < at.index; });
  return std::prev(after)->configuration;
}

void Configurations::append(Index index, Configuration configuration) {
  VESPER_CHECK(stack_.back().index < index);
  stack_.push_back({index, std::move(configuration)});
}

void Configurations::truncate_from(Index from) {
  while (stack_.back().index >= from) stack_.pop_back();
  VESPER_CHECK(!stack_.empty());
}

void Configurations::compact(Index to) {
  while (stack_.size() > 1 && stack_[1].index <= to) stack_.pop_front();
}

}  // namespace vesper::raft
