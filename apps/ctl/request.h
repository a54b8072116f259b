// One GET or PUT of a person or a script: finds the leader, waits through an election within a
// bound, prints the reply, and says by its exit status what became of it. A put first registers a
// session, so that it may be repeated whatever became of a try: a session that was opened later
// could say nothing of the first one. Without a session, of a server that has none, it never
// repeats a put that may have taken effect. It never loops between two nodes that point at each
// other.
#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace vesper::ctl {

struct RequestOptions {
  std::string address;
  std::string key;
  std::optional<std::string> value;  // a put's; sent as a JSON string
  bool at_follower = false;          // a get that ADDRESS may answer though it does not lead
  std::chrono::milliseconds timeout{5000};
};

enum ExitStatus { kSuccess = 0, kFail = 1, kBadUsage = 2, kUnreachable = 3 };

// Prints the last reply's JSON as one line on standard output, and what a person should know beside
// it on standard error.
int run_request(const RequestOptions& options);

}  // namespace vesper::ctl
