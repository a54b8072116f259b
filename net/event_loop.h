// The one thread on which a node's network and its core run: it waits for sockets, for what other
// threads hand in and for deadlines, tells whose turn it is, and begins anew. Nothing that runs on
// it may block. Runtime, HttpServer and PeerLinks are its users; vesperd and tests own it.
//
// A round: everything that is ready is told of it; then every user ends the round, in the order in
// which they were added. So what came together is worked on together, and leaves together.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/base/result.h"
#include "net/file_descriptor.h"

namespace vesper::net {

using LoopTime = std::chrono::steady_clock::time_point;
// As a deadline: none.
inline constexpr LoopTime kNever = LoopTime::max();

class EventLoop {
 public:
  // Whoever waits for a descriptor.
  class Source {
   public:
    virtual ~Source() = default;
    // `events`: EPOLLIN and the like. A source may end itself or others here, but whoever owns it
    // keeps the object until the round is over: an event of this round may yet name it.
    virtual void on_ready(std::uint32_t events) = 0;
  };

  class User {
   public:
    virtual ~User() = default;
    // Once a round, and at the latest when next_deadline() has come.
    virtual void end_round() = 0;
    virtual LoopTime next_deadline() const = 0;
    // The loop ends: the last call that it makes of anything.
    virtual void on_stop() = 0;
  };

  EventLoop();
  // Stops too.
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // --- Before start() ---
  // The user outlives the loop's thread.
  void add(User& user) { users_.push_back(&user); }
  // Errors: kIo, if the system gives no descriptor or no thread.
  Status start();

  // --- Any thread ---
  // Ends the thread and waits for it. Users and sources may go afterwards. Tasks that were posted
  // later than that are dropped.
  void stop();
  // Runs the task on the loop's thread in the next round.
  void post(std::function<void()> task);
  // Has a round begin at once.
  void wake();

  // --- The loop's own thread, and any before start() ---
  // Level-triggered. Closing a descriptor ends its watch. Errors: kIo.
  Status watch(int descriptor, std::uint32_t events, Source& source);
  void change(int descriptor, std::uint32_t events, Source& source);
  // When this round began.
  LoopTime now() const { return now_; }

 private:
  void run();
  void wait();
  void run_posted();

  FileDescriptor epoll_;
  FileDescriptor woken_;
  std::vector<User*> users_;
  std::thread thread_;
  LoopTime now_;
  std::atomic<bool> is_woken_{false};  // the descriptor says so already
  std::mutex mutex_;
  std::vector<std::function<void()>> posted_;  // guarded by mutex_
  std::vector<std::function<void()>> tasks_;   // of this round
  std::atomic<bool> stop_{false};
};

}  // namespace vesper::net
