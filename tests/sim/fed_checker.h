// For tests that feed a checker by hand: the entries they feed, and which invariant broke.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/kv/command.h"
#include "core/raft/entry.h"
#include "sim/check/violation.h"
#include "sim/observer.h"

namespace vesper::sim::testing {

inline std::string invariant(const Violations& violations) {
  return violations.first() ? violations.first()->invariant : "none";
}

inline raft::Entry entry(std::uint64_t index, std::uint64_t term, std::string_view value = "1") {
  std::vector<std::byte> payload;
  kv::encode_put(as_bytes("k"), as_bytes(value), payload);
  return raft::Entry::make({Term(term), Index(index)}, raft::EntryKind::kCommand, payload);
}

// What client 0 asks of node 0; the value must outlive it.
inline Operation put(OperationId id, std::string_view value,
                     std::optional<kv::IdempotencyKey> once = std::nullopt) {
  return {.id = id,
          .client = ClientId(0),
          .node = NodeId(0),
          .kind = node::RequestKind::kPut,
          .key = "k",
          .value = value,
          .once = once};
}

}  // namespace vesper::sim::testing
