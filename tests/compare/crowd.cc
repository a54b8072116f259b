// The load of tests/compare/growth's overload: many clients of one node, each with a connection of
// its own and one PUT under way, all in one thread; then one line of JSON. A client that gets 503
// tries again after what Retry-After says, or with --insist at once.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vesper {
namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;
using std::chrono::milliseconds;

constexpr milliseconds kAnswerTimeMax{5000};
constexpr milliseconds kPendingTime{1000};
constexpr milliseconds kPauseAfterError{1000};
constexpr milliseconds kLook{250};
constexpr milliseconds kBin{100};
// One address has ports for 28,000 connections, some of which ended ones still hold.
constexpr int kSourceAddresses = 16;

struct Options {
  std::string host;
  std::uint16_t port = 0;
  int clients = 64;
  int seconds = 8;
  int warm_up = 1;
  int keys = 10'000;
  int value_size = 100;
  bool insist = false;
  std::uint64_t seed = 1;
  std::int64_t begin_ms = 0;  // of the steady clock; 0: at once
};

struct Reply {
  int status = 0;
  bool is_last = false;  // of its connection
  std::string head;
  std::string body;

  std::string_view header(std::string_view name) const {
    const auto at = head.find(fmt::format("\r\n{}: ", name));
    if (at == std::string::npos) return {};
    const auto begin = at + name.size() + 4;
    return std::string_view(head).substr(begin, head.find("\r\n", begin) - begin);
  }
};

// Takes a whole reply from the front of `bytes`.
std::optional<Reply> take_reply(std::string& bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string::npos) return std::nullopt;
  Reply reply{.head = bytes.substr(0, end + 2)};
  const std::string length(reply.header("Content-Length"));
  const std::size_t body = length.empty() ? 0 : std::stoul(length);
  if (bytes.size() < end + 4 + body) return std::nullopt;
  reply.body = bytes.substr(end + 4, body);
  reply.status = reply.head.size() > 12 ? std::atoi(reply.head.c_str() + 9) : 0;
  reply.is_last = reply.header("Connection") == "close";
  bytes.erase(0, end + 4 + body);
  return reply;
}

// How often each time was taken, to a hundredth or so: that of several processes can be added.
class Times {
 public:
  void add(Clock::duration time) {
    auto us = std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    std::int64_t step = 1;
    while (us / step >= 128) step *= 2;
    counts_[us / step * step]++;
  }

  std::string json() const {
    std::string out;
    for (const auto& [us, count] : counts_) {
      out += fmt::format("{}[{},{}]", out.empty() ? "" : ",", us, count);
    }
    return '[' + out + ']';
  }

 private:
  std::map<std::int64_t, std::uint64_t> counts_;
};

struct Results {
  Times accepted;
  Times refused;
  std::uint64_t refused_at_accept = 0;  // of the 503: on a connection that had had no reply
  std::uint64_t errors = 0;             // a reply that is neither a success nor a proper 503
  std::uint64_t broken = 0;             // no reply: the connection ended
  std::uint64_t late = 0;               // no reply within kAnswerTimeMax
  std::uint64_t pending = 0;            // no reply at the end, after kPendingTime or more
  std::string told;                     // of the first of these three
  std::vector<std::uint64_t> ok_by_bin;
  std::vector<std::uint64_t> refused_by_bin;
};

class Crowd {
 public:
  explicit Crowd(const Options& options);
  void run();
  std::string json() const;

 private:
  enum class State { kWaiting, kConnecting, kAsking };
  struct Client {
    State state = State::kWaiting;
    int socket = -1;
    bool has_had_reply = false;
    Time begin;  // of the try
    std::string bytes;
  };
  using Due = std::pair<Time, std::size_t>;

  void try_again(std::size_t number);
  void open(std::size_t number);
  void ask(std::size_t number);
  void on_ready(std::size_t number, std::uint32_t events);
  void read(std::size_t number);
  void on_reply(std::size_t number, const Reply& reply);
  void on_refusal(std::size_t number, const Reply& reply);
  void fail(std::size_t number, std::uint64_t& count, const std::string& why);
  void close(Client& client);
  void wait(std::size_t number, Clock::duration time) { due_.push({now_ + time, number}); }
  void look_for_late();
  bool counts() const { return now_ >= begin_ && now_ < end_; }
  void count_in_bin(std::vector<std::uint64_t>& bins);
  std::string request();

  const Options options_;
  sockaddr_in address_{};
  int poll_ = -1;
  std::vector<Client> clients_;
  std::priority_queue<Due, std::vector<Due>, std::greater<>> due_;
  std::mt19937_64 random_;
  Time now_;
  Time begin_;
  Time end_;
  Time looked_;
  Results results_;
};

