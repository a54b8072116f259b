#include "net/peer_senders.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace vesper::net {

namespace {

constexpr std::string_view kTarget = "/peer?from=";
constexpr std::string_view kAt = "&at=";

}  // namespace

std::string peer_target(const ReturnAddress& from) {
  return std::string(kTarget) + std::to_string(from.id.value()) + std::string(kAt) + from.line;
}

Result<std::optional<ReturnAddress>> parse_peer_target(std::string_view target) {
  if (target.find('?') == std::string_view::npos) return std::optional<ReturnAddress>();
  const Error invalid{ErrorCode::kInvalid, "the query is not from=<id>&at=<address>"};
  if (!target.starts_with(kTarget)) return invalid;
  target.remove_prefix(kTarget.size());
  std::uint32_t id = 0;
  const auto read = std::from_chars(target.data(), target.data() + target.size(), id);
  if (read.ec != std::errc()) return invalid;
  target.remove_prefix(static_cast<std::size_t>(read.ptr - target.data()));
  if (!target.starts_with(kAt)) return invalid;
  return std::optional(ReturnAddress{NodeId(id), std::string(target.substr(kAt.size()))});
}

void PeerSenders::meet(const raft::Configuration& configuration) {
  members_.clear();
  for (const raft::Member& member : configuration.members()) members_.push_back(member.id);
  for (auto& [id, peer] : peers_) {
    if (configuration.find(id) != nullptr) {
      peer.left = 0;
    } else if (peer.left == 0) {
      peer.left = ++left_;
    }
  }
}

void PeerSenders::send(NodeId to, ByteView frame) {
  if (Peer* peer = peer_of(to)) peer->sender->send(frame);
}

PeerSenders::Peer* PeerSenders::peer_of(NodeId id) {
  if (const auto found = peers_.find(id); found != peers_.end()) return &found->second;
  const auto address = book_.find(id);
  if (!address) return nullptr;
  const bool is_member = std::binary_search(members_.begin(), members_.end(), id);
  std::erase_if(ending_, [](const auto& sender) { return sender->has_ended(); });
  // Strangers that come faster than senders end have to wait: what they are sent is lost meanwhile.
  if (!is_member && ending_.size() >= kSenders) return nullptr;
  Peer peer{std::make_unique<PeerSender>(*address, target_), is_member ? 0 : ++left_};
  make_room();
  return &peers_.emplace(id, std::move(peer)).first->second;
}

void PeerSenders::make_room() {
  if (peers_.size() < kSenders) return;
  auto first = peers_.end();
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    if (at->second.left > 0 && (first == peers_.end() || at->second.left < first->second.left)) {
      first = at;
    }
  }
  if (first == peers_.end()) return;
  first->second.sender->begin_stop();
  ending_.push_back(std::move(first->second.sender));
  peers_.erase(first);
}

void PeerSenders::stop() {
  for (auto& [id, peer] : peers_) peer.sender->begin_stop();
  peers_.clear();
  ending_.clear();
}

}  // namespace vesper::net
