// The replicated store: an ordered map from key to value. Deterministic: the same commands in the
// same order give the same contents and the same hash on every node. StateMachine owns it. A
// capture writes out the contents as they were at one moment, a piece at a time, while commands go
// on: what a command changes before the capture has passed it is kept beside the map until then.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace vesper::kv {

class Store {
 public:
  // Applies one put; whether a session's put takes effect is decided before. Bytes that are no put
  // change nothing and are an error: every node sees the same bytes, so every node refuses the
  // same.
  Status apply(const SharedBytes& payload);

  // Nullptr if the key is absent.
  const SharedBytes* get(std::string_view key) const;

  // A capture of the contents as they are now; any other ends. Ensures: capture_bytes() more bytes
  // come from capture_next.
  void begin_capture();
  // Appends the next pairs of the capture, in the order of their keys, until `out` holds at least
  // `bytes` or all is there: u32 key length, u32 value length, key, value. Requires: a capture is
  // under way. True: there is more. False: it is over.
  bool capture_next(std::size_t bytes, std::vector<std::byte>& out);
  void end_capture() { capture_.reset(); }
  // What a capture of the present contents comes to.
  std::uint64_t capture_bytes() const { return pair_bytes_; }

  // Adds pairs as capture_next wrote them: whole ones are taken off the front of `bytes`. Requires:
  // no command was applied. Errors: kInvalid, for bytes that no capture makes.
  Result<std::size_t> load(ByteView bytes);

  // Gives up to `pairs` pairs back to memory. True: there are more. (A large store that is replaced
  // goes bit by bit, or its owner would stand still.)
  bool discard(std::size_t pairs);

  // Walks on over all pairs as they stand in memory, beside the commands: up to so many, of up to
  // so many bytes and one. Nothing: the walk is not over. Otherwise whether their sum is
  // state_hash(); the next call begins anew. Requires: pairs > 0, bytes > 0.
  std::optional<bool> scrub(std::size_t pairs, std::size_t bytes);

  std::size_t size() const { return values_.size(); }
  // Names the contents, not the way to them: a sum over all pairs, kept up to date in constant
  // time.
  std::uint64_t state_hash() const { return sum_; }

 private:
  using Values = std::map<std::string, SharedBytes, std::less<>>;
  struct Capture {
    std::optional<std::string> passed;  // every key up to it is written
    Values before;                      // values of keys beyond it, as they were
    // Keys beyond it that were absent.
    std::set<std::string, std::less<>> absent;
  };
  struct Scrub {
    std::string passed;     // every key up to it is in the sum
    std::uint64_t sum = 0;  // as commands leave it
  };
  void add_to_sum(std::string_view key, std::uint64_t change);
  void keep_for_capture(std::string_view key, const SharedBytes* before);
  void insert(Values::iterator at, std::string_view key, SharedBytes value);

  Values values_;
  std::uint64_t pair_bytes_ = 0;
  std::optional<Capture> capture_;
  std::optional<Scrub> scrub_;
  std::uint64_t sum_ = 0;
};

}  // namespace vesper::kv
