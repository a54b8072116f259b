// vesperd <id> <ip-list-file>: runs one node until SIGTERM or SIGINT.
#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "apps/vesperd_options.h"
#include "net/http_server.h"
#include "net/service.h"

namespace {

using vesper::net::LogLevel;

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
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// False: the node stopped by itself.
bool wait_for_signal(int signals, int failure) {
  std::array<pollfd, 2> wait{{{signals, POLLIN, 0}, {failure, POLLIN, 0}}};
  while (::poll(wait.data(), wait.size(), -1) < 0 && errno == EINTR) {
  }
  return wait[0].revents != 0;
}

int run(const vesper::VesperdOptions& options, int signals) {
  vesper::net::Logger logger(options.node.id, options.log_level);
  vesper::net::Runtime runtime({.node = options.node,
                                .addresses = options.addresses,
                                .disk = {options.data_directory, options.sync},
                                .mailbox = {}},
                               logger);
  vesper::net::Service service({.addresses = options.addresses,
                                .version = vesper::kVesperVersion,
                                .body_bytes = options.body_bytes},
                               runtime);
  vesper::net::HttpServer server(options.http, service);
  service.set_connections([&server] { return server.connections(); });

  const vesper::net::NodeAddress& own = options.addresses[options.node.id.value()];
  logger.line(LogLevel::kInfo, "vesperd " + std::string(vesper::kVesperVersion) + " at " +
                                   own.line + ", data directory " + options.data_directory +
                                   (options.sync ? "" : ", without fsync (unsafe)"));
  if (const vesper::Status started = runtime.start(); !started.ok()) {
    logger.line(LogLevel::kError, "cannot start: " + started.error().message);
    return 1;
  }
  if (const vesper::Status started = server.start(options.bind_host, own.port); !started.ok()) {
    logger.line(LogLevel::kError, started.error().message);
    return 1;
  }
  const bool by_signal = wait_for_signal(signals, runtime.failure_descriptor());
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
  raise_descriptor_limit();
  return run(*parsed.options, signals.get());
}
