#include "sim/scenario/parser.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "sim/scenario/bounds.h"
#include "sim/scenario/fields.h"
#include "sim/scenario/reader.h"
#include "sim/scenario/rules.h"
#include "sim/scenario/step_keys.h"
#include "sim/scenario/text.h"
#include "sim/scenario/text_guard.h"

namespace vesper::sim {

namespace {

class Parser {
 public:
  explicit Parser(std::string_view file) : problems_(file) {}

  Result<Scenario> run(const toml::table& root) {
    TableReader reader(root, "scenario", problems_);
    header(reader);
    if (const toml::table* table = sub_table(reader, "cluster")) cluster(*table);
    if (const toml::table* table = sub_table(reader, "network")) {
      spec(*table, "[network]", scenario_.network);
    }
    for_each(reader, "link", [&](const toml::table& table) { link(table); });
    per_node(reader, "disk", scenario_.disk, scenario_.disks);
    per_node(reader, "clock", scenario_.clock, scenario_.clocks);
    for_each(reader, "clients", [&](const toml::table& table) { clients(table); });
    for_each(reader, "preset", [&](const toml::table& table) { preset(table); });
    for_each(reader, "step", [&](const toml::table& table) { step(table); });
    for_each(reader, "expect", [&](const toml::table& table) { expectation(table); });
    if (const toml::table* table = sub_table(reader, "final")) at_end(*table);
    reader.finish();
    if (problems_.any()) return Error{ErrorCode::kInvalid, problems_.first()};
    return std::move(scenario_);
  }

 private:
  void header(TableReader& reader) {
    std::uint64_t version = 0;
    reader.field("version", version);
    if (version != 1) reader.problem_at("version", "expected version = 1");
    reader.field("name", scenario_.name);
    if (scenario_.name.empty()) reader.problem_at("name", "expected a name");
    reader.field("description", scenario_.description);
    reader.field("seed", scenario_.seed);
    reader.field("duration", scenario_.duration);
  }

  const toml::table* sub_table(TableReader& reader, std::string_view key) {
    const toml::node* node = reader.take(key);
    if (node == nullptr) return nullptr;
    if (node->as_table() == nullptr) {
      reader.problem_at(key, fmt::format("expected a table [{}]", key));
    }
    return node->as_table();
  }

  template <class Each>
  void for_each(TableReader& reader, std::string_view key, Each each) {
    const toml::node* node = reader.take(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) {
      return reader.problem_at(key, fmt::format("expected tables [[{}]]", key));
    }
    for (const toml::node& item : *array) {
      if (item.as_table() == nullptr) {
        return reader.problem_at(key, fmt::format("expected tables [[{}]]", key));
      }
      each(*item.as_table());
    }
  }

  template <class Spec>
  void spec(const toml::table& table, std::string name, Spec& out) {
    TableReader reader(table, std::move(name), problems_);
    visit_fields(reader, out);
    reader.finish();
  }

  static void require_multiple(TableReader& reader, const char* key,
                               const Range<std::uint64_t>& value, std::uint64_t of) {
    if (!value.is_drawn()) {
      reader.problem_at(key, "expected one number: this key takes no range");
    }
    if (value.low % of != 0) {
      reader.problem_at(key, "expected a multiple of " + std::to_string(of));
    }
  }

  void cluster(const toml::table& table) {
    TableReader reader(table, "[cluster]", problems_);
    ClusterSpec& cluster = scenario_.cluster;
    visit_fields(reader, cluster);
    reader.finish();
    if (cluster.election_timeout_min.low <= cluster.heartbeat_interval.low) {
      reader.problem_at("election_timeout_min", "expected more than the heartbeat interval");
    }
    if (cluster.election_timeout_max.low <= cluster.election_timeout_min.low) {
      reader.problem_at("election_timeout_max", "expected more than election_timeout_min");
    }
    if (cluster.nodes.high + cluster.spares.high > limits::kNodes) {
      reader.problem_at("spares",
                        fmt::format("expected at most {} nodes and spares", limits::kNodes));
    }
    require_multiple(reader, "segment_bytes", cluster.segment_bytes, 4096);
    require_multiple(reader, "snapshot_chunk_bytes", cluster.snapshot_chunk_bytes, 512);
  }

