// One node's clock: it starts somewhere of its own, runs a little fast or slow, and may leap ahead
// or stand still, but never goes back. All in integers, and exact both ways, so that a deadline of
// the node becomes the very first instant of the world at which the node sees it pass.
#pragma once

#include <algorithm>

#include "core/base/check.h"
#include "core/base/time.h"
#include "core/node/environment.h"
#include "sim/config.h"

namespace vesper::sim {

class SimClock final : public node::Clock {
 public:
  // `world` is the world's time; it must outlive the clock. Requires: drift above -1'000'000 ppm.
  SimClock(const Instant& world, const ClockConfig& config)
      : world_(world), start_(kBase + config.offset), drift_ppm_(config.drift_ppm) {
    VESPER_CHECK(drift_ppm_ > -kMillion && start_ >= Duration());
  }

  void change(const ClockChange& change) {
    VESPER_CHECK(change.jump >= Duration());
    start_ = local_at(world_) - Instant() + change.jump;
    begin_ = world_;
    if (change.drift_ppm) drift_ppm_ = *change.drift_ppm;
    if (change.stands_still) stands_still_ = *change.stands_still;
    VESPER_CHECK(drift_ppm_ > -kMillion);
  }
  std::int64_t drift_ppm() const { return drift_ppm_; }
  bool stands_still() const { return stands_still_; }

  Instant now() const override { return local_at(world_); }

  // Of an instant since the last change.
  Instant local_at(Instant world) const {
    if (stands_still_) return Instant() + start_;
    const std::int64_t time = (world - begin_).nanoseconds();
    if (drift_ppm_ == 0) return Instant() + start_ + Duration::nanoseconds(time);
    const std::int64_t drift =
        time / kMillion * drift_ppm_ + floor_divide(time % kMillion * drift_ppm_, kMillion);
    return Instant() + start_ + Duration::nanoseconds(time + drift);
  }

  // From now on it shows what it would show so much later. Nothing happens if `local` has passed.
  void jump_to(Instant local) { start_ = start_ + std::max(local - now(), Duration()); }

  // The first instant of the world, not before the last change, at which this clock shows `local`
  // or later; never, if it stands still.
  Instant world_at(Instant local) const {
    if (local == Instant::never()) return Instant::never();
    const std::int64_t passed = (local - start_).nanoseconds();
    if (passed <= 0) return begin_;
    if (stands_still_) return Instant::never();
    if (drift_ppm_ == 0) return begin_ + Duration::nanoseconds(passed);
    const std::int64_t speed = kMillion + drift_ppm_;
    std::int64_t time = passed / speed * kMillion + passed % speed * kMillion / speed;
    while (time > 0 && local_at(begin_ + Duration::nanoseconds(time - 1)) >= local) --time;
    while (local_at(begin_ + Duration::nanoseconds(time)) < local) ++time;
    return begin_ + Duration::nanoseconds(time);
  }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  // So that a clock may start earlier than the others.
  static constexpr Duration kBase = Duration::seconds(1'000'000);

  static std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
    const std::int64_t quotient = a / b;
    return a % b < 0 ? quotient - 1 : quotient;
  }

  const Instant& world_;
  Instant begin_;   // of the world: its start, or the last change
  Duration start_;  // what this clock showed then
  std::int64_t drift_ppm_;
  bool stands_still_ = false;
};

}  // namespace vesper::sim
