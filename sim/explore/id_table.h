// From 64-bit keys to small numbers: a flat table, so that looking one up costs the same among a
// hundred million as among ten. Nothing ever asks for its order.
#pragma once

#include <cstdint>
#include <vector>

#include "core/base/check.h"
#include "core/base/hash.h"

namespace vesper::sim::explore {

class IdTable {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  // `value`, unless the key is there already: then what it has. Requires: value is not kNone.
  std::uint32_t find_or_add(std::uint64_t key, std::uint32_t value) {
    VESPER_CHECK(value != kNone);
    if (10 * (count_ + 1) > 7 * values_.size()) grow();
    const std::size_t at = place_of(key);
    if (values_[at] != kNone) return values_[at];
    keys_[at] = key;
    values_[at] = value;
    ++count_;
    return value;
  }
  // kNone: no such key.
  std::uint32_t find(std::uint64_t key) const {
    return values_.empty() ? kNone : values_[place_of(key)];
  }
  std::size_t size() const { return count_; }
  std::size_t bytes() const { return keys_.size() * (sizeof(keys_[0]) + sizeof(values_[0])); }

 private:
  std::size_t place_of(std::uint64_t key) const {
    const std::size_t mask = values_.size() - 1;
    std::size_t at = mix64(0, key) & mask;
    while (values_[at] != kNone && keys_[at] != key) at = (at + 1) & mask;
    return at;
  }
  void grow() {
    const std::size_t places = values_.empty() ? 1024 : 2 * values_.size();  // a power of two
    std::vector<std::uint64_t> keys(places);
    std::vector<std::uint32_t> values(places, kNone);
    keys.swap(keys_);
    values.swap(values_);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i] == kNone) continue;
      const std::size_t at = place_of(keys[i]);
      keys_[at] = keys[i];
      values_[at] = values[i];
    }
  }

  std::vector<std::uint64_t> keys_;
  std::vector<std::uint32_t> values_;
  std::size_t count_ = 0;
};

}  // namespace vesper::sim::explore