  void clients(const toml::table& table) {
    TableReader reader(table, "[[clients]]", problems_);
    ClientsSpec& clients = scenario_.clients.emplace_back();
    visit_fields(reader, clients);
    reader.finish();
    if (!clients.sessions && clients.twice.high.per_million > 0) {
      reader.problem_at("twice", "needs sessions = true: a put without one is never tried again");
    }
    clients_ += clients.count.high;
    rate_ += clients.rate.high.per_kilosecond;
    if (clients_ > bounds::kClients) {
      reader.problem_at("count",
                        fmt::format("expected at most {} in all [[clients]]", bounds::kClients));
    }
    if (rate_ > bounds::kRate.per_kilosecond) {
      reader.problem_at("rate", fmt::format("expected at most {} in all [[clients]]",
                                            format_rate(bounds::kRate)));
    }
  }

  void report(TableReader& reader, const std::optional<RuleProblem>& problem) {
    if (problem) reader.problem_at(problem->key, problem->what);
  }

  void check_node(TableReader& reader, std::string_view key, std::uint32_t node) {
    const std::uint64_t nodes = scenario_.cluster.nodes.low + scenario_.cluster.spares.low;
    if (node < nodes) return;
    reader.problem_at(key, fmt::format("expected a node below n{}", nodes));
  }

  void node_id(TableReader& reader, std::string_view key, std::uint32_t& out) {
    const toml::node* node = reader.take(key);
    if (node == nullptr) return reader.problem(fmt::format("expected the key \"{}\"", key));
    reader.read_node_id(*node, key, out);
    check_node(reader, key, out);
  }

  void link(const toml::table& table) {
    TableReader reader(table, "[[link]]", problems_);
    LinkOverride& link = scenario_.links.emplace_back();
    link.link = scenario_.network;
    node_id(reader, "from", link.from);
    node_id(reader, "to", link.to);
    visit_fields(reader, link.link);
    reader.field("lose", link.lose);
    reader.finish();
    report(reader, rules_.check(link));
  }

  // [disk] says what holds for all nodes, [disk.n3] what differs for one.
  template <class Spec>
  void per_node(TableReader& root, std::string_view key, Spec& all,
                std::map<std::uint32_t, Spec>& own) {
    const toml::table* table = sub_table(root, key);
    if (table == nullptr) return;
    TableReader reader(*table, fmt::format("[{}]", key), problems_);
    visit_fields(reader, all);
    for (const auto& [name, node] : *table) {
      const auto id = parse_node(name.str());
      if (!id) continue;
      reader.take(name.str());
      check_node(reader, name.str(), *id);
      if (node.as_table() == nullptr) {
        reader.problem_at(name.str(), "expected a table");
        continue;
      }
      Spec& one = own.emplace(*id, all).first->second;
      spec(*node.as_table(), fmt::format("[{}.{}]", key, name.str()), one);
    }
    reader.finish();
  }

  void preset(const toml::table& table) {
    TableReader reader(table, "[[preset]]", problems_);
    PresetSpec& preset = scenario_.presets.emplace_back();
    node_id(reader, "node", preset.node);
    reader.field("term", preset.term);
    if (reader.has("vote")) node_id(reader, "vote", preset.vote.emplace());
    reader.field("entries_terms", preset.entries_terms);
    reader.finish();
    report(reader, rules_.check(preset));
  }

  void check_selector(TableReader& reader, std::string_view key, const Selector& selector) {
    if (selector.kind == Selector::Kind::kNode) check_node(reader, key, selector.number);
    const std::uint64_t nodes = scenario_.cluster.nodes.low + scenario_.cluster.spares.low;
    if (selector.kind == Selector::Kind::kFollower && selector.number >= nodes) {
      reader.problem_at(key, fmt::format("expected a follower below follower[{}]", nodes));
    }
    if (selector.kind == Selector::Kind::kName && names_.count(selector.name) == 0) {
      reader.problem_at(
          key, fmt::format("\"{}\" is no node, and no step before gives that name", selector.name));
    }
  }

  // Where "rest" would be the rest of nothing.
  void check_nodes(TableReader& reader, const std::vector<Selector>& nodes) {
    for (const Selector& node : nodes) {
      check_selector(reader, "node", node);
      if (node.kind != Selector::Kind::kRest) continue;
      reader.problem_at("node", "\"rest\" is for groups, from and to only");
    }
  }

