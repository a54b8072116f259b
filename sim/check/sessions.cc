#include "sim/check/sessions.h"

#include <fmt/format.h>

#include <algorithm>

namespace vesper::sim {

std::string SessionChecker::why_wrong(kv::IdempotencyKey once, std::uint64_t body,
                                      kv::Verdict verdict) const {
  const auto applied = applied_.find(once);
  const bool is_applied = applied != applied_.end();
  switch (verdict) {
    case kv::Verdict::kApplied:
      if (is_applied) return "takes effect a second time";
      if (issued_.count(once.session) == 0) return "takes effect, of a session never issued";
      if (expired_.count(once.session) != 0) return "takes effect, of an expired session";
      return {};
    case kv::Verdict::kRepeated:
      if (!is_applied) return "is answered as if applied before";
      if (applied->second != body) return "is answered by another body's answer";
      return {};
    case kv::Verdict::kOtherBody:
      if (!is_applied || applied->second == body) return "is refused for a body that is the same";
      return {};
    case kv::Verdict::kBelowWindow: {
      const auto highest = highest_.find(once.session);
      const bool is_below = highest != highest_.end() && once.number < highest->second;
      return is_below ? std::string() : "is refused as too low and is not";
    }
    case kv::Verdict::kExpired:
      // An older id that was never issued may be called expired.
      return !issued_.empty() && once.session < *issued_.rbegin()
                 ? std::string()
                 : "has expired though none was issued after it";
    case kv::Verdict::kNeverIssued:
      return issued_.count(once.session) == 0 ? std::string() : "is refused as never issued";
    case kv::Verdict::kNone:
      return "is no command to the node";
  }
  VESPER_UNREACHABLE();
}

void SessionChecker::on_judged(Index index, kv::IdempotencyKey once, std::uint64_t body,
                               kv::Verdict verdict) {
  if (const std::string wrong = why_wrong(once, body, verdict); !wrong.empty()) {
    violations_.report("exactly-once",
                       fmt::format("entry {}, number {} of session {}, {}", index.value(),
                                   once.number.value(), once.session.value(), wrong));
  }
  if (verdict == kv::Verdict::kApplied) {
    applied_.emplace(once, body);
    RequestNumber& highest = highest_[once.session];
    highest = std::max(highest, once.number);
  }
  if (verdict == kv::Verdict::kExpired) expired_.insert(once.session);
}

void SessionChecker::on_told(kv::Verdict refusal) {
  if (refusal == kv::Verdict::kExpired) return;
  violations_.report("exactly-once",
                     fmt::format("a client that keeps the rules is refused (verdict {})",
                                 static_cast<unsigned>(refusal)));
}

}  // namespace vesper::sim
