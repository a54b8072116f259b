#include "net/logger.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/time.h>
#include <unistd.h>

#include <ctime>

namespace vesper::net {

namespace {

const char* level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  VESPER_UNREACHABLE();
}

LogLevel level_of(node::NodeEvent::Kind kind) {
  switch (kind) {
    case node::NodeEvent::Kind::kWaiting:
    case node::NodeEvent::Kind::kFormed:
    case node::NodeEvent::Kind::kRecovered:
    case node::NodeEvent::Kind::kRole:
    case node::NodeEvent::Kind::kTransfer:
    case node::NodeEvent::Kind::kMembers:
    case node::NodeEvent::Kind::kSnapshot:
      return LogLevel::kInfo;
    case node::NodeEvent::Kind::kIgnored:
    case node::NodeEvent::Kind::kDisk:
      return LogLevel::kWarning;
    case node::NodeEvent::Kind::kDiffers:
    case node::NodeEvent::Kind::kStopped:
      return LogLevel::kError;
  }
  VESPER_UNREACHABLE();
}

std::string role_text(const node::NodeView& view) {
  std::string text = node::role_name(view.role);
  if (view.role == node::Role::kLeader) return text;
  return text + (view.leader ? fmt::format(", leader n{}", view.leader->value()) : ", no leader");
}

std::string event_text(const node::NodeEvent& event) {
  switch (event.kind) {
    case node::NodeEvent::Kind::kWaiting:
      return "waiting " + event.detail;
    case node::NodeEvent::Kind::kFormed:
      return fmt::format("cluster {:016x} formed: {}", event.view.cluster.value(), event.detail);
    case node::NodeEvent::Kind::kRecovered:
      return "recovered: " + event.detail;
    case node::NodeEvent::Kind::kRole:
      return role_text(event.view);
    case node::NodeEvent::Kind::kTransfer:
      return "leadership transfer " + event.detail;
    case node::NodeEvent::Kind::kMembers:
      return fmt::format("members of entry {}: {}", event.view.configuration.value(), event.detail);
    case node::NodeEvent::Kind::kSnapshot:
      return "has a snapshot " + event.detail;
    case node::NodeEvent::Kind::kDiffers:
      return "STATE DIFFERS from that of " + event.detail;
    case node::NodeEvent::Kind::kIgnored:
      return "ignored: " + event.detail;
    case node::NodeEvent::Kind::kStopped:
      return "stopped: " + event.detail;
    case node::NodeEvent::Kind::kDisk:
      return "the disk " + event.detail;
  }
  VESPER_UNREACHABLE();
}

std::string time_text() {
  timeval now{};
  gettimeofday(&now, nullptr);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     now.tv_usec / 1000);
}

}  // namespace

void Logger::line(LogLevel level, Term term, Index index, std::string_view text) {
  if (level < level_) return;
  const std::string line =
      fmt::format("{} {} n{} term {} index {}: {}\n", time_text(), level_name(level), node_.value(),
                  term.value(), index.value(), text);
  const std::lock_guard lock(mutex_);
  // A closed or full standard error is no reason to stop serving: where a write would wait (a pipe
  // that nobody reads, a terminal that is held), the line is lost.
  pollfd out{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) return;
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

void Logger::event(const node::NodeEvent& event) {
  line(level_of(event.kind), event.view.term, event.view.last, event_text(event));
}

}  // namespace vesper::net
