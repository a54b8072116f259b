// Configurations as values: what one change makes of them, how they are counted against brute
// force, their bytes, and the stack of those in one log.
#include <doctest/doctest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/raft/configuration.h"
#include "core/raft/quorum.h"
#include "tests/raft/bench.h"

namespace vesper::raft::testing {
namespace {

using vesper::testing::holds;

// Of so many founders, changed a few times as a cluster could have been.
Configuration any_configuration() {
  auto configuration = Configuration::of_founders(
      std::vector<Incarnation>(*rc::gen::inRange<std::size_t>(1, 5), Incarnation(7)));
  const auto steps = *rc::gen::inRange(0, 6);
  for (int i = 0; i < steps; ++i) {
    if (configuration.is_joint()) {
      configuration = configuration.settled();
      continue;
    }
    const auto& members = configuration.members();
    const Member& one = members[*rc::gen::inRange<std::size_t>(0, members.size())];
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        configuration = configuration.with_learner("").value();
        configuration = configuration
                            .with_incarnation(NodeId(configuration.next_id().value() - 1),
                                              Incarnation(*rc::gen::inRange(1U, 9U)))
                            .value();
        configuration.fill_addresses({"a", "b"});
        break;
      case 1:
        if (auto next = configuration.with_change({.promote = {one.id}, .remove = {}}); next.ok()) {
          configuration = next.value();
        }
        break;
      default:
        if (auto next = configuration.with_change({.promote = {}, .remove = {one.id}}); next.ok()) {
          configuration = next.value();
        }
    }
  }
  return configuration;
}

// Every set of members, as bits, that is a majority by counting: of the old voters and of the new.
bool is_quorum(const Configuration& configuration, std::uint32_t set) {
  int old_voters = 0, old_in = 0, new_voters = 0, new_in = 0;
  for (const Member& member : configuration.members()) {
    const bool in = (set >> member.id.value() & 1U) != 0;
    const bool is_old =
        member.standing == Standing::kVoter || member.standing == Standing::kOutgoing;
    const bool is_new =
        member.standing == Standing::kVoter || member.standing == Standing::kIncoming;
    old_voters += is_old;
    old_in += is_old && in;
    new_voters += is_new;
    new_in += is_new && in;
  }
  return 2 * old_in > old_voters && 2 * new_in > new_voters;
}

TEST_CASE("a quorum of a configuration is a majority of its old and of its new voters") {
  CHECK(holds("reached_by_quorum, has_quorum and vote_result are what counting says", [] {
    const Configuration configuration = any_configuration();
    std::vector<std::uint64_t> reached;
    for (std::size_t i = 0; i < configuration.members().size(); ++i) {
      reached.push_back(*rc::gen::inRange<std::uint64_t>(0, 6));
    }
    std::uint64_t expected = 0;
    for (std::uint64_t candidate = 0; candidate < 6; ++candidate) {
      std::uint32_t set = 0;
      for (std::size_t i = 0; i < reached.size(); ++i) {
        if (reached[i] >= candidate) set |= 1U << configuration.members()[i].id.value();
      }
      if (is_quorum(configuration, set)) expected = candidate;
    }
    RC_ASSERT(reached_by_quorum(configuration, [&](std::size_t i) { return reached[i]; }) ==
              expected);
    for (std::uint64_t candidate = 0; candidate <= 6; ++candidate) {
      RC_ASSERT(has_quorum(configuration, [&](std::size_t i) { return reached[i] >= candidate; }) ==
                (candidate <= expected));
    }

    const auto granted = *rc::gen::inRange<std::uint32_t>(0, 1U << 12);
    const auto refused = *rc::gen::inRange<std::uint32_t>(0, 1U << 12) & ~granted;
    const auto has = [](std::uint32_t set) {
      return [set](NodeId id) { return (set >> id.value() & 1U) != 0; };
    };
    const VoteResult result = vote_result(configuration, has(granted), has(refused));
    RC_ASSERT((result == VoteResult::kWon) == is_quorum(configuration, granted));
    RC_ASSERT((result == VoteResult::kLost) == !is_quorum(configuration, ~refused));
  }));
}

bool may_act_apart(const Configuration& first, const Configuration& second, std::uint32_t ids) {
  for (std::uint32_t set = 0; set < 1U << ids; ++set) {
    if (is_quorum(first, set) && is_quorum(second, ~set & ((1U << ids) - 1))) return true;
  }
  return false;
}

// Every configuration of four ids, each of which is no member or of some standing.
std::vector<Configuration> all_of_four() {
  constexpr std::uint32_t kIds = 4;
  std::vector<Configuration> all;
  for (std::uint32_t code = 0; code < 5 * 5 * 5 * 5; ++code) {
    std::vector<std::byte> bytes;
    ByteWriter out(bytes);
    out.u32(kIds);
    out.u32(0);
    std::uint32_t members = 0;
    for (std::uint32_t id = 0, rest = code; id < kIds; ++id, rest /= 5) {
      if (rest % 5 == 0) continue;
      ++members;
      out.u32(id);
      out.u8(static_cast<std::uint8_t>(rest % 5 - 1));
      out.u64(1);
      out.u16(0);
    }
    out.patch_u32(4, members);
    if (auto one = Configuration::decode(bytes); one.ok()) all.push_back(std::move(one.value()));
  }
  return all;
}

TEST_CASE("every quorum of a configuration meets every quorum of the one that may follow it") {
  const std::vector<Configuration> all = all_of_four();
  std::size_t follow = 0;
  std::size_t refused = 0;  // rightly: both could act at once
  for (const Configuration& first : all) {
    for (const Configuration& second : all) {
      const bool apart = may_act_apart(first, second, 4);
      if (first.may_precede(second)) {
        ++follow;
        REQUIRE_FALSE(apart);
      } else if (apart) {
        ++refused;
      }
    }
  }
  CHECK(all.size() > 400);
  CHECK(follow > 1000);
  CHECK(refused > 1000);
}

TEST_CASE("a change that cannot be made says why") {
  // Voters 0 and 1, learners 2 (which has come up) and 3 (which has not).
  Configuration base = Configuration::of_founders(std::vector<Incarnation>(2, Incarnation(1)));
  base = base.with_learner("http://c:1").value();
  base = base.with_incarnation(NodeId(2), Incarnation(5)).value();
  base = base.with_learner("http://d:1").value();
  struct {
    Configuration::Change change;
    const char* says;  // nothing: it is made
    bool joint;
    const char* why;
  } const rows[] = {
      {{{NodeId(2)}, {}}, nullptr, true, "a learner becomes a voter"},
      {{{NodeId(2)}, {NodeId(0)}}, nullptr, true, "and takes the place of a voter"},
      {{{NodeId(2)}, {NodeId(0), NodeId(1)}}, nullptr, true, "of all voters"},
      {{{}, {NodeId(1)}}, nullptr, true, "a voter leaves"},
      {{{}, {NodeId(3)}}, nullptr, false, "a learner leaves: no majority changes"},
      {{{}, {}}, "nothing is to change", false, "nothing"},
      {{{NodeId(0)}, {}}, "n0 is a voter already", false, "a voter is promoted"},
      {{{NodeId(3)}, {}}, "n3 has not joined yet", false, "whose directory nobody knows"},
      {{{NodeId(9)}, {}}, "n9 is no member of this cluster", false, "a stranger is promoted"},
      {{{}, {NodeId(9)}}, "n9 is no member of this cluster", false, "a stranger leaves"},
      {{{NodeId(2)}, {NodeId(2)}}, "n2 cannot both be promoted and leave", false, "both"},
      {{{}, {NodeId(0), NodeId(1)}}, "the cluster would be left without voters", false, "all go"},
  };
  table(rows, [&](const auto& row) {
    const auto next = base.with_change(row.change);

    REQUIRE(next.ok() == (row.says == nullptr));
    if (!next.ok()) {
      CHECK(next.error().message == row.says);
      return;
    }
    CHECK(next.value().is_joint() == row.joint);
    CHECK(base.may_precede(next.value()));
    if (row.joint) CHECK(next.value().may_precede(next.value().settled()));
    if (row.joint) CHECK_FALSE(base.may_precede(next.value().settled()));
  });
}

TEST_CASE("an id is given out once, and a learner's directory is bound once") {
  Configuration one = Configuration::of_founders({Incarnation(1)});
  CHECK(one.next_id() == NodeId(1));
  one = one.with_learner("http://b:1").value();
  CHECK(one.with_learner("http://b:1").error().message == "n1 is a member at http://b:1");
  one = one.with_incarnation(NodeId(1), Incarnation(4)).value();
  CHECK(one.with_incarnation(NodeId(1), Incarnation(5)).error().message == "n1 has come up before");
  CHECK(one.with_incarnation(NodeId(0), Incarnation(5)).error().message ==
        "n0 is no learner of this cluster");
  one = one.with_change({.promote = {}, .remove = {NodeId(1)}}).value();
  CHECK(std::as_const(one).find(NodeId(1)) == nullptr);
  one = one.with_learner("http://b:1").value();
  CHECK(std::as_const(one).find(NodeId(2)) != nullptr);
}

TEST_CASE("a configuration has one encoding, and nothing else is one") {
  CHECK(holds("decode takes what encode wrote, whole and nothing else", [] {
    const Configuration configuration = any_configuration();
    std::vector<std::byte> bytes;
    configuration.encode(bytes);
    RC_ASSERT(Configuration::decode(bytes).value() == configuration);
    const auto cut = *rc::gen::inRange<std::size_t>(0, bytes.size());
    RC_ASSERT(!Configuration::decode(ByteView(bytes).first(cut)).ok());
    // Whatever bytes decode are the encoding of what they decode to.
    bytes[cut] = std::byte{*rc::gen::arbitrary<std::uint8_t>()};
    if (const auto other = Configuration::decode(bytes); other.ok()) {
      std::vector<std::byte> again;
      other.value().encode(again);
      RC_ASSERT(again == bytes);
    }
    bytes.push_back(std::byte{0});
    RC_ASSERT(!Configuration::decode(bytes).ok());
  }));
}

TEST_CASE("the stack of configurations follows the log") {
  const Configuration first = Configuration::of_founders(std::vector<Incarnation>(3));
  const Configuration second = first.with_learner("x").value();
  const Configuration third = second.with_learner("y").value();
  Configurations stack(Index(4), first);
  stack.append(Index(7), second);
  stack.append(Index(9), third);
  CHECK(stack.latest() == third);
  CHECK(stack.at(Index(4)) == first);
  CHECK(stack.at(Index(8)) == second);
  stack.truncate_from(Index(9));
  CHECK(stack.latest() == second);
  CHECK(stack.latest_index() == Index(7));
  stack.append(Index(8), third);
  stack.compact(Index(7));
  CHECK(stack.at(Index(7)) == second);
  stack.compact(Index(100));
  CHECK(stack.latest() == third);
}

}  // namespace
}  // namespace vesper::raft::testing
