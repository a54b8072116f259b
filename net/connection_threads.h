// A thread for each live connection, up to a bound; an ended connection's thread waits for the next
// one. The HTTP server hands it the sockets that it accepts.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

#include "net/file_descriptor.h"

namespace vesper::net {

class ConnectionThreads {
 public:
  // Serves one connection until it ends; `live` counts it and those that were live when it came.
  using Serve = std::function<void(FileDescriptor socket, std::size_t live)>;

  ConnectionThreads(std::size_t bound, Serve serve) : bound_(bound), serve_(std::move(serve)) {}
  // Requires: stopped, or never used.
  ~ConnectionThreads();
  ConnectionThreads(const ConnectionThreads&) = delete;
  ConnectionThreads& operator=(const ConnectionThreads&) = delete;

  // False: the bound is reached, or the system gives no more threads. The socket is then still the
  // caller's.
  bool take(FileDescriptor& socket);
  std::size_t live() const;
  // Waits until every connection has ended. Requires: something ends them.
  void stop();

 private:
  struct Waiting {
    FileDescriptor socket;
    std::size_t live = 0;
  };
  void run();

  const std::size_t bound_;
  const Serve serve_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable ended_;
  std::deque<Waiting> waiting_;  // guarded by mutex_, as all that follows
  std::size_t live_ = 0;         // waiting or served
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  bool stop_ = false;
};

}  // namespace vesper::net
