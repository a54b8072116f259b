// vesperd <id> <ip-list-file>: runs one node until SIGTERM or SIGINT.
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

#include "apps/vesperd_options.h"
#include "apps/vesperd_stop.h"
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
  constexpr std::size_t kForPeers = 32;
  vesper::net::HttpLimits limits = options.http;
  limits.peer_connections = kForPeers + 2 * options.addresses.size();
  const std::size_t own = limits.peer_connections + options.addresses.size() + kForFiles;
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

int run(const vesper::VesperdOptions& options, std::size_t descriptors, int signals) {
  vesper::net::Logger logger(options.node.id, options.log_level);
  vesper::StopWatcher stop(signals, logger);
  if (const vesper::Status watched = stop.start(); !watched.ok()) {
    logger.line(LogLevel::kError, "cannot start: " + watched.error().message);
    return 1;
  }
  vesper::net::Runtime runtime({.node = options.node,
                                .addresses = options.addresses,
                                .disk = {options.data_directory, options.sync},
                                .mailbox = {}},
                               logger);
  vesper::net::Service service({.addresses = options.addresses,
                                .version = vesper::kVesperVersion,
                                .body_bytes = options.body_bytes},
                               runtime);
  vesper::net::HttpServer server(within(descriptors, options, logger), service);
  service.set_connections([&server] { return server.connections(); });

  const vesper::net::NodeAddress& own = options.addresses[options.node.id.value()];
  logger.line(LogLevel::kInfo, "vesperd " + std::string(vesper::kVesperVersion) + " at " +
                                   own.line + ", data directory " + options.data_directory +
                                   (options.sync ? "" : ", without fsync (unsafe)"));
  // The port first: whoever must not run on it must not write an identity either, nor vote.
  vesper::Status started = server.bind(options.bind_host, own.port);
  if (started.ok()) started = runtime.start();
  if (started.ok()) started = server.serve();
  if (!started.ok()) {
    logger.line(LogLevel::kError, "cannot start: " + started.error().message);
    return 1;
  }
  const bool by_signal = wait_for_stop(stop.requested(), runtime.failure_descriptor());
  if (by_signal) runtime.hand_over(kHandOver);
  server.begin_stop();
  runtime.stop();
  server.finish_stop();
  const vesper::node::NodeView view = runtime.view();
  if (!by_signal) {
    logger.line(LogLevel::kError, view.term, view.last, "ended: " + runtime.failure().message);
    return 1;
  }
  logger.line(LogLevel::kInfo, view.term, view.last, "ended by a signal");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = vesper::parse_vesperd_options(argc, argv);
  if (!parsed.options) return parsed.exit_status;
  const vesper::net::FileDescriptor signals = take_signals();
  return run(*parsed.options, raise_descriptor_limit(), signals.get());
}
