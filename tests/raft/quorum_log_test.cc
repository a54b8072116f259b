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

// The last position of `terms` within both bounds, by looking at each.
LogPosition naive_hint(const Terms& terms, LogPosition at_most) {
  LogPosition found;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    const LogPosition here{Term(terms[i]), Index(i + 1)};
    if (here.index <= at_most.index && here.term <= at_most.term) found = here;
  }
  return found;
}

TEST_CASE("a log acts as a list of terms does") {
  CHECK(holds("append, truncate, contains and find_hint equal a naive model", [] {
    Terms model;
    Log log;
    const auto steps = *rc::gen::inRange(1, 60);
    for (int step = 0; step < steps; ++step) {
      if (!model.empty() && *rc::gen::inRange(0, 6) == 0) {
        const auto from = *rc::gen::inRange<std::size_t>(1, model.size() + 1);
        log.truncate_from(Index(from));
        model.resize(from - 1);
      } else {
        const std::uint64_t last = model.empty() ? 1 : model.back();
        model.push_back(last + *rc::gen::inRange<std::uint64_t>(0, 3));
        log.append(entry(model.back(), model.size()));
      }
      RC_ASSERT(terms_of(log) == model);
      RC_ASSERT(log.last() == (model.empty() ? LogPosition{} : at(model.back(), model.size())));

      const LogPosition asked = at(*rc::gen::inRange<std::uint64_t>(0, 12),
                                   *rc::gen::inRange<std::uint64_t>(0, model.size() + 3));
      RC_ASSERT(log.find_hint(asked) == naive_hint(model, asked));
      const std::uint64_t index = asked.index.value();
      const bool has = index == 0 ? asked.term == Term(0)
                                  : index <= model.size() && Term(model[index - 1]) == asked.term;
      RC_ASSERT(log.contains(asked) == has);
    }
  }));
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
        progress.on_sent(Index(next - 1));
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
  progress.on_sent(Index(12));
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
    progress.on_sent(Index(9));
    if (row.match > 0) {
      REQUIRE(progress.on_accepted(Index(row.match), Index(0)));
      progress.on_sent(Index(9));
    }
    CHECK(progress.on_rejected(Index(row.rejected), Index(0)) == row.heeded);
    CHECK(progress.is_probing() == (row.match == 0 || row.heeded));
    CHECK(progress.next() > progress.match());
  }
}

TEST_CASE("what is unanswered is asked about: a probe that is out, a window with entries in it") {
  Progress progress(NodeId(1), Index(3), 2);
  CHECK_FALSE(progress.must_ask(Index(3)));  // nothing has left
  progress.on_sent(Index(3));
  CHECK(progress.must_ask(Index(3)));
  progress.on_sent(Index(2));  // the question itself carries nothing
  CHECK_FALSE(progress.can_send());
  CHECK(progress.must_ask(Index(3)));

  CHECK(progress.on_accepted(Index(3), Index(0)));
  CHECK_FALSE(progress.must_ask(Index(3)));  // it has everything
  progress.on_sent(Index(4));
  CHECK(progress.must_ask(Index(4)));
}

}  // namespace
}  // namespace vesper::raft::testing
