// What an exploration remembers of a run beside its present state, because invariants speak of the
// whole run, and the invariants over the whole cluster that are judged with it:
//   election-safety       at most one leader a term, across restarts
//   log-matching          two logs, in memory or on disk, with an entry of the same index and term
//                         are identical up to it
//   state-machine-safety  no two nodes take different entries of one index for committed
//   commit-durable        what a node takes for committed is on the disks of a majority, from then
//                         on in every state
//   leader-completeness   who is elected has every entry committed in a term before its own
// As sim/check judges them, so that a path plays to the same violation. A ledger only grows, and
// one that holds more is never judged less strictly.
// (What can be seen at one node alone is judged by machine.h.)
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "sim/explore/catalog.h"

namespace vesper::sim::explore {

struct Ledger {
  struct Committed {
    Term term;
    std::uint32_t checksum = 0;
    Term by;  // the lowest term in which a node took it for committed
    auto operator<=>(const Committed&) const = default;
  };
  std::uint64_t led_terms = 0;  // a bit each
  std::vector<Committed> committed;
  auto operator<=>(const Ledger&) const = default;
};

// Keeps each ledger once, as Catalog keeps machines.
class Ledgers {
 public:
  using Id = std::uint32_t;
  Ledgers() { add({}); }

  static constexpr Id kEmpty = 0;
  Id add(const Ledger& ledger);
  const Ledger& ledger(Id id) const { return kept_[id].ledger; }
  // Names no node, so it is the same under every renaming.
  std::uint64_t hash(Id id) const { return kept_[id].hash; }

 private:
  struct Kept {
    Ledger ledger;
    std::uint64_t hash = 0;
  };
  std::deque<Kept> kept_;
  std::map<Ledger, Id> ids_;
};

// `machines` are those after the step of `node`; brings the ledger up to date.
std::optional<Finding> judge(const Catalog& catalog, std::span<const MachineId> machines,
                             std::uint32_t node, Term elected, Ledger& ledger);

}  // namespace vesper::sim::explore
