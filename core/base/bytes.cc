#include "core/base/bytes.h"

#include <cstdlib>
#include <new>

namespace vesper {

// By the C library, which can give zeros that the system has not made yet.
SharedBytes::Buffer* SharedBytes::allocate(std::size_t size) {
  void* const room = std::malloc(sizeof(Buffer) + size);
  if (room == nullptr) throw std::bad_alloc();
  return ::new (room) Buffer;
}

SharedBytes::Buffer* SharedBytes::allocate_zeros(std::size_t size) {
  void* const room = std::calloc(1, sizeof(Buffer) + size);
  if (room == nullptr) throw std::bad_alloc();
  return ::new (room) Buffer;
}

void SharedBytes::free(Buffer* buffer) {
  std::free(buffer);
}

SharedBytes SharedBytes::copy_of(ByteView bytes) {
  return make(bytes.size(), [bytes](std::span<std::byte> to) {
    if (!bytes.empty()) std::memcpy(to.data(), bytes.data(), bytes.size());
  });
}

}  // namespace vesper
