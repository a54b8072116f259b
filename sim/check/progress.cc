#include "sim/check/progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace vesper::sim {

void ProgressChecker::look(Instant at, const Situation& situation) {
  violations_.set_now(at);
  seen_ = situation;
  quiet_until_ = Instant::never();
  if (oldest_request_ != Instant::never()) {
    be_quiet_until(oldest_request_ + bounds_.request);
    if (at - oldest_request_ > bounds_.request) watch_requests(at);
  }
  if (!situation.has_majority) {
    leaderless_since_.reset();
    idle_puts_.since.reset();
    idle_gets_.since.reset();
    return;
  }
  if (situation.has_leader) {
    leaderless_since_.reset();
  } else {
    watch_leader(at, situation);
  }
  watch_kind(at, situation.last_fault_at, situation.puts, idle_puts_);
  watch_kind(at, situation.last_fault_at, situation.gets, idle_gets_);
}

void ProgressChecker::watch_leader(Instant at, const Situation& situation) {
  if (!leaderless_since_) leaderless_since_ = at;
  const Instant since = std::max(*leaderless_since_, situation.last_fault_at);
  be_quiet_until(since + bounds_.elect);
  if (at - since <= bounds_.elect) return;
  violations_.report("progress", fmt::format("a majority has been up and connected for {} ms and "
                                             "has elected no leader",
                                             (at - since).nanoseconds() / 1'000'000));
}

void ProgressChecker::watch_kind(Instant at, Instant last_fault_at, const Situation::Asked& asked,
                                 Idle& idle) {
  if (!asked.is_asked) return idle.since.reset();
  if (!idle.since || asked.successes != idle.successes) idle.since = at;
  idle.successes = asked.successes;
  const Instant since = std::max(*idle.since, last_fault_at);
  const Duration bound = bounds_.elect + bounds_.answer;
  be_quiet_until(since + bound);
  if (at - since <= bound) return;
  violations_.report("progress", fmt::format("a majority has been up and connected for {} ms and "
                                             "no {} has succeeded",
                                             (at - since).nanoseconds() / 1'000'000, idle.kind));
}

void ProgressChecker::watch_requests(Instant at) {
  for (std::size_t node = 0; node < waiting_.size(); ++node) {
    const Waiting& waiting = waiting_[node];
    if (waiting.in_turn.empty()) continue;
    const Duration age = at - waiting.in_turn.front().second;
    if (age <= bounds_.request) continue;
    violations_.report("request-hangs",
                       fmt::format("n{} has left a request without an answer for {} ms", node,
                                   age.nanoseconds() / 1'000'000));
  }
}

void ProgressChecker::find_oldest_request() {
  oldest_request_ = Instant::never();
  for (const Waiting& waiting : waiting_) {
    if (waiting.in_turn.empty()) continue;
    oldest_request_ = std::min(oldest_request_, waiting.in_turn.front().second);
  }
}

// A process that begins, ends or is held owes nothing to those who asked it before; nor does one
// whose clock stands still or has done so since.

void ProgressChecker::forget(NodeId node) {
  waiting_[node.value()].in_turn.clear();
  waiting_[node.value()].open.clear();
  find_oldest_request();
}

void ProgressChecker::on_clock_stopped(Instant /*at*/, NodeId node, bool stands_still) {
  waiting_[node.value()].has_no_time = stands_still;
  forget(node);
}

void ProgressChecker::on_start(Instant /*at*/, NodeId node, std::uint64_t /*life*/) {
  forget(node);
}

void ProgressChecker::on_crash(Instant /*at*/, NodeId node) {
  forget(node);
}

void ProgressChecker::on_stopped(Instant /*at*/, NodeId node, const Error& /*reason*/) {
  forget(node);
}

void ProgressChecker::on_pause(Instant /*at*/, NodeId node) {
  forget(node);
}

void ProgressChecker::on_request_taken(Instant at, NodeId node, RequestId request) {
  Waiting& waiting = waiting_[node.value()];
  if (waiting.has_no_time) return;
  waiting.in_turn.emplace_back(request, at);
  if (waiting.spare.empty()) {
    waiting.open.insert(request);
  } else {
    waiting.spare.back().value() = request;
    waiting.open.insert(std::move(waiting.spare.back()));
    waiting.spare.pop_back();
  }
  oldest_request_ = std::min(oldest_request_, at);
  be_quiet_until(oldest_request_ + bounds_.request);
}

void ProgressChecker::on_request_answered(Instant /*at*/, NodeId node, RequestId request,
                                          const node::Answer& /*answer*/) {
  Waiting& waiting = waiting_[node.value()];
  if (auto ended = waiting.open.extract(request)) waiting.spare.push_back(std::move(ended));
  if (waiting.in_turn.empty() || waiting.open.contains(waiting.in_turn.front().first)) return;
  while (!waiting.in_turn.empty() && !waiting.open.contains(waiting.in_turn.front().first)) {
    waiting.in_turn.pop_front();
  }
  find_oldest_request();
}

}  // namespace vesper::sim