Crowd::Crowd(const Options& options)
    : options_(options),
      poll_(::epoll_create1(EPOLL_CLOEXEC)),
      clients_(static_cast<std::size_t>(options.clients)),
      random_(options.seed) {
  address_.sin_family = AF_INET;
  address_.sin_port = htons(options.port);
  ::inet_pton(AF_INET, options.host.c_str(), &address_.sin_addr);
  const auto bins = static_cast<std::size_t>(std::chrono::seconds(options.seconds) / kBin);
  results_.ok_by_bin.resize(bins);
  results_.refused_by_bin.resize(bins);
}

// The clients come one after the other within the time to warm up.
void Crowd::run() {
  const Time start = options_.begin_ms == 0 ? Clock::now() : Time(milliseconds(options_.begin_ms));
  const std::chrono::seconds warm_up(options_.warm_up);
  begin_ = start + warm_up;
  end_ = begin_ + std::chrono::seconds(options_.seconds);
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    due_.push({start + Clock::duration(warm_up) * i / clients_.size(), i});
  }
  looked_ = start;
  std::array<epoll_event, 512> events;
  for (now_ = Clock::now(); now_ < end_; now_ = Clock::now()) {
    for (int i = 0; i < 256 && !due_.empty() && due_.top().first <= now_; ++i) {
      const std::size_t number = due_.top().second;
      due_.pop();
      try_again(number);
    }
    const bool is_due = !due_.empty() && due_.top().first <= now_;
    const int count = ::epoll_wait(poll_, events.data(), events.size(), is_due ? 0 : 1);
    now_ = Clock::now();
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      on_ready(event.data.u64, event.events);
    }
    if (now_ - looked_ > kLook) look_for_late();
  }
  for (const Client& client : clients_) {
    if (client.state != State::kWaiting && now_ - client.begin >= kPendingTime) results_.pending++;
  }
}

