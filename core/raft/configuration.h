// Who takes part in the cluster, and whose voice counts (dissertation chapter 4). A Configuration
// is one entry of the log, or a part of a snapshot; Configurations is the stack of those that one
// log holds: the latest is in force from the moment that it is appended, and is gone when it is
// truncated. Pure values. Raft owns them; membership.cc decides what follows what.
//
// Voters change by joint consensus (4.3): one entry that joins old and new voters, both of whose
// majorities must agree, and once it is committed another one with the new voters alone. Learners
// come and go by one plain entry, for no majority changes by it.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/types.h"

namespace vesper::raft {

enum class Standing : std::uint8_t {
  kVoter = 0,     // counts in every majority
  kLearner = 1,   // takes entries, and counts in none
  kIncoming = 2,  // joint: counts in the new majority
  kOutgoing = 3,  // joint: counts in the old one
};
const char* standing_name(Standing standing);
constexpr bool is_old_voter(Standing standing) {
  return standing == Standing::kVoter || standing == Standing::kOutgoing;
}
constexpr bool is_new_voter(Standing standing) {
  return standing == Standing::kVoter || standing == Standing::kIncoming;
}

struct Member {
  NodeId id;
  Standing standing = Standing::kVoter;
  // Of its data directory. 0: not known. A learner of that kind has not come up yet; of a founder
  // it means any.
  Incarnation incarnation;
  // Where it is reached. Empty: where the list that the cluster was started from says.
  std::string address;
  bool operator==(const Member&) const = default;
};

class Configuration {
 public:
  Configuration() = default;
  // Voters with these incarnations, by node id from 0.
  static Configuration of_founders(const std::vector<Incarnation>& incarnations);

  // By rising id.
  const std::vector<Member>& members() const { return members_; }
  const Member* find(NodeId id) const {
    // Where nobody has left, ids are places: every message asks for one.
    if (id.value() < members_.size() && members_[id.value()].id == id) return &members_[id.value()];
    return search(id);
  }
  // Whether it counts in a majority, old or new.
  bool is_voter(NodeId id) const;
  bool is_joint() const { return joint_; }
  // The first id that nobody ever had: ids are not used again.
  NodeId next_id() const { return next_id_; }

  // What one change makes of this one, which is not joint. Errors: kInvalid, kLimit; they say what
  // cannot be done.
  // A learner under the next id.
  Result<Configuration> with_learner(std::string_view address) const;
  // The learner has come up: from now on its id is this data directory's alone.
  Result<Configuration> with_incarnation(NodeId id, Incarnation incarnation) const;
  // Learners become voters, members leave. Joint if the voters change.
  struct Change {
    std::vector<NodeId> promote;
    std::vector<NodeId> remove;
  };
  Result<Configuration> with_change(const Change& change) const;
  // Those of a joint one that stay. Requires: is_joint().
  Configuration settled() const;
  // Names the addresses, by node id, of members that have none yet.
  void fill_addresses(const std::vector<std::string>& addresses);

  // Whether `next` may stand right after this one in a log: nothing but one of the steps above, so
  // that every majority of the one meets every majority of the other.
  bool may_precede(const Configuration& next) const;

  // Appends, little-endian: u32 next id, u32 members, and each by rising id: u32 id, u8 standing,
  // u64 incarnation, u16 length, that much address.
  void encode(std::vector<std::byte>& out) const;
  // Exactly one encoding. Errors: kInvalid.
  static Result<Configuration> decode(ByteView bytes);

  bool operator==(const Configuration&) const = default;

 private:
  const Member* search(NodeId id) const;
  Member* find(NodeId id);
  Status check_change(const Change& change) const;
  void settle_flags();

  std::vector<Member> members_;
  NodeId next_id_;
  bool joint_ = false;
};

class Configurations {
 public:
  Configurations() = default;
  // `first` holds at `index`: a snapshot's end, or 0.
  Configurations(Index index, Configuration first) { stack_.push_back({index, std::move(first)}); }

  const Configuration& latest() const { return stack_.back().configuration; }
  // The entry that it stands in; the snapshot's last, or 0, if no entry.
  Index latest_index() const { return stack_.back().index; }
  // What was in force once the entry at `index` was appended. Requires: index is not below what
  // compact was told.
  const Configuration& at(Index index) const {
    VESPER_CHECK(!stack_.empty() && stack_.front().index <= index);
    if (stack_.back().index <= index) return stack_.back().configuration;  // as nearly always
    return search(index);
  }

  void append(Index index, Configuration configuration);
  void truncate_from(Index from);
  // Nobody asks any more what was in force below `to`.
  void compact(Index to);

 private:
  struct Placed {
    Index index;
    Configuration configuration;
  };
  const Configuration& search(Index index) const;

  std::deque<Placed> stack_;  // by rising index
};

}  // namespace vesper::raft
