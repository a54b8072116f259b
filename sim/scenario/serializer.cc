#include "sim/scenario/serializer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "sim/scenario/fields.h"
#include "sim/scenario/step_keys.h"
#include "sim/scenario/text.h"

namespace vesper::sim {

namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(std::uint64_t value) {
  return std::to_string(value);
}
std::string text_of(Duration value) {
  return quoted(format_duration(value));
}
std::string text_of(Parts value) {
  return format_parts(value);
}
std::string text_of(Rate value) {
  return quoted(format_rate(value));
}
std::string text_of(Drift value) {
  return std::to_string(value.ppm);
}
std::string text_of(Distribution value) {
  return quoted(distribution_name(value));
}
std::string text_of(CrashLoss value) {
  return quoted(crash_loss_name(value));
}
std::string text_of(DiskOperation value) {
  return quoted(operation_name(value));
}
std::string text_of(storage::DiskLane value) {
  return quoted(lane_name(value));
}
std::string text_of(DamagePart value) {
  return quoted(damage_part_name(value));
}
std::string text_of(const std::string& value) {
  return quoted(value);
}
std::string text_of(const Selector& value) {
  return quoted(format_selector(value));
}

std::string text_of(const FrameSpan& span) {
  return quoted(format_frame_span(span));
}

template <class T>
std::string text_of(const Range<T>& range) {
  if (range.is_drawn()) return text_of(range.low);
  return fmt::format("[{}, {}]", text_of(range.low), text_of(range.high));
}

template <class T>
std::string list_of(const std::vector<T>& items) {
  std::string text = "[";
  for (const T& item : items) text += (text.size() > 1 ? ", " : "") + text_of(item);
  return text + "]";
}

std::string text_of(const std::vector<FrameSpan>& spans) {
  return list_of(spans);
}
std::string text_of(const std::vector<Selector>& nodes) {
  return nodes.size() == 1 ? text_of(nodes[0]) : list_of(nodes);
}
std::string text_of(const std::vector<std::vector<Selector>>& groups) {
  std::string text = "[";
  for (const auto& group : groups) text += (text.size() > 1 ? ", " : "") + list_of(group);
  return text + "]";
}

std::string text_of(const DelaySpec& delay) {
  std::string text = fmt::format("{{ distribution = {}, min = {}", text_of(delay.distribution),
                                 text_of(delay.min));
  if (delay.distribution == Distribution::kExponential) text += ", mean = " + text_of(delay.mean);
  if (delay.distribution == Distribution::kUniform) text += ", max = " + text_of(delay.max);
  return text + " }";
}

std::string text_of(const BurstSpec& burst) {
  return fmt::format("{{ drop = {}, mean_good = {}, mean_bad = {} }}", text_of(burst.drop),
                     text_of(burst.mean_good), text_of(burst.mean_bad));
}

template <class T>
std::string text_of(const std::optional<T>& value) {
  return value ? text_of(*value) : std::string();
}

// Every key of one table with its text, in order.
class FieldTexts {
 public:
  template <class T>
  void field(std::string_view key, T& member) {
    texts.emplace_back(key, text_of(member));
  }
  std::vector<std::pair<std::string_view, std::string>> texts;
};

template <class Spec>
std::vector<std::pair<std::string_view, std::string>> texts_of(Spec spec) {
  FieldTexts visitor;
  visit_fields(visitor, spec);
  return std::move(visitor.texts);
}

class Writer {
 public:
  std::string take() { return std::move(out_); }

  void line(std::string_view key, const std::string& text) {
    out_ += fmt::format("{} = {}\n", key, text);
  }
  void table(std::string_view name) { out_ += fmt::format("\n{}\n", name); }

  // Only the keys whose texts differ from those of `base`.
  template <class Spec>
  void differences(const Spec& spec, const Spec& base) {
    const auto texts = texts_of(spec);
    const auto defaults = texts_of(base);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (texts[i] != defaults[i]) line(texts[i].first, texts[i].second);
    }
  }
  template <class Spec>
  void changed_table(std::string_view name, const Spec& spec, const Spec& base) {
    if (spec == base) return;
    table(name);
    differences(spec, base);
  }

  void step(const Step& step);
  void expectation(const Expectation& expect);
  void at_end(const FinalSpec& at_end);
  void preset(const PresetSpec& preset);

 private:
  std::string out_;
};

std::string text_of_match(const MessageMatch& match) {
  std::string text;
  const auto add = [&](std::string_view key, const std::string& value) {
    text += fmt::format("{} {} = {}", text.empty() ? "" : ",", key, value);
  };
  if (!match.type.empty()) add("type", quoted(match.type));
  if (match.from) add("from", text_of(*match.from));
  if (match.to) add("to", text_of(*match.to));
  if (match.nth != 1) add("nth", text_of(match.nth));
  if (match.count != 1) add("count", text_of(match.count));
  return "{" + text + " }";
}

