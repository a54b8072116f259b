// What a checker found: which invariant broke, when, and how. The first one counts; what follows it
// is usually its consequence.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/base/time.h"

namespace vesper::sim {

struct Violation {
  std::string invariant;  // its stable name, as in "election-safety"
  std::string detail;
  Instant at;
};

// Where the parts of a checker report to.
class Violations {
 public:
  void set_now(Instant at) { at_ = at; }
  void report(std::string invariant, std::string detail) {
    if (!first_) first_ = Violation{std::move(invariant), std::move(detail), at_};
  }
  const std::optional<Violation>& first() const { return first_; }

 private:
  Instant at_;
  std::optional<Violation> first_;
};

}  // namespace vesper::sim
