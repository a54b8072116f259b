// How nodes compare their states, and how one walks over its own.
#include "core/node/consistency.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "core/kv/state_machine.h"
#include "tests/core/properties.h"

namespace vesper::node {
namespace {

constexpr std::uint64_t kRight = 7;
constexpr std::uint64_t kWrong = 8;

Fingerprint at(std::uint64_t index, std::uint64_t hash) {
  return {Index(index), hash};
}

// So many voters, of whom node 0 is one.
raft::Configuration of(std::size_t voters) {
  return raft::Configuration::of_founders(std::vector<Incarnation>(voters));
}

SharedBytes put(const std::string& key, const std::string& value) {
  std::vector<std::byte> out;
  kv::encode_put(as_bytes(key), as_bytes(value), out);
  return SharedBytes::copy_of(out);
}

// All of a walk, in slices of so many pairs.
bool is_sound(kv::StateMachine& machine, std::size_t pairs) {
  for (;;) {
    if (const auto sound = machine.scrub(pairs, 1 << 20)) return *sound;
  }
}

}  // namespace

TEST_CASE("a majority that agrees with a node counts once, and nobody is told of") {
  Consistency node(NodeId(0));
  node.on_applied(at(10, kRight), of(5));
  CHECK(node.agreed() == 0);
  node.on_fingerprint(NodeId(1), at(10, kRight));
  CHECK(node.agreed() == 0);
  node.on_fingerprint(NodeId(2), at(10, kRight));
  node.on_fingerprint(NodeId(3), at(10, kRight));
  CHECK(node.agreed() == 1);
  CHECK(node.take_differences().empty());
  CHECK(!node.outvoted_at());
}

TEST_CASE("its own fingerprint is for all others once, the newest only") {
  Consistency node(NodeId(0));
  CHECK(!node.take_to_send());
  node.on_applied(at(10, kWrong), of(3));
  node.on_applied(at(20, kRight), of(3));
  const auto sent = node.take_to_send();
  REQUIRE(sent);
  CHECK(sent->index == Index(20));
  CHECK(sent->state_hash == kRight);
  CHECK(!node.take_to_send());
  CHECK(node.last() == Index(20));
}

TEST_CASE("one that differs from a majority is outvoted, whoever came first") {
  Consistency node(NodeId(0));
  node.on_fingerprint(NodeId(4), at(10, kRight));
  node.on_fingerprint(NodeId(3), at(10, kRight));
  node.on_applied(at(10, kWrong), of(5));
  CHECK(node.take_differences().size() == 2);
  CHECK(!node.outvoted_at());
  node.on_fingerprint(NodeId(1), at(10, kRight));
  REQUIRE(node.outvoted_at());
  CHECK(*node.outvoted_at() == Index(10));
  CHECK(node.agreed() == 0);
}

TEST_CASE("one of a majority reports who differs, once a check point, and goes on") {
  Consistency node(NodeId(0));
  node.on_applied(at(10, kRight), of(3));
  node.on_fingerprint(NodeId(1), at(10, kRight));
  node.on_fingerprint(NodeId(2), at(10, kWrong));
  node.on_fingerprint(NodeId(2), at(10, kWrong));
  const auto differences = node.take_differences();
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].node == NodeId(2));
  CHECK(differences[0].theirs.index == Index(10));
  CHECK(node.take_differences().empty());
  CHECK(!node.outvoted_at());
  node.on_applied(at(20, kRight), of(3));
  node.on_fingerprint(NodeId(2), at(20, kWrong));
  CHECK(node.take_differences().size() == 1);
}

TEST_CASE("where no majority agrees, all report and none is outvoted") {
  Consistency two(NodeId(0));
  two.on_applied(at(10, kRight), of(2));
  two.on_fingerprint(NodeId(1), at(10, kWrong));
  CHECK(two.take_differences().size() == 1);
  CHECK(!two.outvoted_at());

  Consistency three(NodeId(0));
  three.on_applied(at(10, 1), of(3));
  three.on_fingerprint(NodeId(1), at(10, 2));
  three.on_fingerprint(NodeId(2), at(10, 3));
  CHECK(three.take_differences().size() == 2);
  CHECK(!three.outvoted_at());
  CHECK(three.agreed() == 0);
}

TEST_CASE("hashes of different entries are never compared") {
  Consistency node(NodeId(0));
  node.on_applied(at(10, kRight), of(3));
  node.on_fingerprint(NodeId(1), at(9, kWrong));
  node.on_fingerprint(NodeId(2), at(11, kWrong));
  node.on_applied(at(20, kRight), of(3));
  CHECK(node.take_differences().empty());
  CHECK(!node.outvoted_at());
}

