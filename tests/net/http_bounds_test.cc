// What clients can take of a server: its time, its places, its memory and its descriptors.
#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "net/file_descriptor.h"
#include "tests/net/counts.h"
#include "tests/net/echo_server.h"
#include "tests/net/raw_client.h"

namespace vesper::net_test {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

milliseconds cpu_time() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto of = [](const timeval& t) { return t.tv_sec * 1000 + t.tv_usec / 1000; };
  return milliseconds(of(usage.ru_utime) + of(usage.ru_stime));
}

// Far longer than what is waited for takes on any machine.
constexpr milliseconds kPatience{10'000};

template <class Condition>
bool becomes_true(Condition condition) {
  const auto deadline = Clock::now() + kPatience;
  while (!condition()) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

// The bound of this process on its descriptors, and what it was before.
class DescriptorLimit {
 public:
  DescriptorLimit() { REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0); }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;

  bool set(rlim_t limit) {
    const rlimit now{std::min(limit, before_.rlim_max), before_.rlim_max};
    return ::setrlimit(RLIMIT_NOFILE, &now) == 0;
  }
  void restore() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  rlim_t before() const { return before_.rlim_cur; }
  rlim_t most() const { return before_.rlim_max; }

 private:
  rlimit before_{};
};

}  // namespace

TEST_SUITE_BEGIN("http_bounds");

TEST_CASE("slow clients meet deadlines") {
  // One deadline is short in each row; the others are far away, so that a machine that is slow to
  // send the bytes meets no wrong one.
  struct Row {
    const char* why;
    std::string bytes;
    net::HttpLimits limits;
    std::optional<int> status;
  };
  const net::HttpLimits short_head{.head_time = milliseconds(50)};
  const net::HttpLimits short_body{.body_time = milliseconds(50)};
  const std::vector<Row> rows = {
      {"a head that does not end", "GET /a HTTP/1.1\r\n", short_head, 408},
      {"a body that does not end", "PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\na", short_body,
       408},
      {"chunks that do not end", "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n",
       short_body, 408},
      {"nothing at all", "", {.idle_time = milliseconds(50)}, std::nullopt},
  };
  for (const Row& row : rows) {
    INFO(std::string(row.why));
    EchoServer test(row.limits);
    RawClient client(test.server.port());
    client.send(row.bytes);
    if (row.status) {
      const auto reply = client.reply();
      REQUIRE(reply);
      CHECK(reply->status == *row.status);
    }
    CHECK(client.is_closed());
    CHECK(test.handler.handled().empty());
    ++counts().probes;
  }
}

TEST_CASE("bytes that keep coming do not put off a deadline") {
  struct Row {
    std::size_t bytes;
    milliseconds pause;
  };
  for (const Row& row : {Row{1, milliseconds(5)}, Row{64 * 1024, milliseconds(0)}}) {
    EchoServer test({.head_bytes = std::size_t{1} << 30, .head_time = milliseconds(100)});
    RawClient client(test.server.port());
    const auto began = Clock::now();
    const auto lasted = [began] { return Clock::now() - began; };

    client.send("GET /a HTTP/1.1\r\nX: ");
    while (client.is_quiet_for(row.pause) && lasted() < kPatience) {
      client.send(std::string(row.bytes, 'x'));
    }
    // Not by the bytes' end: they would have gone on.
    const bool is_in_time = lasted() < kPatience;
    const auto reply = client.reply();

    CHECK(is_in_time);
    REQUIRE(reply);
    CHECK(reply->status == 408);
    ++counts().probes;
  }
}

TEST_CASE("connections beyond the bound get 503 at once, and a free place serves again") {
  EchoServer test({.connections = 3, .peer_connections = 0});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(test.server.port()));
    clients.back()->send("GET /a HTTP/1.1\r\n\r\n");
    REQUIRE(clients.back()->reply());
  }

  RawClient fourth(test.server.port());
  const auto refused = fourth.reply();
  REQUIRE(refused);
  CHECK(refused->status == 503);
  CHECK(refused->head.find("Retry-After:") != std::string::npos);
  CHECK(refused->head.find("Vesper-Outcome: rejected") != std::string::npos);

  clients[0]->send("GET /a HTTP/1.1\r\nConnection: close\r\n\r\n");
  REQUIRE(clients[0]->reply());
  REQUIRE(clients[0]->is_closed());
  REQUIRE(becomes_true([&test] { return test.server.connections() < 3; }));
  RawClient fifth(test.server.port());
  fifth.send("GET /a HTTP/1.1\r\n\r\n");
  const auto served = fifth.reply();
  REQUIRE(served);
  CHECK(served->status == 200);
  ++counts().probes;
}

TEST_CASE("places are kept for other nodes when clients have taken all theirs") {
  // The deadline of these places is short only where it is waited for: a slow machine meets no
  // wrong one.
  struct Row {
    const char* bytes;
    std::optional<int> status;
    milliseconds peer_time;
  };
  for (const Row& row :
       {Row{"GET /a HTTP/1.1\r\n\r\n", 503, milliseconds(5000)},
        Row{"POST /peer HTTP/1.1\r\n\r\n", 200, milliseconds(5000)},
        Row{"GET /a", 408, milliseconds(2000)}, Row{"", std::nullopt, milliseconds(50)}}) {
    INFO(std::string(row.bytes));
    EchoServer test({.connections = 1, .peer_connections = 1, .peer_time = row.peer_time});
    RawClient client(test.server.port());
    client.send("GET /a HTTP/1.1\r\n\r\n");
    REQUIRE(client.reply());

    RawClient other(test.server.port());
    other.send(row.bytes);
    if (row.status) {
      const auto reply = other.reply();
      REQUIRE(reply);
      CHECK(reply->status == *row.status);
    }
    if (row.status != 200) {
      CHECK(other.is_closed());
      REQUIRE(becomes_true([&test] { return test.server.connections() == 1; }));
    }
    ++counts().probes;
  }
}

