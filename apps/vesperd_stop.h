// Ends vesperd within a second of SIGTERM or SIGINT, whatever it waits for then: a disk that takes
// seconds for a sync, a long log that is read at start, a resolver that does not answer. Owns the
// thread that watches for the signal; main makes it before anything else can block.
#pragma once

#include <thread>

#include "net/file_descriptor.h"
#include "net/logger.h"

namespace vesper {

class StopWatcher {
 public:
  // Requires: `signals` becomes readable by a signal that every thread blocks. The logger outlives
  // the watcher.
  StopWatcher(int signals, net::Logger& logger);
  // The program has ended in order.
  ~StopWatcher();
  StopWatcher(const StopWatcher&) = delete;
  StopWatcher& operator=(const StopWatcher&) = delete;

  // Call once. Errors: kIo.
  Status start();
  // Becomes readable with the signal: from then on the program has kPatience to end in order.
  int requested() const { return requested_.get(); }

 private:
  void watch();

  int signals_;
  net::Logger& logger_;
  net::FileDescriptor requested_;
  net::FileDescriptor over_;
  std::thread thread_;
};

}  // namespace vesper
