#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/base/random.h"
#include "tests/core/properties.h"
#include "tests/storage/log_history.h"

namespace vesper::storage {
namespace {

using testing::History;
using testing::Life;
using testing::MemoryDisk;

std::uint64_t torn_tails = 0;
std::uint64_t crashes = 0;

enum class Action { kWrite, kStep, kStepBackground, kCrash };

struct Step {
  Action action = Action::kWrite;
  // Draws the Ready; counts the steps; says what survives.
  std::uint32_t dice = 0;
};

std::ostream& operator<<(std::ostream& out, const Step& step) {
  const char* names[] = {"write", "step", "step background", "crash"};
  return out << names[static_cast<int>(step.action)] << " " << step.dice;
}

rc::Gen<Step> any_step() {
  const auto action = rc::gen::weightedElement<Action>({{8, Action::kWrite},
                                                        {12, Action::kStep},
                                                        {4, Action::kStepBackground},
                                                        {1, Action::kCrash}});
  return rc::gen::build<Step>(rc::gen::set(&Step::action, action),
                              rc::gen::set(&Step::dice, rc::gen::arbitrary<std::uint32_t>()));
}

// How a crash treats what is unsynced: all lost, all kept, one lost, one kept, or each by a coin.
MemoryDisk crash(const MemoryDisk& disk, std::uint32_t dice) {
  RandomStream stream(Random(dice), {Purpose::kTest});
  const std::uint64_t way = stream.below(8);
  const std::size_t chosen = stream.below(disk.unsynced() + 1);
  return disk.after_crash([&](std::size_t i) {
    switch (way) {
      case 0:
        return false;
      case 1:
        return true;
      case 2:
        return i == chosen;
      case 3:
        return i != chosen;
      default:
        return stream.below(2) == 0;
    }
  });
}

Life begin(MemoryDisk& disk, History& history) {
  std::string problem;
  auto life = Life::begin(disk, history, testing::small_segments(), problem);
  if (!life) RC_FAIL(problem);
  if (testing::has_torn_tail(life->notes())) ++torn_tails;
  return std::move(*life);
}

void run(const std::vector<Step>& steps) {
  MemoryDisk disk = testing::formatted_disk(testing::formed_identity(), testing::small_segments());
  History history;
  std::optional<Life> life(begin(disk, history));
  for (const Step& step : steps) {
    switch (step.action) {
      case Action::kWrite:
        life->write(testing::any_ready(history.last(), step.dice));
        break;
      case Action::kStep:
      case Action::kStepBackground: {
        const bool is_log = step.action == Action::kStep;
        for (std::uint32_t i = step.dice % 5; i > 0; --i) {
          life->step(is_log ? DiskLane::kLog : DiskLane::kBackground);
        }
        break;
      }
      case Action::kCrash:
        ++crashes;
        life.reset();
        disk = crash(disk, step.dice);
        life.emplace(begin(disk, history));
        break;
    }
  }
  life->settle();
  const auto end = Wal::recover(disk, testing::formed_identity(), testing::small_segments());
  RC_ASSERT(end.ok());
  RC_ASSERT(history.last().is_in(end.value()));
}

std::vector<Step> any_steps() {
  return *rc::gen::scale(4.0, rc::gen::container<std::vector<Step>>(any_step()));
}

// A crash after every burst of disk operations, in the midst of repairs too.
std::vector<Step> restless(const std::vector<Step>& steps) {
  std::vector<Step> more;
  for (const Step& step : steps) {
    more.push_back(step);
    if (step.action == Action::kStep) more.push_back({Action::kCrash, step.dice});
  }
  return more;
}

TEST_CASE("wherever it crashes, what was durable is recovered and nothing else appears") {
  CHECK(testing::holds("the recovered log is a prefix of the writes that holds the durable ones",
                       [] { run(any_steps()); }, {.cases_factor = 10}));
}

TEST_CASE("a node that crashes all the time keeps its log") {
  CHECK(testing::holds("the same with a crash after every burst of disk operations",
                       [] { run(restless(any_steps())); }, {.cases_factor = 10}));
}

TEST_CASE("there were torn tails") {
  CHECK(crashes > 0);
  REQUIRE(torn_tails > 0);
  testing::count("torn tails", torn_tails);
}

}  // namespace
}  // namespace vesper::storage
