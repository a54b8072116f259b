#include "sim/scenario/expectations.h"

#include <fmt/format.h>

#include "sim/scenario/text.h"

namespace vesper::sim {

namespace {

std::string in_words(const Expectation& expect) {
  std::string text = expectation_name(expect.kind);
  if (expect.kind == Expectation::Kind::kWithin) text += " " + format_span(expect.within);
  text += ": " + expect.that.text();
  if (!expect.after.empty()) text += ", after " + expect.after;
  if (!expect.until.empty()) text += ", until " + expect.until;
  return text;
}

bool must_happen(const Expectation& expect) {
  return expect.kind == Expectation::Kind::kWithin || expect.kind == Expectation::Kind::kEventually;
}

}  // namespace

Expectations::Expectations(const Scenario& scenario, const Script& script)
    : scenario_(scenario), script_(script), states_(scenario.expectations.size()) {}

std::optional<std::string> Expectations::check(Instant now) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    auto failed = check_one(scenario_.expectations[i], states_[i], now, false);
    if (failed) return failed;
  }
  return std::nullopt;
}

std::optional<std::string> Expectations::check_end(Instant now) {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const Expectation& expect = scenario_.expectations[i];
    auto failed = check_one(expect, states_[i], now, true);
    if (failed) return failed;
    if (!must_happen(expect) && !states_[i].examined) {
      return in_words(expect) + ": never asked, for its time never came";
    }
  }
  return std::nullopt;
}

Instant Expectations::deadline_of(const Expectation& expect, Instant since) const {
  if (expect.kind == Expectation::Kind::kEventually) return Instant::never();
  return since + expect.within.fixed +
         scenario_.cluster.election_timeout_max.value() * expect.within.election_timeouts;
}

std::optional<std::string> Expectations::check_one(const Expectation& expect, State& state,
                                                   Instant now, bool is_end) {
  if (state.satisfied || state.closed) return std::nullopt;
  if (!state.since) {
    state.since = expect.after.empty() ? Instant() : script_.ran_at(expect.after);
    if (!state.since) {
      return is_end && must_happen(expect) ? std::optional(in_words(expect)) : std::nullopt;
    }
  }
  const bool ends = is_end || (!expect.until.empty() && script_.ran_at(expect.until).has_value());
  const bool holds = expect.that.holds(script_);
  switch (expect.kind) {
    case Expectation::Kind::kAlways:
    case Expectation::Kind::kNever:
      // The step that closes the window may itself end what was to hold.
      state.closed = ends && !is_end;
      state.examined = state.examined || !state.closed;
      if (!state.closed && holds != (expect.kind == Expectation::Kind::kAlways)) {
        return in_words(expect);
      }
      return std::nullopt;
    case Expectation::Kind::kWithin:
    case Expectation::Kind::kEventually: {
      const bool late = now > deadline_of(expect, *state.since);
      state.satisfied = holds && !late;
      if (!state.satisfied && (late || ends)) return in_words(expect);
      return std::nullopt;
    }
  }
  VESPER_UNREACHABLE();
}

}  // namespace vesper::sim
