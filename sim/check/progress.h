// Whether a cluster gets on. Safety is easy for a cluster that does nothing; this checker says when
// it must do something, and that nobody waits for ever:
//   progress       while a majority is up, connected and left alone, a leader appears within a
//                  bound, and requests succeed within another
//   request-hangs  a node that runs answers each request within its own time limit and some slack,
//                  whatever the network, its disk and the other nodes do, and whether or not the
//                  client still waits
// The runner tells it the situation after events; it watches requests as an observer.
#pragma once

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <vector>

#include "sim/check/violation.h"
#include "sim/observer.h"

namespace vesper::sim {

struct Situation {
  // A majority of the nodes runs, and all of them hear each other.
  bool has_majority = false;
  bool has_leader = false;
  // The last fault, or end of one.
  Instant last_fault_at;
  // Of each kind of request: how many have succeeded, and whether clients keep asking.
  struct Asked {
    std::uint64_t successes = 0;
    bool is_asked = false;
    bool operator==(const Asked&) const = default;
  };
  Asked puts;
  Asked gets;
  bool operator==(const Situation&) const = default;
};

class ProgressChecker final : public WorldObserver {
 public:
  struct Bounds {
    Duration elect;    // from the last fault, or from when the leader was lost
    Duration answer;   // from then, to a request that succeeds
    Duration request;  // a node's own limit, as the slowest clock shows it, with some slack
  };
  ProgressChecker(std::size_t nodes, const Bounds& bounds) : bounds_(bounds), waiting_(nodes) {}

  const std::optional<Violation>& violation() const { return violations_.first(); }
  // After an event. Most change nothing that is judged here, and no time is over by them.
  void observe(Instant at, const Situation& situation) {
    if (at <= quiet_until_ && situation == seen_) return;
    look(at, situation);
  }

  void on_start(Instant at, NodeId node, std::uint64_t life) override;
  void on_crash(Instant at, NodeId node) override;
  void on_stopped(Instant at, NodeId node, const Error& reason) override;
  void on_pause(Instant at, NodeId node) override;
  void on_clock_stopped(Instant at, NodeId node, bool stands_still) override;
  void on_request_taken(Instant at, NodeId node, RequestId request) override;
  void on_request_answered(Instant at, NodeId node, RequestId request,
                           const node::Answer& answer) override;

 private:
  // The requests that wait at one node. All have the same limit, so the oldest is judged.
  struct Waiting {
    std::deque<std::pair<RequestId, Instant>> in_turn;  // the first is open; others may be answered
    std::set<RequestId> open;
    std::vector<std::set<RequestId>::node_type> spare;  // of `open`, to be used again
    bool has_no_time = false;  // its clock stands still, so no limit of its own passes
  };
  // Since when no request of a kind has succeeded, while it should.
  struct Idle {
    const char* kind;
    std::optional<Instant> since;
    std::uint64_t successes = 0;
  };

  void look(Instant at, const Situation& situation);
  void watch_leader(Instant at, const Situation& situation);
  void watch_kind(Instant at, Instant last_fault_at, const Situation::Asked& asked, Idle& idle);
  void watch_requests(Instant at);
  // Nothing is wrong before; whatever is judged by its time says so when it is looked at.
  void be_quiet_until(Instant then) { quiet_until_ = std::min(quiet_until_, then); }
  void find_oldest_request();
  void forget(NodeId node);

  const Bounds bounds_;
  std::vector<Waiting> waiting_;               // by node
  Instant oldest_request_ = Instant::never();  // of all that wait
  std::optional<Instant> leaderless_since_;
  Idle idle_puts_{.kind = "put", .since = {}};
  Idle idle_gets_{.kind = "get", .since = {}};
  Situation seen_;  // when it was looked at last
  Instant quiet_until_ = Instant::from_nanoseconds(INT64_MIN);
  Violations violations_;
};

}  // namespace vesper::sim
