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

SharedBytes put(std::string_view key, std::string_view value) {
  std::vector<std::byte> out;
  encode_put(as_bytes(key), as_bytes(value), out);
  return SharedBytes::copy_of(out);
}

void apply_all(Store& store, const std::map<std::string, std::string>& pairs) {
  for (const auto& [key, value] : pairs) REQUIRE(store.apply(put(key, value)).ok());
}

std::string any_key() {
  return *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'd')));
}

TEST_CASE("a put's payload is an operation, the key's length, the key and the value") {
  const SharedBytes payload = put("key", "\"v\"");

  CHECK(payload.text() == std::string_view("\x01\x03\x00\x00\x00key\"v\"", 11));
  CHECK(as_text(decode_put(payload.view()).value().key) == "key");
  CHECK(decode_put(payload.view()).value().value_offset == 8);
}

TEST_CASE("any put is decoded as it was encoded, and appends to what the buffer held") {
  CHECK(testing::holds("decode_put gives back encode_put's key and value", [] {
    const auto key = *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
    const auto value = *rc::gen::arbitrary<std::string>();
    std::vector<std::byte> out(3);
    encode_put(as_bytes(key), as_bytes(value), out);

    const ByteView payload = ByteView(out).subspan(3);
    const auto decoded = decode_put(payload);
    RC_ASSERT(decoded.ok());
    RC_ASSERT(as_text(decoded.value().key) == key);
    RC_ASSERT(as_text(payload.subspan(decoded.value().value_offset)) == value);
  }));
}

TEST_CASE("the longest key and value make a command, and one byte more does not") {
  const std::string key(limits::kKeyBytes, 'k');
  const std::string value(limits::kValueBytes, 'v');
  const SharedBytes longest = put(key, value);
  CHECK(longest.size() <= limits::kEntryPayloadBytes);
  CHECK(decode_put(longest.view()).ok());

  const SharedBytes value_too_long =
      SharedBytes::copy_of(as_bytes(std::string(longest.text()) + "v"));
  CHECK_FALSE(decode_put(value_too_long.view()).ok());

  std::string key_too_long = std::string(put("k", "").text().substr(0, 5)) + key + "k";
  store_little(reinterpret_cast<std::byte*>(key_too_long.data() + 1),
               static_cast<std::uint32_t>(limits::kKeyBytes + 1));
  CHECK_FALSE(decode_put(as_bytes(key_too_long)).ok());
}

