// What a scenario's words do in a run: delays of single messages.
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

TEST_CASE("a constant delay step delays by just that") {
  const std::string body =
      "[[step]]\non_message = { count = 1000 }\ndo = \"delay\"\ndelay = \"40ms\"\n";
  for (const Duration delay : delays_of(body, 1)) CHECK(delay == Duration::milliseconds(40));
}

}  // namespace
}  // namespace vesper::sim
