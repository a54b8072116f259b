// What the scenario language refuses because a run could not bear it, or would do nothing with it:
// values beyond their bounds.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <string>

#include "sim/scenario/bounds.h"
#include "sim/scenario/parser.h"

namespace vesper::sim {
namespace {

constexpr const char* kHead = "version = 1\nname = \"a\"\n";

struct Refusal {
  std::string body;  // after kHead, so that its first line is line 3
  std::string error;
};

void check_all(const std::vector<Refusal>& refusals) {
  for (const Refusal& one : refusals) {
    CAPTURE(one.body.substr(0, 300));

    const auto parsed = parse_scenario(kHead + one.body, "f");

    REQUIRE(!parsed.ok());
    CHECK(parsed.error().message.substr(0, one.error.size()) == one.error);
  }
}

// A step whose own keys begin at line 5.
std::string step(const std::string& action, const std::string& keys) {
  return fmt::format("[[step]]\ndo = \"{}\"\n{}\nat = \"1s\"\n", action, keys);
}

TEST_CASE("a number beyond its bounds is refused, and the bounds are told") {
  check_all({
      {"[cluster]\nnodes = 65\n", "f:4:9: [cluster]: nodes: expected a whole number from 1 to 64"},
      {"[cluster]\nappend_entries_max = 1025\n",
       "f:4:22: [cluster]: append_entries_max: expected a whole number from 1 to 1024"},
      {"[cluster]\nappend_bytes_max = 1048577\n",
       "f:4:20: [cluster]: append_bytes_max: expected a whole number from 1 to 1048576"},
      {"[cluster]\ninflight_appends_max = 0\n",
       "f:4:24: [cluster]: inflight_appends_max: expected a whole number from 1 to 1024"},
      {"[cluster]\nuncommitted_bytes_max = 9223372036854775807\n",
       "f:4:25: [cluster]: uncommitted_bytes_max: expected a whole number from 1 to 33554432"},
      {"[cluster]\nsegment_bytes = 68719476736\n",
       "f:4:17: [cluster]: segment_bytes: expected a whole number from 16384 to 4194304"},
      {"[cluster]\nsegment_bytes = 20000\n",
       "f:4:17: [cluster]: segment_bytes: expected a multiple of 4096"},
      {"[cluster]\nsegment_bytes = [65536, 131072]\n",
       "f:4:17: [cluster]: segment_bytes: expected one number: this key takes no range"},
      {"[[clients]]\nkeys = 0\n",
       "f:4:8: [[clients]]: keys: expected a whole number from 1 to 1000000"},
      {"[[clients]]\nkeys = [0, 4]\n",
       "f:4:9: [[clients]]: keys: expected a whole number from 1 to 1000000"},
      {"[[clients]]\ncount = 100000000000\n",
       "f:4:9: [[clients]]: count: expected a whole number from 1 to 10000"},
      {"[[clients]]\ncount = 6000\n[[clients]]\ncount = 6000\n",
       "f:6:9: [[clients]]: count: expected at most 10000 in all [[clients]]"},
      {"[[clients]]\nvalue_bytes = 1048577\n",
       "f:4:15: [[clients]]: value_bytes: expected a whole number from 0 to 1048576"},
      {"[[clients]]\nrate = \"4503599627370/s\"\n",
       "f:4:8: [[clients]]: rate: expected a rate of at most 100000/s"},
      {"[[clients]]\nrate = \"60000/s\"\n[[clients]]\nrate = \"60000/s\"\n",
       "f:6:8: [[clients]]: rate: expected at most 100000/s in all [[clients]]"},
      {step("clients", "rate = \"100001/s\""),
       "f:5:8: [[step]]: rate: expected a rate of at most 100000/s"},
      {"[[preset]]\nnode = \"n0\"\nterm = 9223372036854775807\n",
       "f:5:8: [[preset]]: term: expected a whole number from 0 to 1000000000000"},
      {"[[preset]]\nnode = \"n0\"\nterm = 4611686018427387904\n",
       "f:5:8: [[preset]]: term: expected a whole number from 0 to 1000000000000"},
      {"[[step]]\non_message = { count = 9223372036854775807 }\ndo = \"drop\"\n",
       "f:4:24: [[step]].on_message: count: expected a whole number from 1 to 1000000000"},
  });
}

TEST_CASE("a duration beyond its bounds is refused, and the bounds are told") {
  check_all({
      {"duration = \"1441m\"\n",
       "f:3:12: scenario: duration: expected a duration from 1ns to 86400s"},
      {"[cluster]\nelection_timeout_max = \"4503599m\"\n",
       "f:4:24: [cluster]: election_timeout_max: expected a duration from 1ms to 600s"},
      {"[cluster]\nheartbeat_interval = \"1us\"\n",
       "f:4:22: [cluster]: heartbeat_interval: expected a duration from 1ms to 600s"},
      {"[clock.n1]\noffset = \"-20000m\"\n",
       "f:4:10: [clock.n1]: offset: expected a duration from -86400s to 86400s"},
      {"[clock]\noffset = [\"0s\", \"20000m\"]\n",
       "f:4:17: [clock]: offset: expected a duration from -86400s to 86400s"},
      {"[network]\ndelay = { distribution = \"uniform\", min = \"0s\", max = \"1441m\" }\n",
       "f:4:55: [network].delay: max: expected a duration from 0s to 86400s"},
      {"[disk]\nsync = \"-1ms\"\n", "f:4:8: [disk]: sync: expected a duration from 0s to 86400s"},
      {"[[clients]]\ntimeout = \"1441m\"\n",
       "f:4:11: [[clients]]: timeout: expected a duration from 1ms to 86400s"},
      {"[[step]]\nafter = \"1441m\"\ndo = \"heal\"\n",
       "f:4:9: [[step]]: after: expected a duration from 0s to 86400s"},
      {"[[expect]]\nwithin = \"4503599627370496 election timeouts\"\nthat = \"leader exists\"\n",
       "f:4:10: [[expect]]: within: expected at most 86400s or 10000 election timeouts"},
      {"[[expect]]\nwithin = \"1441m\"\nthat = \"leader exists\"\n",
       "f:4:10: [[expect]]: within: expected at most 86400s or 10000 election timeouts"},
  });
}

TEST_CASE("a text that would exhaust the TOML library is refused before it is read") {
  const auto dotted = [](std::size_t parts) {
    std::string key = "a";
    for (std::size_t i = 1; i < parts; ++i) key += ".a";
    return key;
  };
  check_all({
      {dotted(200'000) + " = 1\n", "f:3:32: expected a key of at most 16 parts"},
      {"[" + dotted(200'000) + "]\n", "f:3:33: expected a key of at most 16 parts"},
      {"x = { " + dotted(17) + " = 1 }\n", "f:3:38: expected a key of at most 16 parts"},
      {"description = \"\"\"\n\"\"\"\n\"a\" . " + dotted(17) + " = 1\n",
       "f:5:36: expected a key of at most 16 parts"},
      {"description = \"" + std::string(bounds::kTextBytes, 'x') + "\"\n",
       "f:1:1: a text of 1048616 bytes: expected at most 1048576"},
  });
}

TEST_CASE("dots in strings and comments, and numbers in a list, are no parts of a key") {
  const std::string dots(100, '.');
  const auto parsed = parse_scenario(
      fmt::format("{}# {}\ndescription = \"\"\"{}\n\\\"{}\"\"\"\n[network]\ndrop = [0.0, 0.05]\n"
                  "[final.value]\n'{}' = \"{}\"\n",
                  kHead, dots, dots, dots, dots, dots),
      "f");
  CHECK_MESSAGE(parsed.ok(), (parsed.ok() ? std::string() : parsed.error().message));
}

TEST_CASE("an empty text is an error of its first line") {
  CHECK(parse_scenario("", "f").error().message == "f:1:1: scenario: expected version = 1");
}

}  // namespace
}  // namespace vesper::sim
