#include "net/event_loop.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <system_error>
#include <utility>

namespace vesper::net {

namespace {

// Told of in one round; the rest in the next. A turn of the core comes after each, so that neither
// peers nor the disk wait for long behind a thousand clients.
constexpr int kEventsARound = 256;

Error io_error(const char* what) {
  return {ErrorCode::kIo, std::string(what) + ": " + std::strerror(errno)};
}

// Never early: a round before a deadline would find nothing to do, and another would follow.
timespec until(LoopTime deadline, LoopTime now) {
  const auto left = std::max(deadline - now, LoopTime::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {.tv_sec = seconds.count(),
          .tv_nsec = std::chrono::duration_cast<std::chrono::nanoseconds>(left - seconds).count()};
}

}  // namespace

EventLoop::EventLoop()
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      woken_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      now_(std::chrono::steady_clock::now()) {
  if (!epoll_.is_open() || !woken_.is_open()) return;  // start() says so
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, woken_.get(), &event);
}

EventLoop::~EventLoop() {
  stop();
}

Status EventLoop::start() {
  if (!epoll_.is_open() || !woken_.is_open()) return io_error("no descriptor for the event loop");
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    return Error{ErrorCode::kIo, std::string("no thread for the event loop: ") + error.what()};
  }
  return {};
}

void EventLoop::stop() {
  stop_.store(true);
  wake();
  if (thread_.joinable()) thread_.join();
}

void EventLoop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(task));
  }
  wake();
}

void EventLoop::wake() {
  if (is_woken_.exchange(true)) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(woken_.get(), &one, sizeof one);
}

Status EventLoop::watch(int descriptor, std::uint32_t events, Source& source) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0) return {};
  return io_error("cannot watch a descriptor");
}

void EventLoop::change(int descriptor, std::uint32_t events, Source& source) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &source;
  VESPER_CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, descriptor, &event) == 0);
}

void EventLoop::run() {
  while (!stop_.load()) {
    wait();
    run_posted();
    for (User* user : users_) user->end_round();
  }
  for (User* user : users_) user->on_stop();
}

void EventLoop::wait() {
  LoopTime deadline = kNever;
  for (const User* user : users_) deadline = std::min(deadline, user->next_deadline());
  std::array<epoll_event, kEventsARound> events;
  timespec left{};
  if (deadline != kNever) left = until(deadline, std::chrono::steady_clock::now());
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), kEventsARound,
                                   deadline == kNever ? nullptr : &left, nullptr);
  now_ = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr != nullptr) {
      static_cast<Source*>(event.data.ptr)->on_ready(event.events);
      continue;
    }
    std::uint64_t times = 0;
    [[maybe_unused]] const ssize_t got = ::read(woken_.get(), &times, sizeof times);
    // Before what was handed in is looked for: whoever hands in more from now on wakes again.
    is_woken_.store(false);
  }
}

void EventLoop::run_posted() {
  {
    const std::lock_guard lock(mutex_);
    tasks_.swap(posted_);
  }
  for (const auto& task : tasks_) task();
  tasks_.clear();
}

}  // namespace vesper::net
