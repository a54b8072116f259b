// What the scenario language refuses because a run could not bear it, or would do nothing with it:
// values beyond their bounds, logs that Raft cannot have left, puts that cannot be told apart.
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
      {"[cluster]\nnodes = 33\nspares = 32\n",
       "f:5:10: [cluster]: spares: expected at most 64 nodes and spares"},
      {"[cluster]\nappend_entries_max = 1025\n",
       "f:4:22: [cluster]: append_entries_max: expected a whole number from 1 to 1024"},
      {"[cluster]\nappend_bytes_max = 1048577\n",
       "f:4:20: [cluster]: append_bytes_max: expected a whole number from 1 to 1048576"},
      {"[cluster]\ninflight_appends_max = 0\n",
       "f:4:24: [cluster]: inflight_appends_max: expected a whole number from 1 to 1024"},
      {"[cluster]\nsessions_max = 0\n",
       "f:4:16: [cluster]: sessions_max: expected a whole number from 1 to 4096"},
      {"[cluster]\nsession_numbers_max = 65\n",
       "f:4:23: [cluster]: session_numbers_max: expected a whole number from 1 to 64"},
      {"[[clients]]\ntwice = 0.5\n",
       "f:4:9: [[clients]]: twice: needs sessions = true: a put without one is never tried again"},
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
      {step("clock", "node = 'n0'\njump = '-1s'"),
       "f:6:8: [[step]]: jump: expected a duration from 0s to 86400s"},
      {step("clock", "node = 'n0'\ndrift_ppm = 600000"),
       "f:6:13: [[step]]: drift_ppm: expected parts in a million from -500000 to 500000"},
      {"[disk]\nspikes = 2\n", "f:4:10: [disk]: spikes: expected a probability from 0.0 to 1.0"},
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

std::string preset(const std::string& node, int term, const std::string& terms) {
  return fmt::format("[[preset]]\nnode = \"{}\"\nterm = {}\nentries_terms = {}\n", node, term,
                     terms);
}

TEST_CASE("presets that no run of Raft leaves are refused") {
  std::string many = "[";
  for (int i = 0; i <= 100; ++i) many += "1,";
  check_all({
      {preset("n0", 3, "[1, 2]") + preset("n1", 3, "[2, 2]"),
       "f:10:17: [[preset]]: entries_terms: entry 2 of term 2 follows one of term 2 here and one "
       "of term 1 in a [[preset]] before: expected logs that are equal up to each entry they "
       "share"},
      {preset("n0", 3, "[2, 1]"),
       "f:6:17: [[preset]]: entries_terms: expected rising terms from 1 to the node's own term"},
      {preset("n0", 2, "[1, 3]"),
       "f:6:17: [[preset]]: entries_terms: expected rising terms from 1 to the node's own term"},
      {preset("n0", 2, "[0, 1]"),
       "f:6:17: [[preset]]: entries_terms: expected rising terms from 1 to the node's own term"},
      {preset("n0", 2, "3"), "f:6:17: [[preset]]: entries_terms: expected a list of at most 100"},
      {preset("n0", 2, many + "]"),
       "f:6:17: [[preset]]: entries_terms: expected a list of at most 100 terms"},
      {preset("n0", 2, "[1]") + preset("n0", 2, "[1]"),
       "f:8:8: [[preset]]: node: n0 has a [[preset]] already"},
      {"[[preset]]\nnode = \"n0\"\nvote = \"n1\"\n",
       "f:5:8: [[preset]]: vote: nobody votes in term 0"},
  });
  CHECK(parse_scenario(kHead + preset("n0", 7, "[1, 1, 4, 4]") + preset("n1", 7, "[1, 1, 4]") +
                           preset("n2", 7, "[1, 1, 2, 2, 3]"),
                       "f")
            .ok());
}

std::string put(const std::string& node, const std::string& key, const std::string& value) {
  return step("put", fmt::format("node = {}\nkey = \"{}\"\nvalue = '{}'", node, key, value));
}

TEST_CASE("puts that a checker could not tell apart are refused") {
  const std::string one = "expected one node: the same put at several could not be told apart";
  check_all({
      {put("'n0'", "k", "1") + put("'n1'", "k", "1"),
       "f:13:9: [[step]]: value: expected another value: the key \"k\" is given this one before"},
      {put("['n0', 'n1']", "k", "1"), "f:5:8: [[step]]: node: " + one},
      {put("'all'", "k", "1"), "f:5:8: [[step]]: node: " + one},
      {put("'n0'", "progress", "1"),
       "f:6:7: [[step]]: key: expected another key: \"progress\" is written at each run's end"},
      {put("'n0'", "k3", "\"c0.1\""),
       "f:7:9: [[step]]: value: expected a value that no [[clients]] write to this key"},
      {preset("n0", 1, "[1]") + put("'n0'", "preset1", "\"t1\""),
       "f:11:9: [[step]]: value: expected another value: the key \"preset1\" is given this one"},
      {put("'n0'", "", "1"), "f:6:7: [[step]]: key: expected 1 to 4096 bytes"},
      {put("'n0'", std::string(4097, 'x'), "1"), "f:6:7: [[step]]: key: expected 1 to 4096 bytes"},
      {step("get", "node = 'n0'\nkey = ''"), "f:6:7: [[step]]: key: expected 1 to 4096 bytes"},
  });
  CHECK(parse_scenario(
            kHead + put("'n0'", "k", "1") + put("'n0'", "k", "2") + put("'n0'", "j", "1"), "f")
            .ok());
}

