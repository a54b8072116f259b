#include "apps/ctl/member.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdio>

#include "apps/ctl/operator.h"
#include "apps/ctl/request.h"

namespace vesper::ctl {

namespace {

using net::MemberLine;
using net::MemberList;

// Of the command that starts a newcomer: so many members are named, should some be down.
constexpr std::size_t kNamedMembers = 3;

std::string name(NodeId id) {
  return fmt::format("n{}", id.value());
}

int fail(const Error& error) {
  fmt::print(stderr, "vesperctl: {}\n", error.message);
  return error.code == ErrorCode::kIo ? kUnreachable : kFail;
}

// For a person, beside what a script reads; in order, whoever reads both.
void say(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

std::string number_or_dash(const std::optional<std::uint64_t>& number) {
  return number ? std::to_string(*number) : "-";
}

void print_table(const MemberList& list) {
  fmt::print("{:<8} {:<28} {:<9} {:<16} {:>9} {:>9}\n", "node", "address", "standing",
             "incarnation", "match", "lag");
  for (const MemberLine& member : list.members) {
    const std::string incarnation = !member.incarnation.empty() ? member.incarnation
                                    : member.has_joined()       ? "-"
                                                                : "not joined yet";
    fmt::print("{:<8} {:<28} {:<9} {:<16} {:>9} {:>9}\n", name(member.id), member.address,
               member.standing, incarnation, number_or_dash(member.match),
               number_or_dash(list.lag(member)));
  }
  fmt::print("cluster {}, members of entry {}{}{}\n", list.cluster, list.index,
             list.is_joint ? ", joint" : "", list.is_committed ? "" : ", not committed yet");
  if (list.leader) {
    fmt::print("leader: {} {}\n", name(*list.leader), list.leader_address);
  } else {
    fmt::print("no leader\n");
  }
}

std::string ids_json(const std::vector<std::uint32_t>& ids) {
  return fmt::format("[{}]", fmt::join(ids, ","));
}

bool is_gone(const MemberList& list, const std::vector<std::uint32_t>& ids) {
  return std::none_of(ids.begin(), ids.end(),
                      [&](std::uint32_t id) { return list.find(NodeId(id)) != nullptr; });
}

bool is_voter(const MemberList& list, std::uint32_t id) {
  const MemberLine* member = list.find(NodeId(id));
  return member != nullptr && member->standing == "voter";
}

bool are_voters(const MemberList& list, const std::vector<std::uint32_t>& ids) {
  return std::all_of(ids.begin(), ids.end(), [&](std::uint32_t id) { return is_voter(list, id); });
}

void print_command(const MemberList& list, const MemberLine& added) {
  std::vector<std::string> named;
  for (const MemberLine& member : list.members) {
    if (named.size() < kNamedMembers && member.has_joined() && member.id != added.id) {
      named.push_back(member.address);
    }
  }
  say(fmt::format("start it with: vesperd {} --join {}", added.id.value(), fmt::join(named, ",")));
}

// The learner at this address, added now if it is not there yet.
Result<MemberList> with_learner(Operator& cluster, const std::string& address, NodeId& id) {
  auto before = cluster.list();
  if (!before.ok()) return before.error();
  const auto is_there = [&](const MemberList& list) { return list.find_at(address) != nullptr; };
  if (!is_there(before.value())) {
    VESPER_TRY(cluster.change(fmt::format(R"({{"add":{}}})", json_string(address)), is_there));
  }
  auto after = cluster.list();
  if (!after.ok()) return after.error();
  const MemberLine* added = after.value().find_at(address);
  if (added == nullptr) {
    return Error{ErrorCode::kUnavailable, "another operator removed what was added at " + address};
  }
  id = added->id;
  return after;
}

// Waits until each has joined and has something of the log. How much it may lack is the leader's to
// judge, and a short log lacks little though it holds nothing.
Status wait_until_joined(Operator& cluster, const std::vector<std::uint32_t>& ids) {
  while (true) {
    const auto list = cluster.list();
    if (!list.ok()) return list.error();
    std::string missing;
    for (const std::uint32_t id : ids) {
      const MemberLine* member = list.value().find(NodeId(id));
      if (member == nullptr) {
        return Error{ErrorCode::kInvalid, name(NodeId(id)) + " is no member of this cluster"};
      }
      if (!member->has_joined()) {
        missing = name(member->id) + " has not joined yet";
      } else if (member->match == 0U) {
        missing = name(member->id) + " has taken no entries yet";
      }
    }
    if (missing.empty()) return {};
    if (!cluster.wait_for(missing)) return cluster.out_of_time();
  }
}

Status promote(Operator& cluster, const std::vector<std::uint32_t>& ids,
               const std::vector<std::uint32_t>& remove) {
  VESPER_TRY(wait_until_joined(cluster, ids));
  return cluster.change(
      fmt::format(R"({{"promote":{},"remove":{}}})", ids_json(ids), ids_json(remove)),
      [&](const MemberList& list) { return are_voters(list, ids) && is_gone(list, remove); });
}

Status remove(Operator& cluster, const std::vector<std::uint32_t>& ids) {
  return cluster.change(fmt::format(R"({{"remove":{}}})", ids_json(ids)),
                        [&](const MemberList& list) { return is_gone(list, ids); });
}

}  // namespace

int run_member_list(const MemberOptions& options) {
  const auto list = Operator(options.address, options.timeout).list_of_anyone();
  if (!list.ok()) return fail(list.error());
  if (options.json) {
    fmt::print("{}\n", net::to_json(list.value()));
  } else {
    print_table(list.value());
  }
  return kSuccess;
}

int run_member_add(const MemberOptions& options) {
  Operator cluster(options.address, options.timeout);
  const auto before = cluster.list();
  if (!before.ok()) return fail(before.error());
  if (const MemberLine* there = before.value().find_at(options.new_address)) {
    return fail({ErrorCode::kInvalid, name(there->id) + " is a member at " + options.new_address});
  }
  NodeId id;
  const auto list = with_learner(cluster, options.new_address, id);
  if (!list.ok()) return fail(list.error());
  say(fmt::format("{} is a learner at {}", name(id), options.new_address));
  print_command(list.value(), *list.value().find(id));
  return kSuccess;
}

int run_member_promote(const MemberOptions& options) {
  Operator cluster(options.address, options.timeout);
  const auto before = cluster.list();
  if (!before.ok()) return fail(before.error());
  if (!are_voters(before.value(), options.ids)) {
    std::vector<std::uint32_t> learners;
    for (const std::uint32_t id : options.ids) {
      if (!is_voter(before.value(), id)) learners.push_back(id);
    }
    const Status promoted = promote(cluster, learners, {});
    if (!promoted.ok()) return fail(promoted.error());
  }
  for (const std::uint32_t id : options.ids) say(name(NodeId(id)) + " is a voter");
  return kSuccess;
}

int run_member_remove(const MemberOptions& options) {
  Operator cluster(options.address, options.timeout);
  const Status removed = remove(cluster, options.ids);
  if (!removed.ok()) return fail(removed.error());
  for (const std::uint32_t id : options.ids) say(name(NodeId(id)) + " is removed");
  return kSuccess;
}

int run_member_replace(const MemberOptions& options) {
  Operator cluster(options.address, options.timeout);
  const NodeId old(options.ids.front());
  auto list = cluster.list();
  if (!list.ok()) return fail(list.error());
  if (old.value() >= list.value().next_id) {
    return fail({ErrorCode::kInvalid, name(old) + " is no member of this cluster, and never was"});
  }
  // At its own address the new node can be told from the old one only when that has left.
  const MemberLine* leaving = list.value().find(old);
  if (leaving != nullptr && leaving->address == options.new_address) {
    const Status removed = remove(cluster, {old.value()});
    if (!removed.ok()) return fail(removed.error());
    say(name(old) + " is removed");
  }
  NodeId id;
  list = with_learner(cluster, options.new_address, id);
  if (!list.ok()) return fail(list.error());
  const MemberLine added = *list.value().find(id);
  const bool leaves = list.value().find(old) != nullptr;
  say(fmt::format("{} is a {} at {}", name(id), added.standing, added.address));
  if (!added.has_joined()) print_command(list.value(), added);

  const std::vector<std::uint32_t> to_remove =
      leaves ? std::vector<std::uint32_t>{old.value()} : std::vector<std::uint32_t>{};
  Status changed;
  if (added.standing == "learner") {
    changed = promote(cluster, {id.value()}, to_remove);
  } else if (leaves) {
    changed = remove(cluster, to_remove);
  }
  if (!changed.ok()) return fail(changed.error());
  say(fmt::format("{} is a voter, {} is removed", name(id), name(old)));
  return kSuccess;
}

}  // namespace vesper::ctl
