// Random schedules of a whole cluster keep every invariant; and where the cluster's disk lies, a
// schedule that shows it is found and shrinks to a few actions.
#include <doctest/doctest.h>

#include <iostream>
#include <sstream>

#include "tests/core/properties.h"
#include "tests/raft/cluster_model.h"

namespace vesper::raft::testing {
namespace {

using vesper::testing::holds;

constexpr int kCasesFactor = 150;

rc::Gen<Action> any_action() {
  const auto move = rc::gen::weightedElement<Move>({{14, Move::kCalm},
                                                    {40, Move::kDeliver},
                                                    {16, Move::kDisk},
                                                    {12, Move::kTick},
                                                    {5, Move::kPass},
                                                    {12, Move::kPropose},
                                                    {5, Move::kRead},
                                                    {3, Move::kDrop},
                                                    {3, Move::kDuplicate},
                                                    {3, Move::kCrash},
                                                    {5, Move::kRestart},
                                                    {2, Move::kPartition},
                                                    {3, Move::kHeal},
                                                    {4, Move::kTransfer},
                                                    {6, Move::kCompact},
                                                    {14, Move::kPiece}});
  const auto action =
      rc::gen::map(rc::gen::tuple(move, rc::gen::inRange<std::uint8_t>(0, 5),
                                  rc::gen::inRange<std::uint16_t>(0, 64)),
                   [](const std::tuple<Move, std::uint8_t, std::uint16_t>& parts) {
                     return Action{std::get<0>(parts), std::get<1>(parts), std::get<2>(parts)};
                   });
  return rc::gen::resize(rc::kNominalSize, action);
}

rc::Gen<Schedule> any_schedule() {
  return rc::gen::scale(4.0, rc::gen::container<Schedule>(any_action()));
}

void add(Reached& sum, const Reached& more) {
  sum.elections += more.elections;
  sum.commits += more.commits;
  sum.acknowledged += more.acknowledged;
  sum.reads += more.reads;
  sum.follower_reads += more.follower_reads;
  sum.truncations += more.truncations;
  sum.restarts += more.restarts;
  sum.leader_crashes += more.leader_crashes;
  sum.writes_lost += more.writes_lost;
  sum.step_downs += more.step_downs;
  sum.recoveries += more.recoveries;
  sum.transfers += more.transfers;
  sum.transfers_heard += more.transfers_heard;
  sum.transfers_won += more.transfers_won;
  sum.compactions += more.compactions;
  sum.pieces += more.pieces;
  sum.resumed += more.resumed;
  sum.restores += more.restores;
  sum.kept_suffixes += more.kept_suffixes;
  sum.joined_at_restart += more.joined_at_restart;
}

void show(const char* cluster, const Reached& r) {
  std::cout << cluster << ": elections " << r.elections << ", step-downs " << r.step_downs
            << ", commits " << r.commits << ", acknowledged " << r.acknowledged << ", reads "
            << r.reads << ", follower reads " << r.follower_reads << ", truncations "
            << r.truncations << ", restarts " << r.restarts << ", leader crashes "
            << r.leader_crashes << ", writes lost " << r.writes_lost << ", recoveries "
            << r.recoveries << ", transfers begun " << r.transfers << ", elections by transfer "
            << r.transfers_heard << ", won " << r.transfers_won << ", compactions " << r.compactions
            << ", pieces " << r.pieces << ", resumed " << r.resumed << ", restores " << r.restores
            << ", kept suffixes " << r.kept_suffixes << ", joined at a restart "
            << r.joined_at_restart << "\n";
}

enum class End { kStops, kRecovers };

// Runs a schedule until an invariant breaks: its name, or nothing.
std::optional<std::string> run(std::uint32_t nodes, const Schedule& schedule, Faults faults,
                               End end, Reached& reached) {
  ClusterModel model(nodes, faults);
  for (const Action& action : schedule) {
    model.act(action);
    if (model.violation()) break;
  }
  if (!model.violation() && end == End::kRecovers) model.recover();
  add(reached, model.reached());
  return model.violation();
}

void keeps_every_invariant(std::uint32_t nodes, const std::string& sentence) {
  Reached reached;
  const bool held = holds(sentence,
                          [nodes, &reached] {
                            const auto schedule = *any_schedule();
                            const auto violation =
                                run(nodes, schedule, {}, End::kRecovers, reached);
                            if (violation) RC_FAIL(*violation);
                          },
                          {.cases_factor = kCasesFactor});
  show(sentence.c_str(), reached);
  CHECK(held);

  // A schedule that never comes to these places would prove nothing about them.
  CHECK(reached.elections > 10'000);
  CHECK(reached.step_downs > 2000);
  CHECK(reached.commits > 30'000);
  CHECK(reached.acknowledged > 5000);
  CHECK(reached.reads > 1000);
  CHECK(reached.follower_reads > 500);
  CHECK(reached.truncations > 500);
  CHECK(reached.restarts > 5000);
  CHECK(reached.leader_crashes > 1000);
  CHECK(reached.writes_lost > 1000);
  CHECK(reached.recoveries > 10'000);
  CHECK(reached.transfers > 500);
  CHECK(reached.transfers_heard > 100);
  CHECK(reached.transfers_won > 50);
  CHECK(reached.compactions > 5000);
  CHECK(reached.pieces > 1000);
  CHECK(reached.resumed > 0);
  CHECK(reached.restores > 100);
}

TEST_CASE("random schedules of three nodes keep every invariant") {
  keeps_every_invariant(3, "random schedules of three nodes keep every invariant");
}

TEST_CASE("random schedules of five nodes keep every invariant") {
  keeps_every_invariant(5, "random schedules of five nodes keep every invariant");
}

// The shrunk schedule that breaks an invariant under these faults, and the invariant's name.
struct Found {
  Schedule schedule;
  std::string violation;
};

std::optional<Found> find(std::uint32_t nodes, Faults faults) {
  std::optional<Found> found;
  Reached ignored;
  rc::detail::TestMetadata metadata;
  rc::detail::TestParams params = vesper::testing::property_params();
  params.maxSuccess *= kCasesFactor;
  const auto result = rc::detail::checkTestable(
      [&] {
        const auto schedule = *any_schedule();
        const auto violation = run(nodes, schedule, faults, End::kStops, ignored);
        if (!violation) return;
        // Shrinking tries ever smaller cases: the last that fails is the smallest.
        found = Found{schedule, *violation};
        RC_FAIL(*violation);
      },
      metadata, params);
  if (!result.template is<rc::detail::FailureResult>()) return std::nullopt;
  return found;
}

TEST_CASE("a disk that lies is found out, and the schedule that shows it shrinks") {
  struct {
    Faults faults;
    std::size_t actions_max;
    const char* why;
  } const rows[] = {
      {{.forgets_vote = true}, 14, "a node votes, crashes, and votes again in the same term"},
      {{.replies_early = true}, 6, "replies leave before what they vouch for is on disk"},
      {{.loses_synced = true}, 20, "a completed write is gone after a crash"},
      {{.skips_barrier = true}, 8, "messages of a term leave before the term is on disk"},
      {{.serves_any_read = true}, 16, "a node answers reads without asking anyone"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    const auto found = find(3, row.faults);
    REQUIRE(found);
    std::cout << "planted: " << row.why << "\n  breaks: " << found->violation << "\n  by:";
    for (const Action& action : found->schedule) std::cout << " " << action;
    std::cout << "\n";
    CHECK(found->schedule.size() <= row.actions_max);
    CHECK(found->schedule.size() > 0);

    // The same schedule on honest disks harms nobody.
    Reached ignored;
    CHECK(run(3, found->schedule, {}, End::kRecovers, ignored) == std::nullopt);
  }
}

}  // namespace
}  // namespace vesper::raft::testing
