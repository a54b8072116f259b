// What a scenario's words do in a run: delays of single messages, overrides of what is drawn, and
// expectations whose time never comes.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "sim/scenario/parser.h"
#include "sim/scenario/runner.h"
#include "sim/scenario/script.h"
#include "sim/scenario/world_config.h"

namespace vesper::sim {
namespace {

Scenario scenario_of(const std::string& body) {
  auto parsed = parse_scenario("version = 1\nname = \"a\"\nduration = \"5s\"\n" + body, "f");
  REQUIRE_MESSAGE(parsed.ok(), (parsed.ok() ? body : parsed.error().message));
  return parsed.value();
}

// What the script's rules add to each of the first frames.
std::vector<Duration> delays_of(const std::string& body, std::uint64_t seed) {
  const Scenario scenario = drawn(scenario_of(body), seed);
  World world(world_config_of(scenario), {});
  Script script(scenario, world);
  script.start();
  node::Frame frame;
  frame.from = NodeId(0);
  frame.to = NodeId(1);
  frame.body = raft::Message{};
  std::vector<Duration> delays;
  for (int i = 0; i < 200; ++i) {
    const Fate fate = script.on_frame(frame);
    CHECK(fate.kind == Fate::Kind::kDelay);
    delays.push_back(fate.delay);
  }
  return delays;
}

constexpr const char* kDelay =
    "[[step]]\non_message = { count = 1000 }\ndo = \"delay\"\n"
    "delay = { distribution = \"uniform\", min = \"10ms\", max = \"20ms\" }\n";

TEST_CASE("a delay step draws each message's delay from its distribution") {
  const std::vector<Duration> delays = delays_of(kDelay, 1);

  for (const Duration delay : delays) {
    CHECK(delay >= Duration::milliseconds(10));
    CHECK(delay <= Duration::milliseconds(20));
  }
  CHECK(std::set<Duration>(delays.begin(), delays.end()).size() == delays.size());
  CHECK(delays_of(kDelay, 1) == delays);
  CHECK(delays_of(kDelay, 2) != delays);
}

TEST_CASE("a timeout step makes one node's next deadline due, and nobody else's") {
  const Scenario scenario = scenario_of(
      "[cluster]\nnodes = 3\npreformed = true\nheartbeat_interval = \"50s\"\n"
      "election_timeout_min = \"100s\"\nelection_timeout_max = \"101s\"\n"
      "[[step]]\nname = \"fired\"\nat = \"1s\"\ndo = \"timeout\"\nnode = \"n2\"\n"
      "[[step]]\nname = \"again\"\nat = \"2s\"\ndo = \"timeout\"\nnode = \"n1\"\n"
      "[[expect]]\nnever = \"leader exists\"\nuntil = \"fired\"\n"
      "[[expect]]\nwithin = \"500ms\"\nthat = \"n2.term == 1 and role(n2) == leader\"\n"
      "after = \"fired\"\n"
      "[[expect]]\nalways = \"role(n0) == follower and n0.term <= 1\"\n"
      "[[expect]]\nwithin = \"1ms\"\nthat = \"role(n1) == pre-candidate\"\nafter = \"again\"\n"
      "[final]\nprogress = false\n");

  const RunResult result = run_scenario(scenario, {.seed = 1, .observers = {}});

  CHECK_MESSAGE(result.passed, result.detail);
}

TEST_CASE("a constant delay step delays by just that") {
  const std::string body =
      "[[step]]\non_message = { count = 1000 }\ndo = \"delay\"\ndelay = \"40ms\"\n";
  for (const Duration delay : delays_of(body, 1)) CHECK(delay == Duration::milliseconds(40));
}

TEST_CASE("what a [[link]] or [disk.n1] does not override is as drawn for all") {
  const Scenario ranges = scenario_of(
      "[network]\ndrop = [0.0, 0.5]\nduplicate = [0.0, 0.5]\n"
      "delay = { distribution = \"exponential\", min = \"1ms\", mean = [\"2ms\", \"9ms\"] }\n"
      "[[link]]\nfrom = \"n0\"\nto = \"n1\"\nduplicate = [0.0, 0.25]\n"
      "[disk]\nsync = { distribution = \"constant\", min = [\"1ms\", \"9ms\"] }\n"
      "[disk.n1]\non_crash = \"tear\"\n"
      "[disk.n2]\nsync = { distribution = \"constant\", min = [\"1ms\", \"5ms\"] }\n");
  bool own_differ = false;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);

    const Scenario one = drawn(ranges, seed);

    const LinkSpec& link = one.links[0].link;
    CHECK(link.drop == one.network.drop);
    CHECK(link.delay == one.network.delay);
    CHECK(link.duplicate.value() <= Parts{250'000});
    CHECK(one.disks.at(1).sync == one.disk.sync);
    CHECK(one.disks.at(2).sync.min.value() <= Duration::milliseconds(5));
    own_differ = own_differ || (!(link.duplicate == one.network.duplicate) &&
                                !(one.disks.at(2).sync == one.disk.sync));
    CHECK(drawn(one, seed) == one);
  }
  CHECK(own_differ);
}

constexpr const char* kSteps =
    "[[step]]\nname = \"first\"\nat = \"1s\"\ndo = \"note\"\n"
    "[[step]]\nname = \"second\"\nat = \"2s\"\ndo = \"note\"\n"
    "[[step]]\nname = \"at once\"\nwhen = \"running == 5\"\ndo = \"note\"\n"
    "[[step]]\nname = \"no time\"\nwhen = \"leaders >= 6\"\ndo = \"note\"\noptional = true\n"
    "[[expect]]\n";

struct WindowCase {
  const char* expect;
  const char* detail;  // empty: the run passes
};

TEST_CASE("an always or never whose time never comes fails at the end") {
  const WindowCase cases[] = {
      {"always = \"running == 5\"\nafter = \"first\"\nuntil = \"second\"\n", ""},
      {"always = \"running == 5\"\nafter = \"second\"\n", ""},
      {"always = \"running == 5\"\nuntil = \"no time\"\n", ""},
      {"always = \"running == 5\"\nafter = \"no time\"\n",
       "always: running == 5, after no time: never asked, for its time never came"},
      {"never = \"running == 4\"\nafter = \"no time\"\n",
       "never: running == 4, after no time: never asked, for its time never came"},
      {"always = \"running == 5\"\nafter = \"second\"\nuntil = \"first\"\n",
       "always: running == 5, after second, until first: never asked, for its time never came"},
      {"always = \"running == 5\"\nafter = \"second\"\nuntil = \"at once\"\n",
       "always: running == 5, after second, until at once: never asked, for its time never came"},
  };
  for (const WindowCase& one : cases) {
    CAPTURE(one.expect);

    const RunResult result =
        run_scenario(scenario_of(std::string(kSteps) + one.expect), {.seed = 1, .observers = {}});

    CHECK(result.detail == one.detail);
    CHECK(result.violation == (*one.detail == '\0' ? "" : "expectation"));
  }
}

}  // namespace
}  // namespace vesper::sim
