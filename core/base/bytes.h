// Bytes and how the core carries them. SharedBytes is the one place of shared ownership: an
// immutable slice of a buffer that an entry, a message and a value may all point into, so that an
// entry's bytes are encoded once and never copied to be kept. Its owners are counted without a
// lock: a node and all that it holds belong to one thread at a time. ByteWriter and ByteReader put
// integers field by field, little-endian.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace vesper {

using ByteView = std::span<const std::byte>;

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class SharedBytes {
 public:
  SharedBytes() = default;
  // One allocation, one copy.
  static SharedBytes copy_of(ByteView bytes);
  // One allocation; `fill` writes all `size` bytes before anyone else sees them.
  template <class Fill>
  static SharedBytes make(std::size_t size, Fill fill) {
    return filled(allocate(size), size, fill);
  }
  // The same, but all bytes are zeros when `fill` sees them, and of a large buffer those that it
  // leaves alone take no memory.
  template <class Fill>
  static SharedBytes make_of_zeros(std::size_t size, Fill fill) {
    return filled(allocate_zeros(size), size, fill);
  }

  SharedBytes(const SharedBytes& other)
      : buffer_(other.buffer_), data_(other.data_), size_(other.size_) {
    if (buffer_ != nullptr) ++buffer_->owners;
  }
  SharedBytes(SharedBytes&& other) noexcept
      : buffer_(std::exchange(other.buffer_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(buffer_, other.buffer_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SharedBytes() {
    if (buffer_ != nullptr && --buffer_->owners == 0) free(buffer_);
  }

  // Requires: offset + length <= size(). Shares the buffer.
  SharedBytes slice(std::size_t offset, std::size_t length) const {
    VESPER_CHECK(offset <= size_ && length <= size_ - offset);
    SharedBytes part = *this;
    part.data_ += offset;
    part.size_ = length;
    return part;
  }

  ByteView view() const { return {data_, size_}; }
  std::string_view text() const { return as_text(view()); }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  // The bytes stand behind it.
  struct Buffer {
    std::size_t owners = 1;
  };
  static Buffer* allocate(std::size_t size);
  static Buffer* allocate_zeros(std::size_t size);
  static void free(Buffer* buffer);
  static std::byte* bytes_of(Buffer* buffer) { return reinterpret_cast<std::byte*>(buffer + 1); }
  template <class Fill>
  static SharedBytes filled(Buffer* buffer, std::size_t size, Fill fill) {
    SharedBytes made(buffer, bytes_of(buffer), size);
    fill(std::span<std::byte>(bytes_of(buffer), size));
    return made;
  }

  SharedBytes(Buffer* buffer, const std::byte* data, std::size_t size)
      : buffer_(buffer), data_(data), size_(size) {}

  Buffer* buffer_ = nullptr;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

namespace detail {
// From this machine's order of bytes to little-endian, or back. No loop over bytes where there is
// nothing to do: compilers do not see through one, and every field of every message comes by here.
template <class Integer>
Integer little(Integer value) {
  if constexpr (std::endian::native == std::endian::little || sizeof value == 1) return value;
  Integer swapped = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) {
    swapped = static_cast<Integer>(swapped << 8 | (value >> (8 * i) & 0xff));
  }
  return swapped;
}
}  // namespace detail

// Little-endian loads and stores. Requires: the bytes are there.
template <class Integer>
Integer load_little(const std::byte* from) {
  static_assert(std::is_unsigned_v<Integer>);
  Integer value = 0;
  std::memcpy(&value, from, sizeof value);
  return detail::little(value);
}
template <class Integer>
void store_little(std::byte* to, Integer value) {
  static_assert(std::is_unsigned_v<Integer>);
  value = detail::little(value);
  std::memcpy(to, &value, sizeof value);
}

// Appends to a caller-owned buffer, which keeps its capacity between uses.
class ByteWriter {
 public:
  explicit ByteWriter(std::vector<std::byte>& out) : out_(out) {}

  void u8(std::uint8_t value) { out_.push_back(static_cast<std::byte>(value)); }
  void u16(std::uint16_t value) { put(value); }
  void u32(std::uint32_t value) { put(value); }
  void u64(std::uint64_t value) { put(value); }
  void bytes(ByteView view) { out_.insert(out_.end(), view.begin(), view.end()); }
  void zeros(std::size_t count) { out_.resize(out_.size() + count); }
  std::size_t size() const { return out_.size(); }
  // Overwrites what was written before. Requires: offset + 4 <= size().
  void patch_u32(std::size_t offset, std::uint32_t value) {
    VESPER_CHECK(offset + sizeof value <= out_.size());
    store_little(out_.data() + offset, value);
  }

 private:
  template <class Integer>
  void put(Integer value) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof value);
    store_little(out_.data() + at, value);
  }
  std::vector<std::byte>& out_;
};

// A few integers gathered on the stack, to be appended as one: a header, the fields of a message.
template <std::size_t kCapacity>
class FieldWriter {
 public:
  void u8(std::uint8_t value) { put(value); }
  void u32(std::uint32_t value) { put(value); }
  void u64(std::uint64_t value) { put(value); }
  ByteView view() const { return {bytes_.data(), size_}; }

 private:
  template <class Integer>
  void put(Integer value) {
    VESPER_CHECK(sizeof value <= kCapacity - size_);
    store_little(bytes_.data() + size_, value);
    size_ += sizeof value;
  }
  std::array<std::byte, kCapacity> bytes_;
  std::size_t size_ = 0;
};

// Reads what a stranger may have written: every read past the end returns zeros and turns ok()
// false for good, so that a decoder may read on and ask once.
class ByteReader {
 public:
  explicit ByteReader(ByteView bytes) : bytes_(bytes) {}

  std::uint8_t u8() { return get<std::uint8_t>(); }
  std::uint16_t u16() { return get<std::uint16_t>(); }
  std::uint32_t u32() { return get<std::uint32_t>(); }
  std::uint64_t u64() { return get<std::uint64_t>(); }
  ByteView bytes(std::size_t count) {
    if (!take(count)) return {};
    return bytes_.subspan(at_ - count, count);
  }
  std::size_t offset() const { return at_; }
  std::size_t remaining() const { return bytes_.size() - at_; }
  bool ok() const { return ok_; }

 private:
  template <class Integer>
  Integer get() {
    if (!take(sizeof(Integer))) return 0;
    return load_little<Integer>(bytes_.data() + at_ - sizeof(Integer));
  }
  bool take(std::size_t count) {
    if (!ok_ || count > remaining()) {
      ok_ = false;
      return false;
    }
    at_ += count;
    return true;
  }
  ByteView bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace vesper
