// vesper-sim explore: what can happen to a small cluster, all of it.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>

#include "sim/explore/explorer.h"

namespace vesper::app {

struct ExploreCommand {
  sim::explore::Bounds bounds;
  sim::explore::Strategy strategy = sim::explore::Strategy::kBreadthFirst;
  double seconds_max = 600;
  std::uint64_t megabytes_max = 4096;
  std::string file;  // for the scenario of a violation; empty: none is written
};
// Declares the command and its options, which fill in `command`.
CLI::App* add_explore_command(CLI::App& app, ExploreCommand& command);
int explore_command(const ExploreCommand& command);

}  // namespace vesper::app
