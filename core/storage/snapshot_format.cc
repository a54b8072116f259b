#include "core/storage/snapshot_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "core/base/hash.h"

namespace vesper::storage {

namespace {

constexpr std::uint64_t kMagic = 0x50'41'4e'53'4b'50'53'56ULL;  // "VSPKSNAP"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 80;
constexpr std::size_t kSumBytes = 4;
constexpr std::size_t kPayloadBytes = kSnapshotBlockBytes - kSumBytes;
constexpr std::string_view kPrefix = "snapshot-";
constexpr std::string_view kSuffix = ".snap";
constexpr std::size_t kDigits = 16;

std::uint32_t block_sum(ClusterId cluster, LogPosition last, std::uint64_t block,
                        ByteView payload) {
  std::byte place[32];
  store_little(place, cluster.value());
  store_little(place + 8, last.term.value());
  store_little(place + 16, last.index.value());
  store_little(place + 24, block);
  return crc32c(payload, crc32c(place));
}

Error corrupt(std::uint64_t offset, const std::string& what) {
  return {ErrorCode::kCorruption, fmt::format("at offset {}: {}", offset, what)};
}

}  // namespace

std::uint64_t SnapshotHeader::file_bytes() const {
  const std::uint64_t content = kHeaderBytes + configuration_bytes + session_bytes + pair_bytes;
  return content + (content + kPayloadBytes - 1) / kPayloadBytes * kSumBytes;
}

std::string snapshot_name(Index last) {
  return fmt::format("{}{:016x}{}", kPrefix, last.value(), kSuffix);
}

std::optional<Index> snapshot_of(const std::string& name) {
  if (name.size() != kPrefix.size() + kDigits + kSuffix.size() || !name.starts_with(kPrefix) ||
      !name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  std::uint64_t last = 0;
  const char* const digits = name.data() + kPrefix.size();
  const auto parsed = std::from_chars(digits, digits + kDigits, last, 16);
  if (parsed.ec != std::errc() || parsed.ptr != digits + kDigits ||
      name != snapshot_name(Index(last))) {
    return std::nullopt;
  }
  return Index(last);
}

Status verify_blocks(const SnapshotPlace& of, std::uint64_t offset, ByteView blocks) {
  VESPER_CHECK(offset % kSnapshotBlockBytes == 0);
  while (!blocks.empty()) {
    const auto size = static_cast<std::size_t>(
        std::min<std::uint64_t>({kSnapshotBlockBytes, of.file_bytes - offset, blocks.size()}));
    const ByteView sum = blocks.first(size).last(kSumBytes);
    const std::uint64_t number = offset / kSnapshotBlockBytes;
    if (block_sum(of.cluster, of.last, number, blocks.first(size - kSumBytes)) !=
        load_little<std::uint32_t>(sum.data())) {
      return corrupt(offset, fmt::format("block {} does not verify", number));
    }
    blocks = blocks.subspan(size);
    offset += size;
  }
  return {};
}

// --- Encoding ---

SnapshotEncoder::SnapshotEncoder(const SnapshotHeader& header) : header_(header) {
  ByteWriter out(content_);
  out.u64(kMagic);
  out.u32(kVersion);
  out.u32(0);
  out.u64(header.cluster.value());
  out.u64(header.last.term.value());
  out.u64(header.last.index.value());
  out.u64(header.log_bytes);
  out.u64(header.state_hash);
  out.u64(header.session_bytes);
  out.u64(header.pair_bytes);
  out.u64(header.configuration_bytes);
  VESPER_CHECK(content_.size() == kHeaderBytes);
}

std::vector<std::byte> SnapshotEncoder::take_blocks(bool is_end) {
  std::vector<std::byte> out;
  out.reserve(content_.size() + (content_.size() / kPayloadBytes + 1) * kSumBytes);
  std::size_t taken = 0;
  while (content_.size() - taken >= kPayloadBytes) {
    seal(ByteView(content_).subspan(taken, kPayloadBytes), out);
    taken += kPayloadBytes;
  }
  if (is_end && taken < content_.size()) {
    seal(ByteView(content_).subspan(taken), out);
    taken = content_.size();
  }
  content_.erase(content_.begin(), content_.begin() + static_cast<std::ptrdiff_t>(taken));
  return out;
}

void SnapshotEncoder::seal(ByteView payload, std::vector<std::byte>& out) {
  ByteWriter writer(out);
  writer.bytes(payload);
  writer.u32(block_sum(header_.cluster, header_.last, blocks_++, payload));
  checksum_ = crc32c(ByteView(out).last(kSumBytes), checksum_);
}

// --- Decoding ---

Status SnapshotDecoder::feed(ByteView blocks) {
  content_.erase(content_.begin(), content_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
  while (!blocks.empty()) {
    const std::uint64_t rest = file_bytes_ - fed_;
    const auto size = static_cast<std::size_t>(std::min(rest, kSnapshotBlockBytes));
    if (size > blocks.size() || size <= kSumBytes) return corrupt(fed_, "a block is cut short");
    VESPER_TRY(feed_block(blocks.first(size)));
    blocks = blocks.subspan(size);
  }
  return {};
}

Status SnapshotDecoder::feed_block(ByteView block) {
  ByteView payload = block.first(block.size() - kSumBytes);
  // The sum starts from what the header says; the header is covered by the first block's.
  const ByteView sum = block.last(kSumBytes);
  if (!header_) VESPER_TRY(read_header(payload, load_little<std::uint32_t>(sum.data())));
  if (block_sum(header_->cluster, header_->last, blocks_, payload) !=
      load_little<std::uint32_t>(sum.data())) {
    return corrupt(fed_, fmt::format("block {} does not verify", blocks_));
  }
  if (blocks_ == 0) payload = payload.subspan(kHeaderBytes);
  checksum_ = crc32c(sum, checksum_);
  content_.insert(content_.end(), payload.begin(), payload.end());
  fed_ += block.size();
  ++blocks_;
  return {};
}

Status SnapshotDecoder::read_header(ByteView payload, std::uint32_t sum) {
  ByteReader in(payload);
  const std::uint64_t magic = in.u64();
  const std::uint32_t version = in.u32();
  const std::uint32_t zero = in.u32();
  SnapshotHeader header;
  header.cluster = ClusterId(in.u64());
  const Term term(in.u64());
  header.last = {term, Index(in.u64())};
  header.log_bytes = in.u64();
  header.state_hash = in.u64();
  header.session_bytes = in.u64();
  header.pair_bytes = in.u64();
  header.configuration_bytes = in.u64();
  if (!in.ok() || magic != kMagic) return corrupt(0, "the file is not a snapshot");
  if (version != kVersion) {
    // A version is believed only if it stands there as written.
    if (block_sum(header.cluster, header.last, 0, payload) != sum) {
      return corrupt(0, "block 0 does not verify");
    }
    return Error{
        ErrorCode::kMismatch,
        fmt::format("at offset 0: format version {}, this program reads {}", version, kVersion)};
  }
  constexpr std::uint64_t kPartMax = std::uint64_t{1} << 60;
  if (zero != 0 || header.configuration_bytes > kPartMax || header.session_bytes > kPartMax ||
      header.pair_bytes > kPartMax || header.last.index == Index(0)) {
    return corrupt(0, "the header contradicts itself");
  }
  if (header.file_bytes() != file_bytes_) {
    return corrupt(file_bytes_, fmt::format("the file ends here, its header says {} bytes",
                                            header.file_bytes()));
  }
  header_ = header;
  return {};
}

void SnapshotDecoder::take(std::size_t bytes) {
  VESPER_CHECK(bytes <= content_.size() - taken_);
  taken_ += bytes;
}

}  // namespace vesper::storage
