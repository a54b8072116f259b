// The requests that wait for an answer inside one node. A put or a registration waits for the entry
// at exactly its (term, index) to be applied; a get waits for its round of heartbeats and then for
// the store to reach its read index. All requests have the same time limit, so the oldest expires
// first and one look at the front tells when. Node owns it; every request that went in comes out as
// exactly one answer.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "core/base/types.h"
#include "core/kv/store.h"
#include "core/node/environment.h"
#include "core/raft/ready.h"

namespace vesper::node {

class Waiters {
 public:
  // Takes the answers out; each is to be given to Clients::answer once.
  struct Answered {
    RequestId request;
    Answer answer;
  };
  std::vector<Answered>& answers() { return answers_; }

  std::size_t size() const {
    return proposals_.size() + gets_.size() + parts_.size() + (transfer_ ? 1 : 0) +
           (change_ ? 1 : 0);
  }

  void answer(RequestId request, Answer answer) {
    answers_.push_back({request, std::move(answer)});
  }

  // A put or a registration.
  void add_proposal(RequestId request, LogPosition position, Instant deadline);
  // The name under which Raft is asked for the read.
  RequestId next_read() const { return RequestId(first_get_ + gets_.size()); }
  // Requires: Raft was asked for next_read(). Without a key it asks for a snapshot.
  void add_get(RequestId request, std::string_view key, Instant deadline);

  // Requires: Raft has begun the transfer, so none waits.
  void add_transfer(RequestId request, Instant deadline);
  bool has_transfer() const { return transfer_.has_value(); }
  // Requires: has_transfer().
  void end_transfer(Answer answer);

  // The same of a change of the members.
  void add_change(RequestId request, Instant deadline);
  bool has_change() const { return change_.has_value(); }
  void end_change(Answer answer);

  // The entry at this position was applied.
  void on_applied(LogPosition position, kv::Verdict verdict);
  // A snapshot took the place of the entries up to here: nobody here saw what became of these.
  void on_restored(Index last);
  void on_read_granted(raft::GrantedRead read);
  void on_read_lost(RequestId read);
  bool has_granted() const { return !granted_.empty(); }
  // Answers the reads whose index the store has reached.
  void serve_reads(Index applied, const kv::Store& store);
  // Whether one of them asked for a snapshot, since it was taken out last.
  bool wants_snapshot() const { return is_snapshot_wanted_; }
  bool take_snapshot_wanted() { return std::exchange(is_snapshot_wanted_, false); }

  // A piece of a snapshot, until the disk has read it.
  void add_part(RequestId request, Instant deadline) { parts_.emplace_back(request, deadline); }
  void end_part(RequestId request, Answer answer);

  // Answers all that have waited long enough.
  void expire(Instant now);
  Instant next_deadline() const;
  // The node stops: nobody may wait for ever.
  void fail_all();

 private:
  struct Proposal {
    RequestId request;
    LogPosition position;
    Instant deadline;
  };
  struct Get {
    RequestId request;
    std::string key;
    Instant deadline;
    bool answered = false;
  };
  // An operator's.
  struct Operation {
    RequestId request;
    Instant deadline;
  };
  Get* find(RequestId read);
  void answer_get(Get& get, Answer answer);

  // What every turn asks for, first.
  bool is_snapshot_wanted_ = false;
  std::optional<Operation> transfer_;
  std::optional<Operation> change_;
  std::deque<raft::GrantedRead> granted_;  // by rising index
  std::vector<Answered> answers_;
  std::deque<Proposal> proposals_;  // by rising index, which is also by rising deadline
  std::deque<Get> gets_;            // by rising deadline; the i-th is Raft's read first_get_ + i
  std::uint64_t first_get_ = 1;
  std::deque<std::pair<RequestId, Instant>> parts_;  // by rising deadline
};

}  // namespace vesper::node
