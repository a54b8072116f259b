#include "apps/ctl/cluster.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include "apps/ctl/request.h"
#include "apps/ctl/status.h"

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kElectionPatience{15};
constexpr std::chrono::milliseconds kPoll{50};
constexpr std::chrono::seconds kStopPatience{3};

struct Process {
  std::uint64_t id = 0;
  pid_t pid = -1;
  bool is_running = false;
};

int fail(const std::string& what) {
  fmt::print(stderr, "vesperctl: {}\n", what);
  return kFail;
}

// A port that nobody listens on now. The socket stays open in `held` until all ports are chosen.
std::optional<std::uint16_t> free_port(std::vector<int>& held) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  held.push_back(fd);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0) return std::nullopt;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return std::nullopt;
  return ntohs(address.sin_port);
}

std::vector<std::string> choose_addresses(const ClusterOptions& options) {
  std::vector<std::string> addresses;
  std::vector<int> held;
  for (std::uint64_t i = 0; i < options.nodes; ++i) {
    std::optional<std::uint16_t> port = static_cast<std::uint16_t>(options.base_port + i);
    if (options.base_port == 0) port = free_port(held);
    if (port) addresses.push_back(fmt::format("http://127.0.0.1:{}", *port));
  }
  for (const int fd : held) ::close(fd);
  return addresses;
}

std::vector<std::string> read_addresses(const std::string& file) {
  std::vector<std::string> addresses;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) addresses.push_back(line);
  }
  return addresses;
}

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options)
      : options_(options), list_(options.directory + "/ip_list.txt") {}
  int run();

 private:
  bool prepare();
  bool start(std::uint64_t id);
  [[noreturn]] void become_node(std::uint64_t id) const;
  std::string directory_of(std::uint64_t id) const {
    return fmt::format("{}/n{}", options_.directory, id);
  }
  bool wait_for_leader();
  void watch();
  void note_deaths();
  void stop_all();

  const ClusterOptions& options_;
  std::string list_;
  std::vector<std::string> addresses_;
  std::vector<Process> processes_;
  sigset_t signals_{};
};

bool Cluster::prepare() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) return fail(options_.directory + ": " + error.message()) == kSuccess;
  addresses_ = read_addresses(list_);
  if (!addresses_.empty()) {
    fmt::print("{} holds a cluster of {} nodes: starting it again\n", options_.directory,
               addresses_.size());
    return true;
  }
  addresses_ = choose_addresses(options_);
  if (addresses_.size() != options_.nodes) return fail("no free ports were found") == kSuccess;
  std::ofstream out(list_);
  for (const std::string& address : addresses_) out << address << '\n';
  out.close();
  return out.good() || fail(list_ + " could not be written") == kSuccess;
}

// In the child: never returns.
void Cluster::become_node(std::uint64_t id) const {
  // Whatever happens to this program, its nodes end with it.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::setpgid(0, 0);  // Ctrl-C is for this program, which then ends its nodes in order
  ::sigprocmask(SIG_UNBLOCK, &signals_, nullptr);
  const std::string log = directory_of(id) + ".log";
  const int fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd >= 0) ::dup2(fd, STDERR_FILENO);
  if (fd >= 0) ::dup2(fd, STDOUT_FILENO);
  const std::string number = std::to_string(id);
  const std::string directory = directory_of(id);
  ::execl(options_.program.c_str(), "vesperd", number.c_str(), list_.c_str(), "--data-dir",
          directory.c_str(), static_cast<char*>(nullptr));
  fmt::print(stderr, "{}: {}\n", options_.program, ::strerror(errno));
  ::_exit(127);
}

bool Cluster::start(std::uint64_t id) {
  const pid_t pid = ::fork();
  if (pid == 0) become_node(id);
  if (pid < 0) return false;
  processes_.push_back({.id = id, .pid = pid, .is_running = true});
  fmt::print("n{}  {}  pid {}  data {}  log {}.log\n", id, addresses_[id], pid, directory_of(id),
             directory_of(id));
  return true;
}

bool Cluster::wait_for_leader() {
  const Clock::time_point end = Clock::now() + kElectionPatience;
  while (Clock::now() < end) {
    note_deaths();
    for (const std::string& address : addresses_) {
      const NodeStatus status = ask_status(address, std::chrono::milliseconds(200));
      if (status.is_reachable && status.role == "leader") {
        fmt::print("n{} leads in term {}\n", status.id, status.term);
        return true;
      }
    }
    // A signal to end may come at any time.
    const timespec pause{0, std::chrono::nanoseconds(kPoll).count()};
    const int signal = ::sigtimedwait(&signals_, nullptr, &pause);
    if (signal == SIGINT || signal == SIGTERM) return false;
  }
  fail("no leader was elected; the logs stand in " + options_.directory);
  return false;
}

void Cluster::note_deaths() {
  int status = 0;
  for (pid_t pid = ::waitpid(-1, &status, WNOHANG); pid > 0;
       pid = ::waitpid(-1, &status, WNOHANG)) {
    for (Process& process : processes_) {
      if (process.pid != pid) continue;
      process.is_running = false;
      const std::string how = WIFSIGNALED(status)
                                  ? fmt::format("was ended by signal {}", WTERMSIG(status))
                                  : fmt::format("ended with status {}", WEXITSTATUS(status));
      fmt::print("n{} (pid {}) {}; start it again with: {} {} {} --data-dir {}\n", process.id, pid,
                 how, options_.program, process.id, list_, directory_of(process.id));
    }
  }
  std::fflush(stdout);
}

void Cluster::watch() {
  while (true) {
    const int signal = ::sigwaitinfo(&signals_, nullptr);
    if (signal == SIGINT || signal == SIGTERM) return;
    note_deaths();
  }
}

void Cluster::stop_all() {
  for (const Process& process : processes_) {
    if (process.is_running) ::kill(process.pid, SIGTERM);
  }
  const Clock::time_point end = Clock::now() + kStopPatience;
  for (Process& process : processes_) {
    if (!process.is_running) continue;
    while (::waitpid(process.pid, nullptr, WNOHANG) == 0) {
      if (Clock::now() > end) ::kill(process.pid, SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  fmt::print("all nodes have ended\n");
}

int Cluster::run() {
  ::sigemptyset(&signals_);
  for (const int signal : {SIGINT, SIGTERM, SIGCHLD}) ::sigaddset(&signals_, signal);
  ::sigprocmask(SIG_BLOCK, &signals_, nullptr);
  if (!prepare()) return kFail;
  for (std::uint64_t id = 0; id < addresses_.size(); ++id) {
    if (!start(id)) {
      stop_all();
      return fail("a process could not be started");
    }
  }
  std::fflush(stdout);
  const bool is_led = wait_for_leader();
  if (is_led) {
    fmt::print(
        "ip list: {}\ntry:     vesperctl {} name \"Leslie Lamport\"\nCtrl-C ends the cluster\n",
        list_, addresses_[0]);
    std::fflush(stdout);
    watch();
  }
  stop_all();
  return is_led ? kSuccess : kFail;
}

}  // namespace

int run_cluster(const ClusterOptions& options) {
  if (options.base_port + options.nodes > 65536) {
    fmt::print(stderr, "vesperctl: {} ports from {} on go beyond 65535\n", options.nodes,
               options.base_port);
    return kBadUsage;
  }
  return Cluster(options).run();
}

}  // namespace vesper::ctl
