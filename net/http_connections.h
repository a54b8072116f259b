// The live connections of one server by their tickets, with their deadlines. A connection that ends
// keeps its object until the round is over (EventLoop::Source). HttpServer owns it.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <queue>
#include <vector>

#include "net/http_connection.h"

namespace vesper::net {

class HttpConnections {
 public:
  HttpConnections() = default;
  HttpConnections(const HttpConnections&) = delete;
  HttpConnections& operator=(const HttpConnections&) = delete;

  // Takes in what `make` makes for the next ticket.
  using Make = std::function<std::unique_ptr<HttpConnection>(HttpTicket)>;
  HttpConnection& add(const Make& make);
  // Nothing: it has ended.
  HttpConnection* find(HttpTicket ticket);
  void end(HttpConnection& connection);
  // Forgets those that ended.
  void end_round() { ended_.clear(); }

  // `deadline` may be later or earlier than the one before; kNever: none.
  void set_deadline(HttpConnection& connection, LoopTime deadline);
  // No later than the first deadline of all.
  LoopTime next_deadline() const { return armed_.empty() ? kNever : armed_.top().at; }
  // The next connection whose deadline has come; nothing: none.
  HttpConnection* take_late(LoopTime now);

  // Any thread.
  std::size_t live() const { return live_.load(std::memory_order_relaxed); }
  template <class Visit>
  void each(Visit visit) {
    for (const auto& connection : slots_) {
      if (connection) visit(*connection);
    }
  }

 private:
  // A deadline that moves on is not moved here: whoever comes up too early is put back. So a
  // request costs nothing here, and a connection has one entry and a few stale ones.
  struct Armed {
    LoopTime at;
    HttpTicket ticket;
    bool operator>(const Armed& other) const { return at > other.at; }
  };

  std::vector<std::unique_ptr<HttpConnection>> slots_;
  std::vector<std::uint32_t> generations_;  // by slot
  std::vector<std::uint32_t> free_;
  std::vector<std::unique_ptr<HttpConnection>> ended_;
  std::priority_queue<Armed, std::vector<Armed>, std::greater<>> armed_;
  std::atomic<std::size_t> live_{0};
};

}  // namespace vesper::net
