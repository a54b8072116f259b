#include "net/peer_links.h"

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

void PeerLinks::meet(const raft::Configuration& configuration) {
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

void PeerLinks::send(NodeId to, ByteView frame) {
  if (Peer* peer = peer_of(to)) peer->link->send(frame);
}

PeerLinks::Peer* PeerLinks::peer_of(NodeId id) {
  if (const auto found = peers_.find(id); found != peers_.end()) return &found->second;
  const auto address = book_.find(id);
  if (!address) return nullptr;
  const bool is_member = std::binary_search(members_.begin(), members_.end(), id);
  Peer peer{std::make_unique<PeerLink>(loop_, *address, target_), is_member ? 0 : ++left_};
  make_room();
  return &peers_.emplace(id, std::move(peer)).first->second;
}

void PeerLinks::make_room() {
  if (peers_.size() < kLinks) return;
  auto first = peers_.end();
  for (auto at = peers_.begin(); at != peers_.end(); ++at) {
    if (at->second.left > 0 && (first == peers_.end() || at->second.left < first->second.left)) {
      first = at;
    }
  }
  if (first == peers_.end()) return;
  first->second.link->close();
  ended_.push_back(std::move(first->second.link));
  peers_.erase(first);
}

void PeerLinks::end_round() {
  for (auto& [id, peer] : peers_) peer.link->end_round();
  ended_.clear();
}

LoopTime PeerLinks::next_deadline() const {
  LoopTime first = kNever;
  for (const auto& [id, peer] : peers_) first = std::min(first, peer.link->next_deadline());
  return first;
}

void PeerLinks::on_stop() {
  for (auto& [id, peer] : peers_) peer.link->close();
  ended_.clear();
}

}  // namespace vesper::net
