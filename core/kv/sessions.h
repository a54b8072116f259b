// The client sessions of the replicated state (dissertation section 6.3): they make a put that is
// tried again take effect once, whoever leads meanwhile. A client registers and gets a session,
// whose id is the index of the registration's entry; it numbers its requests from 1 and tries each
// again under the same number. For each session the numbers lately applied are kept, each with a
// hash of its body. StateMachine owns it and asks for every entry in the order of the log; no clock
// has a part in it, so all nodes answer the same. A pure value.
//
// What an entry that names (session, number, body) is told; it takes effect in the first case only:
//
//   the session          the number                      verdict       the answer
//   is kept              new: above the window's floor,  kApplied      success
//                        and not kept
//   is kept              kept, with the same body        kRepeated     success, as the first time
//   is kept              kept, with another body         kOtherBody    409, rejected: what took
//                                                                      effect is the other body
//   is kept              at or below the floor           kBelowWindow  409, unknown: it may have
//                                                                      been applied and forgotten
//   was expired, maybe   any                             kExpired      409, unknown: the first try
//                                                                      may have been applied before
//   was never issued     any                             kNeverIssued  409, rejected
//
// The floor lies `numbers` below the highest number applied: a client may have that many requests
// under way, in any order. Sessions that were never issued are told from expired ones without
// keeping every id: an id that is not kept and above every expired one was never issued, or it
// would be kept; of one that is below, nobody can say, and kExpired is the safe answer.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/limits.h"
#include "core/base/result.h"
#include "core/base/types.h"
#include "core/kv/command.h"

namespace vesper::kv {

enum class Verdict : std::uint8_t {
  kNone,     // no command: a no-op, or bytes that say nothing
  kApplied,  // took effect; a registration too
  kRepeated,
  kOtherBody,
  kBelowWindow,
  kExpired,
  kNeverIssued,
};
// Of the four that refuse.
bool is_refusal(Verdict verdict);
// Of a refusal: whether an earlier try with this body may have taken effect.
bool may_have_taken_effect(Verdict verdict);

// Part of the replicated state: all nodes must use the same.
struct SessionBounds {
  std::size_t sessions = limits::kSessions;
  std::size_t numbers = limits::kSessionNumbers;
};

class Sessions {
 public:
  explicit Sessions(SessionBounds bounds = {});

  // The entry at `index` registers a session, which gets SessionId(index). Beyond the bound the one
  // used longest ago expires: a use is an entry that names the session, applied or refused.
  // Requires: index is above that of every entry before.
  void open(Index index);
  // Judges the put at `index`; kApplied: it takes effect now, and its number is kept. `body` is
  // pair_hash of its key and value. Requires: as open; session and number are not 0.
  Verdict judge(Index index, IdempotencyKey once, std::uint64_t body);

  std::size_t size() const { return sessions_.size(); }
  // Names the contents, kept up to date in constant time; 0 if no session was ever opened.
  std::uint64_t state_hash() const { return sum_; }
  // Whether the contents, as they stand in memory, are what the hash says. Linear; at the default
  // bounds about a millisecond.
  bool is_sound() const;

  // For a snapshot. Appends, little-endian:
  //   u64 highest id expired (0: none), u32 sessions, and each by rising id:
  //   u64 id, u64 index of its last use, u32 numbers kept, and each by rising number:
  //   u64 number, u64 hash of its body
  // One encoding for each state. At the default bounds at most 4.3 MB.
  void encode(std::vector<std::byte>& out) const;
  // Exactly one encoding of sessions that entries up to `applied` can have left. Errors: kInvalid.
  static Result<Sessions> decode(ByteView bytes, SessionBounds bounds, Index applied);

 private:
  struct Kept {
    RequestNumber number;
    std::uint64_t body = 0;
  };
  struct Session {
    Index last_use;
    std::vector<Kept> kept;  // by rising number, at most bounds_.numbers; the last is the highest
  };
  using ById = std::map<SessionId, Session>;

  void use(ById::iterator session, Index index);
  void keep(ById::iterator session, std::vector<Kept>::iterator before, Kept added);
  void expire_oldest();
  Status read_session(ByteReader& in, Index applied);
  static std::uint64_t use_hash(SessionId id, Index last_use);
  static std::uint64_t kept_hash(SessionId id, const Kept& kept);
  static std::uint64_t expired_hash(SessionId highest);

  SessionBounds bounds_;
  ById sessions_;
  std::map<Index, SessionId> by_use_;  // of each session, by the index of its last use
  SessionId highest_expired_;          // 0: none
  std::uint64_t sum_ = 0;
};

}  // namespace vesper::kv
