#include "core/storage/doubt.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/hash.h"
#include "core/storage/small_file.h"
#include "core/storage/wal_format.h"

namespace vesper::storage {

namespace {

// u64 magic, u32 format version, u8 whether a cut is to be made, u64 its segment, u64 its offset,
// u64 incarnation, hard state, u64 first, u64 last, u32 length and that many bytes of text, then
// the CRC-32C of all before it.
constexpr std::uint64_t kMagic = 0x54'42'55'4f'44'50'53'56ULL;  // "VSPDOUBT"
constexpr std::uint32_t kVersion = 1;
constexpr const char* kName = "doubt";
constexpr std::size_t kWhereBytes = 4096;

Error corrupt(const char* what) {
  return {ErrorCode::kCorruption,
          fmt::format("{} at offset 0: {}, so it is not known what this node has promised: it must "
                      "be replaced",
                      kName, what)};
}

Result<Doubt> decode(ByteView bytes, Incarnation incarnation) {
  if (bytes.size() < sizeof(std::uint64_t) + 2 * sizeof(std::uint32_t)) {
    return corrupt("the file is cut short");
  }
  const ByteView summed = bytes.first(bytes.size() - sizeof(std::uint32_t));
  if (crc32c(summed) != load_little<std::uint32_t>(bytes.data() + summed.size())) {
    return corrupt("the checksum differs");
  }
  ByteReader in(summed);
  if (in.u64() != kMagic) return corrupt("the file is not a doubt");
  if (const std::uint32_t version = in.u32(); version != kVersion) {
    return Error{ErrorCode::kMismatch, fmt::format("{}: format version {}, this program reads {}",
                                                   kName, version, kVersion)};
  }
  Doubt doubt;
  const bool has_cut = in.u8() != 0;
  LogCut cut;
  cut.segment = in.u64();
  cut.offset = in.u64();
  if (has_cut) doubt.cut = cut;
  const Incarnation of(in.u64());
  doubt.hard_state = format::read_hard_state(in);
  doubt.first = Index(in.u64());
  doubt.last = Index(in.u64());
  const std::uint32_t length = in.u32();
  if (!in.ok() || length != in.remaining()) return corrupt("its parts contradict each other");
  const ByteView text = summed.subspan(in.offset());
  doubt.where.assign(reinterpret_cast<const char*>(text.data()), text.size());
  if (of != incarnation) {
    return Error{ErrorCode::kMismatch, fmt::format("{}: of another data directory", kName)};
  }
  return doubt;
}

}  // namespace

std::string describe(const Doubt& doubt) {
  std::string lost = fmt::format("entries from {} on", doubt.first.value());
  if (doubt.last >= doubt.first) lost += fmt::format(" (up to {} at least)", doubt.last.value());
  return fmt::format("{}; {} may be lost, which this node held in terms up to {}", doubt.where,
                     lost, doubt.hard_state.term.value());
}

std::vector<DiskOp> write_doubt(const Doubt& doubt, Incarnation incarnation) {
  std::vector<std::byte> bytes;
  ByteWriter out(bytes);
  out.u64(kMagic);
  out.u32(kVersion);
  out.u8(doubt.cut ? 1 : 0);
  out.u64(doubt.cut ? doubt.cut->segment : 0);
  out.u64(doubt.cut ? doubt.cut->offset : 0);
  out.u64(incarnation.value());
  format::append_hard_state(doubt.hard_state, out);
  out.u64(doubt.first.value());
  out.u64(doubt.last.value());
  const ByteView where = as_bytes(doubt.where).first(std::min(doubt.where.size(), kWhereBytes));
  out.u32(static_cast<std::uint32_t>(where.size()));
  out.bytes(where);
  out.u32(crc32c(bytes));

  return replace_file(kName, std::move(bytes));
}

std::vector<DiskOp> remove_doubt() {
  return remove_file(kName);
}

Result<std::optional<Doubt>> read_doubt(Disk& disk, Incarnation incarnation) {
  auto bytes = read_if_there(disk, kName);
  if (!bytes.ok()) return bytes.error();
  if (!bytes.value()) return std::optional<Doubt>();
  auto doubt = decode(bytes.value()->view(), incarnation);
  if (!doubt.ok()) return doubt.error();
  return std::optional<Doubt>(std::move(doubt.value()));
}

}  // namespace vesper::storage
