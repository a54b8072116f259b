// What is applied and what clients are told.
//   state-machine-safety  all nodes apply the same entries in the same order, each once, with equal
//                         state hashes
//   only-client-commands  only what a client sent, or a directory held from the start, is applied
//                         (beside no-ops)
//   lost-write            a put that a client was told to have succeeded was applied
//   rejected-write        a put that a client was told can never take effect does not
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/node/environment.h"
#include "core/raft/log.h"
#include "sim/check/put_table.h"
#include "sim/check/violation.h"
#include "sim/observer.h"

namespace vesper::sim {

class AppliedChecker {
 public:
  AppliedChecker(std::size_t nodes, Violations& violations)
      : applied_by_(nodes), violations_(violations) {}

  // A life begins: nothing is applied in it yet. `log`, in a node's first life, was there from the
  // start.
  void on_recovered(NodeId node, std::uint64_t life, const raft::Log* log);
  void on_applied(const node::NodeView& view, const raft::Entry& entry, std::uint64_t state_hash);
  void on_invoke(const Operation& operation);
  void on_answer(OperationId id, const node::Answer& answer);

  // The puts in the order in which they were applied: the witness of the history.
  struct AppliedPut {
    std::string_view key;
    std::string_view value;
  };
  std::vector<AppliedPut> order() const;

 private:
  struct Applied {
    Term term;
    std::uint32_t checksum = 0;
    std::uint64_t state_hash = 0;
    SharedBytes payload;
  };
  // Clients never send the same payload twice. Never 0.
  static std::uint64_t name_of(ByteView payload) { return hash64(payload) | 1; }
  void on_first_applied(const node::NodeView& view, const raft::Entry& entry);

  std::vector<Index> applied_by_;
  std::deque<Applied> applied_;  // by index
  PutTable puts_;
  std::deque<std::uint64_t> put_of_;  // by operation; 0: a get
  Violations& violations_;
  std::vector<std::byte> scratch_;
};

}  // namespace vesper::sim
