#include "core/node/consistency.h"

#include <algorithm>
#include <utility>

#include "core/raft/quorum.h"

namespace vesper::node {

namespace {

// So many check points a follower may lag behind and still be compared with.
constexpr std::size_t kPoints = 8;

}  // namespace

Consistency::Consistency(NodeId self, std::size_t nodes) : self_(self), ahead_(nodes) {
  VESPER_CHECK(self.value() < nodes);
}

void Consistency::on_applied(Fingerprint own) {
  VESPER_CHECK(own.index > last());
  if (points_.size() == kPoints) points_.pop_front();
  Point& point = points_.emplace_back();
  point.index = own.index;
  point.hashes.resize(ahead_.size());
  point.hashes[self_.value()] = own.state_hash;
  is_to_send_ = true;
  for (std::size_t i = 0; i < ahead_.size(); ++i) {
    if (!ahead_[i] || ahead_[i]->index > own.index) continue;
    const Fingerprint theirs = *std::exchange(ahead_[i], std::nullopt);
    if (theirs.index == own.index) {
      add(point, NodeId(static_cast<std::uint32_t>(i)), theirs.state_hash);
    }
  }
  judge(point);
}

void Consistency::on_fingerprint(NodeId from, Fingerprint theirs) {
  VESPER_CHECK(from != self_ && from.value() < ahead_.size());
  if (theirs.index > last()) {
    ahead_[from.value()] = theirs;
    return;
  }
  const auto point = std::find_if(points_.begin(), points_.end(),
                                  [&](const Point& each) { return each.index == theirs.index; });
  if (point == points_.end()) return;
  add(*point, from, theirs.state_hash);
  judge(*point);
}

void Consistency::add(Point& point, NodeId node, std::uint64_t hash) {
  // A node that was started anew applies the entry again, maybe with another result.
  if (std::exchange(point.hashes[node.value()], hash) == hash) return;
  if (hash == point.hashes[self_.value()]) return;
  differences_.push_back({node, {point.index, hash}});
}

void Consistency::judge(Point& point) {
  const std::size_t needed = raft::majority_of(point.hashes.size());
  const auto has_majority = [&](std::optional<std::uint64_t> hash) {
    const auto count = std::count(point.hashes.begin(), point.hashes.end(), hash);
    return static_cast<std::size_t>(count) >= needed;
  };
  const std::optional<std::uint64_t> own = point.hashes[self_.value()];
  if (has_majority(own)) {
    if (!std::exchange(point.is_agreed, true)) ++agreed_;
    return;
  }
  const bool is_outvoted = std::any_of(
      point.hashes.begin(), point.hashes.end(),
      [&](std::optional<std::uint64_t> hash) { return hash && hash != own && has_majority(hash); });
  if (is_outvoted) outvoted_at_ = point.index;
}

std::optional<Fingerprint> Consistency::take_to_send() {
  if (!std::exchange(is_to_send_, false)) return std::nullopt;
  const Point& point = points_.back();
  return Fingerprint{point.index, *point.hashes[self_.value()]};
}

std::vector<Consistency::Difference> Consistency::take_differences() {
  return std::exchange(differences_, {});
}

}  // namespace vesper::node
