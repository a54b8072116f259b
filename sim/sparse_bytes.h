// The bytes of a simulated file, which is made of zeros and then written here and there, a sector
// at a time: what a node writes mostly fills a sector's end with one byte, and only what is before
// that takes memory. SimDisk's files own one each.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/check.h"
#include "core/storage/disk.h"

namespace vesper::sim {

class SparseBytes {
 public:
  // What stands in one sector.
  class Sector {
   public:
    Sector() = default;  // zeros
    explicit Sector(std::span<const std::byte, storage::kSectorBytes> bytes)
        : fill_(bytes.back()), kept_bytes_(before_fill(bytes)) {
      if (kept_bytes_ == 0) return;
      kept_ = std::make_unique_for_overwrite<std::byte[]>(kept_bytes_);
      std::memcpy(kept_.get(), bytes.data(), kept_bytes_);
    }
    // The part of it that begins at `begin`. Requires: it lies in the sector.
    void read(std::size_t begin, std::span<std::byte> to) const {
      const std::size_t kept =
          begin < kept_bytes_ ? std::min<std::size_t>(kept_bytes_ - begin, to.size()) : 0;
      if (kept > 0) std::memcpy(to.data(), kept_.get() + begin, kept);
      const std::span<std::byte> rest = to.subspan(kept);
      std::fill(rest.begin(), rest.end(), fill_);
    }

   private:
    static std::uint16_t before_fill(std::span<const std::byte, storage::kSectorBytes> bytes) {
      constexpr std::uint64_t kEach = 0x0101'0101'0101'0101;
      const std::uint64_t word = kEach * std::to_integer<std::uint64_t>(bytes.back());
      std::size_t size = bytes.size();
      while (size > 0 && load_little<std::uint64_t>(bytes.data() + size - sizeof word) == word) {
        size -= sizeof word;
      }
      while (size > 0 && bytes[size - 1] == bytes.back()) --size;
      return static_cast<std::uint16_t>(size);
    }

    std::byte fill_{0};             // what stands from kept_bytes_ on
    std::uint16_t kept_bytes_ = 0;  // what is before
    std::unique_ptr<std::byte[]> kept_;
  };

  SparseBytes() = default;
  explicit SparseBytes(std::uint64_t size)
      : size_(size), sectors_((size + storage::kSectorBytes - 1) / storage::kSectorBytes) {}

  std::uint64_t size() const { return size_; }

  // Requires, of the next three: offset + the bytes are within size().
  void read(std::uint64_t offset, std::span<std::byte> to) const {
    VESPER_CHECK(offset <= size_ && to.size() <= size_ - offset);
    while (!to.empty()) {
      const std::size_t count = within_sector(offset, to.size());
      sectors_[offset / storage::kSectorBytes].read(offset % storage::kSectorBytes,
                                                    to.first(count));
      to = to.subspan(count);
      offset += count;
    }
  }
  void write(std::uint64_t offset, ByteView from) {
    while (!from.empty()) {
      const std::size_t count = within_sector(offset, from.size());
      replace(offset, from.first(count));
      from = from.subspan(count);
      offset += count;
    }
  }
  // The same of bytes within one sector, which comes back as it was.
  Sector replace(std::uint64_t offset, ByteView from) {
    VESPER_CHECK(offset <= size_ && from.size() <= size_ - offset);
    VESPER_CHECK(within_sector(offset, from.size()) == from.size());
    Sector& sector = sectors_[offset / storage::kSectorBytes];
    if (from.size() == storage::kSectorBytes) {
      return std::exchange(sector, Sector(from.first<storage::kSectorBytes>()));
    }
    std::array<std::byte, storage::kSectorBytes> whole;
    sector.read(0, whole);
    std::memcpy(whole.data() + offset % storage::kSectorBytes, from.data(), from.size());
    return std::exchange(sector, Sector(whole));
  }
  void put_back(std::uint64_t sector, Sector before) { sectors_[sector] = std::move(before); }

  // How many of so many bytes from `offset` on are in its sector.
  static std::size_t within_sector(std::uint64_t offset, std::size_t size) {
    return std::min<std::size_t>(size, storage::kSectorBytes - offset % storage::kSectorBytes);
  }

 private:
  std::uint64_t size_ = 0;
  std::vector<Sector> sectors_;
};

}  // namespace vesper::sim
