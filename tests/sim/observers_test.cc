// Who is told of what happens in a world.
#include "sim/observers.h"

#include <doctest/doctest.h>

#include <string>

namespace vesper::sim {
namespace {

std::string calls;

// Between WorldObserver and a final class.
struct Base : WorldObserver {
  void on_crash(Instant, NodeId) override { calls += "base.crash "; }
};
struct Last final : Base {
  void on_wipe(Instant, NodeId) override { calls += "last.wipe "; }
};
// May have classes under it: what those override cannot be seen.
struct Open : WorldObserver {
  void on_crash(Instant, NodeId) override { calls += "open.crash "; }
};
struct Under final : Open {
  void on_wipe(Instant, NodeId) override { calls += "under.wipe "; }
};
struct Nothing final : WorldObserver {};

TEST_CASE("whoever overrides a call is told, wherever its class stands, in the order of adding") {
  Last last;
  Under under;
  Nothing nothing;
  Observers observers{&last, &nothing};
  observers.add(static_cast<Open&>(under));
  calls.clear();

  observers.tell<&WorldObserver::on_crash>(Instant(), NodeId(0));
  observers.tell<&WorldObserver::on_wipe>(Instant(), NodeId(0));
  observers.tell<&WorldObserver::on_pause>(Instant(), NodeId(0));

  CHECK(calls == "base.crash open.crash last.wipe under.wipe ");
}

TEST_CASE("observers that are added as a whole come after those that are there") {
  Under first;
  Last second;
  Observers observers{&first};
  observers.add_all(Observers{&second});
  calls.clear();

  observers.tell<&WorldObserver::on_wipe>(Instant(), NodeId(0));

  CHECK(calls == "under.wipe last.wipe ");
}

}  // namespace
}  // namespace vesper::sim
