#include "net/http_server.h"

#include <httplib.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>

#include "net/file_descriptor.h"
#include "net/http_connection.h"
#include "net/json.h"

namespace vesper::net {

namespace {

constexpr int kBacklog = 1024;
// Threads that may wait for a next connection; the others end with theirs.
constexpr std::size_t kIdleThreads = 64;

// Of the refusals that the library does not write.
const char* reason_of(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

// What the library reads and writes: a request line that is known to be good, and a reply that is
// gathered to leave in one send.
class MemoryStream : public httplib::Stream {
 public:
  explicit MemoryStream(std::string input) : input_(std::move(input)) {}
  const std::string& output() const { return output_; }

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const std::size_t count = input_.copy(to, size, at_);
    at_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* bytes, size_t size) override {
    output_.append(bytes, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  std::string input_;
  std::size_t at_ = 0;
  std::string output_;
};

// A thread a connection, up to a bound; beyond it a connection is refused on the accepting thread.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  ConnectionThreads(std::size_t bound, std::atomic<std::size_t>& live)
      : bound_(bound), live_(live) {}

  void enqueue(std::function<void()> serve) override {
    if (live_.load() >= bound_ || !take(serve)) serve();
  }

  // Waits for every thread: they touch nothing of this object after that.
  void shutdown() override {
    std::unique_lock lock(mutex_);
    stop_ = true;
    arrived_.notify_all();
    ended_.wait(lock, [this] { return threads_ == 0; });
  }

 private:
  // False: the system gives no more threads; that is a bound like ours.
  bool take(const std::function<void()>& serve) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(serve);
    if (idle_ >= tasks_.size()) {
      arrived_.notify_one();
    } else {
      try {
        std::thread([this] { run(); }).detach();
      } catch (const std::system_error&) {
        tasks_.pop_back();
        return false;
      }
      ++threads_;
    }
    live_.fetch_add(1);
    return true;
  }

  void run() {
    std::unique_lock lock(mutex_);
    while (true) {
      if (!tasks_.empty()) {
        const std::function<void()> serve = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        serve();
        live_.fetch_sub(1);
        lock.lock();
        continue;
      }
      if (stop_ || idle_ >= kIdleThreads) break;
      ++idle_;
      arrived_.wait(lock);
      --idle_;
    }
    --threads_;
    ended_.notify_all();
  }

  const std::size_t bound_;
  std::atomic<std::size_t>& live_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable ended_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_, as all that follows
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace

HttpReply error_reply(int status, std::string_view why) {
  HttpReply reply{.status = status, .body = R"({"code":"fail","error":)"};
  append_json_string(why, reply.body);
  reply.body += '}';
  return reply;
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find('?'));
}

class HttpServer::Impl : public httplib::Server {
 public:
  Impl(HttpLimits limits, HttpHandler& handler)
      : limits_(limits), handler_(handler), stop_(::eventfd(0, EFD_CLOEXEC)) {
    new_task_queue = [this] { return new ConnectionThreads(limits_.connections, live_); };
    set_keep_alive_max_count(1'000'000);
    set_keep_alive_timeout(
        std::chrono::duration_cast<std::chrono::seconds>(limits.idle_time).count());
    // SO_REUSEADDR only: with SO_REUSEPORT a second process on the same port would succeed.
    set_socket_options([](socket_t socket) {
      const int on = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    });
    // Our own dispatch; the library routes by regular expressions on the decoded path.
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      answer(request, response);
      return HandlerResponse::Handled;
    });
    set_exception_handler([](const httplib::Request&, httplib::Response& response,
                             std::exception_ptr) { put(error_reply(500, "internal"), response); });
  }

  Status start(const std::string& host, std::uint16_t port) {
    if (!stop_.is_open()) return Error{ErrorCode::kIo, "no eventfd"};
    // The host may have both kinds of address; IPv4 is what everybody reaches it by.
    if (host == "localhost") set_address_family(AF_INET);
    errno = 0;
    const int bound = port == 0 ? bind_to_any_port(host) : bind_to_port(host, port) ? port : -1;
    if (bound <= 0) {
      const std::string reason = errno != 0 ? std::strerror(errno) : "the host is unknown";
      return Error{ErrorCode::kIo,
                   "cannot listen on " + host + ":" + std::to_string(port) + ": " + reason};
    }
    port_ = static_cast<std::uint16_t>(bound);
    // The library's backlog of 5 drops a burst of connections.
    ::listen(svr_sock_, kBacklog);
    listener_ = svr_sock_;
    acceptor_ = std::thread([this] {
      accepting_thread_.store(std::this_thread::get_id());
      listen_after_bind();
    });
    return {};
  }