std::string Crowd::request() {
  const auto index = random_() % static_cast<std::uint64_t>(options_.keys);
  const std::string key = fmt::format("key-{:08}", index);
  const std::string body =
      fmt::format(R"({{"type":"put","payload":{{"key":"{}","value":"{:v<{}}"}}}})", key, key,
                  options_.value_size);
  return fmt::format(
      "PUT /request HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      options_.host, options_.port, body.size(), body);
}

void Crowd::try_again(std::size_t number) {
  Client& client = clients_[number];
  client.begin = now_;
  if (client.socket < 0) return open(number);
  ask(number);
}

void Crowd::open(std::size_t number) {
  Client& client = clients_[number];
  client.socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (client.socket < 0) return fail(number, results_.errors, std::strerror(errno));
  const int on = 1;
  ::setsockopt(client.socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(client.socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr =
      htonl(INADDR_LOOPBACK + 1 + static_cast<std::uint32_t>(number % kSourceAddresses));
  ::bind(client.socket, reinterpret_cast<const sockaddr*>(&source), sizeof source);
  if (::connect(client.socket, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) !=
          0 &&
      errno != EINPROGRESS) {
    return fail(number, results_.broken, fmt::format("connect: {}", std::strerror(errno)));
  }
  client.state = State::kConnecting;
  client.has_had_reply = false;
  client.bytes.clear();
  epoll_event event{.events = EPOLLIN | EPOLLOUT, .data = {.u64 = number}};
  ::epoll_ctl(poll_, EPOLL_CTL_ADD, client.socket, &event);
}

void Crowd::ask(std::size_t number) {
  Client& client = clients_[number];
  client.state = State::kAsking;
  const std::string text = request();
  // Who is refused may be before it has asked: what it cannot send does not matter then.
  ::send(client.socket, text.data(), text.size(), MSG_NOSIGNAL);
}

void Crowd::on_ready(std::size_t number, std::uint32_t events) {
  Client& client = clients_[number];
  if (client.socket < 0) return;
  if (client.state == State::kConnecting) {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(client.socket, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      return fail(number, results_.broken, fmt::format("connect: {}", std::strerror(error)));
    }
    epoll_event event{.events = EPOLLIN, .data = {.u64 = number}};
    ::epoll_ctl(poll_, EPOLL_CTL_MOD, client.socket, &event);
    ask(number);
  }
  if ((events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) read(number);
}

void Crowd::read(std::size_t number) {
  Client& client = clients_[number];
  std::array<char, 4096> buffer;
  const ssize_t count = ::recv(client.socket, buffer.data(), buffer.size(), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (count <= 0 && client.state == State::kWaiting) return close(client);  // idle
  if (count <= 0) {
    return fail(number, results_.broken,
                count < 0 ? std::strerror(errno) : "ended without a reply");
  }
  client.bytes.append(buffer.data(), static_cast<std::size_t>(count));
  if (const auto reply = take_reply(client.bytes)) on_reply(number, *reply);
}

void Crowd::on_reply(std::size_t number, const Reply& reply) {
  Client& client = clients_[number];
  if (reply.status == 503) return on_refusal(number, reply);
  if (reply.status != 200 || reply.body.find(R"("code":"success")") == std::string::npos) {
    return fail(number, results_.errors, fmt::format("{} {}", reply.status, reply.body));
  }
  if (counts()) {
    results_.accepted.add(now_ - client.begin);
    count_in_bin(results_.ok_by_bin);
  }
  client.has_had_reply = true;
  if (reply.is_last) close(client);
  try_again(number);
}

void Crowd::on_refusal(std::size_t number, const Reply& reply) {
  Client& client = clients_[number];
  const int seconds = std::atoi(std::string(reply.header("Retry-After")).c_str());
  if (seconds < 1 || seconds > 60 || reply.header("Vesper-Outcome") != "rejected") {
    return fail(number, results_.errors, "503 without what belongs to it: " + reply.head);
  }
  if (counts()) {
    results_.refused.add(now_ - client.begin);
    count_in_bin(results_.refused_by_bin);
    if (!client.has_had_reply) results_.refused_at_accept++;
  }
  client.state = State::kWaiting;
  client.has_had_reply = true;
  if (reply.is_last) close(client);
  wait(number, options_.insist ? Clock::duration{} : std::chrono::seconds(seconds));
}

void Crowd::fail(std::size_t number, std::uint64_t& count, const std::string& why) {
  if (counts()) count++;
  if (counts() && results_.told.empty()) results_.told = why;
  close(clients_[number]);
  wait(number, kPauseAfterError);
}

void Crowd::close(Client& client) {
  if (client.socket >= 0) ::close(client.socket);
  client.socket = -1;
  client.state = State::kWaiting;
  client.bytes.clear();
}

void Crowd::look_for_late() {
  looked_ = now_;
  for (std::size_t number = 0; number < clients_.size(); ++number) {
    const Client& client = clients_[number];
    if (client.state == State::kWaiting || now_ - client.begin < kAnswerTimeMax) continue;
    fail(number, results_.late,
         client.state == State::kConnecting ? "not connected in time" : "not answered in time");
  }
}

void Crowd::count_in_bin(std::vector<std::uint64_t>& bins) {
  const auto bin = static_cast<std::size_t>((now_ - begin_) / kBin);
  bins[std::min(bin, bins.size() - 1)]++;
}

std::string json_string(const std::string& text) {
  std::string out;
  for (const char letter : text)
    out += letter == '"' || letter == '\\' || letter < ' ' ? '\'' : letter;
  return '"' + out + '"';
}

std::string Crowd::json() const {
  return fmt::format(
      R"({{"accepted_us":{},"refused_us":{},"refused_at_accept":{},"errors":{},"broken":{},)"
      R"("late":{},"pending":{},"told":{},"ok_by_bin":[{}],"refused_by_bin":[{}]}})",
      results_.accepted.json(), results_.refused.json(), results_.refused_at_accept,
      results_.errors, results_.broken, results_.late, results_.pending, json_string(results_.told),
      fmt::join(results_.ok_by_bin, ","), fmt::join(results_.refused_by_bin, ","));
}

}  // namespace
}  // namespace vesper

int main(int argc, char** argv) {
  vesper::Options options;
  CLI::App app{"PUTs by many clients of one node, in one thread. Prints one line of JSON."};
  app.add_option("host", options.host, "As 127.0.0.1")->required();
  app.add_option("port", options.port)->required();
  app.add_option("--clients", options.clients)
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds)->check(CLI::Range(1, 3600))->capture_default_str();
  app.add_option("--warm-up", options.warm_up, "Seconds before those that count")
      ->check(CLI::Range(0, 60))
      ->capture_default_str();
  app.add_option("--keys", options.keys)->check(CLI::Range(1, 10'000'000))->capture_default_str();
  app.add_option("--value-size", options.value_size)
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_flag("--insist", options.insist, "Who gets 503 tries again at once");
  app.add_option("--seed", options.seed, "Of the keys")->capture_default_str();
  app.add_option("--begin", options.begin_ms, "When, in ms of the monotonic clock; 0: at once")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  vesper::Crowd crowd(options);
  crowd.run();
  fmt::print("{}\n", crowd.json());
  return 0;
}
