// What is applied and what clients are told.
//   state-machine-safety  all nodes apply the same entries in the same order, each once, with equal
//                         state hashes
//   snapshot              a store that came from a snapshot is the one that the entries up to there
//                         give
//   only-client-commands  only what a client sent, or a directory held from the start, is applied
//                         (beside no-ops): a put under the number that its client gave it, and no
//                         more registrations than clients asked for
//   lost-write            a put that a client was told to have succeeded was applied
//   rejected-write        a put that a client was told can never take effect does not
//   exactly-once          see sim/check/sessions.h
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kv/command.h"
#include "core/node/environment.h"
#include "core/raft/log.h"
#include "sim/check/altered.h"
#include "sim/check/put_table.h"
#include "sim/check/sessions.h"
#include "sim/check/violation.h"
#include "sim/observer.h"

namespace vesper::sim {

class AppliedChecker {
 public:
  AppliedChecker(std::size_t nodes, Violations& violations)
      : applied_by_(nodes),
        altered_(nodes, violations),
        sessions_(violations),
        violations_(violations) {}

  // Whose state was altered: what these say of it is not taken for the truth.
  Altered& altered() { return altered_; }
  const Altered& altered() const { return altered_; }

  // A life begins: applied in it is what a snapshot held. `log`, in a node's first life, was there
  // from the start.
  void on_recovered(const node::NodeView& view, std::uint64_t life, const raft::Log* log);
  void on_restored(const node::NodeView& view, LogPosition last, std::uint64_t state_hash);
  void on_applied(const node::NodeView& view, const raft::Entry& entry,
                  const node::Applied& applied);
  void on_invoke(const Operation& operation);
  void on_register() { ++registrations_asked_; }
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
    std::optional<std::uint64_t> state_hash;  // none: only altered nodes have applied it
    kv::Verdict verdict = kv::Verdict::kNone;
    SharedBytes payload;
  };
  // Clients never put the same value to the same key twice. Never 0.
  static std::uint64_t name_of(ByteView key, ByteView value) {
    return kv::pair_hash(key, value) | 1;
  }
  void match_snapshot(const node::NodeView& view, LogPosition last, std::uint64_t state_hash);
  void on_first_applied(const node::NodeView& view, const raft::Entry& entry, kv::Verdict verdict);
  void on_first_put(const node::NodeView& view, const raft::Entry& entry, kv::Verdict verdict);
  void reject(OperationId id, PutTable::Put& put);

  std::vector<Index> applied_by_;
  Altered altered_;
  std::deque<Applied> applied_;  // by index
  PutTable puts_;
  std::deque<std::uint64_t> put_of_;  // by operation; 0: a get
  SessionChecker sessions_;
  std::uint64_t registrations_asked_ = 0;
  std::uint64_t registrations_applied_ = 0;
  Violations& violations_;
};

}  // namespace vesper::sim
