// The connection loop against raw sockets: what a library's client never sends, and a hostile one
// does.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/net/counts.h"
#include "tests/net/echo_server.h"
#include "tests/net/raw_client.h"

namespace vesper::net_test {

namespace {

using std::chrono::milliseconds;

// Segments are sent one after another, each only after nothing came back for a moment: no reply may
// leave before its request is whole.
struct Probe {
  const char* why;
  std::vector<std::string> segments;
  std::vector<int> statuses;  // of all replies
  bool closes;
  std::vector<std::string> handled;  // what the handler saw
};

const std::string kGet = "GET /a HTTP/1.1\r\nHost: h\r\n";

std::vector<Probe> framing_probes() {
  return {
      {"a plain request", {kGet + "\r\n"}, {200}, false, {"GET /a "}},
      {"three pipelined requests in one segment get three replies",
       {kGet + "\r\n" + "GET /b HTTP/1.1\r\n\r\n" + "GET /c HTTP/1.1\r\n\r\n"},
       {200, 200, 200},
       false,
       {"GET /a ", "GET /b ", "GET /c "}},
      {"the body of a GET in a late segment is not executed",
       {kGet + "Content-Length: 22\r\n\r\n", "GET /evil HTTP/1.1\r\n\r\n"},
       {200},
       false,
       {"GET /a GET /evil HTTP/1.1\r\n\r\n"}},
      {"a body in three late segments, and a request behind it",
       {"PUT /a HTTP/1.1\r\nContent-Length: 6\r\n\r\nab", "cd", "efGET /b HTTP/1.1\r\n\r\n"},
       {200, 200},
       false,
       {"PUT /a abcdef", "GET /b "}},
      {"a head in late segments",
       {"GET /a HT", "TP/1.1\r\nHost: h\r", "\n\r", "\n"},
       {200},
       false,
       {"GET /a "}},
      {"an empty line before a request", {"\r\n\r\n" + kGet + "\r\n"}, {200}, false, {"GET /a "}},
      {"a chunked body, an extension and a trailer",
       {"PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n", "2\r\nde\r\n0\r\n",
        "T: x\r\n\r\n"},
       {200},
       false,
       {"PUT /a abcde"}},
      {"Connection: close is obeyed",
       {kGet + "Connection: close\r\n\r\n" + kGet + "\r\n"},
       {200},
       true,
       {"GET /a "}},
      {"HTTP/1.0 closes", {"GET /a HTTP/1.0\r\n\r\n"}, {200}, true, {"GET /a "}},
      {"HTTP/1.0 with keep-alive stays",
       {"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"},
       {200},
       false,
       {"GET /a "}},
      {"a Range is passed over", {kGet + "Range: bytes=0-1\r\n\r\n"}, {200}, false, {"GET /a "}},
      {"a bad Range too", {kGet + "Range: bytes=9-1\r\n\r\n"}, {200}, false, {"GET /a "}},
      {"the raw target is kept",
       {"GET /a%2Fb%0A?x=%41 HTTP/1.1\r\n\r\n"},
       {200},
       false,
       {"GET /a%2Fb%0A?x=%41 "}},
      {"the absolute form, as to a proxy",
       {"GET http://h:80/a?x HTTP/1.1\r\n\r\nGET HTTP://h/ HTTP/1.1\r\n\r\n"},
       {200, 200},
       false,
       {"GET /a?x ", "GET / "}},
      {"an unknown method reaches the handler as it is",
       {"BREW /a HTTP/1.1\r\n\r\n"},
       {200},
       false,
       {"BREW /a "}},
      {"OPTIONS", {"OPTIONS /a HTTP/1.1\r\n\r\n"}, {200}, false, {"OPTIONS /a "}},
      {"TRACE", {"TRACE /a HTTP/1.1\r\n\r\n"}, {200}, false, {"TRACE /a "}},
  };
}

std::vector<Probe> hostile_probes() {
  std::vector<Probe> probes;
  const auto refused = [&probes](const char* why, const std::string& bytes, int status = 400) {
    probes.push_back({why, {bytes}, {status}, true, {}});
  };
  const std::string evil = "\r\nGET /evil HTTP/1.1\r\n\r\n";
  refused("both framings", kGet + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n" + evil);
  refused("two lengths", kGet + "Content-Length: 3\r\nContent-Length: 30\r\n" + evil);
  refused("two equal lengths", kGet + "Content-Length: 0\r\nContent-Length: 0\r\n" + evil);
  refused("a list of lengths", kGet + "Content-Length: 3, 3\r\n" + evil);
  refused("a signed length", kGet + "Content-Length: +3\r\n" + evil);
  refused("a negative length", kGet + "Content-Length: -1\r\n" + evil);
  refused("a hexadecimal length", kGet + "Content-Length: 0x3\r\n" + evil);
  refused("an empty length", kGet + "Content-Length:\r\n" + evil);
  refused("a length beyond 64 bits", kGet + "Content-Length: 99999999999999999999\r\n" + evil);
  refused("a blank before the colon", kGet + "Content-Length : 3\r\n" + evil);
  refused("a folded header", kGet + "X: a\r\n b\r\n" + evil);
  refused("a folded length", kGet + "Content-Length:\r\n 3\r\n" + evil);
  refused("a bare line feed", "GET /a HTTP/1.1\nHost: h\n\n");
  refused("a bare line feed in a header", kGet + "X: a\nContent-Length: 3\r\n" + evil);
  refused("a bare carriage return", kGet + "X: a\rContent-Length: 3\r\n" + evil);
  refused("a zero byte in a header", kGet + "X: a" + std::string(1, '\0') + "\r\n" + evil);
  refused("an unknown transfer encoding", kGet + "Transfer-Encoding: gzip, chunked\r\n" + evil);
  refused("a disguised transfer encoding", kGet + "Transfer-Encoding: xchunked\r\n" + evil);
  refused("two transfer encodings",
          kGet + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + evil);
  refused("chunks in HTTP/1.0", "PUT /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" + evil);
  refused("two hosts", kGet + "Host: i\r\n" + evil);
  refused("two idempotency keys", kGet + "Idempotency-Key: 1/1\r\nidempotency-key: 1/1\r\n" + evil);
  refused("an unknown expectation", kGet + "Expect: a miracle\r\n" + evil);
  refused("no version", "GET /a\r\n\r\n");
  refused("an unknown version", "GET /a HTTP/2.0\r\n\r\n");
  refused("a target with a blank", "GET /a b HTTP/1.1\r\n\r\n");
  refused("an absolute form without a path", "GET http://h HTTP/1.1\r\n\r\n");
  refused("a path in its query", "GET http://h?x=/evil HTTP/1.1\r\n\r\n");
  refused("a path in its fragment", "GET http://h#/evil HTTP/1.1\r\n\r\n");
  refused("an absolute form without a host", "GET http:///evil HTTP/1.1\r\n\r\n");
  refused("a target that is not ASCII", "GET /\xff HTTP/1.1\r\n\r\n");
  refused("a header without a colon", kGet + "X\r\n" + evil);
  refused("not HTTP at all", std::string("\x16\x03\x01\x02\r\n\r\n"));
  const std::string chunked = "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  refused("a bad chunk size", chunked + "g\r\n");
  refused("a signed chunk size", chunked + "+3\r\nabc\r\n0\r\n\r\n");
  refused("an empty chunk size", chunked + "\r\n");
  refused("a chunk longer than its size", chunked + "2\r\nabcd\r\n");
  refused("a chunk line with a bare line feed", chunked + "3\nabc\r\n0\r\n\r\n");
  refused("an endless chunk line", chunked + "1;" + std::string(5000, 'x'));
  refused("a huge chunk", chunked + "fffffffffffffffff\r\n", 413);
  refused("chunks over the budget", chunked + "3e8\r\n" + std::string(1000, 'x') + "\r\n1\r\nx\r\n",
          413);
  refused("a body over the budget", kGet + "Content-Length: 1001\r\n\r\n", 413);
  refused("a long header", kGet + "X: " + std::string(40'000, 'x'), 431);
  refused("a long request line", "GET /" + std::string(40'000, 'x'), 431);
  std::string many = kGet;
  for (int i = 0; i < 6000; ++i) many += "X: y\r\n";
  refused("many headers", many, 431);
  return probes;
}

void run(const Probe& probe) {
  INFO(std::string(probe.why));
  EchoServer test;
  RawClient client(test.server.port());
  for (std::size_t i = 0; i < probe.segments.size(); ++i) {
    if (i > 0) CHECK(client.is_quiet_for(milliseconds(15)));
    client.send(probe.segments[i]);
  }
  for (const int status : probe.statuses) {
    const auto reply = client.reply();
    REQUIRE(reply);
    CHECK(reply->status == status);
    if (status == 200) continue;
    CHECK(reply->body.starts_with(R"({"code":"fail","error":")"));
    CHECK(reply->head.find("Connection: close") != std::string::npos);
  }
  if (probe.closes) {
    CHECK(client.is_closed());
  } else {
    // Still in step: the next request gets its own reply.
    client.send("GET /last HTTP/1.1\r\n\r\n");
    const auto last = client.reply();
    REQUIRE(last);
    CHECK(last->body == "GET /last ");
  }
  auto handled = test.handler.handled();
  if (!probe.closes) handled.pop_back();
  CHECK(handled == probe.handled);
  ++counts().probes;
}

}  // namespace

TEST_SUITE_BEGIN("http_server");

TEST_CASE("requests are framed exactly") {
  for (const Probe& probe : framing_probes()) run(probe);
}

TEST_CASE("what two readers could read differently is refused and the connection ends") {
  for (const Probe& probe : hostile_probes()) run(probe);
}

TEST_CASE("a client that waits for 100 Continue gets it before its body") {
  EchoServer test;
  RawClient client(test.server.port());

  client.send("PUT /a HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  const auto go_on = client.reply();
  REQUIRE(go_on);
  CHECK(go_on->status == 100);
  client.send("abc");
  const auto reply = client.reply();

  REQUIRE(reply);
  CHECK(reply->body == "PUT /a abc");
  ++counts().probes;
}

TEST_CASE("the reply to a HEAD has no body") {
  EchoServer test;
  RawClient client(test.server.port());

  client.send("HEAD /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
  const auto head = client.reply(false);
  const auto next = client.reply();

  REQUIRE(head);
  REQUIRE(next);
  CHECK(next->body == "GET /b ");
  ++counts().probes;
}

TEST_CASE("the text of an exception does not leak") {
  EchoServer test;
  RawClient client(test.server.port());

  client.send("GET /throw HTTP/1.1\r\n\r\n");
  const auto reply = client.reply();

  REQUIRE(reply);
  CHECK(reply->status == 500);
  CHECK((reply->head + reply->body).find("secret") == std::string::npos);
  ++counts().probes;
}

TEST_CASE("replies that come later go to their own requests, and one for who is gone to nobody") {
  // Answers nothing itself.
  class Silent : public net::HttpHandler {
   public:
    bool is_from_peer(std::string_view) const override { return false; }
    std::size_t body_bytes_max(std::string_view) const override { return 0; }
    std::optional<net::HttpReply> handle(net::HttpTicket ticket,
                                         net::HttpRequest request) override {
      const std::lock_guard lock(mutex_);
      asked_.emplace_back(ticket, request.target);
      return std::nullopt;
    }
    std::vector<std::pair<net::HttpTicket, std::string>> asked() const {
      const std::lock_guard lock(mutex_);
      return asked_;
    }

   private:
    mutable std::mutex mutex_;
    std::vector<std::pair<net::HttpTicket, std::string>> asked_;
  };
  Silent handler;
  LoopServer test(handler, {});
  const auto wait_for = [&handler](std::size_t count) {
    while (handler.asked().size() < count) std::this_thread::yield();
  };
  RawClient first(test.server.port());
  first.send("GET /a HTTP/1.1\r\n\r\nGET /c HTTP/1.1\r\n\r\n");
  wait_for(1);
  auto gone = std::make_unique<RawClient>(test.server.port());
  gone->send("GET /gone HTTP/1.1\r\n\r\n");
  wait_for(2);
  RawClient half(test.server.port());
  half.send("GET /half HTTP/1.1\r\n\r\n");
  ::shutdown(half.socket(), SHUT_WR);
  wait_for(3);
  gone.reset();

  const auto answer_all = [&] {
    test.loop().post([&] {
      for (const auto& [ticket, target] : handler.asked()) {
        test.server.answer(ticket, {.body = target});
      }
    });
  };
  answer_all();
  const auto reply = first.reply();
  REQUIRE(reply);
  CHECK(reply->body == "/a");
  // The client that ended only its own side is answered, then the connection ends.
  const auto to_half = half.reply();
  REQUIRE(to_half);
  CHECK(to_half->body == "/half");
  CHECK(half.is_closed());
  // What was pipelined behind the first is asked now, and a stale reply is not for it.
  wait_for(4);
  answer_all();
  const auto next = first.reply();
  REQUIRE(next);
  CHECK(next->body == "/c");
  ++counts().probes;
}

TEST_CASE("a port that is taken and not served yet refuses whoever connects") {
  EchoHandler handler;
  net::EventLoop loop;
  net::HttpServer server(loop, {}, handler);

  REQUIRE(server.bind("127.0.0.1", 0).ok());
  CHECK(!RawClient(server.port()).is_connected());
  REQUIRE(server.serve().ok());
  CHECK(RawClient(server.port()).is_connected());
}

TEST_CASE("the same port twice is refused with its reason") {
  EchoServer test;
  EchoHandler handler;
  net::EventLoop loop;
  net::HttpServer second(loop, {}, handler);

  const Status started = second.bind("127.0.0.1", test.server.port());

  REQUIRE(!started.ok());
  CHECK(started.error().message.find("Address already in use") != std::string::npos);
}

TEST_SUITE_END();

}  // namespace vesper::net_test
