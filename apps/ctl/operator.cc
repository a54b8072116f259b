#include "apps/ctl/operator.h"

#include <fmt/core.h>

#include <algorithm>
#include <thread>
#include <utility>

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPause{100};
// More than any node takes to answer within its own limit.
constexpr std::chrono::milliseconds kAnswerTimeout{3000};
// Redirects followed without a pause: two nodes may name each other while the leader changes.
constexpr int kHopsAtOnce = 2;
constexpr const char* kNoLeader = "no leader answers";

}  // namespace

Operator::Operator(std::string address, std::chrono::milliseconds timeout)
    : api_(kAnswerTimeout),
      address_(std::move(address)),
      timeout_(timeout),
      end_(Clock::now() + timeout),
      at_(address_) {}

Reply Operator::ask(const char* method, const std::string& body) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
  api_.set_answer_timeout(std::clamp(left, kPause, kAnswerTimeout));
  Reply reply = api_.send(at_, method, "/members", body);
  is_reached_ = is_reached_ || reply.delivery == Delivery::kAnswered;
  return reply;
}

// To whom the next question goes.
void Operator::go_on_after(const Reply& reply) {
  if (reply.redirect && Api::is_address(*reply.redirect)) {
    at_ = *reply.redirect;
    if (++hops_ <= kHopsAtOnce) return;
  } else if (!members_.empty()) {
    at_ = members_[next_member_++ % members_.size()];
  } else {
    at_ = address_;
  }
  hops_ = 0;
  std::this_thread::sleep_for(kPause);
}

bool Operator::wait_for(const std::string& what) {
  if (what != waits_for_) fmt::print(stderr, "vesperctl: {}: waiting\n", what);
  waits_for_ = what;
  if (Clock::now() + kPause >= end_) return false;
  std::this_thread::sleep_for(kPause);
  return true;
}

Error Operator::out_of_time() const {
  if (!is_reached_) {
    return {ErrorCode::kIo,
            fmt::format("no node could be reached at {} within {} ms", address_, timeout_.count())};
  }
  return {ErrorCode::kUnavailable, fmt::format("not done within {} ms: {}", timeout_.count(),
                                               waits_for_.empty() ? kNoLeader : waits_for_)};
}

// --- The list ---

std::optional<net::MemberList> Operator::ask_list() {
  const Reply reply = ask("GET", {});
  auto list = net::parse_member_list(reply.body);
  if (!reply.is_success || !list.ok()) {
    go_on_after(reply);
    return std::nullopt;
  }
  members_.clear();
  for (const net::MemberLine& member : list.value().members) {
    if (Api::is_address(member.address)) members_.push_back(member.address);
  }
  return std::move(list.value());
}

Result<net::MemberList> Operator::list() {
  do {
    auto list = ask_list();
    if (!list) continue;
    if (list->is_of_leader()) return std::move(*list);
    Reply elsewhere;
    if (!list->leader_address.empty()) elsewhere.redirect = list->leader_address;
    go_on_after(elsewhere);
  } while (Clock::now() < end_);
  return out_of_time();
}

Result<net::MemberList> Operator::list_of_anyone() {
  do {
    auto list = ask_list();
    if (!list) continue;
    if (list->is_of_leader() || list->leader_address.empty()) return std::move(*list);
    at_ = list->leader_address;
    auto of_leader = ask_list();
    return std::move(of_leader ? *of_leader : *list);
  } while (Clock::now() < end_);
  return out_of_time();
}

// --- A change ---

bool Operator::is_made_now(const IsMade& is_made) {
  const auto seen = list();
  return seen.ok() && seen.value().is_committed && !seen.value().is_joint && is_made(seen.value());
}

Status Operator::change(const std::string& body, const IsMade& is_made) {
  bool may_be_made = false;  // by a try whose outcome is unknown
  do {
    if (may_be_made && is_made_now(is_made)) return {};
    const Reply reply = ask("POST", body);
    if (reply.is_success) return {};
    const bool is_answered = reply.delivery == Delivery::kAnswered;
    if (is_answered && reply.status >= 400 && reply.status < 500) {
      const std::string error = text_of(reply.body, "error");
      if (reply.retry_after.empty()) {
        if (may_be_made && is_made_now(is_made)) return {};
        return Error{ErrorCode::kInvalid, error};
      }
      if (!wait_for(error)) return out_of_time();
      continue;
    }
    may_be_made = may_be_made || reply.delivery == Delivery::kBroken || reply.outcome == "unknown";
    go_on_after(reply);
  } while (Clock::now() < end_);
  if (!may_be_made) return out_of_time();
  return Error{ErrorCode::kUnavailable,
               fmt::format("the change was not confirmed within {} ms and may yet be made: see "
                           "vesperctl member list",
                           timeout_.count())};
}

}  // namespace vesper::ctl
