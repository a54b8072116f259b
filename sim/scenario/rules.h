// What a scenario must keep beyond the form of each key: no put that a checker would take for
// another one, presets that Raft can have left, groups that name a node once. The parser asks for
// each table as it reads it, in the file's order of presets and steps.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "sim/scenario/scenario.h"

namespace vesper::sim {

// Which key of the table is to blame, and what was expected.
struct RuleProblem {
  std::string_view key;
  std::string what;
};

class Rules {
 public:
  // A second [[preset]] of a node; terms that go down or beyond the node's own; and logs that share
  // an entry (its index and term) and differ before it: no run of Raft leaves those.
  std::optional<RuleProblem> check(const PresetSpec& preset);
  std::optional<RuleProblem> check(const Step& step);
  std::optional<RuleProblem> check(const LinkOverride& link);

 private:
  static std::optional<RuleProblem> check_place(const Step& step);
  std::optional<RuleProblem> check_put(const Step& step);

  std::set<std::uint32_t> preset_nodes_;
  // Index and term of a preset entry, to the term of the entry before it.
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> preset_entries_;
  // Key and value: a checker tells puts apart by them.
  std::set<std::pair<std::string, std::string>> puts_;
  std::set<std::pair<std::uint32_t, std::uint32_t>> links_;
};

}  // namespace vesper::sim
