#include "sim/scenario/hunt_chain.h"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace vesper::sim {

Duration ms(std::uint64_t count) {
  return Duration::milliseconds(static_cast<std::int64_t>(count));
}

Selector the_leader() {
  return {.kind = Selector::Kind::kLeader, .number = 0, .name = {}};
}
Selector everybody() {
  return {.kind = Selector::Kind::kAll, .number = 0, .name = {}};
}
Selector the_rest() {
  return {.kind = Selector::Kind::kRest, .number = 0, .name = {}};
}
Selector node_number(std::uint64_t number) {
  return {.kind = Selector::Kind::kNode, .number = static_cast<std::uint32_t>(number), .name = {}};
}
Selector follower(std::uint64_t number) {
  return {
      .kind = Selector::Kind::kFollower, .number = static_cast<std::uint32_t>(number), .name = {}};
}
Selector named(std::string name) {
  return {.kind = Selector::Kind::kName, .number = 0, .name = std::move(name)};
}

Step& add_step(Scenario& scenario, Trigger trigger, Duration time, Action action) {
  Step& step = scenario.steps.emplace_back();
  step.trigger = trigger;
  step.time = time;
  step.action = action;
  step.optional = true;
  return step;
}

Step& StepChain::on(const char* type, std::uint64_t nth, Action action) {
  Step& step = add(Trigger::kOnMessage, action);
  step.message.type = type;
  step.message.nth = nth;
  return step;
}

std::string StepChain::fresh_name() const {
  return fmt::format("x{}", scenario_.steps.size());
}

Duration draw_time_around(RandomStream& draws, Duration election) {
  const std::int64_t percent = draws.chance_ppm(400'000)
                                   ? static_cast<std::int64_t>(draws.between(1, 40))
                                   : static_cast<std::int64_t>(draws.between(80, 400));
  return election * percent / 100;
}

CrashLoss draw_crash_loss(RandomStream& draws) {
  constexpr std::array<CrashLoss, 4> kLosses = {CrashLoss::kKeep, CrashLoss::kLoseAll,
                                                CrashLoss::kLoseRandom, CrashLoss::kTear};
  return kLosses[draws.below(kLosses.size())];
}

Selector draw_leader_or_node(RandomStream& draws, std::uint64_t nodes) {
  if (draws.chance_ppm(350'000)) return the_leader();
  return node_number(draws.below(nodes));
}

}  // namespace vesper::sim
