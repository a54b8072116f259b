// The pure parts of Raft against brute force and naive models: counting, the log, the progress of a
// peer.
#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <set>
#include <vector>

#include "core/raft/log.h"
#include "core/raft/progress.h"
#include "core/raft/quorum.h"
#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

using vesper::testing::holds;

TEST_CASE("a majority of any cluster meets every other majority") {
  for (std::size_t voters = 1; voters <= 64; ++voters) {
    CAPTURE(voters);
    CHECK(2 * majority_of(voters) > voters);
    CHECK(2 * (majority_of(voters) - 1) <= voters);
  }
}

TEST_CASE("a vote is won, lost or open as trying every way it can go on says") {
  for (std::size_t voters = 1; voters <= 9; ++voters) {
    for (std::size_t granted = 0; granted <= voters; ++granted) {
      for (std::size_t refused = 0; granted + refused <= voters; ++refused) {
        bool may_win = false;
        bool may_lose = false;
        for (std::size_t more = 0; more <= voters - granted - refused; ++more) {
          (2 * (granted + more) > voters ? may_win : may_lose) = true;
        }
        const bool has_won = 2 * granted > voters;
        const VoteResult expected = has_won    ? VoteResult::kWon
                                    : !may_win ? VoteResult::kLost
                                               : VoteResult::kPending;
        CAPTURE(voters);
        CAPTURE(granted);
        CAPTURE(refused);
        CHECK((vote_result({granted, refused, voters}) == expected));
        CHECK((may_win || may_lose));
      }
    }
  }
}

TEST_CASE("the commit index of match indexes is what brute force counts") {
  CHECK(holds("majority_reached is the highest value that more than half have reached", [] {
    const auto count = *rc::gen::inRange<std::size_t>(1, 10);
    const auto drawn = *rc::gen::container<std::vector<std::uint64_t>>(
        count, rc::gen::inRange<std::uint64_t>(0, 12));
    std::uint64_t expected = 0;
    for (std::uint64_t candidate = 0; candidate < 12; ++candidate) {
      const auto reached = std::count_if(drawn.begin(), drawn.end(),
                                         [candidate](std::uint64_t v) { return v >= candidate; });
      if (2 * static_cast<std::size_t>(reached) > count) expected = candidate;
    }
    std::vector<Index> matches;
    for (const std::uint64_t value : drawn) matches.emplace_back(value);
    RC_ASSERT(majority_reached(std::span(matches)) == Index(expected));
  }));
}

Terms any_terms() {
  auto terms =
      *rc::gen::container<Terms>(rc::gen::resize(rc::kNominalSize, rc::gen::inRange(1, 6)));
  std::sort(terms.begin(), terms.end());
  return terms;
}

// What a log with a base knows: the base's own term, and those of the entries after it.
struct NaiveLog {
  LogPosition base;
  Terms terms;

  std::uint64_t last() const { return base.index.value() + terms.size(); }
  LogPosition at_index(std::uint64_t index) const {
    if (index == base.index.value()) return base;
    return at(terms[index - base.index.value() - 1], index);
  }
  // The last position within both bounds, by looking at each; below the base only a bound is known.
  LogPosition hint(LogPosition at_most) const {
    if (at_most.index < base.index) return at_most;
    LogPosition found;
    if (base.index > Index(0)) found = {at_most.term, base.index.previous()};
    for (std::uint64_t i = base.index.value(); i <= std::min(last(), at_most.index.value()); ++i) {
      if (at_index(i).term <= at_most.term) found = at_index(i);
    }
    return found.index == Index(0) ? LogPosition() : found;
  }
  bool contains(LogPosition position) const {
    if (position.index < base.index) return true;
    return position.index.value() <= last() && at_index(position.index.value()) == position;
  }
};

