// What is known of each of many things, by a 64-bit name (a hash of what makes it the thing that it
// is): a flat table, so that looking one up costs the same among a million as among ten. The
// checkers keep puts in such tables. Nothing ever asks for its order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace vesper::sim {

template <class Value>
class NameTable {
 public:
  NameTable() : places_(kFirstPlaces) {}

  std::size_t size() const { return count_; }
  // The value of this name, new if need be. The reference holds until the next call.
  // Requires: name != 0.
  Value& add(std::uint64_t name) {
    if (2 * (count_ + 1) > places_.size()) grow();
    Place& place = places_[place_of(name)];
    if (place.name == 0) {
      place.name = name;
      ++count_;
    }
    return place.value;
  }
  // nullptr: it is not there.
  Value* find(std::uint64_t name) {
    Place& place = places_[place_of(name)];
    return place.name == 0 ? nullptr : &place.value;
  }
  // Whoever stands behind it because its place was taken moves up, so that searches still end at
  // the first empty place.
  void erase(std::uint64_t name) {
    std::size_t hole = place_of(name);
    if (places_[hole].name == 0) return;
    --count_;
    for (std::size_t at = after(hole); places_[at].name != 0; at = after(at)) {
      const std::size_t home = home_of(places_[at].name);
      const std::size_t mask = places_.size() - 1;
      if (((at - home) & mask) < ((at - hole) & mask)) continue;  // its home lies behind the hole
      places_[hole] = std::move(places_[at]);
      hole = at;
    }
    places_[hole] = {};
  }

 private:
  struct Place {
    std::uint64_t name = 0;  // 0: an empty place
    Value value{};
  };
  static constexpr std::size_t kFirstPlaces = 1024;  // a power of two, as all sizes are

  std::size_t home_of(std::uint64_t name) const { return (name >> 1) & (places_.size() - 1); }
  std::size_t after(std::size_t at) const { return (at + 1) & (places_.size() - 1); }
  std::size_t place_of(std::uint64_t name) const {
    VESPER_CHECK(name != 0);
    std::size_t at = home_of(name);
    while (places_[at].name != 0 && places_[at].name != name) at = after(at);
    return at;
  }
  void grow() {
    std::vector<Place> old(2 * places_.size());
    old.swap(places_);
    for (Place& place : old) {
      if (place.name != 0) places_[place_of(place.name)] = std::move(place);
    }
  }

  std::vector<Place> places_;
  std::size_t count_ = 0;
};

}  // namespace vesper::sim