TEST_CASE("another node keeps its place until it asks for what is not for nodes") {
  EchoServer test({.connections = 1, .peer_connections = 2, .peer_time = milliseconds(5000)});
  RawClient client(test.server.port());
  client.send("GET /a HTTP/1.1\r\n\r\n");
  REQUIRE(client.reply());
  RawClient peer(test.server.port());
  for (int i = 0; i < 2; ++i) {
    peer.send("POST /peer HTTP/1.1\r\nContent-Length: 0\r\n\r\n");
    const auto reply = peer.reply();
    REQUIRE(reply);
    CHECK(reply->status == 200);
    RawClient other(test.server.port());
    other.send("GET /a HTTP/1.1\r\n\r\n");
    const auto refused = other.reply();
    REQUIRE(refused);
    CHECK(refused->status == 503);
  }

  peer.send("GET /a HTTP/1.1\r\n\r\n");
  const auto refused = peer.reply();
  REQUIRE(refused);
  CHECK(refused->status == 503);
  ++counts().probes;
}

TEST_CASE("the bodies under way have a bound together") {
  EchoServer test({.body_bytes = 1000});
  const auto put_600 = [&test](const char* framing) {
    RawClient client(test.server.port());
    client.send(std::string("PUT /b HTTP/1.1\r\n") + framing + std::string(600, 'y') +
                "\r\n0\r\n\r\n");
    const auto reply = client.reply();
    REQUIRE(reply);
    if (reply->status == 503) CHECK(client.is_closed());
    return reply->status;
  };
  // The server takes the first one's bytes at its own time; from then on there is no room. Where a
  // later one was quicker, the first is refused, and another is tried.
  std::unique_ptr<RawClient> first;
  REQUIRE(becomes_true([&] {
    first = std::make_unique<RawClient>(test.server.port());
    first->send("PUT /a HTTP/1.1\r\nContent-Length: 601\r\n\r\n" + std::string(600, 'x'));
    return first->is_quiet_for(milliseconds(20)) && put_600("Content-Length: 600\r\n\r\n") == 503 &&
           first->is_quiet_for(milliseconds(20));
  }));
  for (const char* framing :
       {"Content-Length: 600\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n258\r\n"}) {
    INFO(std::string(framing));
    CHECK(put_600(framing) == 503);
    ++counts().probes;
  }
  RawClient peer(test.server.port());
  peer.send("POST /peer HTTP/1.1\r\nContent-Length: 600\r\n\r\n" + std::string(600, 'p'));
  const auto from_peer = peer.reply();
  REQUIRE(from_peer);
  CHECK(from_peer->status == 200);

  RawClient small(test.server.port());
  small.send("PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n");
  const auto from_small = small.reply();
  REQUIRE(from_small);
  CHECK(from_small->status == 200);

  first->send("x");
  const auto served = first->reply();
  REQUIRE(served);
  CHECK(served->status == 200);
  first->send("PUT /a HTTP/1.1\r\nContent-Length: 1000\r\n\r\n" + std::string(1000, 'x'));
  const auto next = first->reply();
  REQUIRE(next);
  CHECK(next->status == 200);
  ++counts().probes;
}

TEST_CASE("a connection that comes while no descriptor is left is served when there is one") {
  EchoServer test;
  DescriptorLimit limit;
  REQUIRE(limit.set(std::min<rlim_t>(256, limit.before())));
  std::vector<net::FileDescriptor> all;
  while (true) {
    net::FileDescriptor next(::eventfd(0, EFD_CLOEXEC));
    if (!next.is_open()) break;
    all.push_back(std::move(next));
  }
  REQUIRE(errno == EMFILE);
  all.pop_back();
  RawClient client(test.server.port());
  REQUIRE(client.is_connected());

  const milliseconds used = cpu_time();
  client.send("GET /a HTTP/1.1\r\n\r\n");
  CHECK(client.is_quiet_for(milliseconds(300)));
  CHECK(cpu_time() - used < milliseconds(150));  // it does not spin
  all.clear();
  limit.restore();
  const auto reply = client.reply();

  REQUIRE(reply);
  CHECK(reply->status == 200);
  ++counts().probes;
}

TEST_CASE("a thousand idle connections cost no CPU, and stop ends them at once") {
  DescriptorLimit limit;
  limit.set(limit.most());
  EchoServer test;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.push_back(std::make_unique<RawClient>(test.server.port()));
    REQUIRE(clients.back()->is_connected());
    clients.back()->send("GET /a HTTP/1.1\r\n\r\n");
    REQUIRE(clients.back()->reply());
    ++counts().idle;
  }

  const milliseconds before = cpu_time();
  CHECK(clients.front()->is_quiet_for(milliseconds(1000)));
  const milliseconds idle_cpu = cpu_time() - before;
  // Polling every 11 ms would cost a whole core here.
  CHECK(idle_cpu.count() < 300);

  const auto stop_begin = Clock::now();
  test.stop();
  const auto stop_time = Clock::now() - stop_begin;
  // The library's own stop took 5 s for any that is idle.
  CHECK(stop_time < std::chrono::seconds(5));
  CHECK(clients.front()->is_closed());
  MESSAGE("idle CPU of 1000 connections in a second: "
          << idle_cpu.count()
          << " ms; stop: " << std::chrono::duration_cast<milliseconds>(stop_time).count() << " ms");
}

TEST_SUITE_END();

}  // namespace vesper::net_test
