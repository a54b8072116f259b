#include "core/node/formation.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace vesper::node {
namespace {

constexpr Incarnation kOwn{100};
constexpr Incarnation kOld{99};
constexpr Duration kFresh = Duration::milliseconds(1000);

Instant at(std::int64_t milliseconds) {
  return Instant() + Duration::milliseconds(milliseconds);
}

struct Hello {
  std::int64_t at;
  std::uint32_t from;
  std::uint64_t incarnation;
  Incarnation heard;
};

TEST_CASE("node 0 of three forms the cluster once both others answer it, lately") {
  struct {
    const char* why;
    std::vector<Hello> hellos;
    std::int64_t asked;
    std::vector<std::uint32_t> missing;
  } const rows[] = {
      {"nobody was heard", {}, 0, {1, 2}},
      {"both answer", {{0, 1, 7, kOwn}, {0, 2, 8, kOwn}}, 1000, {}},
      {"one has not heard of this node yet", {{0, 1, 7, {}}, {0, 2, 8, kOwn}}, 0, {1}},
      {"one answers an incarnation that is gone", {{0, 1, 7, kOld}, {0, 2, 8, kOwn}}, 0, {1}},
      {"one is silent for too long", {{0, 1, 7, kOwn}, {500, 2, 8, kOwn}}, 1001, {1}},
      {"one has begun anew: the late Hello of its earlier life may come after",
       {{0, 1, 7, kOwn}, {0, 2, 8, kOwn}, {1, 1, 9, {}}},
       2,
       {1}},
      {"a Hello of the earlier life comes late",
       {{0, 2, 8, kOwn}, {0, 1, 9, kOwn}, {1, 1, 7, {}}},
       2,
       {1}},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Formation formation(
        {.id = NodeId(0), .cluster_size = 3, .incarnation = kOwn, .fresh_for = kFresh});

    for (const Hello& hello : row.hellos) {
      formation.on_hello(at(hello.at),
                         {NodeId(hello.from), Incarnation(hello.incarnation), hello.heard});
    }

    std::vector<std::uint32_t> missing;
    for (const NodeId node : formation.waiting_for(at(row.asked))) missing.push_back(node.value());
    CHECK(missing == row.missing);
    CHECK(formation.is_complete(at(row.asked)) == row.missing.empty());
  }
}

TEST_CASE("the founders are those who answered, and only node 0 decides") {
  for (const std::uint32_t id : {0U, 1U}) {
    Formation formation(
        {.id = NodeId(id), .cluster_size = 2, .incarnation = kOwn, .fresh_for = kFresh});
    const NodeId other(1 - id);
    formation.on_hello(at(0), {other, Incarnation(7), {}});
    CHECK(formation.heard_of(other) == Incarnation(7));
    CHECK_FALSE(formation.is_complete(at(0)));

    formation.on_hello(at(1), {other, Incarnation(7), kOwn});

    CHECK(formation.is_complete(at(1)) == (id == 0));
    CHECK(formation.founders()[id] == kOwn);
    CHECK(formation.founders()[other.value()] == Incarnation(7));
  }
}

}  // namespace
}  // namespace vesper::node
