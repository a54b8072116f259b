#include "core/storage/identity.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/storage/small_file.h"
#include "core/storage/wal_format.h"

namespace vesper::storage {

namespace {

// u64 magic, u32 format version, u32 node, u64 incarnation, u64 cluster, u32 founders, u32 zero,
// then an u64 for each founder, then the CRC-32C of all before it.
constexpr std::uint64_t kMagic = 0x54'4e'45'44'49'50'53'56ULL;  // "VSPIDENT"
constexpr std::uint32_t kVersion = 1;
constexpr const char* kName = "identity";

Error corrupt(const char* what) {
  return {ErrorCode::kCorruption, fmt::format("{} at offset 0: {}", kName, what)};
}

Result<Identity> decode_identity(ByteView bytes) {
  ByteReader in(bytes);
  const bool is_identity = in.u64() == kMagic;
  const std::uint32_t version = in.u32();
  Identity identity;
  identity.node = NodeId(in.u32());
  identity.incarnation = Incarnation(in.u64());
  identity.cluster = ClusterId(in.u64());
  const std::uint32_t founders = in.u32();
  in.u32();
  if (!in.ok() || !is_identity) return corrupt("the file is not an identity");
  if (bytes.size() < in.offset() + sizeof(std::uint32_t)) return corrupt("the file is cut short");
  const ByteView summed = bytes.first(bytes.size() - sizeof(std::uint32_t));
  if (crc32c(summed) != load_little<std::uint32_t>(bytes.data() + summed.size())) {
    return corrupt("the checksum differs");
  }
  if (version != kVersion) {
    return Error{ErrorCode::kMismatch, fmt::format("{}: format version {}, this program reads {}",
                                                   kName, version, kVersion)};
  }
  if (founders > limits::kNodes ||
      summed.size() != in.offset() + founders * sizeof(std::uint64_t) ||
      identity.formed() != (founders > 0) || identity.incarnation == Incarnation()) {
    return corrupt("its parts contradict each other");
  }
  for (std::uint32_t i = 0; i < founders; ++i) identity.founders.emplace_back(in.u64());
  return identity;
}

}  // namespace

std::vector<DiskOp> write_identity(const Identity& identity) {
  VESPER_CHECK(identity.formed() == !identity.founders.empty());
  VESPER_CHECK(identity.incarnation != Incarnation());
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.u64(kMagic);
  out.u32(kVersion);
  out.u32(identity.node.value());
  out.u64(identity.incarnation.value());
  out.u64(identity.cluster.value());
  out.u32(static_cast<std::uint32_t>(identity.founders.size()));
  out.u32(0);
  for (const Incarnation founder : identity.founders) out.u64(founder.value());
  out.u32(crc32c(bytes));

  return replace_file(kName, std::move(bytes));
}

Result<std::optional<Identity>> read_identity(Disk& disk) {
  auto bytes = read_if_there(disk, kName);
  if (!bytes.ok()) return bytes.error();
  if (!bytes.value()) {
    auto files = disk.list();
    if (!files.ok()) return files.error();
    const auto is_segment = [](const FileInfo& file) {
      return format::segment_of(file.name).has_value();
    };
    if (std::any_of(files.value().begin(), files.value().end(), is_segment)) {
      return corrupt("the file is missing, though the data directory holds a log");
    }
    return std::optional<Identity>();
  }
  auto identity = decode_identity(bytes.value()->view());
  if (!identity.ok()) return identity.error();
  return std::optional<Identity>(std::move(identity.value()));
}

}  // namespace vesper::storage
