#include "apps/vesperd_stop.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

namespace vesper {

namespace {

constexpr int kPatienceMs = 800;

void wake(const net::FileDescriptor& event) {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event.get(), &one, sizeof one);
}

}  // namespace

StopWatcher::StopWatcher(int signals, net::Logger& logger)
    : signals_(signals),
      logger_(logger),
      requested_(::eventfd(0, EFD_CLOEXEC)),
      over_(::eventfd(0, EFD_CLOEXEC)) {}

StopWatcher::~StopWatcher() {
  wake(over_);
  if (thread_.joinable()) thread_.join();
}

Status StopWatcher::start() {
  if (signals_ < 0 || !requested_.is_open() || !over_.is_open()) {
    return Error{ErrorCode::kIo, "the system gives no descriptor for signals"};
  }
  thread_ = std::thread([this] { watch(); });
  return {};
}

void StopWatcher::watch() {
  std::array<pollfd, 2> wait{{{over_.get(), POLLIN, 0}, {signals_, POLLIN, 0}}};
  while (::poll(wait.data(), wait.size(), -1) < 0 && errno == EINTR) {
  }
  if (wait[0].revents != 0) return;
  wake(requested_);
  if (::poll(wait.data(), 1, kPatienceMs) != 0) return;
  // As safe as a crash: nobody was told of anything that is not yet on disk, and what a start would
  // have repaired the next one repairs.
  logger_.line(net::LogLevel::kWarning,
               "ended by a signal, without waiting any longer for the disk or the network");
  ::_exit(0);
}

}  // namespace vesper