// One random change of a log, and of its model.
void change(Log& log, NaiveLog& model) {
  const std::uint64_t base = model.base.index.value();
  const int move = *rc::gen::inRange(0, 12);
  if (move < 2 && !model.terms.empty()) {
    const auto from = *rc::gen::inRange<std::uint64_t>(base + 1, model.last() + 1);
    log.truncate_from(Index(from));
    model.terms.resize(from - base - 1);
  } else if (move == 2) {
    const auto to = *rc::gen::inRange<std::uint64_t>(base, model.last() + 1);
    const LogPosition position = model.at_index(to);
    log.compact(Index(to));
    model.terms.erase(model.terms.begin(),
                      model.terms.begin() + static_cast<std::ptrdiff_t>(to - base));
    model.base = position;
  } else if (move == 3 && *rc::gen::inRange(0, 4) == 0) {
    model = {at(*rc::gen::inRange<std::uint64_t>(1, 9), *rc::gen::inRange<std::uint64_t>(1, 40)),
             {}};
    log.reset(model.base);
  } else {
    const std::uint64_t last =
        std::max<std::uint64_t>(1, model.at_index(model.last()).term.value());
    model.terms.push_back(last + *rc::gen::inRange<std::uint64_t>(0, 3));
    log.append(entry(model.terms.back(), model.last()));
  }
}

TEST_CASE("a log acts as a base and a list of terms do") {
  CHECK(holds("append, truncate, compact, reset, contains and find_hint equal a naive model",
              [] {
                NaiveLog model;
                Log log;
                for (auto steps = *rc::gen::inRange(1, 60); steps > 0; --steps) {
                  change(log, model);
                  RC_ASSERT(log.base() == model.base);
                  RC_ASSERT(log.first_index() == model.base.index.next());
                  RC_ASSERT(log.last_index() == Index(model.last()));
                  RC_ASSERT(log.last() == model.at_index(model.last()));
                  RC_ASSERT(terms_of(log) == model.terms);
                  RC_ASSERT(log.term_at(log.base().index) == model.base.term);

                  // Nothing stands at term or index 0.
                  const auto term = *rc::gen::inRange<std::uint64_t>(0, 14);
                  const auto index = *rc::gen::inRange<std::uint64_t>(1, model.last() + 4);
                  const LogPosition asked = term == 0 ? LogPosition() : at(term, index);
                  RC_ASSERT(log.find_hint(asked) == model.hint(asked));
                  RC_ASSERT(log.contains(asked) == model.contains(asked));
                }
              },
              {.cases_factor = 5}));
}

TEST_CASE("what a log knows at, above and below its base") {
  // Base (2, 4); entries 5, 6 of term 2, entry 7 of term 4.
  const Log log = log_of({2, 2, 4}, at(2, 4));
  struct {
    LogPosition asked;
    bool contained;
    LogPosition hint;
    const char* why;
  } const rows[] = {
      {{}, true, {}, "nothing is in every log"},
      {at(1, 1), true, at(1, 1), "below the base: it was committed"},
      {at(9, 3), true, at(9, 3), "below the base no terms are known"},
      {at(2, 4), true, at(2, 4), "the base itself"},
      {at(1, 4), false, at(1, 3), "the base's index with an earlier term: below it, at best"},
      {at(3, 4), false, at(2, 4), "the base's index with a later term"},
      {at(2, 5), true, at(2, 5), "the first entry"},
      {at(1, 6), false, at(1, 3), "a term that is only below the base"},
      {at(3, 7), false, at(2, 6), "a term that is not there"},
      {at(4, 7), true, at(4, 7), "the last entry"},
      {at(4, 8), false, at(4, 7), "beyond the last"},
      {at(2, 9), false, at(2, 6), "beyond the last, of an earlier term"},
  };
  table(rows, [&](const auto& row) {
    CHECK(log.contains(row.asked) == row.contained);
    CHECK(log.find_hint(row.asked) == row.hint);
  });
}

// How many requests a leader needs until it knows where a follower's log agrees with its own.
struct Search {
  Index agreed;
  std::size_t requests = 0;
};
Search search(const Log& leader, const Log& follower) {
  LogPosition previous = leader.last();
  for (std::size_t requests = 1;; ++requests) {
    if (follower.contains(previous)) return {previous.index, requests};
    const LogPosition hint = follower.find_hint(previous);
    const Index next = std::min(previous.index.previous(), leader.find_hint(hint).index);
    previous = {leader.term_at(next), next};
  }
}