std::string text_of_match(const DiskMatch& match) {
  std::string text;
  const auto add = [&](std::string_view key, const std::string& value) {
    text += fmt::format("{} {} = {}", text.empty() ? "" : ",", key, value);
  };
  if (match.node) add("node", text_of(*match.node));
  if (!match.op.empty()) add("op", quoted(match.op));
  if (!match.lane.empty()) add("lane", quoted(match.lane));
  if (match.nth != 1) add("nth", text_of(match.nth));
  if (match.after) add("after", "true");
  return "{" + text + " }";
}

void Writer::step(const Step& step) {
  table("[[step]]");
  if (!step.name.empty()) line("name", quoted(step.name));
  switch (step.trigger) {
    case Trigger::kAt:
      line("at", text_of(step.time));
      break;
    case Trigger::kAfter:
      line("after", text_of(step.time));
      break;
    case Trigger::kWhen:
      line("when", quoted(step.when.text()));
      break;
    case Trigger::kOnMessage:
      line("on_message", text_of_match(step.message));
      break;
    case Trigger::kOnDisk:
      line("on_disk", text_of_match(step.disk));
      break;
  }
  line("do", quoted(action_name(step.action)));
  const StepKeys& keys = keys_of(step.action);
  const auto texts = texts_of(step);
  const auto defaults = texts_of(Step());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const bool required = std::find(keys.required.begin(), keys.required.end(), texts[i].first) !=
                          keys.required.end();
    if (!keys.takes(texts[i].first) || (!required && texts[i] == defaults[i])) continue;
    line(texts[i].first, texts[i].second);
  }
  if (step.optional) line("optional", "true");
}

void Writer::expectation(const Expectation& expect) {
  table("[[expect]]");
  if (expect.kind == Expectation::Kind::kWithin) {
    line("within", quoted(format_span(expect.within)));
    line("that", quoted(expect.that.text()));
  } else {
    line(expectation_name(expect.kind), quoted(expect.that.text()));
  }
  if (!expect.after.empty()) line("after", quoted(expect.after));
  if (!expect.until.empty()) line("until", quoted(expect.until));
}

void Writer::at_end(const FinalSpec& at_end) {
  if (at_end == FinalSpec()) return;
  table("[final]");
  if (at_end.that) line("that", quoted(at_end.that->text()));
  if (!at_end.linearizable) line("linearizable", "false");
  if (!at_end.progress) line("progress", "false");
  if (at_end.values.empty()) return;
  table("[final.value]");
  for (const auto& [key, value] : at_end.values) line(quoted(key), quoted(value));
}

void Writer::preset(const PresetSpec& preset) {
  table("[[preset]]");
  line("node", fmt::format("\"n{}\"", preset.node));
  if (preset.term != 0) line("term", text_of(preset.term));
  if (preset.vote) line("vote", fmt::format("\"n{}\"", *preset.vote));
  if (!preset.entries_terms.empty()) line("entries_terms", list_of(preset.entries_terms));
}

// A table of all nodes' values and a sub-table for each node of its own.
template <class Spec>
void per_node(Writer& writer, std::string_view key, const Spec& all,
              const std::map<std::uint32_t, Spec>& own) {
  writer.changed_table(fmt::format("[{}]", key), all, Spec());
  for (const auto& [node, spec] : own) {
    writer.table(fmt::format("[{}.n{}]", key, node));
    writer.differences(spec, all);
  }
}

}  // namespace

std::string serialize_scenario(const Scenario& scenario) {
  Writer writer;
  writer.line("version", "1");
  writer.line("name", quoted(scenario.name));
  if (!scenario.description.empty()) writer.line("description", quoted(scenario.description));
  writer.line("seed", text_of(scenario.seed));
  writer.line("duration", text_of(scenario.duration));
  writer.changed_table("[cluster]", scenario.cluster, ClusterSpec());
  writer.changed_table("[network]", scenario.network, LinkSpec());
  for (const LinkOverride& link : scenario.links) {
    writer.table("[[link]]");
    writer.line("from", fmt::format("\"n{}\"", link.from));
    writer.line("to", fmt::format("\"n{}\"", link.to));
    writer.differences(link.link, scenario.network);
    if (!link.lose.empty()) writer.line("lose", text_of(link.lose));
  }
  per_node(writer, "disk", scenario.disk, scenario.disks);
  per_node(writer, "clock", scenario.clock, scenario.clocks);
  for (const ClientsSpec& clients : scenario.clients) {
    writer.table("[[clients]]");
    writer.differences(clients, ClientsSpec());
  }
  for (const PresetSpec& preset : scenario.presets) writer.preset(preset);
  for (const Step& step : scenario.steps) writer.step(step);
  for (const Expectation& expect : scenario.expectations) writer.expectation(expect);
  writer.at_end(scenario.at_end);
  return writer.take();
}

}  // namespace vesper::sim
