#include "net/event_loop.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace vesper::net_test {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Counts its rounds, and is due when it is told.
struct CountingUser : net::EventLoop::User {
  void end_round() override {
    rounds.fetch_add(1);
    const Clock::time_point now = Clock::now();
    if (now < due.load()) return;
    was_late.store(true);
    due.store(net::kNever);
  }
  net::LoopTime next_deadline() const override { return due.load(); }
  void on_stop() override { has_stopped.store(true); }

  std::atomic<int> rounds{0};
  std::atomic<net::LoopTime> due{net::kNever};
  std::atomic<bool> was_late{false};
  std::atomic<bool> has_stopped{false};
};

void wait_for(const std::atomic<bool>& flag) {
  while (!flag.load()) std::this_thread::yield();
}

}  // namespace

TEST_SUITE_BEGIN("event_loop");

TEST_CASE("tasks of many threads run on the loop's thread, each once and in its thread's order") {
  net::EventLoop loop;
  REQUIRE(loop.start().ok());
  constexpr int kThreads = 4;
  constexpr int kTasks = 500;
  std::array<std::vector<int>, kThreads> seen;  // the loop's thread alone writes
  std::atomic<int> left{kThreads * kTasks};
  std::atomic<bool> is_done{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < kTasks; ++n) {
        loop.post([&, i, n] {
          seen[i].push_back(n);
          if (left.fetch_sub(1) == 1) is_done.store(true);
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  wait_for(is_done);
  loop.stop();
  for (const std::vector<int>& numbers : seen) {
    REQUIRE(numbers.size() == kTasks);
    CHECK(std::is_sorted(numbers.begin(), numbers.end()));
  }
}

TEST_CASE("a deadline ends the wait, and without one nothing is done") {
  net::EventLoop loop;
  CountingUser user;
  loop.add(user);
  REQUIRE(loop.start().ok());
  std::atomic<bool> is_set{false};
  const Clock::time_point due = Clock::now() + milliseconds(20);
  loop.post([&] {
    user.due.store(due);
    is_set.store(true);
  });
  wait_for(is_set);
  wait_for(user.was_late);
  CHECK(Clock::now() >= due);
  const int rounds = user.rounds.load();
  std::this_thread::sleep_for(milliseconds(30));
  CHECK(user.rounds.load() <= rounds + 1);  // the one that was just ending
  loop.stop();
  CHECK(user.has_stopped.load());
}

TEST_SUITE_END();

}  // namespace vesper::net_test
