// Load from many clients at once, each with one kept connection and one request at a time, and what
// came of it: throughput, latency, errors by kind. The clients follow the leader through an
// election. With a history file, every operation is written down for `vesper-sim check`.
#pragma once

#include <cstdint>
#include <string>

namespace vesper::ctl {

struct BenchOptions {
  std::string address;
  std::uint64_t clients = 16;
  double seconds = 10;
  std::string op = "put";  // put, get or mixed
  std::uint64_t value_bytes = 100;
  std::uint64_t keys = 10'000;
  double fill_seconds = 60;
  bool sessions = false;  // each client has one, and repeats a put until its outcome is known
  bool json = false;
  std::string history_file;  // empty: none
};

// The exit status: kSuccess if any operation succeeded, kUnreachable if no node was there, kFail
// also if the keys of a get could not be put before, or the history not be written.
int run_bench(const BenchOptions& options);

}  // namespace vesper::ctl
