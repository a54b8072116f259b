#include "core/base/bytes.h"

namespace vesper {

SharedBytes SharedBytes::copy_of(ByteView bytes) {
  return make(bytes.size(), [bytes](std::span<std::byte> to) {
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
  });
}

}  // namespace vesper
