// The replicated state machine: the store, and the sessions that decide which put takes effect in
// it. Deterministic: the same entries in the same order give the same state, verdicts and hash on
// every node. Node owns it and applies committed entries.
//
// Nothing is answered from the sessions before its entry is committed and applied here. A leader
// may apply late or lead no longer, so what it finds at a request's arrival may be neither the
// newest state nor its own to tell; and a try that is under way in the log is not seen there at
// all. A retry costs an entry, and gets its answer by the same way as the first try.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/types.h"
#include "core/kv/sessions.h"
#include "core/kv/store.h"

namespace vesper::kv {

class StateMachine {
 public:
  explicit StateMachine(SessionBounds bounds = {}) : sessions_(bounds) {}

  // Applies the command of the entry at `index`. Bytes that are no command change nothing and are
  // an error: every node sees the same bytes, so every node refuses the same.
  // Requires: index is above that of every entry before.
  Result<Verdict> apply(Index index, const SharedBytes& payload);

  // A capture of the state as it is now (store.h): the sessions, which are small, at once; the
  // store's pairs a piece at a time.
  void begin_capture(std::vector<std::byte>& sessions);
  void end_capture() { store_.end_capture(); }
  bool capture_next(std::size_t bytes, std::vector<std::byte>& out) {
    return store_.capture_next(bytes, out);
  }
  // What a capture wrote, into a state machine that has applied nothing. The sessions are those
  // that entries up to `applied` can have left. Errors: kInvalid.
  Status load_sessions(ByteView bytes, SessionBounds bounds, Index applied);
  Result<std::size_t> load_pairs(ByteView bytes) { return store_.load(bytes); }
  bool discard(std::size_t pairs) { return store_.discard(pairs); }

  // Walks on over the state as it stands in memory (store.h). Nothing: the walk is not over.
  // Otherwise whether it is what state_hash() says.
  std::optional<bool> scrub(std::size_t pairs, std::size_t bytes);

  const Store& store() const { return store_; }
  const Sessions& sessions() const { return sessions_; }
  // Covers both; that of the store alone while no session was ever opened.
  std::uint64_t state_hash() const { return store_.state_hash() + sessions_.state_hash(); }

 private:
  Store store_;
  Sessions sessions_;
};

}  // namespace vesper::kv
