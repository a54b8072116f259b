// The network's memory of frames that were sent long ago, so that they can come again: after their
// sender or receiver has died and come back, in a later term, among other members. Bounded: of each
// link and type of frame it keeps a few, the newcomer in the place of one that is drawn, so that
// some are recent and some as old as the run. Owned by the world; a link's setting or a step of a
// scenario asks for one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/random.h"
#include "core/base/types.h"

namespace vesper::sim {

class OldFrames {
 public:
  explicit OldFrames(std::uint64_t seed) : random_(seed) {}

  // Requires: the frame decodes.
  void remember(Instant now, NodeId from, NodeId to, const SharedBytes& frame);

  struct Wanted {
    std::string_view type;  // as raft::message_name says; empty: any
    Instant since;          // sent no earlier
  };
  // One of them; nothing: there is none.
  std::optional<SharedBytes> choose(NodeId from, NodeId to, const Wanted& wanted,
                                    RandomStream& draws) const;

 private:
  struct Old {
    Instant sent_at;
    SharedBytes bytes;
  };
  struct Type {
    std::string_view name;  // static
    std::uint64_t seen = 0;
    std::vector<Old> kept;
  };
  using Link = std::pair<NodeId, NodeId>;

  Random random_;
  std::map<Link, std::vector<Type>> links_;
};

}  // namespace vesper::sim
