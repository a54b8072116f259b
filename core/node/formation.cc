#include "core/node/formation.h"

#include "core/base/check.h"

namespace vesper::node {

Formation::Formation(Options options) : options_(options), heard_(options.cluster_size) {
  VESPER_CHECK(options_.id.value() < options_.cluster_size);
  VESPER_CHECK(options_.incarnation != Incarnation());
}

void Formation::on_hello(Instant now, const HelloFrom& hello) {
  VESPER_CHECK(hello.node.value() < heard_.size() && hello.node != options_.id);
  Heard& heard = heard_[hello.node.value()];
  // Of two incarnations one is gone, and a late Hello may be its: the next one decides.
  if (heard.incarnation != hello.incarnation) heard = {hello.incarnation, std::nullopt};
  if (hello.heard == options_.incarnation) heard.at = now;
}

std::vector<NodeId> Formation::waiting_for(Instant now) const {
  std::vector<NodeId> missing;
  for (std::uint32_t i = 0; i < heard_.size(); ++i) {
    if (NodeId(i) == options_.id) continue;
    if (!heard_[i].at || now - *heard_[i].at > options_.fresh_for) missing.push_back(NodeId(i));
  }
  return missing;
}

bool Formation::is_complete(Instant now) const {
  return options_.id == NodeId(0) && waiting_for(now).empty();
}

std::vector<Incarnation> Formation::founders() const {
  std::vector<Incarnation> founders;
  for (std::uint32_t i = 0; i < heard_.size(); ++i) {
    founders.push_back(NodeId(i) == options_.id ? options_.incarnation : heard_[i].incarnation);
  }
  return founders;
}

}  // namespace vesper::node
