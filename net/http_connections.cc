#include "net/http_connections.h"

#include <algorithm>
#include <utility>

namespace vesper::net {

HttpConnection& HttpConnections::add(const Make& make) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(slots_.size()));
    slots_.emplace_back();
    generations_.push_back(0);
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  slots_[slot] = make({.slot = slot, .generation = ++generations_[slot]});
  live_.fetch_add(1, std::memory_order_relaxed);
  return *slots_[slot];
}

HttpConnection* HttpConnections::find(HttpTicket ticket) {
  if (ticket.slot >= slots_.size() || generations_[ticket.slot] != ticket.generation) {
    return nullptr;
  }
  return slots_[ticket.slot].get();
}

void HttpConnections::end(HttpConnection& connection) {
  connection.state = HttpConnection::State::kClosed;
  connection.share.reset();
  connection.stream.reset();
  connection.close();
  const std::uint32_t slot = connection.ticket().slot;
  ended_.push_back(std::move(slots_[slot]));
  free_.push_back(slot);
  live_.fetch_sub(1, std::memory_order_relaxed);
}

void HttpConnections::set_deadline(HttpConnection& connection, LoopTime deadline) {
  connection.deadline = deadline;
  if (deadline >= connection.armed) return;
  connection.armed = deadline;
  armed_.push({deadline, connection.ticket()});
}

HttpConnection* HttpConnections::take_late(LoopTime now) {
  while (!armed_.empty() && armed_.top().at <= now) {
    const Armed armed = armed_.top();
    armed_.pop();
    HttpConnection* connection = find(armed.ticket);
    if (connection == nullptr || connection->armed != armed.at) continue;  // stale
    connection->armed = kNever;
    if (connection->deadline <= now) return connection;
    if (connection->deadline != kNever) set_deadline(*connection, connection->deadline);
  }
  return nullptr;
}

}  // namespace vesper::net
