// The answer of GET /members as a value: who the members are, as one node sees it. Written by the
// routes, read by vesperctl member and by a vesperd that is to join. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/types.h"

namespace vesper::net {

struct MemberLine {
  NodeId id;
  std::string address;   // empty: the node that answers does not know it
  std::string standing;  // voter, learner, incoming or outgoing
  // Of its data directory, in hexadecimal. Empty: not known; a learner has not joined yet.
  std::string incarnation;
  // Of the leader alone: up to where the member's log is known to be its own.
  std::optional<std::uint64_t> match;

  bool has_joined() const { return standing != "learner" || !incarnation.empty(); }
};

struct MemberList {
  std::string cluster;
  std::uint64_t index = 0;  // the entry that they stand in
  bool is_committed = false;
  bool is_joint = false;
  std::uint64_t next_id = 0;  // nobody has had it yet, nor one above
  std::optional<NodeId> leader;
  std::string leader_address;  // empty: not known
  std::uint64_t last = 0;      // the last entry of the node that answers
  std::vector<MemberLine> members;

  const MemberLine* find(NodeId id) const;
  const MemberLine* find_at(std::string_view address) const;
  // Whether the leader itself says so.
  bool is_of_leader() const;
  // How many entries the member lacks; nothing if the leader does not say so.
  std::optional<std::uint64_t> lag(const MemberLine& member) const;
};

std::string to_json(const MemberList& list);
// Members of the JSON that are not known are passed over. Errors: kInvalid.
Result<MemberList> parse_member_list(std::string_view json);

// The list as vesperd keeps it in its data directory: a line that names the format's version, the
// JSON, and a line with the sum of both.
std::string to_file(const std::string& json);
// Errors: kCorruption (it does not verify), kMismatch (another format version).
Result<MemberList> parse_member_file(std::string_view file);

}  // namespace vesper::net
