// Captures of a store: what they write while commands go on, and what loading them gives.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/base/limits.h"
#include "core/kv/command.h"
#include "core/kv/store.h"
#include "tests/core/properties.h"

namespace vesper::kv {
namespace {

using Pairs = std::map<std::string, std::string>;

SharedBytes put(std::string_view key, std::string_view value) {
  std::vector<std::byte> out;
  encode_put(as_bytes(key), as_bytes(value), out);
  return SharedBytes::copy_of(out);
}

std::string any_key() {
  return *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'd')));
}

// The format that store.h states, by a hand of its own.
std::string written(const Pairs& pairs) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  for (const auto& [key, value] : pairs) {
    out.u32(static_cast<std::uint32_t>(key.size()));
    out.u32(static_cast<std::uint32_t>(value.size()));
    out.bytes(as_bytes(key));
    out.bytes(as_bytes(value));
  }
  return std::string(as_text(bytes));
}

void put_any(Store& store, Pairs& model) {
  const std::string key = any_key();
  const auto value = *rc::gen::arbitrary<std::string>();
  model[key] = value;
  RC_ASSERT(store.apply(put(key, value)).ok());
}

std::string capture_all(Store& store) {
  std::vector<std::byte> out;
  store.begin_capture();
  while (store.capture_next(SIZE_MAX, out)) continue;
  return std::string(as_text(out));
}

// Takes whole pairs off the front as it goes, as a reader of pieces does.
Result<std::string> load_in_pieces(Store& store, std::string bytes, std::size_t piece) {
  std::string rest;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    rest += bytes.substr(at, piece);
    const auto taken = store.load(as_bytes(rest));
    if (!taken.ok()) return taken.error();
    rest.erase(0, taken.value());
  }
  return rest;
}

TEST_CASE("a capture writes what the store held when it began, whatever is put meanwhile") {
  std::uint64_t interleaved = 0;
  CHECK(testing::holds("capture_next gives the contents at begin_capture", [&] {
    Store store;
    Pairs model;
    for (auto count = *rc::gen::inRange(0, 40); count > 0; --count) put_any(store, model);

    const Pairs then = model;
    const std::uint64_t promised = store.capture_bytes();
    store.begin_capture();
    std::vector<std::byte> out;
    for (bool more = true; more;) {
      for (auto count = *rc::gen::inRange(0, 4); count > 0; --count) put_any(store, model);
      more = store.capture_next(out.size() + *rc::gen::inRange<std::size_t>(1, 60), out);
      if (more) ++interleaved;
    }

    RC_ASSERT(as_text(out) == written(then));
    RC_ASSERT(promised == out.size());
    // And the store itself went on undisturbed.
    RC_ASSERT(store.size() == model.size());
    RC_ASSERT(capture_all(store) == written(model));
  }));
  CHECK(interleaved > 100);
}

TEST_CASE("a capture that is begun anew, or ended, leaves nothing of the first") {
  CHECK(testing::holds("the second capture is of the second moment", [] {
    Store store;
    Pairs model;
    std::vector<std::byte> out;
    for (auto count = *rc::gen::inRange(1, 20); count > 0; --count) put_any(store, model);
    store.begin_capture();
    store.capture_next(*rc::gen::inRange<std::size_t>(1, 60), out);
    for (auto count = *rc::gen::inRange(0, 9); count > 0; --count) put_any(store, model);
    if (*rc::gen::arbitrary<bool>()) store.end_capture();
    for (auto count = *rc::gen::inRange(0, 9); count > 0; --count) put_any(store, model);
    RC_ASSERT(capture_all(store) == written(model));
  }));
}

TEST_CASE("what a capture wrote loads into an equal store, in pieces of any size") {
  CHECK(testing::holds("load(capture) equals the store", [] {
    Store store;
    Pairs model;
    for (auto count = *rc::gen::inRange(0, 40); count > 0; --count) put_any(store, model);

    Store loaded;
    const auto rest =
        load_in_pieces(loaded, capture_all(store), *rc::gen::inRange<std::size_t>(1, 80));

    RC_ASSERT(rest.ok());
    RC_ASSERT(rest.value().empty());
    RC_ASSERT(loaded.state_hash() == store.state_hash());
    RC_ASSERT(loaded.size() == store.size());
    RC_ASSERT(loaded.capture_bytes() == store.capture_bytes());
    RC_ASSERT(capture_all(loaded) == written(model));
  }));
}

TEST_CASE("any bytes load into the store that captures to them, or are an error") {
  CHECK(testing::holds("load is strict", [] {
    std::string bytes = written(*rc::gen::arbitrary<Pairs>());
    for (auto changes = *rc::gen::inRange(0, 3); changes > 0 && !bytes.empty(); --changes) {
      bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<char>();
    }
    Store whole;
    const auto taken = whole.load(as_bytes(bytes));
    RC_CLASSIFY(taken.ok(), "a store");
    // In pieces it is the same, or fails the same.
    Store by_pieces;
    const auto rest = load_in_pieces(by_pieces, bytes, *rc::gen::inRange<std::size_t>(1, 80));
    RC_ASSERT(rest.ok() == taken.ok());
    if (!taken.ok()) {
      RC_ASSERT(taken.error().code == ErrorCode::kInvalid);
      return;
    }
    RC_ASSERT(rest.value() == bytes.substr(taken.value()));
    RC_ASSERT(capture_all(whole) == bytes.substr(0, taken.value()));
    RC_ASSERT(by_pieces.state_hash() == whole.state_hash());
  }));
}

TEST_CASE("pairs that no store holds are refused") {
  const std::string longest_key(limits::kKeyBytes, 'k');
  const std::string longest_value(limits::kValueBytes, 'v');
  struct {
    std::string bytes;
    bool valid;
    const char* why;
  } const rows[] = {
      {written({{longest_key, longest_value}}), true, "the longest key and value"},
      {written({{longest_key + "k", "v"}}), false, "a key too long"},
      {written({{"k", longest_value + "v"}}), false, "a value too long"},
      {written({{"", "v"}}), false, "an empty key"},
      {written({{"b", "1"}}) + written({{"a", "1"}}), false, "keys out of order"},
      {written({{"a", "1"}}) + written({{"a", "2"}}), false, "a key twice"},
      {written({{"a", ""}}), true, "an empty value"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Store store;
    const auto taken = store.load(as_bytes(row.bytes));
    CHECK(taken.ok() == row.valid);
    if (row.valid) CHECK(taken.value() == row.bytes.size());
  }
}

TEST_CASE("a store is discarded a few pairs at a time, a capture with it") {
  Store store;
  for (char key = 'a'; key <= 'g'; ++key) REQUIRE(store.apply(put(std::string(1, key), "v")).ok());
  store.begin_capture();

  CHECK(store.discard(3));
  CHECK(store.size() == 4);
  CHECK(store.discard(3));
  CHECK_FALSE(store.discard(3));
  CHECK(store.size() == 0);
  CHECK_FALSE(Store().discard(1));
}

}  // namespace
}  // namespace vesper::kv
