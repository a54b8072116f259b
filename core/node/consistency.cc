#include "core/node/consistency.h"

#include <algorithm>
#include <utility>

#include "core/raft/quorum.h"

namespace vesper::node {

namespace {

// So many check points a follower may lag behind and still be compared with.
constexpr std::size_t kPoints = 8;
// Of nodes that are ahead, members or not, whose fingerprints are kept.
constexpr std::size_t kAhead = 2 * limits::kNodes;

}  // namespace

void Consistency::on_applied(Fingerprint own, const raft::Configuration& members) {
  VESPER_CHECK(own.index > last());
  if (points_.size() == kPoints) points_.pop_front();
  Point& point = points_.emplace_back();
  point.index = own.index;
  for (const raft::Member& member : members.members()) {
    if (members.is_voter(member.id)) point.voters.push_back(member.id);
  }
  point.hashes[self_] = own.state_hash;
  is_to_send_ = true;
  for (auto at = ahead_.begin(); at != ahead_.end();) {
    const auto [node, theirs] = *at;
    if (theirs.index == own.index) add(point, node, theirs.state_hash);
    at = theirs.index <= own.index ? ahead_.erase(at) : std::next(at);
  }
  judge(point);
}

void Consistency::on_fingerprint(NodeId from, Fingerprint theirs) {
  VESPER_CHECK(from != self_);
  if (theirs.index > last()) {
    if (ahead_.size() < kAhead || ahead_.count(from) != 0) ahead_[from] = theirs;
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
  const auto [known, is_first] = point.hashes.try_emplace(node, hash);
  if (!is_first && std::exchange(known->second, hash) == hash) return;
  const std::uint64_t own = point.hashes.at(self_);
  if (hash == own) return;
  differences_.push_back({node, {point.index, hash}, {point.index, own}});
}

void Consistency::judge(Point& point) {
  const std::size_t needed = raft::majority_of(point.voters.size());
  const auto has_majority = [&](std::uint64_t hash) {
    std::size_t count = 0;
    for (const NodeId voter : point.voters) {
      const auto known = point.hashes.find(voter);
      if (known != point.hashes.end() && known->second == hash) ++count;
    }
    return count >= needed;
  };
  const std::uint64_t own = point.hashes.at(self_);
  if (has_majority(own)) {
    if (!std::exchange(point.is_agreed, true)) ++agreed_;
    return;
  }
  const bool is_outvoted = std::any_of(
      point.hashes.begin(), point.hashes.end(),
      [&](const auto& each) { return each.second != own && has_majority(each.second); });
  if (is_outvoted) outvoted_at_ = point.index;
}

std::optional<Fingerprint> Consistency::take_to_send() {
  if (!std::exchange(is_to_send_, false)) return std::nullopt;
  const Point& point = points_.back();
  return Fingerprint{point.index, point.hashes.at(self_)};
}

std::vector<Consistency::Difference> Consistency::take_differences() {
  return std::exchange(differences_, {});
}

}  // namespace vesper::node
