#include "sim/scenario/reader.h"

#include <fmt/format.h>

#include <cmath>

#include "sim/scenario/bounds.h"
#include "sim/scenario/fields.h"
#include "sim/scenario/text.h"

namespace vesper::sim {

void Problems::report(const toml::source_region& where, std::string_view what) {
  if (any()) return;
  first_ = fmt::format("{}:{}:{}: {}", file_, where.begin.line, where.begin.column, what);
}

const toml::node* TableReader::take(std::string_view key) {
  const toml::node* node = table_.get(key);
  if (node != nullptr) taken_.emplace(key);
  return node;
}

void TableReader::problem_at(std::string_view key, std::string_view what) {
  const toml::node* node = table_.get(key);
  if (node == nullptr) return problem(what);
  problems_.report(node->source(), fmt::format("{}: {}: {}", name_, key, what));
}

void TableReader::finish() {
  for (const auto& [key, node] : table_) {
    if (taken_.find(key.str()) != taken_.end()) continue;
    problems_.report(key.source(), fmt::format("{}: unknown key \"{}\"", name_, key.str()));
  }
}

void TableReader::wanted(const toml::node& node, std::string_view key, std::string_view what) {
  problems_.report(node.source(), fmt::format("{}: {}: expected {}", name_, key, what));
}

void TableReader::wrong(const toml::node& node, std::string_view key, const Error& error) {
  problems_.report(node.source(), fmt::format("{}: {}: {}", name_, key, error.message));
}

void TableReader::read(const toml::node& node, std::string_view key, std::string& out) {
  const auto value = node.value_exact<std::string>();
  if (!value) return wanted(node, key, "a string");
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, bool& out) {
  const auto value = node.value_exact<bool>();
  if (!value) return wanted(node, key, "true or false");
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, std::uint64_t& out) {
  const auto value = node.value_exact<std::int64_t>();
  const bool is_there = value && *value >= 0;
  const auto* bound = bounds::find(bounds::kNumbers, name_, key);
  if (bound == nullptr) {
    if (!is_there) return wanted(node, key, "a whole number, not negative");
  } else if (!is_there || static_cast<std::uint64_t>(*value) < bound->least ||
             static_cast<std::uint64_t>(*value) > bound->most) {
    return wanted(node, key,
                  fmt::format("a whole number from {} to {}", bound->least, bound->most));
  }
  out = static_cast<std::uint64_t>(*value);
}

void TableReader::read(const toml::node& node, std::string_view key, Duration& out) {
  const auto text = node.value_exact<std::string>();
  if (!text) return wanted(node, key, "a duration such as \"150ms\"");
  const Result<Duration> parsed = parse_duration(*text);
  if (!parsed.ok()) return wrong(node, key, parsed.error());
  const auto* bound = bounds::find(bounds::kDurations, name_, key);
  if (parsed.value() < bound->least || parsed.value() > bound->most) {
    return wanted(node, key,
                  fmt::format("a duration from {} to {}", format_duration(bound->least),
                              format_duration(bound->most)));
  }
  out = parsed.value();
}

void TableReader::read(const toml::node& node, std::string_view key, Span& out) {
  const auto text = node.value_exact<std::string>();
  if (!text) return wanted(node, key, "a span such as \"3s\" or \"10 election timeouts\"");
  const Result<Span> parsed = parse_span(*text);
  if (!parsed.ok()) return wrong(node, key, parsed.error());
  if (parsed.value().fixed > bounds::kDay ||
      parsed.value().election_timeouts > bounds::kElectionTimeouts) {
    return wanted(node, key,
                  fmt::format("at most {} or {} election timeouts", format_duration(bounds::kDay),
                              bounds::kElectionTimeouts));
  }
  out = parsed.value();
}

void TableReader::read(const toml::node& node, std::string_view key, Parts& out) {
  const auto value = node.value<double>();
  if (!value || !(*value >= 0.0 && *value <= 1.0)) {
    return wanted(node, key, "a probability from 0.0 to 1.0");
  }
  out.per_million = static_cast<std::uint64_t>(std::llround(*value * 1e6));
}

void TableReader::read(const toml::node& node, std::string_view key, Rate& out) {
  const auto text = node.value_exact<std::string>();
  if (!text) return wanted(node, key, "a rate such as \"200/s\"");
  const Result<Rate> parsed = parse_rate(*text);
  if (!parsed.ok()) return wrong(node, key, parsed.error());
  if (parsed.value() > bounds::kRate) {
    return wanted(node, key, fmt::format("a rate of at most {}", format_rate(bounds::kRate)));
  }
  out = parsed.value();
}

void TableReader::read(const toml::node& node, std::string_view key, Drift& out) {
  const auto value = node.value_exact<std::int64_t>();
  if (!value || *value < -500'000 || *value > 500'000) {
    return wanted(node, key, "parts in a million from -500000 to 500000");
  }
  out.ppm = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, Distribution& out) {
  const auto value = parse_distribution(node.value_or(std::string_view()));
  if (!value) return wanted(node, key, "one of " + distribution_names());
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, CrashLoss& out) {
  const auto value = parse_crash_loss(node.value_or(std::string_view()));
  if (!value) return wanted(node, key, "one of " + crash_loss_names());
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, DamagePart& out) {
  const auto value = parse_damage_part(node.value_or(std::string_view()));
  if (!value) return wanted(node, key, "one of " + damage_part_names());
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, DiskOperation& out) {
  const auto value = parse_operation(node.value_or(std::string_view()));
  if (!value) return wanted(node, key, "one of " + operation_names());
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, storage::DiskLane& out) {
  const auto value = parse_lane(node.value_or(std::string_view()));
  if (!value) return wanted(node, key, "one of " + lane_names());
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, Action& out) {
  const auto value = parse_action(node.value_or(std::string_view()));
  if (!value) return wanted(node, key, "one of " + action_names());
  out = *value;
}

void TableReader::read(const toml::node& node, std::string_view key, DelaySpec& out) {
  if (node.is_string()) {  // "5ms" is constant
    out = DelaySpec();
    Duration constant;
    read(node, key, constant);
    out.min = constant;
    return;
  }
  const toml::table* table = node.as_table();
  if (table == nullptr) {
    return wanted(node, key, "a duration or { distribution = ..., min = ..., ... }");
  }
  TableReader inner(*table, fmt::format("{}.{}", name_, key), problems_);
  out = DelaySpec();
  if (!inner.has("distribution")) inner.problem("expected the key \"distribution\"");
  visit_fields(inner, out);
  inner.finish();
  const auto only = [&](std::string_view given, Distribution distribution) {
    if (inner.has(given) && out.distribution != distribution) {
      inner.problem_at(given,
                       fmt::format("not of a {} delay", distribution_name(out.distribution)));
    }
  };
  only("mean", Distribution::kExponential);
  only("max", Distribution::kUniform);
  if (out.distribution == Distribution::kUniform && out.max.low < out.min.high) {
    inner.problem("expected max to be at least min");
  }
  if (out.distribution == Distribution::kExponential && out.mean.low < out.min.high) {
    inner.problem("expected mean to be at least min");
  }
}

void TableReader::read(const toml::node& node, std::string_view key, BurstSpec& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return wanted(node, key, "{ drop = ..., mean_good = ..., mean_bad = ... }");
  TableReader inner(*table, fmt::format("{}.{}", name_, key), problems_);
  for (const char* each : {"drop", "mean_good", "mean_bad"}) {
    if (!inner.has(each)) inner.problem(fmt::format("expected the key \"{}\"", each));
  }
  visit_fields(inner, out);
  inner.finish();
}

void TableReader::read(const toml::node& node, std::string_view key, Selector& out) {
  const auto text = node.value_exact<std::string>();
  if (!text) return wanted(node, key, "a node such as \"n0\" or \"leader\"");
  auto parsed = parse_selector(*text);
  if (!parsed.ok()) return wrong(node, key, parsed.error());
  out = std::move(parsed.value());
}

void TableReader::read(const toml::node& node, std::string_view key, std::vector<Selector>& out) {
  out.clear();
  const toml::array* array = node.as_array();
  if (array == nullptr) return read(node, key, out.emplace_back());
  if (array->empty()) return wanted(node, key, "at least one node");
  for (const toml::node& item : *array) read(item, key, out.emplace_back());
}

void TableReader::read(const toml::node& node, std::string_view key,
                       std::vector<std::vector<Selector>>& out) {
  out.clear();
  const toml::array* array = node.as_array();
  if (array == nullptr || array->size() < 2) {
    return wanted(node, key, "two groups or more, such as [[\"leader\"], [\"rest\"]]");
  }
  for (const toml::node& group : *array) {
    if (!group.is_array()) return wanted(group, key, "a group, such as [\"leader\", \"n1\"]");
    read(group, key, out.emplace_back());
  }
}

void TableReader::read(const toml::node& node, std::string_view key, Condition& out) {
  const auto text = node.value_exact<std::string>();
  if (!text) return wanted(node, key, "a condition such as \"leader.commit >= 20\"");
  auto parsed = Condition::parse(*text);
  if (!parsed.ok()) return wrong(node, key, parsed.error());
  out = std::move(parsed.value());
}

void TableReader::read(const toml::node& node, std::string_view key,
                       std::vector<std::uint64_t>& out) {
  const toml::array* array = node.as_array();
  if (array == nullptr || array->size() > bounds::kPresetEntries) {
    return wanted(node, key, fmt::format("a list of at most {} terms", bounds::kPresetEntries));
  }
  for (const toml::node& item : *array) read(item, key, out.emplace_back());
}

void TableReader::read(const toml::node& node, std::string_view key, std::vector<FrameSpan>& out) {
  const toml::array* array = node.as_array();
  if (array == nullptr || array->empty()) {
    return wanted(node, key, "a list of frames, such as [\"3\", \"5..8\", \"12..\"]");
  }
  for (const toml::node& item : *array) {
    const Result<FrameSpan> parsed = parse_frame_span(item.value_or(std::string_view()));
    if (!parsed.ok()) return wrong(item, key, parsed.error());
    if (!out.empty() && parsed.value().first <= out.back().last) {
      return wanted(item, key, "frames in ascending order");
    }
    out.push_back(parsed.value());
  }
}

void TableReader::read_node_id(const toml::node& node, std::string_view key, std::uint32_t& out) {
  const auto id = parse_node(node.value_or(std::string_view()));
  if (!id) return wanted(node, key, "a node's own name, such as \"n0\"");
  out = *id;
}

}  // namespace vesper::sim
