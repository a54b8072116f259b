#include "apps/ctl/cluster.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>
#include <vector>

#include "apps/ctl/ports.h"
#include "apps/ctl/request.h"
#include "apps/ctl/status.h"

namespace vesper::ctl {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kElectionPatience{15};
constexpr std::chrono::milliseconds kPoll{50};
constexpr std::chrono::milliseconds kStatusTimeout{200};
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

// The last line of a node's log that says anything.
std::string last_line_of(const std::string& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty()) last = line;
  }
  return last.empty() ? "(nothing)" : last;
}

class Cluster {
 public:
  explicit Cluster(const ClusterOptions& options)
      : options_(options), list_(options.directory + "/ip_list.txt") {}
  int run();

 private:
  Status prepare();
  Status choose();
  bool start(std::uint64_t id);
  [[noreturn]] void become_node(std::uint64_t id, pid_t parent) const;
  std::string directory_of(std::uint64_t id) const {
    return fmt::format("{}/n{}", options_.directory, id);
  }
  std::string log_of(std::uint64_t id) const { return directory_of(id) + ".log"; }
  bool wait_for_leader();
  bool is_hopeless() const;
  std::optional<NodeStatus> find_leader();
  void watch();
  void note_deaths();
  void stop_all();

  const ClusterOptions& options_;
  std::string list_;
  std::vector<net::NodeAddress> addresses_;
  std::vector<Process> processes_;
  bool has_formed_ = true;  // as far as is known; only a new cluster has not
  bool is_led_ = false;
  sigset_t signals_{};
};

Status Cluster::prepare() {
  std::error_code error;
  std::filesystem::create_directories(options_.directory, error);
  if (error) return Error{ErrorCode::kIo, options_.directory + ": " + error.message()};
  if (!std::filesystem::exists(list_, error)) return choose();
  auto addresses = net::read_ip_list(list_);
  if (!addresses.ok()) return addresses.error();
  addresses_ = std::move(addresses.value());
  VESPER_TRY(check_free(addresses_));
  fmt::print("{} holds a cluster of {} nodes: starting it again\n", options_.directory,
             addresses_.size());
  return {};
}

Status Cluster::choose() {
  has_formed_ = false;
  auto addresses = choose_addresses(options_.nodes, options_.base_port);
  if (!addresses.ok()) return addresses.error();
  addresses_ = std::move(addresses.value());
  std::ofstream out(list_);
  for (const net::NodeAddress& address : addresses_) out << address.line << '\n';
  out.close();
  if (!out.good()) return Error{ErrorCode::kIo, list_ + " could not be written"};
  return {};
}

// In the child: never returns.
void Cluster::become_node(std::uint64_t id, pid_t parent) const {
  // Whatever happens to this program, or has happened by now, its nodes end with it.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kFail);
  ::setpgid(0, 0);  // Ctrl-C is for this program, which then ends its nodes in order
  ::sigprocmask(SIG_UNBLOCK, &signals_, nullptr);
  const std::string log = log_of(id);
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
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become_node(id, parent);
  if (pid < 0) return false;
  processes_.push_back({.id = id, .pid = pid, .is_running = true});
  fmt::print("n{}  {}  pid {}  data {}  log {}\n", id, addresses_[id].line, pid, directory_of(id),
             log_of(id));
  return true;
}

bool Cluster::wait_for_leader() {
  const Clock::time_point end = Clock::now() + kElectionPatience;
  while (Clock::now() < end) {
    note_deaths();
    if (is_hopeless()) return false;
    if (const auto leader = find_leader()) {
      fmt::print("n{} leads in term {}\n", leader->id, leader->term);
      return true;
    }
    // A signal to end may come at any time.
    const timespec pause{0, std::chrono::nanoseconds(kPoll).count()};
    const int signal = ::sigtimedwait(&signals_, nullptr, &pause);
    if (signal == SIGINT || signal == SIGTERM) return false;
  }
  fail("no leader was elected; the logs stand in " + options_.directory);
  return false;
}

// Too few are left: a new cluster waits for all of its nodes, an old one for most of them.
bool Cluster::is_hopeless() const {
  const auto is_dead = [](const Process& process) { return !process.is_running; };
  const auto first = std::find_if(processes_.begin(), processes_.end(), is_dead);
  const auto dead = std::count_if(processes_.begin(), processes_.end(), is_dead);
  const auto all = std::ssize(processes_);
  if (has_formed_ ? 2 * (all - dead) > all : dead == 0) return false;
  fail(fmt::format("no leader can be elected: {} of {} nodes ended; the log of n{} ends: {}", dead,
                   all, first->id, last_line_of(log_of(first->id))));
  return true;
}

// Only of our own processes: another cluster may have taken a port meanwhile.
std::optional<NodeStatus> Cluster::find_leader() {
  for (const Process& process : processes_) {
    if (!process.is_running) continue;
    const NodeStatus status = ask_status(addresses_[process.id].line, kStatusTimeout);
    if (!status.is_reachable || status.pid != static_cast<std::uint64_t>(process.pid)) continue;
    has_formed_ = has_formed_ || status.phase == "running";
    if (status.role == "leader") return status;
  }
  return std::nullopt;
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
      fmt::print("n{} (pid {}) {}", process.id, pid, how);
      if (is_led_) {
        fmt::print("; start it again with: {} {} {} --data-dir {}", options_.program, process.id,
                   list_, directory_of(process.id));
      }
      fmt::print("\n");
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
  if (const Status prepared = prepare(); !prepared.ok()) return fail(prepared.error().message);
  bool is_started = true;
  for (std::uint64_t id = 0; is_started && id < addresses_.size(); ++id) is_started = start(id);
  std::fflush(stdout);
  if (!is_started) fail("a process could not be started");
  is_led_ = is_started && wait_for_leader();
  if (is_led_) {
    fmt::print(
        "ip list: {}\ntry:     vesperctl {} name \"Leslie Lamport\"\nCtrl-C ends the cluster\n",
        list_, addresses_[0].line);
    std::fflush(stdout);
    watch();
  }
  stop_all();
  // Of a cluster that never was, nothing would be started again by this list.
  if (!has_formed_) std::filesystem::remove(list_);
  return is_led_ ? kSuccess : kFail;
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
