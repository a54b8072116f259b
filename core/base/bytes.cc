#include "core/base/bytes.h"

#include <new>

namespace vesper {

SharedBytes::Buffer* SharedBytes::allocate(std::size_t size) {
  return ::new (::operator new(sizeof(Buffer) + size)) Buffer;
}

void SharedBytes::free(Buffer* buffer) {
  ::operator delete(buffer);
}

SharedBytes SharedBytes::copy_of(ByteView bytes) {
  return make(bytes.size(), [bytes](std::span<std::byte> to) {
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
  });
}

}  // namespace vesper
