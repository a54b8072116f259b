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
// What is settled (logs.h) is forgotten: entries that no node will apply again, and puts of which
// no log can hold a try any more. Whoever comes back to what is forgotten breaks an invariant all
// the same: an old snapshot "snapshot", an old put "only-client-commands".
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/kv/command.h"
#include "core/node/environment.h"
#include "core/raft/log.h"
#include "sim/check/altered.h"
#include "sim/check/name_table.h"
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
  // A node has a durable snapshot to there.
  void on_snapshot(Index last);
  void on_invoke(const Operation& operation);
  void on_retry(OperationId id) { ++operation(id).tries; }
  void on_register() { ++registrations_asked_; }
  void on_answer(OperationId id, const node::Answer& answer);
  void on_give_up(OperationId id) { operation(id).is_over = true; }
  // One of its tries is over: no node proposes it any more. `newest`: the longest log's end.
  void on_try_end(OperationId id, Index newest);
  // No node will apply an entry up to `to` again.
  void settle(Index to, Index newest);
  // Entries and puts that it keeps an account of.
  std::uint64_t kept() const { return applied_.size() + operations_.size() + puts_.size(); }

 private:
  struct Applied {
    Term term;
    std::uint32_t checksum = 0;
    std::optional<std::uint64_t> state_hash;  // none: only altered nodes have applied it
    kv::Verdict verdict = kv::Verdict::kNone;
  };
  struct Put {
    bool is_applied = false;
    bool is_rejected = false;
    std::optional<kv::IdempotencyKey> once;
  };
  struct Open {
    std::uint64_t name = 0;  // of a put
    std::uint32_t tries = 1;
    bool is_over = false;  // for its client
  };
  // A put that no node proposes any more.
  struct Past {
    std::uint64_t name = 0;
    Index newest;
  };
  // Clients never put the same value to the same key twice. Never 0.
  static std::uint64_t name_of(ByteView key, ByteView value) {
    return kv::pair_hash(key, value) | 1;
  }
  void match_snapshot(const node::NodeView& view, LogPosition last, std::uint64_t state_hash);
  void on_first_applied(const node::NodeView& view, const raft::Entry& entry, kv::Verdict verdict);
  void on_first_put(const node::NodeView& view, const raft::Entry& entry, kv::Verdict verdict);
  void reject(OperationId id, Put& put);
  Open& operation(OperationId id);
  void forget(std::uint64_t name);
  // nullptr: nothing is known of what was applied there.
  const Applied* applied_at(Index index) const;
  Index last() const { return settled_.plus(applied_.size()); }

  std::vector<Index> applied_by_;
  Altered altered_;
  Index settled_;
  std::deque<Applied> applied_;         // by index, from settled_ on
  std::map<Index, Applied> snapshots_;  // where some node's went to
  NameTable<Put> puts_;
  std::uint64_t first_open_ = 1;
  std::deque<Open> operations_;  // by id, from first_open_ on
  // A node that has proposed a put shows it with its next turn. Once what was the longest log's end
  // is settled all have had one, and the put is shown; once what is its end then is settled too,
  // nobody will apply that put again.
  std::deque<Past> past_;
  std::deque<Past> shown_;
  SessionChecker sessions_;
  std::uint64_t registrations_asked_ = 0;
  std::uint64_t registrations_applied_ = 0;
  Violations& violations_;
};

}  // namespace vesper::sim
