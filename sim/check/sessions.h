// Client sessions, watched from outside: an account of every number of every session that forgets
// none of which a try is left, by which the verdicts of the state machine are judged.
//   exactly-once   over all its tries a request of a session takes effect at most once, with one
//                  body, and only while its session was issued and has not expired; a try that is
//                  told "applied before" was; one that is told "another body" or "too low" finds it
//                  so; and a client that keeps the rules meets no refusal but "expired"
// AppliedChecker owns it and tells it of each index once.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "core/kv/command.h"
#include "core/kv/sessions.h"
#include "sim/check/violation.h"

namespace vesper::sim {

class SessionChecker {
 public:
  explicit SessionChecker(Violations& violations) : violations_(violations) {}

  void on_opened(Index index) { issued_.insert(SessionId(index.value())); }
  // `body` names the put's key and value.
  void on_judged(Index index, kv::IdempotencyKey once, std::uint64_t body, kv::Verdict verdict);
  // No try of it is left.
  void forget(kv::IdempotencyKey once) { applied_.erase(once); }
  // What the client of that put was told.
  void on_told(kv::Verdict refusal);

 private:
  // Empty: the verdict is true.
  std::string why_wrong(kv::IdempotencyKey once, std::uint64_t body, kv::Verdict verdict) const;

  std::set<SessionId> issued_;
  std::set<SessionId> expired_;                          // those of which it was said
  std::map<kv::IdempotencyKey, std::uint64_t> applied_;  // to its body
  std::map<SessionId, RequestNumber> highest_;           // of those applied
  Violations& violations_;
};

}  // namespace vesper::sim
