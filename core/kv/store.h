// The replicated store: an ordered map from key to value. Deterministic: the same commands in the
// same order give the same contents and the same hash on every node. StateMachine owns it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace vesper::kv {

class Store {
 public:
  // Applies one put; whether a session's put takes effect is decided before. Bytes that are no put
  // change nothing and are an error: every node sees the same bytes, so every node refuses the
  // same.
  Status apply(const SharedBytes& payload);

  // The value, sharing the bytes of the entry that wrote it; nullptr if the key is absent.
  const SharedBytes* get(std::string_view key) const;

  std::size_t size() const { return values_.size(); }
  // Names the contents, not the way to them: a sum over all pairs, kept up to date in constant
  // time.
  std::uint64_t state_hash() const { return sum_; }

 private:
  std::map<std::string, SharedBytes, std::less<>> values_;
  std::uint64_t sum_ = 0;
};

}  // namespace vesper::kv
