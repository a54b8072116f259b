#include "sim/old_frames.h"

#include <algorithm>
#include <variant>

#include "core/node/wire.h"

namespace vesper::sim {

namespace {

// Of each type on each link. A few: 64 nodes have 4032 links.
constexpr std::size_t kKept = 8;
// Larger ones, long appends and pieces of snapshots, would be most of the memory.
constexpr std::size_t kFrameBytes = 16 * 1024;

std::string_view type_of(const node::Frame& frame) {
  const auto* message = std::get_if<raft::Message>(&frame.body);
  return message == nullptr ? std::string_view("other") : raft::message_name(message->body);
}

}  // namespace

void OldFrames::remember(Instant now, NodeId from, NodeId to, const SharedBytes& frame) {
  if (frame.size() > kFrameBytes) return;
  const auto decoded = node::decode_frame(frame);
  VESPER_CHECK(decoded.ok());
  const std::string_view name = type_of(decoded.value());
  std::vector<Type>& types = links_[{from, to}];
  auto type =
      std::find_if(types.begin(), types.end(), [&](const Type& t) { return t.name == name; });
  if (type == types.end())
    type = types.insert(types.end(), Type{.name = name, .seen = 0, .kept = {}});
  const std::uint64_t number = type->seen++;
  if (type->kept.size() < kKept) {
    type->kept.push_back({now, frame});
    return;
  }
  // One in four takes a place: what is kept is some thirty frames old on average, and some of it
  // far older.
  const DrawKey key{.purpose = Purpose::kLinkReplay,
                    .a = std::uint64_t{from.value()} << 32 | to.value(),
                    .b = 1 + static_cast<std::uint64_t>(type - types.begin())};
  const std::uint64_t place = random_.draw(key, number) % (kKept * 4);
  if (place < kKept) type->kept[place] = {now, frame};
}

std::optional<SharedBytes> OldFrames::choose(NodeId from, NodeId to, const Wanted& wanted,
                                             RandomStream& draws) const {
  const auto link = links_.find({from, to});
  if (link == links_.end()) return std::nullopt;
  // A type first: votes are as welcome as heartbeats, of which there are far more.
  std::vector<std::vector<const Old*>> found;
  for (const Type& type : link->second) {
    if (!wanted.type.empty() && wanted.type != type.name) continue;
    std::vector<const Old*> fitting;
    for (const Old& old : type.kept) {
      if (old.sent_at >= wanted.since) fitting.push_back(&old);
    }
    if (!fitting.empty()) found.push_back(std::move(fitting));
  }
  if (found.empty()) return std::nullopt;
  const std::vector<const Old*>& of_type = found[draws.below(found.size())];
  return of_type[draws.below(of_type.size())]->bytes;
}

}  // namespace vesper::sim
