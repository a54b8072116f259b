// Talks to the leader of a cluster on an operator's behalf, for vesperctl member: reads the list of
// members, and has one change of it made. It knows what a change of unknown outcome came to by the
// list, and that who was removed answers no more.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "apps/ctl/api.h"
#include "core/base/result.h"
#include "net/member_list.h"

namespace vesper::ctl {

class Operator {
 public:
  Operator(std::string address, std::chrono::milliseconds timeout);

  // The leader's, asked for again until the time is over. Errors: kUnavailable; kIo: no node was
  // reached at all.
  Result<net::MemberList> list();
  // Of the leader, or of whoever answers if there is none. Errors: likewise.
  Result<net::MemberList> list_of_anyone();

  // Whether a list that is committed shows that the change is made.
  using IsMade = std::function<bool(const net::MemberList&)>;
  // POST /members with this body until it is made, or refused for good, or the time is over. What
  // stands in its way for now is said once. Errors: kInvalid, why it was refused; kUnavailable;
  // kIo.
  Status change(const std::string& body, const IsMade& is_made);

  // Says what is waited for, if that is news, and waits. False: the time is over.
  bool wait_for(const std::string& what);
  // Of what it waited for last; of nobody that answered.
  Error out_of_time() const;

 private:
  Reply ask(const char* method, const std::string& body);
  void go_on_after(const Reply& reply);
  std::optional<net::MemberList> ask_list();
  bool is_made_now(const IsMade& is_made);

  Api api_;
  const std::string address_;
  const std::chrono::milliseconds timeout_;
  const std::chrono::steady_clock::time_point end_;
  std::string at_;                    // whom it takes for the leader
  int hops_ = 0;                      // of redirects that were followed at once
  std::vector<std::string> members_;  // where else somebody may answer
  std::size_t next_member_ = 0;
  bool is_reached_ = false;
  std::string waits_for_;
};

}  // namespace vesper::ctl