TEST_CASE(
    "a node that lags is compared with what the others said before, and with what they keep") {
  Consistency behind(NodeId(0));
  behind.on_fingerprint(NodeId(1), at(20, kRight));
  behind.on_fingerprint(NodeId(2), at(20, kRight));
  behind.on_applied(at(10, kWrong), of(3));
  CHECK(!behind.outvoted_at());
  behind.on_applied(at(20, kWrong), of(3));
  CHECK(behind.outvoted_at());

  Consistency ahead(NodeId(0));
  for (std::uint64_t index = 10; index <= 100; index += 10)
    ahead.on_applied(at(index, kRight), of(3));
  ahead.on_fingerprint(NodeId(1), at(40, kWrong));
  CHECK(ahead.take_differences().size() == 1);
  // Long forgotten.
  ahead.on_fingerprint(NodeId(1), at(10, kWrong));
  CHECK(ahead.take_differences().empty());
}

TEST_CASE("a fingerprint's frame comes through, and no other bytes do") {
  Frame frame{.cluster = ClusterId(5),
              .incarnation = Incarnation(6),
              .from = NodeId(1),
              .to = NodeId(2),
              .body = at(77, 0x1234567890abcdef)};
  std::vector<std::byte> bytes;
  encode_frame(frame, bytes);
  const auto decoded = decode_frame(SharedBytes::copy_of(bytes));
  REQUIRE(decoded.ok());
  const auto& fingerprint = std::get<Fingerprint>(decoded.value().body);
  CHECK(fingerprint.index == Index(77));
  CHECK(fingerprint.state_hash == 0x1234567890abcdef);
  frame.body = at(0, 1);
  bytes.clear();
  encode_frame(frame, bytes);
  CHECK(!decode_frame(SharedBytes::copy_of(bytes)).ok());
}

TEST_CASE("a check point changes no state") {
  kv::StateMachine machine;
  REQUIRE(machine.apply(Index(1), put("a", "1")).ok());
  const std::uint64_t before = machine.state_hash();
  std::vector<std::byte> check_point;
  kv::encode_check_point(check_point);
  const auto applied = machine.apply(Index(2), SharedBytes::copy_of(check_point));
  REQUIRE(applied.ok());
  CHECK(applied.value() == kv::Verdict::kNone);
  CHECK(machine.state_hash() == before);
}

TEST_CASE("a walk over the memory finds nothing while commands go on") {
  CHECK(rc::check("sound", [] {
    kv::StateMachine machine;
    std::uint64_t index = 0;
    const auto steps = *rc::gen::inRange(1, 200);
    for (int step = 0; step < steps; ++step) {
      if (*rc::gen::inRange(0, 3) == 0) {
        const auto sound =
            machine.scrub(static_cast<std::size_t>(*rc::gen::inRange(1, 4)), 1 << 20);
        RC_ASSERT(sound.value_or(true));
      } else {
        const std::string key(1, static_cast<char>('a' + *rc::gen::inRange(0, 20)));
        RC_ASSERT(machine.apply(Index(++index), put(key, *rc::gen::arbitrary<std::string>())).ok());
      }
    }
    RC_ASSERT(is_sound(machine, 2));
    RC_ASSERT(is_sound(machine, 1000));
  }));
}

TEST_CASE("a walk finds each single bit that flips in a value, before or while it walks") {
  for (int flipped = 0; flipped < 10; ++flipped) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      kv::StateMachine machine;
      for (int i = 0; i < 10; ++i) {
        REQUIRE(machine.apply(Index(1), put("k" + std::to_string(i), "value")).ok());
      }
      CHECK(!machine.scrub(4, 1 << 20));
      const SharedBytes* value = machine.store().get("k" + std::to_string(flipped));
      const_cast<std::byte*>(value->view().data())[2] ^= std::byte{1} << bit;
      // What the present walk has passed, the next one finds.
      const bool is_passed = flipped < 4;
      CHECK(is_sound(machine, 4) == is_passed);
      CHECK(!is_sound(machine, 4));
    }
  }
}

TEST_CASE("a bit that was overwritten since is found as well: the sum was taken from it") {
  kv::StateMachine machine;
  for (const char* key : {"a", "b", "c"}) REQUIRE(machine.apply(Index(1), put(key, "value")).ok());
  const_cast<std::byte*>(machine.store().get("b")->view().data())[0] ^= std::byte{1};
  REQUIRE(machine.apply(Index(2), put("b", "other")).ok());
  CHECK(!is_sound(machine, 2));
}

TEST_CASE("voters decide: a learner that differs is outvoted, and outvotes nobody") {
  const raft::Configuration members = of(2).with_learner("c").value().with_learner("d").value();
  Consistency learner(NodeId(2));
  learner.on_applied(at(10, kWrong), members);
  learner.on_fingerprint(NodeId(3), at(10, kWrong));
  learner.on_fingerprint(NodeId(0), at(10, kRight));
  CHECK(!learner.outvoted_at());
  learner.on_fingerprint(NodeId(1), at(10, kRight));
  CHECK(learner.outvoted_at() == Index(10));

  Consistency voter(NodeId(0));
  voter.on_applied(at(10, kRight), members);
  for (const std::uint32_t other : {2U, 3U}) voter.on_fingerprint(NodeId(other), at(10, kWrong));
  CHECK(!voter.outvoted_at());
  CHECK(voter.take_differences().size() == 2);
}

}  // namespace vesper::node
