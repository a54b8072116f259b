// What clients did and what they were told: the history that linearizability is judged by.
// HistoryChecker (history_checker.h) judges a simulated world's while it is made; the text form is
// how real clusters' histories come in (vesperctl bench --history), one JSON object a line, in any
// order:
//
//   {"client":3,"op":"put","key":"k1","value":"\"c3.1\"","start":1200,"end":5300,"outcome":"ok"}
//
//   client   who; a client has one operation at a time
//   op       "put" or "get"
//   value    put: its JSON text, as a string; get with outcome "ok": the text that came back, null
//            if absent
//   start    nanoseconds of one clock, when the request was sent
//   end      when its answer came; for "unknown", when the client stopped waiting
//   outcome  "ok"; "fail": can never take effect; "unknown": a put that may take effect at any time
//            from its start on, or never
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.h"
#include "core/base/time.h"
#include "core/node/environment.h"

namespace vesper::sim {

enum class HistoryOutcome : std::uint8_t { kOk, kFail, kUnknown };

struct HistoryOperation {
  std::uint64_t client = 0;
  node::RequestKind kind = node::RequestKind::kGet;
  std::string key;
  // A put's value; what a get returned: nothing for an absent key.
  std::optional<std::string> value;
  Instant start;
  Instant end;
  HistoryOutcome outcome = HistoryOutcome::kUnknown;
  bool operator==(const HistoryOperation&) const = default;
};

// A deque: a long history grows without copying what is there.
using History = std::deque<HistoryOperation>;

// Errors: kInvalid; the message names the line, counted from 1, and what is wrong with it.
Result<History> parse_history(std::string_view text);
// One line with its end.
std::string history_line(const HistoryOperation& operation);
// In words.
std::string describe(const HistoryOperation& operation);

// Whether it must, or may, have taken effect.
bool takes_effect(const HistoryOperation& operation);
// The last instant at which it may have; never: there is none.
Instant end_of(const HistoryOperation& operation);

}  // namespace vesper::sim