  // One end of a message.
  void check_end(TableReader& reader, std::string_view key,
                 const std::optional<Selector>& selector) {
    if (!selector) return;
    check_selector(reader, key, *selector);
    if (!selector->is_one()) {
      reader.problem_at(key, "expected one node: n0, leader, follower[0] or a name given by `as`");
    }
  }

  void check_condition(TableReader& reader, std::string_view key, const Condition& condition) {
    for (const std::string& name : condition.names()) {
      check_selector(reader, key,
                     Selector{.kind = Selector::Kind::kName, .number = 0, .name = name});
    }
    if (const auto node = condition.highest_node()) check_node(reader, key, *node);
    for (const ConditionValue& value : condition.past_values()) {
      check_step_name(reader, key, value.at);
    }
  }

  void step(const toml::table& table) {
    TableReader reader(table, "[[step]]", problems_);
    Step step;
    reader.field("name", step.name);
    trigger(reader, step);
    if (!reader.has("do")) reader.problem("expected the key \"do\"");
    reader.field("do", step.action);
    visit_fields(reader, step);
    reader.field("optional", step.optional);
    reader.finish();
    step_keys(reader, step);
    if (step.from) check_selector(reader, "from", *step.from);
    if (step.to) check_selector(reader, "to", *step.to);
    check_nodes(reader, step.nodes);
    for (const auto& group : step.groups) {
      for (const Selector& node : group) check_selector(reader, "groups", node);
    }
    report(reader, rules_.check(step));
    if (!step.as.empty()) {
      if (step.nodes.empty()) reader.problem_at("as", "needs the key \"node\"");
      if (!is_free_name(step.as))
        reader.problem_at("as", "expected a name that is no word of the language");
      names_.insert(step.as);
    }
    if (!step.name.empty() && !step_names_.insert(step.name).second) {
      reader.problem_at("name", "expected a name that no other step has");
    }
    scenario_.steps.push_back(std::move(step));
  }

  void trigger(TableReader& reader, Step& step) {
    int count = 0;
    for (const auto& [key, trigger] : kTriggers) {
      if (!reader.has(key)) continue;
      step.trigger = trigger;
      ++count;
    }
    if (count != 1) {
      return reader.problem(
          "expected exactly one of the keys at, after, when, on_message, on_disk");
    }
    reader.field(step.trigger == Trigger::kAfter ? "after" : "at", step.time);
    reader.field("when", step.when);
    check_condition(reader, "when", step.when);
    if (const toml::node* node = reader.take("on_message")) {
      if (node->as_table() == nullptr) {
        return reader.problem_at("on_message", "expected { type = ..., to = ..., nth = ... }");
      }
      message(*node->as_table(), step.message);
      names_.insert({"sender", "receiver"});
    }
    if (const toml::node* node = reader.take("on_disk")) {
      if (node->as_table() == nullptr) {
        return reader.problem_at("on_disk", "expected { node = ..., op = ..., nth = ... }");
      }
      disk_operation(*node->as_table(), step.disk);
      names_.insert("writer");
    }
  }

  void disk_operation(const toml::table& table, DiskMatch& match) {
    TableReader reader(table, "[[step]].on_disk", problems_);
    reader.field("node", match.node);
    check_end(reader, "node", match.node);
    reader.field("op", match.op);
    if (!match.op.empty() && !is_disk_op(match.op)) {
      reader.problem_at("op", "expected one of " + disk_ops());
    }
    reader.field("lane", match.lane);
    if (!match.lane.empty() && !is_disk_lane(match.lane)) {
      reader.problem_at("lane", "expected one of " + disk_lanes());
    }
    reader.field("nth", match.nth);
    reader.field("after", match.after);
    reader.finish();
  }

  void message(const toml::table& table, MessageMatch& match) {
    TableReader reader(table, "[[step]].on_message", problems_);
    reader.field("type", match.type);
    if (!match.type.empty() && !is_message_type(match.type)) {
      reader.problem_at("type", "expected one of " + message_types());
    }
    reader.field("from", match.from);
    reader.field("to", match.to);
    check_end(reader, "from", match.from);
    check_end(reader, "to", match.to);
    reader.field("nth", match.nth);
    reader.field("count", match.count);
    reader.finish();
  }

