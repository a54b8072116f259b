#include "sim/check/altered.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/raft/quorum.h"

namespace vesper::sim {

void Altered::on_altered(Instant at, NodeId node) {
  nodes_[node.value()] = {.is_altered = true, .since = at};
}

void Altered::on_diverged(NodeId node, const Error& reason) {
  nodes_[node.value()].since.reset();
  // Where the altered ones are a majority, they outvote the others.
  if (is_altered(node) || !has_sound_majority()) return;
  violations_.report("consistency", fmt::format("n{} stops though nobody altered its state: {}",
                                                node.value(), reason.message));
}

void Altered::on_differs(NodeId node) {
  if (any()) return;
  violations_.report("consistency", fmt::format("n{} reports that another's state differs, and "
                                                "nobody's was altered",
                                                node.value()));
}

bool Altered::any() const {
  return std::any_of(nodes_.begin(), nodes_.end(),
                     [](const Node& each) { return each.is_altered; });
}

bool Altered::has_sound_majority() const {
  const auto sound = std::count_if(nodes_.begin(), nodes_.end(),
                                   [](const Node& each) { return !each.is_altered; });
  return static_cast<std::size_t>(sound) >= raft::majority_of(nodes_.size());
}

std::optional<Instant> Altered::unnoticed(NodeId node) const {
  return has_sound_majority() ? nodes_[node.value()].since : std::nullopt;
}

}  // namespace vesper::sim
