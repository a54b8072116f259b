// What the clients of a simulated world did and were told, judged while it happens:
//   linearizability  each operation took effect at one instant between its start and its end, as
//                    the order says in which the puts were applied
// An operation is kept until it has ended, and what it says until no other can contradict it: the
// cost of a run's history does not grow with its length. Checks owns one.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "sim/check/history.h"
#include "sim/check/violation.h"
#include "sim/check/witness.h"
#include "sim/observer.h"

namespace vesper::sim {

class HistoryChecker final : public WorldObserver {
 public:
  const std::optional<Violation>& violation() const { return violations_.first(); }
  // What only the whole history can tell: what is still open counts as unknown.
  Linearizability judged() const;
  // What is kept: operations that have not ended, and values that one may yet find.
  std::size_t kept() const { return operations_.size() + witness_.versions(); }

  void on_applied(Instant at, const node::NodeView& view, const raft::Entry& entry,
                  const node::Applied& applied) override;
  void on_invoke(Instant at, const Operation& operation) override;
  void on_answer(Instant at, OperationId id, const node::Answer& answer) override;
  void on_give_up(Instant at, OperationId id) override;

 private:
  struct Recorded {
    HistoryOperation operation;
    bool is_open = true;
  };
  void end(Instant at, OperationId id, const node::Answer* answer);
  void judge();

  Index applied_;  // by some node
  std::uint64_t first_open_ = 1;
  std::deque<Recorded> operations_;  // by id, from first_open_ on
  std::uint64_t ended_ = 0;          // since it was settled last
  Witness witness_;
  Violations violations_;
};

}  // namespace vesper::sim
