#include "core/kv/command.h"

#include "core/base/hash.h"
#include "core/base/limits.h"

namespace vesper::kv {

namespace {

constexpr std::uint8_t kPut = 1;
constexpr std::uint8_t kPutOnce = 2;
constexpr std::uint8_t kRegister = 3;
constexpr std::uint8_t kCheckPoint = 4;
constexpr std::size_t kHeaderBytes = 5;
constexpr std::size_t kOnceBytes = 16;
static_assert(kHeaderBytes + kOnceBytes + limits::kKeyBytes + limits::kValueBytes <=
                  limits::kEntryPayloadBytes,
              "every put fits into an entry");

Error invalid(std::string why) {
  return {ErrorCode::kInvalid, "command: " + std::move(why)};
}

void write_pair(ByteView key, ByteView value, ByteWriter& writer) {
  VESPER_CHECK(!key.empty());
  VESPER_CHECK(key.size() <= limits::kKeyBytes);
  VESPER_CHECK(value.size() <= limits::kValueBytes);

  writer.u32(static_cast<std::uint32_t>(key.size()));
  writer.bytes(key);
  writer.bytes(value);
}

}  // namespace

void encode_put(ByteView key, ByteView value, std::vector<std::byte>& out) {
  out.reserve(out.size() + kHeaderBytes + key.size() + value.size());
  ByteWriter writer(out);
  writer.u8(kPut);
  write_pair(key, value, writer);
}

void encode_put_once(IdempotencyKey once, ByteView key, ByteView value,
                     std::vector<std::byte>& out) {
  VESPER_CHECK(once.session != SessionId() && once.number != RequestNumber());

  out.reserve(out.size() + kHeaderBytes + kOnceBytes + key.size() + value.size());
  ByteWriter writer(out);
  writer.u8(kPutOnce);
  writer.u64(once.session.value());
  writer.u64(once.number.value());
  write_pair(key, value, writer);
}

void encode_register(std::vector<std::byte>& out) {
  ByteWriter(out).u8(kRegister);
}

void encode_check_point(std::vector<std::byte>& out) {
  ByteWriter(out).u8(kCheckPoint);
}

bool is_register(ByteView payload) {
  return payload.size() == 1 && payload[0] == std::byte{kRegister};
}

bool is_check_point(ByteView payload) {
  return payload.size() == 1 && payload[0] == std::byte{kCheckPoint};
}

Result<PutCommand> decode_put(ByteView payload) {
  ByteReader in(payload);
  PutCommand put;
  const std::uint8_t operation = in.u8();
  if (in.ok() && operation != kPut && operation != kPutOnce) {
    return invalid("unknown operation " + std::to_string(operation));
  }
  if (operation == kPutOnce) {
    put.once.emplace();
    put.once->session = SessionId(in.u64());
    put.once->number = RequestNumber(in.u64());
  }
  const std::uint32_t key_size = in.u32();
  if (!in.ok()) return invalid("header cut short");
  if (put.once && (put.once->session == SessionId() || put.once->number == RequestNumber())) {
    return invalid("session or number 0");
  }
  if (key_size == 0) return invalid("empty key");
  if (key_size > limits::kKeyBytes) {
    return invalid("key of " + std::to_string(key_size) + " bytes is over the limit");
  }

  put.key = in.bytes(key_size);
  if (!in.ok()) return invalid("key cut short");
  if (in.remaining() > limits::kValueBytes) return invalid("value over the limit");
  put.value_offset = in.offset();
  return put;
}

std::uint64_t pair_hash(ByteView key, ByteView value) {
  return hash64(value, hash64(key, key.size()));
}

}  // namespace vesper::kv