TEST_CASE("what would do nothing is refused") {
  const std::string rest = "\"rest\" is for groups, from and to only";
  check_all({
      {step("crash", "node = 'rest'"), "f:5:8: [[step]]: node: " + rest},
      {step("pause", "node = ['n0', 'rest']"), "f:5:8: [[step]]: node: " + rest},
      {step("note", "node = 'rest'"), "f:5:8: [[step]]: node: " + rest},
      {step("note", "as = 'x'"), "f:5:6: [[step]]: as: needs the key \"node\""},
      {step("crash", "node = 'follower[5]'"),
       "f:5:8: [[step]]: node: expected a follower below follower[5]"},
      {"[[step]]\non_message = { to = \"rest\" }\ndo = \"drop\"\n",
       "f:4:21: [[step]].on_message: to: expected one node"},
      {"[[step]]\non_message = { from = \"followers\" }\ndo = \"drop\"\n",
       "f:4:23: [[step]].on_message: from: expected one node"},
      {step("link", "from = 'n0'\nto = 'n1'"),
       "f:3:1: [[step]]: link needs one of the keys delay, drop, duplicate"},
      {step("disk", "node = 'n0'"), "f:3:1: [[step]]: disk needs the key \"sync\""},
      {step("disk", "node = 'n0'\nsync = '1ms'\nspike = '1s'"),
       "f:7:9: [[step]]: spike: needs the key \"spikes\": how many operations take longer"},
      {step("disk-error", "node = 'n0'"),
       "f:3:1: [[step]]: disk-error needs the key \"operation\""},
      {step("disk-error", "node = 'n0'\noperation = 'seek'"),
       "f:6:13: [[step]]: operation: expected one of read, write, create, rename, sync"},
      {step("disk-stall", "node = 'n0'\nlane = 'fast'"),
       "f:6:8: [[step]]: lane: expected one of log, background"},
      {step("damage", "node = 'n0'\npart = 'head'"),
       "f:6:8: [[step]]: part: expected one of record, first-record, last-record, segment, "
       "snapshot, sector, name, old-name, misdirected-write, lost-write"},
      {step("clock", "node = 'n0'"),
       "f:4:6: [[step]]: do: a clock needs one of the keys jump, drift_ppm, stands_still"},
      {step("clock", "node = 'n0'\njump = '0s'"),
       "f:4:6: [[step]]: do: a clock needs one of the keys jump, drift_ppm, stands_still"},
      {step("link", "from = 'n0'\nto = 'n0'\ndrop = 1.0"),
       "f:6:6: [[step]]: to: expected another end than from"},
      {step("link", "from = 'rest'\nto = 'rest'\ndrop = 1.0"),
       "f:6:6: [[step]]: to: expected another end than from"},
      {step("partition", "groups = [['n0', 'n1'], ['n1', 'n2']]"),
       "f:5:10: [[step]]: groups: \"n1\" stands there twice"},
      {step("partition", "groups = [['n0', 'rest'], ['rest']]"),
       "f:5:10: [[step]]: groups: \"rest\" stands there twice"},
      {step("partition", "groups = [['all'], ['n0']]"),
       "f:5:10: [[step]]: groups: \"all\" leaves nobody for another group"},
      {step("transfer", "to = 'leader'"),
       "f:5:6: [[step]]: to: expected one node that is not the leader"},
      {step("transfer", "to = 'followers'"),
       "f:5:6: [[step]]: to: expected one node that is not the leader"},
      {step("put", "node = 'n0'\nkey = 'k'\nvalue = '1'\nat_follower = true"),
       "f:8:15: [[step]]: at_follower: no key of the action put"},
      {step("transfer", "node = 'n0'"), "f:5:8: [[step]]: node: no key of the action transfer"},
      {step("transfer", "from = 'n0'\nto = 'n1'"),
       "f:5:8: [[step]]: from: no key of the action transfer"},
      {"[[link]]\nfrom = \"n0\"\nto = \"n0\"\ndrop = 1.0\n",
       "f:5:6: [[link]]: to: expected another node than from"},
      {"[[link]]\nfrom = \"n0\"\nto = \"n1\"\n[[link]]\nfrom = \"n0\"\nto = \"n1\"\n",
       "f:8:6: [[link]]: to: the link from n0 to n1 has a [[link]] already"},
  });
}

TEST_CASE("an empty text is an error of its first line") {
  CHECK(parse_scenario("", "f").error().message == "f:1:1: scenario: expected version = 1");
}

}  // namespace
}  // namespace vesper::sim
