// The systematic exploration: what it counts, that its reductions lose nothing, that it finds what
// is broken.
#include "sim/explore/explorer.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "sim/explore/to_scenario.h"
#include "sim/scenario/parser.h"
#include "sim/scenario/runner.h"
#include "sim/scenario/serializer.h"

namespace vesper::sim::explore {
namespace {

bool always(const Coverage&) {
  return true;
}

Coverage explored(const Bounds& bounds, Strategy strategy = Strategy::kBreadthFirst) {
  Explorer explorer(bounds, strategy);
  explorer.run(always);
  REQUIRE(!explorer.violation());
  REQUIRE(explorer.coverage().exhausted);
  return explorer.coverage();
}

// What a state says to the invariants, the same for states that differ in names only: machines and
// ledger, without what is under way.
class Names {
 public:
  Names(System& system, bool with_ledger) : system_(system), with_ledger_(with_ledger) {
    std::vector<NodeId> renaming;
    for (std::uint32_t id = 0; id < system.bounds().nodes; ++id) renaming.emplace_back(id);
    do {
      renamings_.push_back(renaming);
    } while (std::next_permutation(renaming.begin(), renaming.end()));
  }

  void add(const State& state) {
    std::uint64_t least = UINT64_MAX;
    for (std::size_t renaming = 0; renaming < renamings_.size(); ++renaming) {
      std::uint64_t sum = with_ledger_ ? system_.ledgers().hash(state.ledger) : 0;
      for (std::uint32_t id = 0; id < system_.bounds().nodes; ++id) {
        sum += hashes_of(state.machines[id])[renaming];
      }
      least = std::min(least, sum);
    }
    names_.insert(least);
  }
  std::set<std::uint64_t> take() { return std::move(names_); }

 private:
  const std::vector<std::uint64_t>& hashes_of(MachineId id) {
    std::vector<std::uint64_t>& hashes = hashes_[id];
    if (!hashes.empty()) return hashes;
    for (const Renaming& renaming : renamings_) {
      std::vector<std::byte> bytes;
      encode(system_.catalog().machine(id), renaming, bytes);
      hashes.push_back(hash64(bytes));
    }
    return hashes;
  }