  void begin_stop() {
    stopping_.store(true);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_.get(), &one, sizeof one);
    // Ends the accept; the library closes the socket when its loop ends.
    if (listener_ >= 0) ::shutdown(listener_, SHUT_RDWR);
  }

  void finish_stop() {
    if (acceptor_.joinable()) acceptor_.join();
  }

  std::uint16_t port() const { return port_; }
  std::size_t connections() const { return live_.load(); }

 private:
  static void put(HttpReply reply, httplib::Response& response) {
    response.status = reply.status;
    for (auto& [name, value] : reply.headers) response.set_header(name, value);
    if (reply.status == 204) return;
    response.set_content(std::move(reply.body), reply.content_type);
  }

  void answer(const httplib::Request& request, httplib::Response& response) {
    put(handler_.handle({request.method, request.target, request.body}), response);
  }

  // Takes the place of the library's loop.
  bool process_and_close_socket(socket_t raw_socket) override {
    FileDescriptor socket(raw_socket);
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    HttpConnection connection(socket.get(), stop_.get(), limits_);
    if (std::this_thread::get_id() == accepting_thread_.load()) {
      refuse_connection(socket.get());
      return false;
    }
    while (serve_one(connection)) {
    }
    return true;
  }

  // Beyond the bound: never waits, for it runs on the accepting thread.
  static void refuse_connection(int socket) {
    HttpReply reply = error_reply(503, "too many connections");
    reply.headers = {{"Retry-After", "1"}, {"Vesper-Outcome", "rejected"}};
    const std::string text = refusal_text(reply);
    ::send(socket, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::shutdown(socket, SHUT_WR);
    std::array<char, 4096> rest;
    ::recv(socket, rest.data(), rest.size(), MSG_DONTWAIT);
  }

  static std::string refusal_text(const HttpReply& reply) {
    std::string text =
        "HTTP/1.1 " + std::to_string(reply.status) + ' ' + reason_of(reply.status) + "\r\n";
    for (const auto& [name, value] : reply.headers) text += name + ": " + value + "\r\n";
    text += "Connection: close\r\nContent-Type: ";
    text += reply.content_type;
    text += "\r\nContent-Length: " + std::to_string(reply.body.size()) + "\r\n\r\n";
    return text + reply.body;
  }

  // False: the connection ends.
  bool serve_one(HttpConnection& connection) {
    std::string body;
    HttpConnection::Got got = connection.read_head();
    if (got == HttpConnection::Got::kWhole) {
      got = connection.read_body(handler_.body_bytes_max(connection.head().target), body);
    }
    if (got == HttpConnection::Got::kClosed) return false;
    if (got == HttpConnection::Got::kRefused) {
      if (connection.write(refusal_text(connection.refusal()))) connection.linger();
      return false;
    }
    return reply(connection, std::move(body));
  }

  // The library gets a request line that says nothing but the method, so that no header that it
  // would act upon (Range, Accept-Encoding, Expect, lengths) ever reaches it.
  bool reply(HttpConnection& connection, std::string body) {
    const HttpHead& head = connection.head();
    const bool is_known = head.method == "GET" || head.method == "PUT" || head.method == "POST" ||
                          head.method == "HEAD";
    const bool close = !head.keep_alive;
    MemoryStream stream(std::string(is_known ? head.method : "DELETE") + " / HTTP/1.1\r\n\r\n");
    bool closed = false;
    const auto set_up = [&](httplib::Request& request) {
      if (!is_known) request.method = head.method;
      request.target = head.target;
      request.body = std::move(body);
    };
    if (!process_request(stream, close, closed, set_up)) return false;
    return connection.write(stream.output()) && !close && !closed && !stopping_.load();
  }

  const HttpLimits limits_;
  HttpHandler& handler_;
  FileDescriptor stop_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> live_{0};
  std::atomic<std::thread::id> accepting_thread_{};
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::thread acceptor_;
};

HttpServer::HttpServer(HttpLimits limits, HttpHandler& handler)
    : impl_(std::make_unique<Impl>(limits, handler)) {}
HttpServer::~HttpServer() {
  begin_stop();
  finish_stop();
}

Status HttpServer::start(const std::string& host, std::uint16_t port) {
  return impl_->start(host, port);
}
std::uint16_t HttpServer::port() const {
  return impl_->port();
}
std::size_t HttpServer::connections() const {
  return impl_->connections();
}
void HttpServer::begin_stop() {
  impl_->begin_stop();
}
void HttpServer::finish_stop() {
  impl_->finish_stop();
}

}  // namespace vesper::net