TEST_CASE("hints lead to the last index where two logs agree, a request a term") {
  CHECK(holds("the search by hints ends at the last common position", [] {
    const Terms one = any_terms();
    const Terms other = any_terms();
    const Log leader = log_of(one);
    const Log follower = log_of(other);
    std::uint64_t common = 0;
    for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i) {
      if (one[i] == other[i]) common = i + 1;
    }
    const Search found = search(leader, follower);
    RC_ASSERT(found.agreed == Index(common));
    const std::set<std::uint64_t> terms(one.begin(), one.end());
    RC_ASSERT(found.requests <= terms.size() + 2);
  }));
}

TEST_CASE("the window of a peer acts as a list of what was sent and not answered") {
  CHECK(holds("Progress paces as a naive model says", [] {
    const auto window = *rc::gen::inRange<std::size_t>(1, 5);
    Progress progress(NodeId(1), Index(1), window);
    REQUIRE(progress.on_accepted(Index(1), Index(0)));  // it replicates from here on
    std::deque<std::uint64_t> sent;
    std::uint64_t match = 1;
    std::uint64_t next = 2;
    const auto steps = *rc::gen::inRange(1, 80);
    for (int step = 0; step < steps; ++step) {
      RC_ASSERT(progress.can_send() == (sent.size() < window));
      if (progress.can_send() && *rc::gen::arbitrary<bool>()) {
        next += *rc::gen::inRange<std::uint64_t>(1, 4);
        sent.push_back(next - 1);
        progress.on_sent(Index(next - 1), 1);
      } else {
        const auto answered = *rc::gen::inRange<std::uint64_t>(1, next);
        RC_ASSERT(progress.on_accepted(Index(answered), Index(0)) == (answered > match));
        match = std::max(match, answered);
        while (!sent.empty() && sent.front() <= match) sent.pop_front();
      }
      RC_ASSERT(progress.match() == Index(match));
      RC_ASSERT(progress.next() == Index(next));
    }
  }));
}

TEST_CASE("a probe is one request at a time, and a rejection moves it back") {
  Progress progress(NodeId(1), Index(10), 4);

  CHECK(progress.is_probing());
  CHECK(progress.can_send());
  progress.on_sent(Index(12), 1);
  CHECK_FALSE(progress.can_send());
  CHECK(progress.next() == Index(10));  // nothing is assumed before the answer

  CHECK(progress.on_rejected(Index(9), Index(4)));
  CHECK(progress.next() == Index(5));
  CHECK(progress.can_send());
}

TEST_CASE("a rejection that says nothing new is ignored") {
  struct {
    std::uint64_t match;  // 0: probing at 10
    std::uint64_t rejected;
    bool heeded;
    const char* why;
  } const rows[] = {
      {0, 9, true, "the answer to the probe that is out"},
      {0, 8, false, "an answer to an earlier probe"},
      {0, 12, false, "an answer to a later one that never was"},
      {5, 5, false, "what is known to match was accepted later"},
      {5, 3, false, "and so was all before it"},
      {5, 9, true, "entries in between were lost"},
      {5, 10, false, "nothing was sent from there"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Progress progress(NodeId(1), Index(10), 4);
    progress.on_sent(Index(9), 1);
    if (row.match > 0) {
      REQUIRE(progress.on_accepted(Index(row.match), Index(0)));
      progress.on_sent(Index(9), 1);
    }
    CHECK(progress.on_rejected(Index(row.rejected), Index(0)) == row.heeded);
    CHECK(progress.is_probing() == (row.match == 0 || row.heeded));
    CHECK(progress.next() > progress.match());
  }
}

TEST_CASE("what is unanswered is asked about: a probe that is out, a window with entries in it") {
  Progress progress(NodeId(1), Index(3), 2);
  CHECK_FALSE(progress.must_ask(Index(3)));  // nothing has left
  progress.on_sent(Index(3), 1);
  CHECK(progress.must_ask(Index(3)));
  progress.on_sent(Index(2), 1);  // the question itself carries nothing
  CHECK_FALSE(progress.can_send());
  CHECK(progress.must_ask(Index(3)));

  CHECK(progress.on_accepted(Index(3), Index(0)));
  CHECK_FALSE(progress.must_ask(Index(3)));  // it has everything
  progress.on_sent(Index(4), 1);
  CHECK(progress.must_ask(Index(4)));
}

}  // namespace
}  // namespace vesper::raft::testing