  System& system_;
  const bool with_ledger_;
  std::vector<Renaming> renamings_;
  std::map<MachineId, std::vector<std::uint64_t>> hashes_;
  std::set<std::uint64_t> names_;
};

enum class Of : std::uint8_t { kMachines, kMachinesAndLedger };

std::set<std::uint64_t> reached(const Bounds& bounds, Of of = Of::kMachinesAndLedger) {
  Explorer explorer(bounds, Strategy::kBreadthFirst);
  Names names(explorer.system(), of == Of::kMachinesAndLedger);
  explorer.watch([&](const State& state) { names.add(state); });
  explorer.run(always);
  REQUIRE(explorer.coverage().exhausted);
  return names.take();
}

bool is_within(const std::set<std::uint64_t>& a, const std::set<std::uint64_t>& b) {
  return std::includes(b.begin(), b.end(), a.begin(), a.end());
}

constexpr Bounds kOneTerm{.terms = 1, .entries = 1, .crashes = 1, .losses = 1};
constexpr Bounds kTwoTerms{.terms = 2, .entries = 0, .crashes = 0, .losses = 1};

TEST_CASE("a space has so many states, on every compiler") {
  struct Row {
    const char* why;
    Bounds bounds;
    std::uint64_t states;
    std::uint64_t transitions;
  };
  const Row rows[] = {
      {"nobody stands", {.terms = 0, .entries = 2, .crashes = 0}, 1, 0},
      {"a cluster of one", {.nodes = 1, .terms = 1, .entries = 1, .crashes = 0}, 7, 7},
      {"one term, links in order", kOneTerm, 4975, 15495},
      {"two terms, links in order", kTwoTerms, 16413, 63736},
      {"one term, any order",
       {.terms = 1, .entries = 1, .crashes = 1, .order = Order::kAny},
       3746,
       11506},
      {"two terms, any order",
       {.terms = 2, .entries = 0, .crashes = 0, .order = Order::kAny},
       11423,
       39887},
      {"a message comes twice",
       {.terms = 1, .entries = 1, .crashes = 0, .duplicates = 1, .order = Order::kAny},
       7492,
       23690},
      {"prompt disks",
       {.terms = 2, .entries = 1, .crashes = 1, .losses = 0, .disks = Disks::kPrompt},
       24704,
       78127},
      {"heartbeats and a leader that gives up",
       {.terms = 1, .entries = 1, .crashes = 0, .losses = 0, .heartbeats = 1, .step_downs = 1},
       9922,
       37641},
      {"pre-votes like other messages",
       {.terms = 1, .entries = 0, .crashes = 0, .losses = 0, .pre_votes = PreVotes::kMessages},
       125,
       332},
      {"pre-votes granted at once",
       {.terms = 2, .entries = 0, .crashes = 0, .losses = 0, .pre_votes = PreVotes::kAtOnce},
       5467,
       18864},
  };
  for (const Row& row : rows) {
    const std::string why = row.why;
    CAPTURE(why);
    const Coverage coverage = explored(row.bounds);
    CHECK(coverage.states == row.states);
    CHECK(coverage.transitions == row.transitions);
  }
}

TEST_CASE("depth first visits the states that breadth first visits") {
  const Coverage breadth = explored(kTwoTerms, Strategy::kBreadthFirst);
  const Coverage depth = explored(kTwoTerms, Strategy::kDepthFirst);
  CHECK(depth.states == breadth.states);
  CHECK(depth.transitions == breadth.transitions);
  CHECK(depth.depth >= breadth.depth);
}

TEST_CASE("what reductions leave out reaches nothing else") {
  for (Bounds bounds : {kOneTerm, kTwoTerms}) {
    for (const Order order : {Order::kAny, Order::kLink}) {
      bounds.order = order;
      const std::set<std::uint64_t> reduced = reached(bounds);
      Bounds without_symmetry = bounds;
      without_symmetry.symmetry = false;
      CHECK(reached(without_symmetry) == reduced);
      Bounds with_dead = bounds;
      with_dead.drops_dead = false;
      CHECK(reached(with_dead) == reduced);
      CHECK(explored(without_symmetry).states > 3 * explored(bounds).states);
    }
  }
}

// Where a write completes and its node dies before a message leaves, any order has another run to
// the same machines, in which the messages left; its ledger may hold more.
TEST_CASE("any order of arrival covers every loss and every order of the links") {
  for (Bounds bounds : {kOneTerm, kTwoTerms}) {
    bounds.order = Order::kAny;
    const std::set<std::uint64_t> any = reached(bounds, Of::kMachines);
    bounds.order = Order::kLink;
    bounds.losses = 2;
    const std::set<std::uint64_t> links = reached(bounds, Of::kMachines);
    CHECK(is_within(links, any));
    bounds.losses = 0;
    CHECK(is_within(reached(bounds, Of::kMachines), links));
  }
}

TEST_CASE("what narrower bounds reach is reached by wider ones") {
  Bounds prompt = kOneTerm;
  prompt.disks = Disks::kPrompt;
  CHECK(is_within(reached(prompt), reached(kOneTerm)));
  Bounds at_once = kTwoTerms;
  at_once.pre_votes = PreVotes::kAtOnce;
  CHECK(is_within(reached(at_once), reached(kTwoTerms)));
}

TEST_CASE("a disk that lies is found out in the fewest steps") {
  struct Row {
    const char* why;
    Lies lies;
    Bounds bounds;
    const char* invariant;
    std::size_t steps;
  };
  const Bounds split{.terms = 2, .entries = 0, .crashes = 1, .losses = 0};
  const Row rows[] = {
      {"a vote is forgotten, and given again",
       {.forgets_vote = true},
       split,
       "election-safety",
       11},
      {"a vote leaves before it is on disk",
       {.acknowledges_all = true},
       split,
       "hard-state-durable",
       1},
      {"a committed entry is lost", {.loses_synced = true}, split, "commit-durable", 10},
  };
  for (const Row& row : rows) {
    const std::string why = row.why;
    CAPTURE(why);
    Bounds bounds = row.bounds;
    bounds.lies = row.lies;
    Explorer explorer(bounds, Strategy::kBreadthFirst);
    explorer.run(always);
    REQUIRE(explorer.violation());
    CHECK(!explorer.coverage().exhausted);
    CHECK(explorer.violation()->finding.invariant == row.invariant);
    CHECK(explorer.violation()->actions.size() == row.steps);
    CHECK(explorer.describe(*explorer.violation()).size() == row.steps);
  }
}

// What each node holds before the crash at which its disk lies.
std::string condition_before_crash(System& system, const Path& path) {
  State state = system.first();
  State after;
  std::optional<Finding> finding;
  for (const Action& action : path.actions) {
    if (action.move.kept != Move::kNoCrash) break;
    REQUIRE(system.apply(state, action, after, finding));
    state = after;
  }
  std::string text;
  for (std::uint32_t id = 0; id < system.bounds().nodes; ++id) {
    const raft::Raft& raft = system.catalog().machine(state.machines[id]).raft;
    const auto add = [&](const char* field, std::uint64_t value) {
      text += fmt::format("{}n{}.{} == {}", text.empty() ? "" : " and ", id, field, value);
    };
    add("term", raft.term().value());
    add("last", raft.log().last_index().value());
    add("durable", raft.durable().value());
    add("commit", raft.commit().value());
  }
  return text;
}

TEST_CASE("a path becomes a scenario that leads whole nodes the same way") {
  struct Row {
    const char* why;
    Lies lies;
    Bounds bounds;
  };
  const Row rows[] = {
      {"a vote, a crash, another candidate",
       {.forgets_vote = true},
       {.terms = 2, .entries = 0, .crashes = 1, .losses = 0, .pre_votes = PreVotes::kAtOnce}},
      {"an entry is committed",
       {.loses_synced = true},
       {.terms = 1, .entries = 1, .crashes = 1, .losses = 0, .pre_votes = PreVotes::kAtOnce}},
      {"prompt disks, any order",
       {.loses_synced = true},
       {.terms = 2,
        .crashes = 1,
        .order = Order::kAny,
        .pre_votes = PreVotes::kAtOnce,
        .disks = Disks::kPrompt}},
  };
  for (const Row& row : rows) {
    const std::string why = row.why;
    CAPTURE(why);
    Bounds bounds = row.bounds;
    bounds.lies = row.lies;
    Explorer explorer(bounds, Strategy::kBreadthFirst);
    explorer.run(always);
    REQUIRE(explorer.violation());

    Result<Scenario> scenario = to_scenario(explorer.system(), *explorer.violation());

    REQUIRE(scenario.ok());
    const std::string text = serialize_scenario(scenario.value());
    const auto read = parse_scenario(text, "explored");
    REQUIRE(read.ok());
    CHECK(read.value() == scenario.value());
    const std::string holds = condition_before_crash(explorer.system(), *explorer.violation());
    CAPTURE(holds);
    const Result<Condition> condition = Condition::parse(holds);
    REQUIRE(condition.ok());
    scenario.value().expectations.push_back({.that = condition.value()});
    const RunResult result = run_scenario(scenario.value(), {.seed = 1, .observers = {}});
    CAPTURE(result.violation);
    CAPTURE(result.detail);
    CHECK(result.passed);
  }
}

TEST_CASE("a search that is told to stop says that the space is not exhausted") {
  Explorer explorer(kTwoTerms, Strategy::kBreadthFirst);
  explorer.run([](const Coverage& coverage) { return coverage.expanded == 0; });
  CHECK(!explorer.coverage().exhausted);
  CHECK(explorer.coverage().expanded == 1024);
}

}  // namespace
}  // namespace vesper::sim::explore
