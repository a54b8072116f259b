// Scenarios' words for faults of links, frames and moments: what they mean, what is refused, what
// is written reads back, and shrinking takes them away.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "sim/scenario/parser.h"
#include "sim/scenario/runner.h"
#include "sim/scenario/serializer.h"
#include "sim/scenario/shrink_settings.h"
#include "sim/scenario/trace.h"

namespace vesper::sim {
namespace {

constexpr const char* kHead = "version = 1\nname = \"a\"\n";

Scenario parsed(const std::string& body) {
  auto scenario = parse_scenario(kHead + body, "f");
  REQUIRE_MESSAGE(scenario.ok(), (scenario.ok() ? std::string() : scenario.error().message));
  return std::move(scenario.value());
}

struct Lines final : TraceSink {
  std::vector<std::string> all;
  void write(std::string_view line) override { all.emplace_back(line); }
};

std::size_t count_of(const Lines& lines, std::string_view what) {
  std::size_t count = 0;
  for (const std::string& line : lines.all) count += line.find(what) == std::string::npos ? 0U : 1U;
  return count;
}

RunResult run(const std::string& body, Lines& lines) {
  const Scenario scenario = parsed(body);
  Trace trace(lines);
  const RunResult result = run_scenario(scenario, {.seed = scenario.seed, .observers = {&trace}});
  CHECK_MESSAGE(result.passed, result.violation << ": " << result.detail);
  return result;
}

constexpr const char* kThree = R"(
duration = "8s"
[cluster]
nodes = 3
preformed = true
[disk]
on_crash = "keep"
[[clients]]
count = 2
rate = "40/s"
put = 1.0
)";

constexpr const char* kAllWords = R"(
[network]
burst = { drop = 0.9, mean_good = "2s", mean_bad = ["80ms", "90ms"] }
corrupt = [0.0, 0.01]
replay = 0.02
replay_age = "30s"
[[link]]
from = "n0"
to = "n1"
burst = { drop = 0.0, mean_good = "1s", mean_bad = "1s" }
corrupt = 0.5
lose = ["3", "5..8", "12.."]
[[clients]]
lose_requests = 0.1
lose_answers = [0.0, 0.2]
delay = { distribution = "uniform", min = "1ms", max = "5ms" }
[[step]]
at = "1s"
do = "network"
burst = { drop = 1.0, mean_good = "1ms", mean_bad = "1s" }
replay = 1.0
replay_age = "1s"
corrupt = 0.25
[[step]]
at = "1s"
do = "clog"
from = "leader"
to = "rest"
[[step]]
at = "2s"
do = "unclog"
from = "leader"
to = "rest"
[[step]]
at = "2s"
do = "replay"
from = "all"
to = "n0"
type = "VoteReply"
count = 7
[[step]]
at = "2s"
do = "release"
nth = 2
[[step]]
at = "2s"
do = "release"
reverse = true
[[step]]
on_message = { type = "AppendRequest", nth = 2 }
do = "crash"
node = "sender"
mid_turn = true
[[step]]
on_disk = { node = "n0", op = "sync-directory", lane = "background", nth = 3, after = true }
do = "crash"
node = "writer"
as = "it"
[[step]]
on_disk = { }
do = "crash"
node = "writer"
)";

}  // namespace

