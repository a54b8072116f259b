// What is known of every put of a run, by the hash of its key and value: a flat table, so that
// looking one up costs the same after a million puts as after ten. AppliedChecker owns it. Nothing
// ever asks for its order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/check.h"
#include "core/kv/command.h"

namespace vesper::sim {

class PutTable {
 public:
  struct Put {
    std::uint64_t name = 0;  // 0: an empty place
    bool is_applied = false;
    bool is_rejected = false;
    std::optional<kv::IdempotencyKey> once;
  };

  PutTable() : places_(kFirstPlaces) {}

  // The put of this name, new if need be. The reference holds until the next call.
  Put& add(std::uint64_t name) {
    if (2 * (count_ + 1) > places_.size()) grow();
    Put& place = place_of(name);
    if (place.name == 0) {
      place.name = name;
      ++count_;
    }
    return place;
  }
  // nullptr: no such put.
  Put* find(std::uint64_t name) {
    Put& place = place_of(name);
    return place.name == 0 ? nullptr : &place;
  }

 private:
  static constexpr std::size_t kFirstPlaces = 1024;  // a power of two, as all sizes are

  Put& place_of(std::uint64_t name) {
    VESPER_CHECK(name != 0);
    std::size_t at = (name >> 1) & (places_.size() - 1);
    while (places_[at].name != 0 && places_[at].name != name) at = (at + 1) & (places_.size() - 1);
    return places_[at];
  }
  void grow() {
    std::vector<Put> old(2 * places_.size());
    old.swap(places_);
    for (const Put& put : old) {
      if (put.name != 0) place_of(put.name) = put;
    }
  }

  std::vector<Put> places_;
  std::size_t count_ = 0;
};

}  // namespace vesper::sim
