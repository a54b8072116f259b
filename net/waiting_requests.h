// The requests that wait for a node's answer, by the number that the node knows them by, and who
// asked. Runtime owns it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/base/check.h"
#include "core/node/environment.h"

namespace vesper::net {

// Who asks a node, on the loop's thread.
class Asker {
 public:
  virtual ~Asker() = default;
  virtual void answered(std::uint32_t token, const node::Answer& answer) = 0;
};

class WaitingRequests {
 public:
  struct Waiting {
    std::uint64_t id = 0;  // 0: nobody waits here
    Asker* asker = nullptr;
    std::uint32_t token = 0;
    node::RequestKind kind = node::RequestKind::kGet;
  };

  // Nothing: too many wait.
  std::optional<RequestId> add(Asker& asker, std::uint32_t token, node::RequestKind kind) {
    if (free_.empty() && slots_.size() > kSlotMask) return std::nullopt;
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    // Never the same number again in this life, and found without a search.
    const std::uint64_t id = ++count_ << kSlotBits | slot;
    slots_[slot] = {id, &asker, token, kind};
    return RequestId(id);
  }

  // Requires: it waits.
  Waiting take(RequestId id) {
    const auto slot = static_cast<std::uint32_t>(id.value() & kSlotMask);
    VESPER_CHECK(slot < slots_.size() && slots_[slot].id == id.value());
    free_.push_back(slot);
    return std::exchange(slots_[slot], {});
  }

  std::vector<Waiting> take_all() {
    std::vector<Waiting> all;
    for (const Waiting& waiting : slots_) {
      if (waiting.id != 0) all.push_back(waiting);
    }
    for (const Waiting& waiting : all) take(RequestId(waiting.id));
    return all;
  }

  std::size_t size() const { return slots_.size() - free_.size(); }

 private:
  static constexpr unsigned kSlotBits = 16;
  static constexpr std::uint64_t kSlotMask = (std::uint64_t{1} << kSlotBits) - 1;

  std::vector<Waiting> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t count_ = 0;
};

}  // namespace vesper::net
