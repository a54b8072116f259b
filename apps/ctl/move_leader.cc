#include "apps/ctl/move_leader.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>

#include "apps/ctl/api.h"
#include "apps/ctl/request.h"

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{100};
// More than any node takes to answer within its own limit.
constexpr std::chrono::milliseconds kAnswerTimeout{3000};

int report(const Reply& reply, const std::string& asked, const MoveLeaderOptions& options) {
  if (reply.delivery == Delivery::kBroken) {
    fmt::print(stderr, "vesperctl: {} took the request and did not answer: see vesperctl status\n",
               asked);
    return kFail;
  }
  if (reply.delivery == Delivery::kNotSent) {
    fmt::print(stderr, "vesperctl: no node could be reached at {} within {} ms\n", asked,
               options.timeout.count());
    return kUnreachable;
  }
  if (reply.is_success) {
    fmt::print("leader: n{} {}\n", text_of(reply.body, "leader"),
               text_of(reply.body, "leader_address"));
    return kSuccess;
  }
  const std::string error = text_of(reply.body, "error");
  if (!error.empty()) {
    fmt::print(stderr, "vesperctl: {}: {}\n", asked, error);
  } else if (reply.outcome == "unknown") {
    fmt::print(stderr,
               "vesperctl: the target did not take over in time, and {} goes on as before\n",
               asked);
  } else {
    fmt::print(stderr, "vesperctl: no leader was found within {} ms\n", options.timeout.count());
  }
  return kFail;
}

// Whether nothing was begun, and another try may find a leader.
bool may_try_again(const Reply& reply) {
  if (reply.delivery != Delivery::kAnswered) return reply.delivery == Delivery::kNotSent;
  return !reply.is_success && reply.outcome == "rejected" &&
         (reply.status == 200 || reply.status == 503);
}

}  // namespace

int run_move_leader(const MoveLeaderOptions& options) {
  const auto end = Clock::now() + options.timeout;
  const std::string body = options.to ? fmt::format(R"({{"to":{}}})", *options.to) : "{}";
  Api api(kAnswerTimeout);
  std::string at = options.address;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
    api.set_answer_timeout(std::clamp(left, kPause, kAnswerTimeout));
    const std::string asked = at;
    const Reply reply = api.send(asked, "POST", "/move-leader", body);
    const bool is_over = Clock::now() + kPause >= end;
    if (!may_try_again(reply) || is_over) return report(reply, asked, options);
    // Two nodes may name each other while the leader changes: the first hop alone is at once.
    const bool hops = reply.redirect && Api::is_address(*reply.redirect);
    if (!hops || asked != options.address) std::this_thread::sleep_for(kPause);
    at = hops ? *reply.redirect : options.address;
  }
}

}  // namespace vesper::ctl