TEST_CASE("bytes that no put makes are refused") {
  struct {
    std::string_view bytes;
    const char* why;
  } const rows[] = {
      {{"", 0}, "empty"},
      {{"\x01", 1}, "an operation alone"},
      {{"\x01\x01\x00\x00", 4}, "a length cut short"},
      {{"\x01\x00\x00\x00\x00value", 10}, "an empty key"},
      {{"\x00\x01\x00\x00\x00kv", 7}, "operation 0"},
      {{"\x04\x01\x00\x00\x00kv", 7}, "an operation of a later format"},
      {{"\x03", 1}, "a registration, which puts nothing"},
      {{"\x02\x01\x00\x00\x00kv", 7}, "a session cut short"},
      {{"\x02\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0k", 22}, "session 0"},
      {{"\x02\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0k", 22}, "number 0"},
      {{"\x01\x03\x00\x00\x00kv", 7}, "a key cut short"},
      {{"\x01\xff\xff\xff\xffkv", 7}, "a length far beyond the bytes"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    const auto decoded = decode_put(as_bytes(row.bytes));
    REQUIRE_FALSE(decoded.ok());
    CHECK(decoded.error().code == ErrorCode::kInvalid);
  }
}

TEST_CASE("any bytes give a command that encodes to them, or an error") {
  CHECK(testing::holds("decode_put is strict", [] {
    auto bytes = *rc::gen::arbitrary<std::string>();
    const auto length = *rc::gen::element<std::size_t>(0, 5, 21);
    bytes.insert(0, std::string("\1\1\0\0\0", 5).substr(0, length));
    if (length > 5) bytes[0] = '\2';
    if (length > 5) bytes.insert(5, std::string("\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0", 16));
    const auto decoded = decode_put(as_bytes(bytes));
    RC_CLASSIFY(decoded.ok(), "a command");
    if (!decoded.ok()) return;
    const PutCommand& command = decoded.value();
    const ByteView value = as_bytes(bytes).subspan(command.value_offset);
    std::vector<std::byte> again;
    if (command.once) encode_put_once(*command.once, command.key, value, again);
    if (!command.once) encode_put(command.key, value, again);
    RC_ASSERT(as_text(again) == bytes);
  }));
}

TEST_CASE("a store without the key says so") {
  Store store;
  REQUIRE(store.apply(put("a", "1")).ok());

  CHECK(store.get("b") == nullptr);
  CHECK(store.get("") == nullptr);
  CHECK(store.get("a")->text() == "1");
  CHECK(store.size() == 1);
}

TEST_CASE("a value has bytes of its own: the message that it came in may go") {
  Store store;
  const SharedBytes payload = put("key", "value");
  REQUIRE(store.apply(payload).ok());

  const std::byte* const at = store.get("key")->view().data();
  CHECK((at < payload.view().data() || at >= payload.view().data() + payload.size()));
}

TEST_CASE("a store acts as an ordered map does, and refuses what is no command") {
  CHECK(testing::holds("a store equals std::map after every command", [] {
    Store store;
    std::map<std::string, std::string> model;
    const auto steps = *rc::gen::inRange(0, 60);
    for (int i = 0; i < steps; ++i) {
      const std::uint64_t before = store.state_hash();
      if (*rc::gen::inRange(0, 8) == 0) {
        const SharedBytes garbage = SharedBytes::copy_of(as_bytes("\x07" + any_key()));
        RC_ASSERT(!store.apply(garbage).ok());
        RC_ASSERT(store.state_hash() == before);
      } else {
        const std::string key = any_key();
        const auto value = *rc::gen::arbitrary<std::string>();
        const bool changes = !model.contains(key) || model[key] != value;
        model[key] = value;
        RC_ASSERT(store.apply(put(key, value)).ok());
        RC_ASSERT((store.state_hash() != before) == changes);
      }
      RC_ASSERT(store.size() == model.size());
    }
    for (const auto& [key, value] : model) {
      RC_ASSERT(store.get(key) != nullptr);
      RC_ASSERT(store.get(key)->text() == value);
    }
  }));
}

TEST_CASE("the state hash names the contents, not the way to them") {
  CHECK(testing::holds("overwrites and order leave no trace in the hash", [] {
    const auto pairs = *rc::gen::arbitrary<std::map<std::string, std::string>>();
    std::vector<std::pair<std::string, std::string>> way;
    for (const auto& [key, value] : pairs) {
      if (key.empty()) continue;
      if (*rc::gen::arbitrary<bool>()) way.insert(way.begin(), {key, value + "older"});
      way.emplace_back(key, value);
    }
    Store straight;
    Store roundabout;
    for (const auto& [key, value] : pairs) {
      if (!key.empty()) RC_ASSERT(straight.apply(put(key, value)).ok());
    }
    for (const auto& [key, value] : way) RC_ASSERT(roundabout.apply(put(key, value)).ok());
    for (auto pair = pairs.rbegin(); pair != pairs.rend(); ++pair) {
      if (!pair->first.empty()) RC_ASSERT(roundabout.apply(put(pair->first, pair->second)).ok());
    }
    RC_ASSERT(straight.state_hash() == roundabout.state_hash());
    RC_ASSERT(straight.size() == roundabout.size());
  }));
}

TEST_CASE("the state hash tells contents apart") {
  struct {
    std::map<std::string, std::string> one;
    std::map<std::string, std::string> other;
    const char* why;
  } const rows[] = {
      {{}, {{"a", ""}}, "an empty value is not an absent key"},
      {{{"a", "1"}}, {{"a", "2"}}, "another value"},
      {{{"a", "1"}}, {{"b", "1"}}, "another key"},
      {{{"ab", "c"}}, {{"a", "bc"}}, "a byte moved from key to value"},
      {{{"a", "1"}, {"b", "2"}}, {{"a", "2"}, {"b", "1"}}, "values swapped"},
      {{{"a", "b"}}, {{"b", "a"}}, "key and value swapped"},
      {{{"a", "1"}}, {{"a", "1"}, {"b", "1"}}, "one key more"},
  };
  for (const auto& row : rows) {
    INFO(std::string(row.why));
    Store one;
    Store other;
    apply_all(one, row.one);
    apply_all(other, row.other);
    CHECK(one.state_hash() != other.state_hash());
  }
  CHECK(Store().state_hash() == 0);
}

TEST_CASE("the state hash is pinned: a change of it would part nodes of two versions") {
  Store store;
  apply_all(store, {{"alpha", "1"}, {"beta", "\"two\""}});

  CHECK(store.state_hash() == 0xa7824f38ba8d2c68ULL);
}

}  // namespace
}  // namespace vesper::kv
