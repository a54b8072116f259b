#include "apps/ctl/request.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <thread>

#include "apps/ctl/api.h"

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

// Between two tries of the same thing: an election takes longer than this, a person notices less.
constexpr std::chrono::milliseconds kPause{100};
// Redirects followed without a pause: one is the rule, and a second may come while the leader
// changes.
constexpr int kHopsAtOnce = 2;
// More than any node takes to answer within its own limit.
constexpr std::chrono::milliseconds kAnswerTimeout{3000};

constexpr const char* kGet = "GET";
constexpr const char* kPut = "PUT";

struct Question {
  const char* method;
  const char* path;
  std::string body;
  std::string idempotency_key;
  // Asked twice it does no more than once.
  bool may_repeat = true;
};

enum class Next { kDone, kHop, kTryAgain };

// What a reply asks for.
Next judge(const Reply& reply, bool may_repeat) {
  if (reply.delivery == Delivery::kNotSent) return Next::kTryAgain;
  // A put that was sent and not answered may have taken effect: a blind repetition could overwrite
  // a later one.
  if (reply.delivery == Delivery::kBroken) return may_repeat ? Next::kTryAgain : Next::kDone;
  if (reply.is_success) return Next::kDone;
  // So may one whose outcome is unknown, whatever else its reply says.
  const bool is_harmless = may_repeat || reply.outcome == "rejected";
  if (reply.redirect && reply.status == 200 && is_harmless) return Next::kHop;
  const bool is_failed_try = reply.outcome == "rejected" || reply.outcome == "unknown";
  // A full disk may get room, and its node hands over to one that has some.
  const bool may_change = reply.status == 200 || reply.status == 503 || reply.status == 507;
  return is_harmless && is_failed_try && may_change ? Next::kTryAgain : Next::kDone;
}

// The server speaks the documented API and no more.
bool has_no_sessions(const Reply& reply) {
  return reply.delivery == Delivery::kAnswered &&
         (reply.status == 404 || reply.status == 405 || reply.status == 501);
}

std::string one_line(std::string body) {
  std::replace(body.begin(), body.end(), '\n', ' ');
  while (!body.empty() && body.back() == ' ') body.pop_back();
  return body;
}

class Requester {
 public:
  explicit Requester(const RequestOptions& options)
      : options_(options),
        api_(kAnswerTimeout),
        end_(Clock::now() + options.timeout),
        at_(options.address) {}

  int run();

 private:
  Reply ask(const Question& question);
  bool may_wait();
  int report(const Reply& reply) const;
  int report_silence(const Reply& reply) const;

  const RequestOptions& options_;
  Api api_;
  Clock::time_point end_;
  std::string at_;
  std::string asked_;  // whom the last request went to
  int hops_ = 0;
  // A put left, and what it came to is not known.
  bool may_have_effect_ = false;
  std::optional<Reply> last_answer_;
};

// Waits before another try; false when the time is over.
bool Requester::may_wait() {
  if (Clock::now() + kPause >= end_) return false;
  std::this_thread::sleep_for(kPause);
  return true;
}

// Asks whoever leads until the answer is final or the time is over.
Reply Requester::ask(const Question& question) {
  hops_ = 0;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - Clock::now());
    api_.set_answer_timeout(std::clamp(left, kPause, kAnswerTimeout));
    asked_ = at_;
    Reply reply =
        api_.send(asked_, question.method, question.path, question.body, question.idempotency_key);
    const Next next = judge(reply, question.may_repeat);
    if (reply.delivery == Delivery::kAnswered) last_answer_ = reply;
    const bool is_unknown = reply.delivery == Delivery::kBroken || reply.outcome == "unknown";
    if (is_unknown && std::string_view(question.method) == kPut) may_have_effect_ = true;
    if (next == Next::kDone) return reply;
    if (next == Next::kHop && Api::is_address(*reply.redirect)) {
      at_ = *reply.redirect;
      if (++hops_ <= kHopsAtOnce) continue;
    } else {
      at_ = options_.address;  // whoever was named leader does not answer: ask again who is
    }
    if (!may_wait()) return reply;
    hops_ = 0;
  }
}

int Requester::run() {
  if (!options_.value) {
    const char* const path = options_.at_follower ? "/request?read=follower" : "/request";
    return report(ask({kGet, path, get_body(options_.key), {}}));
  }
  const Reply registered = ask({"POST", "/session", {}, {}});
  const auto client = registered.is_success ? client_of(registered.body) : std::nullopt;
  if (!client && !has_no_sessions(registered)) return report(registered);
  return report(ask({kPut, "/request", put_body(options_.key, json_string(*options_.value)),
                     client ? *client + "/1" : std::string(), client.has_value()}));
}

int Requester::report(const Reply& reply) const {
  if (reply.delivery != Delivery::kAnswered) return report_silence(reply);
  fmt::print("{}\n", one_line(reply.body));
  if (reply.is_success) return kSuccess;
  if (may_have_effect_) {
    fmt::print(stderr, "vesperctl: the put was not committed in time and may yet take effect\n");
  } else if (!reply.outcome.empty()) {
    fmt::print(stderr, "vesperctl: no leader answered within {} ms; the request has no effect\n",
               options_.timeout.count());
  }
  return kFail;
}

// Whoever was asked last gave no answer.
int Requester::report_silence(const Reply& reply) const {
  const bool is_reached = reply.delivery == Delivery::kBroken;
  if (may_have_effect_) {
    fmt::print(R"({{"code":"fail"}})"
               "\n");
    fmt::print(stderr, "vesperctl: {} {}: the put may have taken effect or not\n", asked_,
               is_reached ? "took the request and did not answer" : "could not be reached again");
    return kFail;
  }
  if (last_answer_) {
    // Of somebody else before: a redirect, say. It is no answer of a leader.
    fmt::print("{}\n", one_line(last_answer_->body));
    fmt::print(stderr, "vesperctl: {} {} within {} ms; the request has no effect\n", asked_,
               is_reached ? "did not answer" : "could not be reached", options_.timeout.count());
    return kFail;
  }
  if (is_reached) {
    fmt::print(stderr, "vesperctl: {} did not answer within {} ms\n", asked_,
               options_.timeout.count());
  } else {
    fmt::print(stderr, "vesperctl: no node could be reached at {} within {} ms\n", options_.address,
               options_.timeout.count());
  }
  return kUnreachable;
}

}  // namespace

int run_request(const RequestOptions& options) {
  return Requester(options).run();
}

}  // namespace vesper::ctl