  // Each action's keys: the ones that it needs and the ones that it may have; no others.
  void step_keys(TableReader& reader, const Step& step) {
    const StepKeys& keys = keys_of(step.action);
    for (const std::string_view key : keys.required) {
      if (!reader.has(key)) {
        reader.problem(fmt::format("{} needs the key \"{}\"", action_name(step.action), key));
      }
    }
    for (const std::string_view key : kStepKeys) {
      if (!reader.has(key) || keys.takes(key)) continue;
      reader.problem_at(key, fmt::format("no key of the action {}", action_name(step.action)));
    }
    const bool has_other = std::any_of(keys.others.begin(), keys.others.end(),
                                       [&](std::string_view key) { return reader.has(key); });
    if (keys.needs_other && !has_other) {
      reader.problem(fmt::format("{} needs one of the keys {}", action_name(step.action),
                                 fmt::join(keys.others, ", ")));
    }
    const bool by_message = step.trigger == Trigger::kOnMessage;
    if (keys.needs_message && !by_message) {
      reader.problem(fmt::format("{} needs on_message", action_name(step.action)));
    }
    if (!keys.needs_message && step.message.count > 1) {
      reader.problem_at("on_message", "count is for hold, drop, duplicate and delay");
    }
  }

  void expectation(const toml::table& table) {
    TableReader reader(table, "[[expect]]", problems_);
    Expectation expect;
    int count = 0;
    const auto kind = [&](std::string_view key, Expectation::Kind value) {
      if (!reader.has(key)) return;
      expect.kind = value;
      ++count;
    };
    kind("within", Expectation::Kind::kWithin);
    kind("eventually", Expectation::Kind::kEventually);
    kind("always", Expectation::Kind::kAlways);
    kind("never", Expectation::Kind::kNever);
    if (count != 1) {
      reader.problem("expected exactly one of the keys within, eventually, always, never");
    }
    std::string_view key = "that";
    if (expect.kind == Expectation::Kind::kWithin) {
      reader.field("within", expect.within);
      if (!reader.has("that")) reader.problem("within needs the key \"that\"");
    } else {
      key = expectation_name(expect.kind);
    }
    reader.field(key, expect.that);
    check_condition(reader, key, expect.that);
    step_reference(reader, "after", expect.after);
    step_reference(reader, "until", expect.until);
    reader.finish();
    scenario_.expectations.push_back(std::move(expect));
  }

  void step_reference(TableReader& reader, std::string_view key, std::string& out) {
    reader.field(key, out);
    if (!out.empty()) check_step_name(reader, key, out);
  }

  void check_step_name(TableReader& reader, std::string_view key, const std::string& name) {
    if (step_names_.count(name) != 0) return;
    reader.problem_at(key, fmt::format("no step has the name \"{}\"", name));
  }

  void at_end(const toml::table& table) {
    TableReader reader(table, "[final]", problems_);
    FinalSpec& at_end = scenario_.at_end;
    if (const toml::node* node = reader.take("value")) {
      const toml::table* values = node->as_table();
      if (values == nullptr) return reader.problem_at("value", "expected { key = \"text\" }");
      for (const auto& [key, value] : *values) {
        reader.read(value, "value", at_end.values[std::string(key.str())]);
      }
    }
    reader.field("that", at_end.that);
    if (at_end.that) check_condition(reader, "that", *at_end.that);
    reader.field("linearizable", at_end.linearizable);
    reader.field("progress", at_end.progress);
    reader.finish();
  }

  Problems problems_;
  Scenario scenario_;
  Rules rules_;
  std::uint64_t clients_ = 0;         // of all crowds
  std::uint64_t rate_ = 0;            // likewise
  std::set<std::string> names_;       // given by `as`
  std::set<std::string> step_names_;  // given by `name`
};

}  // namespace

Result<Scenario> parse_scenario(std::string_view text, std::string_view file) {
  if (const auto problem = find_text_problem(text)) {
    return Error{ErrorCode::kInvalid,
                 fmt::format("{}:{}:{}: {}", file, problem->line, problem->column, problem->what)};
  }
  // toml++ reports by exception; it ends here.
  try {
    const toml::table root = toml::parse(text, file);
    return Parser(file).run(root);
  } catch (const toml::parse_error& error) {
    const toml::source_region& where = error.source();
    return Error{ErrorCode::kInvalid, fmt::format("{}:{}:{}: {}", file, where.begin.line,
                                                  where.begin.column, error.description())};
  }
}

}  // namespace vesper::sim
