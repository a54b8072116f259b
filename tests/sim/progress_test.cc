// When a cluster that does nothing is at fault, and when it is excused.
#include "sim/check/progress.h"

#include <doctest/doctest.h>

#include <string>

namespace vesper::sim {
namespace {

Instant at(std::int64_t milliseconds) {
  return Instant() + Duration::milliseconds(milliseconds);
}

// A leader within 100 ms, a success within 50 ms more, an answer to each request within 40 ms.
struct Watched {
  ProgressChecker checker{3,
                          {.elect = Duration::milliseconds(100),
                           .answer = Duration::milliseconds(50),
                           .request = Duration::milliseconds(40)}};
  Situation situation{.has_majority = true, .has_leader = true, .is_asked = true};

  // Looks once a millisecond, both ends included.
  void watch(std::int64_t from, std::int64_t to) {
    for (std::int64_t now = from; now <= to; ++now) checker.observe(at(now), situation);
  }
  void serve(std::int64_t from, std::int64_t to) {
    for (std::int64_t now = from; now <= to; ++now) {
      ++situation.successes;
      checker.observe(at(now), situation);
    }
  }
  void invoke(std::uint64_t id, std::uint32_t node, std::int64_t now) {
    checker.on_invoke(
        at(now), {OperationId(id), ClientId(id), NodeId(node), node::RequestKind::kGet, "k", ""});
  }
  bool is_fine() const { return !checker.violation(); }
  std::string invariant() const { return is_fine() ? "none" : checker.violation()->invariant; }
};

// --- Leaders ---

TEST_CASE("a majority without a leader for longer than the bound is a violation") {
  Watched cluster;
  cluster.situation.has_leader = false;

  cluster.watch(0, 100);
  CHECK(cluster.is_fine());
  cluster.watch(101, 101);

  REQUIRE(cluster.invariant() == "progress");
  CHECK(cluster.checker.violation()->at == at(101));
  CHECK(cluster.checker.violation()->detail.find("elected no leader") != std::string::npos);
}

TEST_CASE("without a majority nothing is asked of the cluster, and the time starts anew") {
  Watched cluster;
  cluster.situation.has_leader = false;

  cluster.watch(0, 90);
  cluster.situation.has_majority = false;
  cluster.watch(91, 1000);
  cluster.situation.has_majority = true;
  cluster.watch(1001, 1101);
  CHECK(cluster.is_fine());
  cluster.watch(1102, 1102);

  CHECK(cluster.invariant() == "progress");
}

TEST_CASE("a leader that was lost may be replaced within the whole bound") {
  Watched cluster;

  cluster.serve(0, 500);
  cluster.situation.has_leader = false;
  cluster.serve(501, 601);
  CHECK(cluster.is_fine());
  cluster.situation.has_leader = true;
  cluster.serve(602, 700);
  cluster.situation.has_leader = false;
  cluster.serve(701, 801);
  CHECK(cluster.is_fine());
  cluster.serve(802, 802);

  CHECK(cluster.invariant() == "progress");
}

TEST_CASE("a fault gives the election its whole bound again") {
  Watched cluster;
  cluster.situation.has_leader = false;

  cluster.watch(0, 99);
  cluster.situation.last_fault_at = at(99);
  cluster.watch(100, 199);
  CHECK(cluster.is_fine());
  cluster.watch(200, 200);

  CHECK(cluster.invariant() == "progress");
}

// --- Requests ---

TEST_CASE("a leader under which no request succeeds is a violation") {
  Watched cluster;

  cluster.serve(0, 300);
  cluster.watch(301, 450);
  CHECK(cluster.is_fine());
  cluster.watch(451, 451);

  REQUIRE(cluster.invariant() == "progress");
  CHECK(cluster.checker.violation()->detail.find("no request") != std::string::npos);
}

TEST_CASE("a cluster that nobody asks may be idle") {
  Watched cluster;
  cluster.situation.is_asked = false;

  cluster.watch(0, 1000);

  CHECK(cluster.is_fine());
}

struct Answering {
  std::int64_t gives_up_at;
  const char* expected;
};

TEST_CASE("a node that leaves a request without an answer beyond its limit hangs") {
  const Answering cases[] = {{140, "none"}, {141, "request-hangs"}};
  for (const Answering& each : cases) {
    Watched cluster;
    cluster.checker.on_start(at(0), NodeId(1), 1);
    cluster.invoke(1, 1, 100);

    cluster.checker.on_give_up(at(each.gives_up_at), OperationId(1));

    CHECK(cluster.invariant() == each.expected);
  }
}

TEST_CASE("a node that was disturbed meanwhile owes no answer, its neighbours do") {
  struct Disturbance {
    const char* why;
    void (*happen)(ProgressChecker& checker);
    const char* expected;
  };
  const Disturbance disturbances[] = {
      {"nothing happened", [](ProgressChecker&) {}, "request-hangs"},
      {"it crashed", [](ProgressChecker& to) { to.on_crash(at(110), NodeId(1)); }, "none"},
      {"it started", [](ProgressChecker& to) { to.on_start(at(110), NodeId(1), 2); }, "none"},
      {"it stopped itself",
       [](ProgressChecker& to) {
         to.on_stopped(at(110), NodeId(1), {ErrorCode::kIo, "sync"});
       },
       "none"},
      {"some fault", [](ProgressChecker& to) { to.on_fault(at(110), "network"); }, "none"},
      {"another node crashed", [](ProgressChecker& to) { to.on_crash(at(110), NodeId(2)); },
       "request-hangs"},
      {"it had crashed before", [](ProgressChecker& to) { to.on_crash(at(99), NodeId(1)); },
       "request-hangs"},
  };

  for (const Disturbance& disturbance : disturbances) {
    CAPTURE(disturbance.why);
    Watched cluster;
    cluster.invoke(1, 1, 100);
    disturbance.happen(cluster.checker);
    cluster.checker.on_give_up(at(500), OperationId(1));
    CHECK(cluster.invariant() == disturbance.expected);
  }
}

TEST_CASE("a violation names the event that it was found in") {
  Watched cluster;
  cluster.invoke(1, 0, 100);
  cluster.checker.on_event_end(at(100), 7);

  cluster.checker.on_give_up(at(200), OperationId(1));

  REQUIRE_FALSE(cluster.is_fine());
  CHECK(cluster.checker.violation()->event == 8);
  CHECK(cluster.checker.violation()->detail == "n0 left operation 1 without an answer for 100 ms");
}

}  // namespace
}  // namespace vesper::sim
