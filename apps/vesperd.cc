// vesperd <id> <ip-list-file>, or vesperd <id> --join ADDRESS,...: runs one node until SIGTERM or
// SIGINT.
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "apps/source_id.h"
#include "apps/vesperd_join.h"
#include "apps/vesperd_options.h"
#include "apps/vesperd_stop.h"
#include "core/base/version.h"
#include "net/http_server.h"
#include "net/service.h"

namespace {

using vesper::net::LogLevel;

// Of the time that a signal gives (apps/vesperd_stop.cc), what a transfer of leadership may take:
// it needs a few round trips and syncs, and without it the others wait for an election timeout.
constexpr std::chrono::milliseconds kHandOver{500};

// Blocked here, before any thread is made, so that every thread inherits it: the signals are read
// from a descriptor.
vesper::net::FileDescriptor take_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return vesper::net::FileDescriptor(::signalfd(-1, &signals, SFD_CLOEXEC));
}

// A thousand connections want more than the usual 1024 descriptors.
std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// Clients must not take the descriptors that peers and the log need: a node that cannot open its
// next segment ends.
vesper::net::HttpLimits within(std::size_t descriptors, const vesper::VesperdOptions& options,
                               vesper::net::Logger& logger) {
  constexpr std::size_t kForFiles = 64;
  constexpr std::size_t kForPeers = 32;  // beside one of each other member
  vesper::net::HttpLimits limits = options.http;
  limits.peer_connections = kForPeers + vesper::limits::kNodes;
  const std::size_t own = limits.peer_connections + vesper::net::PeerLinks::kLinks + kForFiles;
  const std::size_t most = descriptors > own ? descriptors - own : 1;
  if (limits.connections <= most) return limits;
  logger.line(LogLevel::kWarning, "at most " + std::to_string(most) +
                                      " connections of clients: the system allows " +
                                      std::to_string(descriptors) + " descriptors");
  limits.connections = most;
  return limits;
}

// False: the node stopped by itself.
bool wait_for_stop(int requested, int failure) {
  std::array<pollfd, 2> wait{{{requested, POLLIN, 0}, {failure, POLLIN, 0}}};
  while (::poll(wait.data(), wait.size(), -1) < 0 && errno == EINTR) {
  }
  return wait[0].revents != 0;
}

// A node that has no list finds its place among the members.
vesper::Result<std::string> find_place(vesper::VesperdOptions& options,
                                       vesper::net::Logger& logger) {
  auto join = vesper::ask_members({.id = options.node.id,
                                   .ask = options.join,
                                   .timeout = options.join_timeout,
                                   .data_directory = options.data_directory},
                                  logger);
  if (!join.ok()) return join.error();
  options.addresses = std::move(join.value().addresses);
  options.node.join_by = std::move(join.value().others);
  return std::move(join.value().record);
}

// 3 tells whoever starts it again and again that it is of no use.
int exit_status_of(const vesper::Error& error) {
  return error.code == vesper::ErrorCode::kRemoved ? 3 : 1;
}

int run(vesper::VesperdOptions options, std::size_t descriptors, int signals) {
  vesper::net::Logger logger(options.node.id, options.log_level);
  vesper::StopWatcher stop(signals, logger);
  if (const vesper::Status watched = stop.start(); !watched.ok()) {
    logger.line(LogLevel::kError, "cannot start: " + watched.error().message);
    return 1;
  }
  std::string record;  // of the members that it joins
  if (!options.join.empty()) {
    auto found = find_place(options, logger);
    if (!found.ok()) {
      logger.line(LogLevel::kError, "cannot start: " + found.error().message);
      return exit_status_of(found.error());
    }
    record = std::move(found.value());
  }
  vesper::net::EventLoop loop;
  vesper::net::Runtime runtime({.node = options.node,
                                .addresses = options.addresses,
                                .disk = {options.data_directory, options.sync},
                                .record = options.record,
                                .program = vesper::kVesperVersion,
                                .sources = std::string(vesper::app::core_source_id())},
                               loop, logger);
  vesper::net::Service service(
      {.version = vesper::kVesperVersion, .body_bytes = options.body_bytes}, runtime);
  vesper::net::HttpServer server(loop, within(descriptors, options, logger), service);
  service.set_server(server);

  const vesper::net::NodeAddress& own = options.addresses.at(options.node.id);
  logger.line(LogLevel::kInfo, "vesperd " + std::string(vesper::kVesperVersion) + " at " +
                                   own.line + ", data directory " + options.data_directory +
                                   (options.sync ? "" : ", without fsync (unsafe)"));
  // The port first: whoever must not run on it must not write an identity either, nor vote.
  const std::string& host = options.bind_host.empty() ? own.host : options.bind_host;
  vesper::Status started = server.bind(host, own.port);
  if (started.ok()) started = runtime.start();
  // Nobody reaches this node yet, so it has not joined before what it will need is on its disk.
  if (started.ok() && !record.empty()) {
    started = vesper::keep_members(options.data_directory, record);
  }
  if (started.ok()) started = server.serve();
  if (started.ok()) started = loop.start();
  if (!started.ok()) {
    logger.line(LogLevel::kError, "cannot start: " + started.error().message);
    return exit_status_of(started.error());
  }
  const bool by_signal = wait_for_stop(stop.requested(), runtime.failure_descriptor());
  if (by_signal) runtime.hand_over(kHandOver);
  loop.stop();
  const vesper::node::NodeView view = runtime.view();
  if (!by_signal) {
    logger.line(LogLevel::kError, view.term, view.last, "ended: " + runtime.failure().message);
    return exit_status_of(runtime.failure());
  }
  logger.line(LogLevel::kInfo, view.term, view.last, "ended by a signal");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  auto parsed = vesper::parse_vesperd_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  const vesper::net::FileDescriptor signals = take_signals();
  return run(std::move(*parsed.options), raise_descriptor_limit(), signals.get());
}
