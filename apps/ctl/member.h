// vesperctl member list|add|promote|remove|replace: who takes part in a cluster, and changes of it.
// Each finds the leader through any member and waits through an election within its timeout. What
// is known to be safe is asked again: an address is given one id alone and ids are not used again,
// so that a change whose outcome was unknown cannot be made twice; still the list is looked at
// first.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace vesper::ctl {

struct MemberOptions {
  std::string address;             // any member
  std::vector<std::uint32_t> ids;  // promote, remove: these; replace: the old one
  std::string new_address;         // add, replace
  bool json = false;               // list
  std::chrono::milliseconds timeout{5000};
};

// As RequestOptions' exit statuses.
int run_member_list(const MemberOptions& options);
int run_member_add(const MemberOptions& options);
int run_member_promote(const MemberOptions& options);
int run_member_remove(const MemberOptions& options);
// Safe to run again after it was interrupted: it finds what is done already.
int run_member_replace(const MemberOptions& options);

}  // namespace vesper::ctl
