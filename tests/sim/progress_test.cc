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
  Situation situation{.has_majority = true,
                      .has_leader = true,
                      .last_fault_at = {},
                      .puts = {.is_asked = true},
                      .gets = {.is_asked = true}};

  // Looks once a millisecond, both ends included.
  void watch(std::int64_t from, std::int64_t to) {
    for (std::int64_t now = from; now <= to; ++now) checker.observe(at(now), situation);
  }
  void serve(std::int64_t from, std::int64_t to) {
    for (std::int64_t now = from; now <= to; ++now) {
      ++situation.puts.successes;
      ++situation.gets.successes;
      checker.observe(at(now), situation);
    }
  }
  void ask(std::uint64_t request, std::uint32_t node, std::int64_t now) {
    checker.on_request_taken(at(now), NodeId(node), RequestId(request));
  }
  void answer(std::uint64_t request, std::uint32_t node, std::int64_t now) {
    checker.on_request_answered(at(now), NodeId(node), RequestId(request), {});
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

TEST_CASE(
    "a leader under which no request of one kind succeeds is a violation, whatever the other "
    "does") {
  struct {
    const char* why;
    bool puts;
    bool gets;
    const char* said;
  } const rows[] = {
      {"nothing succeeds", false, false, "no put"},
      {"only gets do", false, true, "no put"},
      {"only puts do", true, false, "no get"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Watched cluster;
    const auto serve = [&](std::int64_t from, std::int64_t to) {
      for (std::int64_t now = from; now <= to; ++now) {
        if (row.puts) ++cluster.situation.puts.successes;
        if (row.gets) ++cluster.situation.gets.successes;
        cluster.watch(now, now);
      }
    };

    cluster.serve(0, 300);
    serve(301, 450);
    CHECK(cluster.is_fine());
    serve(451, 451);

    REQUIRE(cluster.invariant() == "progress");
    CHECK(cluster.checker.violation()->detail.find(row.said) != std::string::npos);
  }
}

TEST_CASE("a cluster that nobody asks may be idle") {
  Watched cluster;
  cluster.situation.puts.is_asked = false;
  cluster.situation.gets.is_asked = false;

  cluster.watch(0, 1000);

  CHECK(cluster.is_fine());
}

TEST_CASE("a node that leaves a request without an answer beyond its limit hangs") {
  struct {
    std::int64_t answered_at;
    const char* expected;
  } const rows[] = {{140, "none"}, {142, "request-hangs"}};
  for (const auto& row : rows) {
    Watched cluster;
    cluster.ask(1, 1, 100);

    cluster.serve(100, row.answered_at - 1);
    cluster.answer(1, 1, row.answered_at);
    cluster.serve(row.answered_at, 300);

    CHECK(cluster.invariant() == row.expected);
  }
}

TEST_CASE("requests are judged each by its own time, in whatever order they are answered") {
  Watched cluster;
  for (std::uint64_t id = 1; id <= 3; ++id)
    cluster.ask(id, 0, 100 + 10 * static_cast<std::int64_t>(id));

  cluster.answer(2, 0, 135);
  cluster.answer(1, 0, 136);
  cluster.serve(136, 170);
  CHECK(cluster.is_fine());
  cluster.serve(171, 171);

  CHECK(cluster.invariant() == "request-hangs");
}

TEST_CASE("a process that ended or was held meanwhile owes no answer, its neighbours do") {
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
      {"it was held", [](ProgressChecker& to) { to.on_pause(at(110), NodeId(1)); }, "none"},
      {"the network failed it", [](ProgressChecker& to) { to.on_fault(at(110), "network"); },
       "request-hangs"},
      {"another node crashed", [](ProgressChecker& to) { to.on_crash(at(110), NodeId(2)); },
       "request-hangs"},
  };

  for (const Disturbance& disturbance : disturbances) {
    CAPTURE(disturbance.why);
    Watched cluster;
    cluster.ask(1, 1, 100);
    disturbance.happen(cluster.checker);
    cluster.serve(110, 500);
    CHECK(cluster.invariant() == disturbance.expected);
  }
}

TEST_CASE("a violation names the moment that it was found at") {
  Watched cluster;
  cluster.ask(1, 0, 100);

  cluster.serve(141, 141);

  REQUIRE_FALSE(cluster.is_fine());
  CHECK(cluster.checker.violation()->at == at(141));
  CHECK(cluster.checker.violation()->detail == "n0 has left a request without an answer for 41 ms");
}

}  // namespace
}  // namespace vesper::sim