TEST_CASE("the words of links are read, and written so that they read back as the same") {
  const Scenario scenario = parsed(kAllWords);
  CHECK(scenario.network.burst.drop == Range(Parts{900'000}));
  CHECK(scenario.links.front().link.replay == Range(Parts{20'000}));
  CHECK(scenario.links.front().lose ==
        std::vector<FrameSpan>{{3, 3}, {5, 8}, {12, FrameSpan::kNoLast}});
  CHECK(scenario.steps.at(7).disk ==
        DiskMatch{.node = Selector{.kind = Selector::Kind::kNode, .number = 0, .name = {}},
                  .op = "sync-directory",
                  .lane = "background",
                  .nth = 3,
                  .after = true});
  const auto again = parse_scenario(serialize_scenario(scenario), "again");
  REQUIRE_MESSAGE(again.ok(), (again.ok() ? std::string() : again.error().message));
  CHECK(again.value() == scenario);
  const Scenario drawn_once = drawn(scenario, 3);
  CHECK(drawn_once.network.corrupt.is_drawn());
  CHECK(drawn_once.network.burst.mean_bad.is_drawn());
  CHECK(drawn_once.clients.front().lose_answers.is_drawn());
  const auto drawn_again = parse_scenario(serialize_scenario(drawn_once), "again");
  REQUIRE(drawn_again.ok());
  CHECK(drawn_again.value() == drawn_once);
}

TEST_CASE("what makes no sense is refused, and it is said why") {
  struct Refusal {
    std::string body;
    std::string error;
  };
  const std::vector<Refusal> refusals = {
      {"[network]\nburst = 0.5\n", "f:4:9: [network]: burst: expected { drop = ..., mean_good"},
      {"[network]\nburst = { drop = 0.5, mean_good = \"1s\" }\n",
       "f:4:9: [network].burst: expected the key \"mean_bad\""},
      {"[network]\nburst = { drop = 0.5, mean_good = \"0s\", mean_bad = \"1s\" }\n",
       "f:4:35: [network].burst: mean_good: expected a duration from 1ms to 86400s"},
      {"[network]\nburst = { drop = 0.5, mean_good = \"1s\", mean_bad = \"1s\", x = 1 }\n",
       "f:4:58: [network].burst: unknown key \"x\""},
      {"[network]\ncorrupt = 1.5\n",
       "f:4:11: [network]: corrupt: expected a probability from 0.0 to 1.0"},
      {"[[step]]\nat = \"1s\"\ndo = \"clog\"\nfrom = \"n0\"\n",
       "f:3:1: [[step]]: clog needs the key \"to\""},
      {"[[step]]\nat = \"1s\"\ndo = \"replay\"\nfrom = \"n0\"\nto = \"n1\"\ntype = \"Vote\"\n",
       "f:8:8: [[step]]: type: expected one of PreVoteRequest"},
      {"[[step]]\nat = \"1s\"\ndo = \"replay\"\nfrom = \"n0\"\nto = \"n1\"\ncount = 1001\n",
       "f:8:9: [[step]]: count: expected a whole number from 1 to 1000"},
      {"[[step]]\nat = \"1s\"\ndo = \"release\"\nnth = 0\n",
       "f:6:7: [[step]]: nth: expected a whole number from 1 to 1000000000"},
      {"[[step]]\nat = \"1s\"\ndo = \"release\"\nnth = 1\nreverse = true\n",
       "f:7:11: [[step]]: reverse: not of one message alone"},
      {"[[step]]\nat = \"1s\"\ndo = \"crash\"\nnode = \"n0\"\nmid_turn = true\n",
       "f:7:12: [[step]]: mid_turn: needs on_message, and node = \"sender\""},
      {"[[step]]\non_message = { }\ndo = \"crash\"\nnode = \"receiver\"\nmid_turn = true\n",
       "f:7:12: [[step]]: mid_turn: needs on_message, and node = \"sender\""},
      {"[[step]]\non_disk = { op = \"fsync\" }\ndo = \"crash\"\nnode = \"writer\"\n",
       "f:4:18: [[step]].on_disk: op: expected one of create, write, rename, remove, sync, "
       "sync-directory, read"},
      {"[[step]]\non_disk = { lane = \"fast\" }\ndo = \"crash\"\nnode = \"writer\"\n",
       "f:4:20: [[step]].on_disk: lane: expected one of log, background"},
      {"[[step]]\non_disk = { node = \"all\" }\ndo = \"crash\"\nnode = \"writer\"\n",
       "f:4:20: [[step]].on_disk: node: expected one node"},
      {"[[step]]\non_disk = { }\ndo = \"pause\"\nnode = \"writer\"\n",
       "f:4:11: [[step]]: on_disk: is for do = \"crash\" with node = \"writer\" only"},
      {"[[step]]\non_disk = { }\ndo = \"crash\"\nnode = \"n0\"\n",
       "f:4:11: [[step]]: on_disk: is for do = \"crash\" with node = \"writer\" only"},
      {"[[step]]\nat = \"1s\"\ndo = \"crash\"\nnode = \"writer\"\n",
       "f:6:8: [[step]]: node: \"writer\" is no node, and no step before gives that name"},
  };
  for (const Refusal& one : refusals) {
    CAPTURE(one.body);
    const auto refused = parse_scenario(kHead + one.body, "f");
    REQUIRE(!refused.ok());
    CHECK(refused.error().message.substr(0, one.error.size()) == one.error);
  }
}

TEST_CASE("a crash in the middle of a turn comes when one request has left and the other has not") {
  for (const bool mid_turn : {false, true}) {
    CAPTURE(mid_turn);
    Lines lines;
    const RunResult result = run(std::string(kThree) + R"(
[[step]]
at = "3s"
do = "note"
[[step]]
on_message = { type = "HeartbeatRequest", from = "leader" }
do = "crash"
node = "sender"
as = "gone"
)" + (mid_turn ? "mid_turn = true\n" : "") +
                                     R"(
[[step]]
after = "1s"
do = "restart"
node = "gone"
)",
                                 lines);
    CHECK(result.marks[Mark::kTurnCrash] == (mid_turn ? 1 : 0));
    std::size_t sent = 0;
    for (std::size_t i = 0; i < lines.all.size(); ++i) {
      if (lines.all[i].find("crash n") == std::string::npos) continue;
      const std::string at = lines.all[i].substr(0, lines.all[i].find("s "));
      for (const std::string& line : lines.all) {
        if (line.starts_with(at + "s ") && line.find("> ") != std::string::npos &&
            line.find("HeartbeatRequest") != std::string::npos) {
          ++sent;
        }
      }
    }
    CHECK(sent == (mid_turn ? 1 : 2));
  }
}

TEST_CASE("a crash at a disk's operation carries out what comes before it, and no more") {
  // The first sync of n0's log after a put: before it nothing of the put is safe, after it all is.
  for (const bool after : {false, true}) {
    CAPTURE(after);
    Lines lines;
    const RunResult result = run(fmt::format(R"(
duration = "12s"
[cluster]
nodes = 1
preformed = true
[disk]
on_crash = "lose-all"
[[step]]
at = "3s"
do = "put"
node = "n0"
key = "name"
value = "\"Lamport\""
[[step]]
on_disk = {{ node = "n0", op = "sync", lane = "log"{} }}
do = "crash"
node = "writer"
[[step]]
after = "100ms"
do = "restart"
node = "n0"
[[step]]
name = "late"
after = "4s"
do = "note"
[[expect]]
eventually = "n0.keys == {}"
after = "late"
)",
                                             after ? ", after = true" : "", after ? 1 : 0),
                                 lines);
    CHECK(result.marks[Mark::kDiskCrash] == 1);
    CHECK(count_of(lines, "crash n0") == 1);
  }
}

TEST_CASE("one of the messages that are held is released alone, and the rest in reverse") {
  Lines lines;
  run(std::string(kThree) + R"(
[[step]]
at = "3s"
do = "note"
node = "follower[0]"
as = "late"
[[step]]
on_message = { type = "HeartbeatRequest", to = "late", count = 5 }
do = "hold"
[[step]]
after = "400ms"
do = "link"
from = "leader"
to = "late"
delay = "1ms"
[[step]]
name = "one"
after = "0s"
do = "release"
nth = 2
[[step]]
after = "10ms"
do = "release"
reverse = true
)",
      lines);
  // By receiver, from the first release on.
  std::map<std::string, std::vector<int>> rounds;
  bool released = false;
  for (const std::string& line : lines.all) {
    released = released || line.find("fault release") != std::string::npos;
    const std::size_t receiver = line.find(" < ");
    const std::size_t at = line.find("round ");
    if (!released || receiver == std::string::npos || at == std::string::npos) continue;
    if (line.find("HeartbeatRequest") == std::string::npos) continue;
    rounds[line.substr(receiver - 2, 2)].push_back(std::stoi(line.substr(at + 6)));
  }
  // The second of five that were held comes first, then 5, 4, 3, 1.
  std::size_t in_this_order = 0;
  for (auto& [receiver, seen] : rounds) {
    REQUIRE(seen.size() >= 5);
    const int held = seen[0] - 1;
    std::erase_if(seen, [&](int round) { return round > held + 4; });  // what is sent by then
    seen.resize(5);
    const std::vector<int> wanted = {held + 1, held + 4, held + 3, held + 2, held};
    in_this_order += std::equal(wanted.begin(), wanted.end(), seen.begin()) ? 1U : 0U;
  }
  CHECK(in_this_order == 1);
}

TEST_CASE("shrinking takes every one of these settings away") {
  Scenario scenario = drawn(parsed(R"(
[network]
burst = { drop = 0.9, mean_good = "2s", mean_bad = "80ms" }
corrupt = 0.01
replay = 0.02
replay_age = "30s"
[[clients]]
lose_requests = 0.1
lose_answers = 0.2
delay = "3ms"
)"),
                            1);
  for (const Simplification& each : usual_settings()) each.apply(scenario);
  CHECK(scenario.network == LinkSpec());
  for (const Simplification& each : less_load(scenario)) {
    if (each.what == "a crowd of clients") continue;
    each.apply(scenario);
  }
  CHECK(scenario.clients.front().lose_requests == ClientsSpec().lose_requests);
  CHECK(scenario.clients.front().lose_answers == ClientsSpec().lose_answers);
  CHECK(!scenario.clients.front().delay);
}

}  // namespace vesper::sim
