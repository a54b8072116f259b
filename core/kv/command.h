// The commands of the state machine, as the payload of a log entry:
//   u8 operation (1: put), u32 key length, key, then the value to the end.
// A value is the JSON text that the client sent, byte for byte; the core looks at no byte of it.
#pragma once

#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"

namespace vesper::kv {

// Points into the bytes it was decoded from.
struct PutCommand {
  ByteView key;
  std::size_t value_offset = 0;  // in the payload, so that a store can share the entry's bytes
};

// Appends the payload to `out`. Requires: the key is not empty; key and value are within limits.h.
void encode_put(ByteView key, ByteView value, std::vector<std::byte>& out);

// Errors: kInvalid, for any bytes that encode_put does not make.
Result<PutCommand> decode_put(ByteView payload);

}  // namespace vesper::kv
