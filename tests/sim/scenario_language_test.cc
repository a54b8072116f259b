// The scenario language: what it refuses and where, what it reads, and that what it writes reads
// back as the same.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "sim/scenario/parser.h"
#include "sim/scenario/serializer.h"
#include "sim/scenario/text.h"

namespace vesper::sim {
namespace {

constexpr const char* kHead = "version = 1\nname = \"a\"\n";

struct BadCase {
  const char* body;  // after kHead, so that its first line is line 3
  const char* error;
};

constexpr BadCase kBadCases[] = {
    {"sede = 4\n", "f:3:1: scenario: unknown key \"sede\""},
    {"duration = 4\n", "f:3:12: scenario: duration: expected a duration such as \"150ms\""},
    {"duration = \"4h\"\n",
     "f:3:12: scenario: duration: expected a duration such as \"150ms\" (units ns, us, ms, s, m), "
     "not \"4h\""},
    {"duration = \"0s\"\n", "f:3:12: scenario: duration: expected a duration from 1ns to 86400s"},
    {"duration = \n", "f:3:12: "},
    {"[cluster]\nnodes = 0\n", "f:4:9: [cluster]: nodes: expected a whole number from 1 to 64"},
    {"[cluster]\nnodes = \"five\"\n",
     "f:4:9: [cluster]: nodes: expected a whole number from 1 to 64"},
    {"[cluster]\nnodes = [5, 3]\n",
     "f:4:9: [cluster]: nodes: expected a range whose low is at most its high"},
    {"[cluster]\nnodes = [3, 4, 5]\n",
     "f:4:9: [cluster]: nodes: expected a value or a range [low, high]"},
    {"[cluster]\nsize = 5\n", "f:4:1: [cluster]: unknown key \"size\""},
    {"[cluster]\nelection_timeout_min = \"20ms\"\n",
     "f:4:24: [cluster]: election_timeout_min: expected more than the heartbeat interval"},
    {"[network]\ndrop = 1.5\n", "f:4:8: [network]: drop: expected a probability from 0.0 to 1.0"},
    {"[network]\ndelay = { min = \"1ms\" }\n",
     "f:4:9: [network].delay: expected the key \"distribution\""},
    {"[network]\ndelay = { distribution = \"normal\" }\n",
     "f:4:26: [network].delay: distribution: expected one of constant, uniform, exponential"},
    {"[network]\ndelay = { distribution = \"constant\", min = \"1ms\", mean = \"2ms\" }\n",
     "f:4:58: [network].delay: mean: not of a constant delay"},
    {"[[link]]\nfrom = \"n0\"\n", "f:3:1: [[link]]: expected the key \"to\""},
    {"[[link]]\nfrom = \"n0\"\nto = \"n5\"\n", "f:5:6: [[link]]: to: expected a node below n5"},
    {"[[link]]\nfrom = \"n0\"\nto = \"n1\"\nlose = []\n",
     "f:6:8: [[link]]: lose: expected a list of frames, such as [\"3\", \"5..8\", \"12..\"]"},
    {"[[link]]\nfrom = \"n0\"\nto = \"n1\"\nlose = [\"0\"]\n",
     "f:6:9: [[link]]: lose: expected frames such as \"3\", \"5..8\" or \"12..\""},
    {"[[link]]\nfrom = \"n0\"\nto = \"n1\"\nlose = [\"3..3\"]\n",
     "f:6:9: [[link]]: lose: expected frames such as"},
    {"[[link]]\nfrom = \"n0\"\nto = \"n1\"\nlose = [\"2\", 3]\n",
     "f:6:14: [[link]]: lose: expected frames such as"},
    {"[[link]]\nfrom = \"n0\"\nto = \"n1\"\nlose = [\"4..\", \"9\"]\n",
     "f:6:16: [[link]]: lose: expected frames in ascending order"},
    {"[disk]\non_crash = \"burn\"\n",
     "f:4:12: [disk]: on_crash: expected one of keep, lose-all, lose-random-unsynced, tear"},
    {"[disk.n9]\nsync = \"1ms\"\n", "f:3:1: [disk]: n9: expected a node below n5"},
    {"[disk.x3]\nsync = \"1ms\"\n", "f:3:7: [disk]: unknown key \"x3\""},
    {"[clock.n1]\ndrift_ppm = 900000\n",
     "f:4:13: [clock.n1]: drift_ppm: expected parts in a million from -500000 to 500000"},
    {"[[clients]]\nrate = \"200\"\n",
     "f:4:8: [[clients]]: rate: expected a rate such as \"200/s\", not \"200\""},
    {"[clients]\nrate = \"200/s\"\n", "f:3:1: scenario: clients: expected tables [[clients]]"},
    {"[[preset]]\nnode = \"n0\"\nterm = 2\nentries_terms = [1, 3]\n",
     "f:6:17: [[preset]]: entries_terms: expected rising terms from 1 to the node's own term"},
    {"[[step]]\ndo = \"heal\"\n",
     "f:3:1: [[step]]: expected exactly one of the keys at, after, when, on_message"},
    {"[[step]]\nat = \"1s\"\nafter = \"1s\"\ndo = \"heal\"\n",
     "f:3:1: [[step]]: expected exactly one of the keys at, after, when, on_message"},
    {"[[step]]\nat = \"1s\"\n", "f:3:1: [[step]]: expected the key \"do\""},
    {"[[step]]\nat = \"1s\"\ndo = \"heel\"\n",
     "f:5:6: [[step]]: do: expected one of partition, cut,"},
    {"[[step]]\nat = \"1s\"\ndo = \"crash\"\n", "f:3:1: [[step]]: crash needs the key \"node\""},
    {"[[step]]\nat = \"1s\"\ndo = \"heal\"\nnode = \"n1\"\n",
     "f:6:8: [[step]]: node: no key of the action heal"},
    {"[[step]]\nat = \"1s\"\ndo = \"crash\"\nnode = \"n7\"\n",
     "f:6:8: [[step]]: node: expected a node below n5"},
    {"[[step]]\nat = \"1s\"\ndo = \"crash\"\nnode = \"lead er\"\n",
     "f:6:8: [[step]]: node: expected a node: n0, leader, follower[0], followers, all, up, down, "
     "rest or a name given by `as`, not \"lead er\""},
    {"[[step]]\nat = \"1s\"\ndo = \"crash\"\nnode = \"old\"\n",
     "f:6:8: [[step]]: node: \"old\" is no node, and no step before gives that name"},
    {"[[step]]\nat = \"1s\"\ndo = \"partition\"\ngroups = [[\"leader\"]]\n",
     "f:6:10: [[step]]: groups: expected two groups or more"},
    {"[[step]]\nat = \"1s\"\ndo = \"hold\"\n", "f:3:1: [[step]]: hold needs on_message"},
    {"[[step]]\non_message = { type = \"Vote\" }\ndo = \"hold\"\n",
     "f:4:23: [[step]].on_message: type: expected one of PreVoteRequest,"},
    {"[[step]]\non_message = { nth = 0 }\ndo = \"hold\"\n",
     "f:4:22: [[step]].on_message: nth: expected a whole number from 1 to 1000000000"},
    {"[[step]]\nwhen = \"leader.comit >= 3\"\ndo = \"heal\"\n",
     "f:4:8: [[step]]: when: expected a field (term, commit, applied, last, durable, keys, role, "
     "hash, leader, vote, up, torn), not \"comit\" (column 8 of the condition)"},
    {"[[step]]\nwhen = \"n9 exists\"\ndo = \"heal\"\n",
     "f:4:8: [[step]]: when: expected a node below n5"},
    {"[[expect]]\nthat = \"leader exists\"\n",
     "f:3:1: [[expect]]: expected exactly one of the keys within, eventually, always, never"},
    {"[[expect]]\nwithin = \"10 elections\"\nthat = \"leader exists\"\n",
     "f:4:10: [[expect]]: within: expected a span such as \"3s\" or \"10 election timeouts\", not "
     "\"10 elections\""},
    {"[[expect]]\nalways = \"leader exists\"\nafter = \"x\"\n",
     "f:5:9: [[expect]]: after: no step has the name \"x\""},
    {"[[expect]]\neventually = \"leaders > leaders at cut\"\n",
     "f:4:14: [[expect]]: eventually: no step has the name \"cut\""},
    {"[final]\nvalue = { name = 3 }\n", "f:4:18: [final]: value: expected a string"},
    {"[final]\nlinearisable = true\n", "f:4:1: [final]: unknown key \"linearisable\""},
};

TEST_CASE("every error names file, line, column and what was expected") {
  for (const BadCase& bad : kBadCases) {
    CAPTURE(bad.body);

    const auto parsed = parse_scenario(std::string(kHead) + bad.body, "f");

    REQUIRE(!parsed.ok());
    CHECK(parsed.error().message.substr(0, std::string(bad.error).size()) == bad.error);
  }
}

TEST_CASE("a file says its version and its name") {
  CHECK(parse_scenario("name = \"a\"\n", "f").error().message ==
        "f:1:1: scenario: expected version = 1");
  CHECK(parse_scenario("version = 2\nname = \"a\"\n", "f").error().message ==
        "f:1:11: scenario: version: expected version = 1");
  CHECK(parse_scenario("version = 1\n", "f").error().message == "f:1:1: scenario: expected a name");
}

struct Cluster : ConditionContext {
  std::optional<NodeId> find(const Selector& selector) const override {
    if (selector.kind == Selector::Kind::kNode) return NodeId(selector.number);
    if (selector.kind == Selector::Kind::kLeader) return leader;
    if (selector.kind == Selector::Kind::kName && selector.name == "old") return NodeId(4);
    return std::nullopt;
  }
  std::optional<std::uint64_t> field(NodeId node, Field field) const override {
    const auto found = fields.find({node.value(), field});
    return found == fields.end() ? std::nullopt : std::optional(found->second);
  }
  std::uint64_t counter(Counter counter) const override {
    return counter == Counter::kLeaders ? 1 : 7;
  }
  std::optional<std::uint64_t> past(const ConditionValue& value) const override {
    const auto found = pasts.find({value.at, value.node.number});
    return found == pasts.end() ? std::nullopt : std::optional(found->second);
  }
  std::optional<NodeId> leader;
  std::map<std::pair<std::uint32_t, Field>, std::uint64_t> fields;
  std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> pasts;  // by step and node
};

struct ConditionCase {
  const char* text;
  bool holds;
};

TEST_CASE("conditions mean what they say, and what is not there compares false") {
  Cluster cluster;
  cluster.leader = NodeId(2);
  cluster.fields = {
      {{2, Field::kCommit}, 20}, {{0, Field::kCommit}, 19}, {{2, Field::kTerm}, 3},
      {{2, Field::kRole}, 3},    {{0, Field::kRole}, 0},    {{0, Field::kLeader}, 2},
      {{4, Field::kUp}, 1},      {{0, Field::kTorn}, 2},    {{0, Field::kSessions}, 3}};
  cluster.pasts = {{{"cut", 2}, 15}, {{"cut", 0}, 19}};
  const ConditionCase cases[] = {
      {"leader exists", true},
      {"not leader exists", false},
      {"leader == n2", true},
      {"leader != n2", false},
      {"leader.commit >= 20", true},
      {"leader.commit > 20", false},
      {"commit(n0) < commit(leader)", true},
      {"commit(n0) == 19 and term(n2) <= 3", true},
      {"commit(n0) == 19 and term(n2) <= 2", false},
      {"commit(n0) == 18 or term(n2) <= 3", true},
      {"commit(n0) == 18 or term(n2) <= 2", false},
      {"n0.leader == n2", true},
      {"n0.leader == leader", true},
      {"role(n2) == leader", true},
      {"role(n0) == leader", false},
      {"role(n0) == follower", true},
      {"leaders == 1", true},
      {"operations >= 8", false},
      {"operations >= 7", true},
      {"old.up == 1", true},
      {"follower[0] exists", false},
      {"term(n1) >= 0", false},
      {"not term(n1) >= 0", true},
      {"term(n1) != 5", false},
      {"n0.vote == n2", false},
      {"leaders == 2 and leaders == 2 or leaders == 1", true},
      {"leaders == 2 and (leaders == 2 or leaders == 1)", false},
      {"not (leaders == 2 or leaders == 3) and leaders == 1", true},
      {"torn(n0) == 2", true},
      {"n2.torn >= 0", false},
      {"redirects == 7 and unknown == 7 and overdue == 7", true},
      {"n0.sessions == 3 and retries == 7 and repeated == 7 and refused == 7", true},
      {"transfers == 7 and follower_reads == 7", true},
      {"n2.commit > n2.commit at cut", true},
      {"n2.commit at cut == 15 and n2 exists", true},
      {"n0.commit == commit(n0) at cut", true},
      {"n0.commit > n0.commit at cut", false},
      {"n2.commit > n2.commit at mended", false},
      {"n2.commit at mended == n2.commit at mended", false},
      {"n2 at cut exists and not n2 at mended exists", true},
  };
  for (const ConditionCase& one : cases) {
    CAPTURE(one.text);
    const auto condition = Condition::parse(one.text);
    REQUIRE(condition.ok());
    CHECK(condition.value().holds(cluster) == one.holds);
  }
}

struct BadCondition {
  const char* text;
  const char* error;
};

TEST_CASE("bad conditions name the column") {
  const BadCondition cases[] = {
      {"", "expected a number, a counter, a node or a field of a node, not the end (column 1"},
      {"leader", "expected \"exists\", \".\" or a comparison, not the end (column 7"},
      {"leader.commit", "expected a comparison (== != < <= > >=), not the end (column 14"},
      {"leader.commit = 3", "expected a comparison (== != < <= > >=), not \"=\" (column 15"},
      {"leader.commit >= ", "expected a number, a counter, a node or a field of a node"},
      {"(leader exists", "expected \")\", not the end (column 15"},
      {"leader exists leader", "expected \"and\", \"or\" or the end, not \"leader\" (column 15"},
      {"commit(rest) > 1", "expected one node (n0, leader, follower[0] or a name"},
      {"leader.commit at == 3", "expected the name of a step, not \"==\" (column 18"},
      {"3 at cut == 3", "expected a comparison (== != < <= > >=), not \"at\" (column 3"},
      {"operations > 1x", "expected a whole number, not \"1x\" (column 14"},
      {"((((((((((((((((((leader exists))))))))))))))))))", "expected fewer parentheses"},
  };
  for (const BadCondition& one : cases) {
    CAPTURE(one.text);
    const auto condition = Condition::parse(one.text);
    REQUIRE(!condition.ok());
    CHECK(condition.error().message.substr(0, std::string(one.error).size()) == one.error);
  }
}

constexpr const char* kEverything = R"(version = 1
name = "every \"key\" once"
description = """two
lines"""
seed = 42
duration = "30s"
[cluster]
nodes = [3, 5]
election_timeout_min = "150ms"
election_timeout_max = ["300ms", "1.5s"]
segment_bytes = 65536
[network]
delay = { distribution = "exponential", min = "1ms", mean = ["2ms", "5ms"] }
drop = [0.0, 0.05]
duplicate = 0.01
[[link]]
from = "n0"
to = "n1"
drop = 1
[disk]
sync = { distribution = "uniform", min = "1ms", max = "5ms" }
[disk.n2]
on_crash = "tear"
spikes = [0.01, 0.1]
spike = { distribution = "uniform", min = "50ms", max = "1s" }
[clock]
drift_ppm = [-100, 100]
[clock.n1]
offset = "-3s"
[[clients]]
count = 4
rate = ["100/s", "200.5/s"]
put = 0.25
[[preset]]
node = "n0"
term = 8
vote = "n1"
entries_terms = [1, 1, 4]
[[step]]
name = "split"
at = ["2s", "3s"]
do = "partition"
groups = [["leader", "n0"], ["rest"]]
[[step]]
when = "leader.commit >= 20"
do = "crash"
node = "leader"
as = "old"
on_crash = "lose-all"
[[step]]
on_message = { type = "AppendRequest", to = "follower[0]", nth = 3, count = 2 }
do = "delay"
delay = "40ms"
[[step]]
after = "500ms"
do = "disk"
node = ["old", "n1"]
sync = "3ms"
optional = true
[[step]]
after = "1s"
do = "put"
node = "n0"
key = "k"
value = "\"v\""
[[step]]
after = "1s"
do = "disk"
node = "n1"
sync = "1ms"
spikes = 0.5
spike = "2s"
[[step]]
after = "1s"
do = "disk-stall"
node = "n1"
lane = "background"
[[step]]
after = "1s"
do = "disk-error"
node = "n1"
operation = "rename"
lasting = true
[[step]]
after = "1s"
do = "disk-mend"
node = "all"
[[step]]
after = "1s"
do = "damage"
node = "n1"
part = "misdirected-write"
[[step]]
after = "1s"
do = "clock"
node = "n1"
jump = ["1s", "2s"]
drift_ppm = [-5, 5]
[[step]]
after = "1s"
do = "clock"
node = "n1"
stands_still = false
[[expect]]
within = "10 election timeouts"
that = "leader exists"
after = "split"
[[expect]]
always = "term(n2) <= 3"
until = "split"
[final]
that = "leaders == 1"
linearizable = false
value = { "a key" = "\"Leslie\"" }
)";

TEST_CASE("a scenario written back reads as the same") {
  const auto parsed = parse_scenario(kEverything, "f");
  REQUIRE_MESSAGE(parsed.ok(), (parsed.ok() ? std::string() : parsed.error().message));

  const auto again = parse_scenario(serialize_scenario(parsed.value()), "again");

  REQUIRE_MESSAGE(again.ok(), (again.ok() ? std::string() : again.error().message));
  CHECK(again.value() == parsed.value());
}

TEST_CASE(
    "a drawn scenario has no range left, keeps within its bounds, and reads back as the same") {
  const Scenario scenario = parse_scenario(kEverything, "f").value();
  std::set<std::uint64_t> sizes;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Scenario one = drawn(scenario, seed);

    const auto again = parse_scenario(serialize_scenario(one), "again");

    REQUIRE_MESSAGE(again.ok(), (again.ok() ? std::string() : again.error().message));
    CHECK(again.value() == one);
    CHECK(drawn(one, seed) == one);
    CHECK(one.network.drop.value() <= Parts{50'000});
    CHECK(one.steps[0].time.value() >= Duration::seconds(2));
    CHECK(one.steps[0].time.value() <= Duration::seconds(3));
    sizes.insert(one.cluster.nodes.value());
  }
  CHECK(sizes.size() == 3);
}

TEST_CASE("a range more reshuffles no other") {
  Scenario scenario = parse_scenario(kEverything, "f").value();
  const Scenario before = drawn(scenario, 7);
  scenario.network.duplicate = {Parts{0}, Parts{500'000}};

  const Scenario after = drawn(scenario, 7);

  CHECK(after.network.drop == before.network.drop);
  CHECK(after.cluster == before.cluster);
  CHECK(after.clients == before.clients);
}

TEST_CASE("durations and rates read back exactly") {
  for (std::int64_t count = 1; count < 1'000'000'000'000; count = count * 3 + 7) {
    const Duration duration = Duration::nanoseconds(count);
    CHECK(parse_duration(format_duration(duration)).value() == duration);
    const Rate rate{static_cast<std::uint64_t>(count)};
    CHECK(parse_rate(format_rate(rate)).value() == rate);
  }
  CHECK(parse_duration("2m").value() == Duration::seconds(120));
  CHECK(parse_duration("1.5s").value() == Duration::milliseconds(1500));
  CHECK(!parse_duration("0.5ns").ok());
  CHECK(!parse_duration("1e3s").ok());
  CHECK(!parse_duration("").ok());
  CHECK(!parse_duration("99999999999999s").ok());
}

}  // namespace
}  // namespace vesper::sim
