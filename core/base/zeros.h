// Whether bytes are all zero: what a file holds where nothing has been written yet.
#pragma once

#include <cstring>

#include "core/base/bytes.h"

namespace vesper {

// Also of no bytes at all.
inline bool is_zero(ByteView bytes) {
  if (bytes.empty()) return true;
  return bytes[0] == std::byte{0} &&
         std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

}  // namespace vesper
