#include "core/raft/entry.h"

#include <string>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/raft/configuration.h"

namespace vesper::raft {

Entry Entry::make(LogPosition position, EntryKind kind, ByteView payload) {
  VESPER_CHECK(payload.size() <= limits::kEntryPayloadBytes);
  VESPER_CHECK(position.index > Index(0));

  SharedBytes record =
      SharedBytes::make(kHeaderBytes + payload.size(), [&](std::span<std::byte> to) {
        std::byte* const head = to.data();
        store_little(head + 0, static_cast<std::uint32_t>(payload.size()));
        store_little(head + 4, crc32c(payload));
        store_little(head + 8, position.term.value());
        store_little(head + 16, position.index.value());
        store_little(head + 24, static_cast<std::uint32_t>(kind));
        store_little(head + 28, crc32c({head, 28}));
        if (!payload.empty()) std::memcpy(head + kHeaderBytes, payload.data(), payload.size());
      });
  return Entry(position, kind, std::move(record));
}

Result<Entry> Entry::decode(const SharedBytes& bytes) {
  if (bytes.size() < kHeaderBytes) return Error{ErrorCode::kInvalid, "entry: header cut short"};
  const std::byte* const head = bytes.view().data();
  if (crc32c({head, 28}) != load_little<std::uint32_t>(head + 28)) {
    return Error{ErrorCode::kInvalid, "entry: header checksum differs"};
  }

  const auto length = load_little<std::uint32_t>(head);
  if (length > limits::kEntryPayloadBytes) {
    return Error{ErrorCode::kInvalid,
                 "entry: payload of " + std::to_string(length) + " bytes is over the limit"};
  }
  if (length > bytes.size() - kHeaderBytes)
    return Error{ErrorCode::kInvalid, "entry: payload cut short"};
  const auto kind = load_little<std::uint32_t>(head + 24);
  if (kind > static_cast<std::uint32_t>(EntryKind::kConfiguration)) {
    return Error{ErrorCode::kInvalid, "entry: unknown kind " + std::to_string(kind)};
  }
  const LogPosition position{Term(load_little<std::uint64_t>(head + 8)),
                             Index(load_little<std::uint64_t>(head + 16))};
  if (position.index == Index(0)) return Error{ErrorCode::kInvalid, "entry: index 0"};
  if (crc32c({head + kHeaderBytes, length}) != load_little<std::uint32_t>(head + 4)) {
    return Error{ErrorCode::kInvalid, "entry: payload checksum differs"};
  }
  if (static_cast<EntryKind>(kind) == EntryKind::kConfiguration) {
    const auto configuration = Configuration::decode({head + kHeaderBytes, length});
    if (!configuration.ok())
      return Error{ErrorCode::kInvalid, "entry: " + configuration.error().message};
  }
  return Entry(position, static_cast<EntryKind>(kind), bytes.slice(0, kHeaderBytes + length));
}

}  // namespace vesper::raft
