// The members of a cluster for a client that runs long: they may change until none of the first is
// left. Begins with the answer of one, and asks again in the background. Thread-safe.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vesper::ctl {

class KnownNodes {
 public:
  KnownNodes() = default;
  ~KnownNodes();
  KnownNodes(const KnownNodes&) = delete;
  KnownNodes& operator=(const KnownNodes&) = delete;

  // Blocking; call once. False: this node does not answer.
  bool start(const std::string& address);
  // Requires: start was true. `drawn` is any number.
  std::string one_of(std::uint64_t drawn) const;

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable stopped_;
  std::vector<std::string> nodes_;  // guarded by mutex_; not empty
  bool stop_ = false;               // guarded by mutex_
  std::thread thread_;
};

}  // namespace vesper::ctl
