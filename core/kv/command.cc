#include "core/kv/command.h"

#include "core/base/limits.h"

namespace vesper::kv {

namespace {

constexpr std::uint8_t kPut = 1;
constexpr std::size_t kHeaderBytes = 5;
static_assert(kHeaderBytes + limits::kKeyBytes + limits::kValueBytes <= limits::kEntryPayloadBytes,
              "every put fits into an entry");

}  // namespace

void encode_put(ByteView key, ByteView value, std::vector<std::byte>& out) {
  VESPER_CHECK(!key.empty());
  VESPER_CHECK(key.size() <= limits::kKeyBytes);
  VESPER_CHECK(value.size() <= limits::kValueBytes);

  out.reserve(out.size() + kHeaderBytes + key.size() + value.size());
  ByteWriter writer(out);
  writer.u8(kPut);
  writer.u32(static_cast<std::uint32_t>(key.size()));
  writer.bytes(key);
  writer.bytes(value);
}

Result<PutCommand> decode_put(ByteView payload) {
  ByteReader in(payload);
  const std::uint8_t operation = in.u8();
  const std::uint32_t key_size = in.u32();
  if (!in.ok()) return Error{ErrorCode::kInvalid, "command: header cut short"};
  if (operation != kPut) {
    return Error{ErrorCode::kInvalid, "command: unknown operation " + std::to_string(operation)};
  }
  if (key_size == 0) return Error{ErrorCode::kInvalid, "command: empty key"};
  if (key_size > limits::kKeyBytes) {
    return Error{ErrorCode::kInvalid,
                 "command: key of " + std::to_string(key_size) + " bytes is over the limit"};
  }

  const ByteView key = in.bytes(key_size);
  if (!in.ok()) return Error{ErrorCode::kInvalid, "command: key cut short"};
  if (in.remaining() > limits::kValueBytes) {
    return Error{ErrorCode::kInvalid, "command: value over the limit"};
  }
  return PutCommand{.key = key, .value_offset = in.offset()};
}

}  // namespace vesper::kv
