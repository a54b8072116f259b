// The links between nodes: frames through real sockets, and peers that do not read.
#include "net/peer_link.h"

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>

#include <atomic>
#include <thread>

#include "core/base/limits.h"
#include "core/node/wire.h"
#include "net/peer_stream.h"
#include "tests/net/counts.h"
#include "tests/net/echo_server.h"
#include "tests/net/raw_client.h"

namespace vesper::net_test {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Takes connections over, and counts the frames of each.
class FrameHandler : public net::HttpHandler {
 public:
  bool is_from_peer(std::string_view) const override { return true; }
  std::size_t body_bytes_max(std::string_view) const override { return 0; }
  std::optional<net::HttpReply> handle(net::HttpTicket, net::HttpRequest request) override {
    if (request.upgrade != net::kPeerProtocol) return net::error_reply(426, "no upgrade");
    connections.fetch_add(1);
    return net::HttpReply{.status = 101,
                          .stream = std::make_shared<net::PeerStream>([this](const SharedBytes& f) {
                            bytes.fetch_add(f.size());
                            frames.fetch_add(1);
                          })};
  }
  std::atomic<int> connections{0};
  std::atomic<std::size_t> frames{0};
  std::atomic<std::size_t> bytes{0};
};

// A Refusal: the shortest frame there is.
std::vector<std::byte> short_frame() {
  std::vector<std::byte> bytes;
  node::encode_frame({.cluster = ClusterId(1),
                      .incarnation = Incarnation(1),
                      .from = NodeId(0),
                      .to = NodeId(1),
                      .body = node::Fingerprint{Index(1), 2}},
                     bytes);
  return bytes;
}

// As long as a frame may be, by what its header says.
std::vector<std::byte> long_frame(std::size_t size) {
  std::vector<std::byte> bytes = short_frame();
  bytes.resize(size);
  store_little(bytes.data() + 8, static_cast<std::uint32_t>(size - node::kFrameHeaderBytes));
  REQUIRE(node::frame_size(bytes).value() == size);
  return bytes;
}

// A link on a loop of its own.
class Sender : private net::EventLoop::User {
 public:
  explicit Sender(std::uint16_t port, const std::string& host = "127.0.0.1")
      : link_(loop_, {"", host, port}, "/peer") {
    loop_.add(*this);
    REQUIRE(loop_.start().ok());
  }
  ~Sender() override { loop_.stop(); }
  void send(std::vector<std::byte> frame) {
    loop_.post([this, frame = std::move(frame)] { link_.send(frame); });
  }

 private:
  void end_round() override { link_.end_round(); }
  net::LoopTime next_deadline() const override { return link_.next_deadline(); }
  void on_stop() override { link_.close(); }

  net::EventLoop loop_;
  net::PeerLink link_;
};

template <class Condition>
bool becomes_true(Condition condition) {
  const auto end = Clock::now() + seconds(10);
  while (!condition()) {
    if (Clock::now() >= end) return false;
    std::this_thread::yield();
  }
  return true;
}

// Something that listens and is deaf: connections stay in the backlog, bytes in the system.
struct DeafPeer {
  DeafPeer() : socket(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(socket.get(), 8) == 0);
    socklen_t length = sizeof address;
    ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
  }
  net::FileDescriptor socket;
  std::uint16_t port = 0;
};

}  // namespace

TEST_SUITE_BEGIN("peer_link");

TEST_CASE("frames of all lengths arrive whole and in one connection, to a name as to a number") {
  for (const char* host : {"127.0.0.1", "localhost"}) {
    CAPTURE(host);
    FrameHandler handler;
    LoopServer test(handler, {});
    Sender sender(test.server.port(), host);
    std::size_t bytes = 0;
    std::size_t frames = 0;
    for (const std::size_t size : {std::size_t{0}, std::size_t{100}, std::size_t{70'000},
                                   std::size_t{0}, limits::kFrameBytes}) {
      const auto frame = size == 0 ? short_frame() : long_frame(size);
      bytes += frame.size();
      sender.send(frame);
      ++frames;
      REQUIRE(becomes_true([&] { return handler.frames.load() == frames; }));
    }
    CHECK(handler.bytes.load() == bytes);
    CHECK(handler.connections.load() == 1);
  }
}

TEST_CASE("a link whose peer went away finds it again") {
  FrameHandler handler;
  auto test = std::make_unique<LoopServer>(handler, net::HttpLimits{});
  const std::uint16_t port = test->server.port();
  Sender sender(port);
  sender.send(short_frame());
  REQUIRE(becomes_true([&] { return handler.frames.load() == 1; }));
  test.reset();
  sender.send(short_frame());  // lost, as on a network

  net::EventLoop loop;
  net::HttpServer again(loop, {}, handler);
  REQUIRE(again.bind("127.0.0.1", port).ok());
  REQUIRE(again.serve().ok());
  REQUIRE(loop.start().ok());
  CHECK(becomes_true([&] {
    sender.send(short_frame());
    std::this_thread::sleep_for(milliseconds(1));
    return handler.frames.load() > 1;
  }));
  loop.stop();
  ++counts().probes;
}

TEST_CASE("a peer that does not read holds up neither its sender's caller nor another peer") {
  const DeafPeer deaf;
  FrameHandler handler;
  LoopServer good(handler, {});
  Sender to_deaf(deaf.port);
  Sender to_good(good.server.port());
  const auto frame = long_frame(1024 * 1024);
  constexpr std::size_t kFrames = 32;
  const auto begin = Clock::now();
  for (std::size_t i = 0; i < kFrames; ++i) {
    to_deaf.send(frame);
    to_good.send(short_frame());
  }
  // As many bytes as this would take seconds if the deaf peer were waited for.
  CHECK(Clock::now() - begin < milliseconds(2000));
  // A link may lose frames, as a network does: then the core sends again, and so does this.
  CHECK(becomes_true([&] {
    to_good.send(short_frame());
    return handler.frames.load() >= kFrames;
  }));
}

TEST_CASE(
    "a connection that carries no frames after its upgrade ends, and says which version came") {
  std::atomic<std::size_t> told{0};
  net::PeerStream stream([&told](const SharedBytes& frame) { told.store(frame.size()); });
  CHECK(!stream.take("nonsense, and much of it").ok());
  CHECK(told.load() == 0);
  CHECK(stream.take("VSP1").value() == 0);  // there may be more
  const auto other = stream.take("VSP2 and whatever follows");
  REQUIRE(!other.ok());
  CHECK(other.error().message.find("format version 2, this program reads 1") != std::string::npos);
  CHECK(told.load() == 12);

  FrameHandler handler;
  LoopServer test(handler, {});
  RawClient client(test.server.port());
  client.send("GET /peer HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: vesper-frames/1\r\n\r\n");
  const auto welcome = client.reply();
  REQUIRE(welcome);
  CHECK(welcome->status == 101);
  client.send("nonsense, and much of it");
  CHECK(client.is_closed());
  ++counts().probes;
}

TEST_SUITE_END();

}  // namespace vesper::net_test
