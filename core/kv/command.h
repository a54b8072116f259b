// The commands of the state machine, as the payload of a log entry:
//   u8 1  a put:                u32 key length, key, then the value to the end
//   u8 2  a put of a session:   u64 session, u64 number (core/kv/sessions.h), then as a put
//   u8 3  registers a session:  nothing more
//   u8 4  a check point:        nothing more; changes nothing (core/node/consistency.h)
// A value is the JSON text that the client sent, byte for byte; the core looks at no byte of it.
#pragma once

#include <optional>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/base/types.h"

namespace vesper::kv {

// Names one request of one client over all its tries.
struct IdempotencyKey {
  SessionId session;
  RequestNumber number;
  constexpr auto operator<=>(const IdempotencyKey&) const = default;
};

// Points into the bytes it was decoded from.
struct PutCommand {
  ByteView key;
  std::size_t value_offset = 0;  // in the payload, so that a store can share the entry's bytes
  std::optional<IdempotencyKey> once;
};

// Appends the payload to `out`. Requires: the key is not empty; key and value are within limits.h;
// of `once`, neither session nor number is 0.
void encode_put(ByteView key, ByteView value, std::vector<std::byte>& out);
void encode_put_once(IdempotencyKey once, ByteView key, ByteView value,
                     std::vector<std::byte>& out);
void encode_register(std::vector<std::byte>& out);
void encode_check_point(std::vector<std::byte>& out);

bool is_register(ByteView payload);
bool is_check_point(ByteView payload);
// Errors: kInvalid, for any bytes that neither encode_put nor encode_put_once makes.
Result<PutCommand> decode_put(ByteView payload);

// Names what a put puts. The key's length is the first seed, so that no byte can move between key
// and value and keep the sum.
std::uint64_t pair_hash(ByteView key, ByteView value);

}  // namespace vesper::kv
