// Runs many simulated runs in processes of their own, so that a run that aborts (a failed check of
// the program) is one failed run and not the end of the search, and so that sim needs no thread.
// The parent gets every result, in the order of the items, whatever the number of processes.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

#include "sim/scenario/runner.h"

namespace vesper::app {

// Remembers where a run is, for the line that an abort prints.
class LastEvent final : public sim::WorldObserver {
 public:
  void on_event_end(Instant at, std::uint64_t event) override {
    at_ = at;
    event_ = event;
  }
  void begin() {
    at_ = Instant();
    event_ = 0;
  }
  Instant at() const { return at_; }
  std::uint64_t event() const { return event_; }

 private:
  Instant at_;
  std::uint64_t event_ = 0;
};

struct JobsOptions {
  std::size_t items = 0;
  std::size_t processes = 1;
};
using RunItem = std::function<sim::RunResult(std::size_t item, LastEvent& last)>;
// Called in the parent, by rising item. False: stop.
using TakeResult = std::function<bool(std::size_t item, const sim::RunResult& result)>;

// All of it, whatever write takes at a time; false where the file takes no more. Allocates nothing.
bool write_all(int file, std::string_view text);

// A run that aborts gives the violation "check", one that never ends "hang".
void run_jobs(const JobsOptions& options, const RunItem& run, const TakeResult& take);

}  // namespace vesper::app
