// A small cluster with a few clients, as several tests of the simulator begin with: as a world's
// configuration, and as a scenario's text.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "sim/scenario/parser.h"
#include "sim/scenario/runner.h"

namespace vesper::sim {

inline WorldConfig three_nodes() {
  WorldConfig config;
  config.seed = 5;
  config.nodes = 3;
  config.preformed = true;
  config.clients.push_back({});
  return config;
}

inline constexpr const char* kThreeNodes = R"(
duration = "12s"
[cluster]
nodes = 3
preformed = true
[[clients]]
count = 3
rate = "60/s"
)";

inline std::string step_at(const char* at, const std::string& what) {
  return "[[step]]\nat = \"" + std::string(at) + "\"\n" + what + "\n";
}

inline RunResult run_text(const std::string& text) {
  const auto scenario = parse_scenario("version = 1\nname = \"b\"\nseed = 5\n" + text, "b");
  REQUIRE_MESSAGE(scenario.ok(), (scenario.ok() ? std::string() : scenario.error().message));
  return run_scenario(scenario.value(), {.seed = 5, .observers = {}});
}

}  // namespace vesper::sim
