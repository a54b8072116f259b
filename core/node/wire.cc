#include "core/node/wire.h"

#include <fmt/format.h>

#include <utility>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "core/raft/codec.h"

namespace vesper::node {

namespace {

constexpr std::uint32_t kMagic = 0x31505356;  // "VSP1"
constexpr std::uint32_t kMagicDigits = 0xff000000;
constexpr std::size_t kLengthOffset = 8;
constexpr std::size_t kChecksumOffset = 12;

enum class Kind : std::uint8_t {
  kRaft = 1,
  kHello = 2,
  kForm = 3,
  kRefusal = 4,
  kFingerprint = 16
};

struct Header {
  Kind kind;
  FrameHead head;
  NodeId from;
  NodeId to;
};

// Returns where the frame begins; end_frame fills in what is known only once the body stands.
std::size_t begin_frame(const Header& header, ByteWriter& out) {
  const std::size_t start = out.size();
  FieldWriter<kFrameHeaderBytes> fields;
  fields.u32(kMagic);
  fields.u32(static_cast<std::uint32_t>(header.kind));  // with the three zeros
  fields.u32(0);                                        // length
  fields.u32(0);                                        // checksum
  fields.u64(header.head.cluster.value());
  fields.u64(header.head.incarnation.value());
  fields.u32(header.from.value());
  fields.u32(header.to.value());
  out.bytes(fields.view());
  VESPER_CHECK(out.size() - start == kFrameHeaderBytes);
  return start;
}

std::uint32_t frame_checksum(ByteView frame) {
  const std::uint32_t head = crc32c(frame.first(kChecksumOffset));
  return crc32c(frame.subspan(kChecksumOffset + sizeof(std::uint32_t)), head);
}

void end_frame(std::size_t start, std::vector<std::byte>& out) {
  const std::size_t size = out.size() - start;
  VESPER_CHECK(size <= limits::kFrameBytes);
  ByteWriter writer(out);
  writer.patch_u32(start + kLengthOffset, static_cast<std::uint32_t>(size - kFrameHeaderBytes));
  writer.patch_u32(start + kChecksumOffset, frame_checksum(ByteView(out).subspan(start)));
}

[[gnu::cold]] Error invalid(const char* what) {
  return Error{ErrorCode::kInvalid, fmt::format("frame: {}", what)};
}

// Where the version stands is all that is known of a frame of another one.
[[gnu::cold]] Error other_magic(std::uint32_t magic) {
  const auto digit = static_cast<char>(magic >> 24);
  if (((magic ^ kMagic) & ~kMagicDigits) != 0 || digit < '0' || digit > '9') {
    return invalid("it does not begin as one");
  }
  return Error{ErrorCode::kMismatch, fmt::format("frame: format version {}, this program reads {}",
                                                 digit, static_cast<char>(kMagic >> 24))};
}

Result<Hello> decode_hello(ByteView body) {
  ByteReader in(body);
  Hello hello{.cluster_size = in.u32(), .heard = {}};
  hello.heard = Incarnation(in.u64());
  if (!in.ok() || in.remaining() > 0) return invalid("a Hello of another length");
  if (hello.cluster_size > limits::kNodes) {
    return invalid("a Hello of an impossible cluster size");
  }
  return hello;
}

Result<Form> decode_form(ByteView body) {
  ByteReader in(body);
  const std::uint32_t count = in.u32();
  if (count == 0 || count > limits::kNodes) return invalid("a Form of an impossible cluster size");
  if (in.remaining() != count * sizeof(std::uint64_t)) return invalid("a Form of another length");
  Form form;
  form.founders.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) form.founders.emplace_back(in.u64());
  return form;
}

Result<Refusal> decode_refusal(ByteView body) {
  ByteReader in(body);
  const std::uint8_t reason = in.u8();
  if (!in.ok() || in.remaining() > 0) return invalid("a Refusal of another length");
  if (reason != static_cast<std::uint8_t>(Refusal::Reason::kRemoved) &&
      reason != static_cast<std::uint8_t>(Refusal::Reason::kOtherDirectory)) {
    return invalid("a Refusal for an unknown reason");
  }
  return Refusal{static_cast<Refusal::Reason>(reason)};
}

Result<Fingerprint> decode_fingerprint(ByteView body) {
  ByteReader in(body);
  Fingerprint fingerprint;
  fingerprint.index = Index(in.u64());
  fingerprint.state_hash = in.u64();
  if (!in.ok() || in.remaining() > 0) return invalid("a Fingerprint of another length");
  if (fingerprint.index == Index(0)) return invalid("a Fingerprint of no entry");
  return fingerprint;
}

Status decode_raft(const SharedBytes& bytes, Frame& frame) {
  // A new frame holds one: it is filled in where it stands.
  auto& message = std::get<raft::Message>(frame.body);
  message.from = frame.from;
  message.to = frame.to;
  return raft::decode_message(bytes, kFrameHeaderBytes, message);
}

// What is rare, and small.
Status decode_other(std::uint8_t kind, ByteView body, Frame& frame) {
  switch (static_cast<Kind>(kind)) {
    case Kind::kRaft:
      break;
    case Kind::kHello: {
      auto hello = decode_hello(body);
      if (!hello.ok()) return hello.error();
      frame.body = hello.value();
      return {};
    }
    case Kind::kFingerprint: {
      auto fingerprint = decode_fingerprint(body);
      if (!fingerprint.ok()) return fingerprint.error();
      frame.body = fingerprint.value();
      return {};
    }
    case Kind::kForm: {
      auto form = decode_form(body);
      if (!form.ok()) return form.error();
      frame.body = std::move(form.value());
      return {};
    }
    case Kind::kRefusal: {
      auto refusal = decode_refusal(body);
      if (!refusal.ok()) return refusal.error();
      frame.body = refusal.value();
      return {};
    }
  }
  return invalid("unknown kind");
}

}  // namespace

void encode_frame(const Frame& frame, std::vector<std::byte>& out) {
  const FrameHead head{.cluster = frame.cluster, .incarnation = frame.incarnation};
  ByteWriter writer(out);
  if (const auto* message = std::get_if<raft::Message>(&frame.body)) {
    const std::size_t start = begin_frame({Kind::kRaft, head, frame.from, frame.to}, writer);
    raft::encode_message(*message, out);
    return end_frame(start, out);
  }
  if (const auto* hello = std::get_if<Hello>(&frame.body)) {
    const std::size_t start = begin_frame({Kind::kHello, head, frame.from, frame.to}, writer);
    writer.u32(hello->cluster_size);
    writer.u64(hello->heard.value());
    return end_frame(start, out);
  }
  if (const auto* refusal = std::get_if<Refusal>(&frame.body)) {
    const std::size_t start = begin_frame({Kind::kRefusal, head, frame.from, frame.to}, writer);
    writer.u8(static_cast<std::uint8_t>(refusal->reason));
    return end_frame(start, out);
  }
  if (const auto* fingerprint = std::get_if<Fingerprint>(&frame.body)) {
    const std::size_t start = begin_frame({Kind::kFingerprint, head, frame.from, frame.to}, writer);
    writer.u64(fingerprint->index.value());
    writer.u64(fingerprint->state_hash);
    return end_frame(start, out);
  }
  const auto& founders = std::get<Form>(frame.body).founders;
  VESPER_CHECK(founders.size() <= limits::kNodes);
  const std::size_t start = begin_frame({Kind::kForm, head, frame.from, frame.to}, writer);
  writer.u32(static_cast<std::uint32_t>(founders.size()));
  for (const Incarnation founder : founders) writer.u64(founder.value());
  end_frame(start, out);
}

void encode_raft_frame(const FrameHead& head, const raft::Message& message,
                       std::vector<std::byte>& out) {
  ByteWriter writer(out);
  const std::size_t start = begin_frame({Kind::kRaft, head, message.from, message.to}, writer);
  raft::encode_message(message, out);
  end_frame(start, out);
}

Result<std::optional<std::size_t>> frame_size(ByteView bytes) {
  ByteReader in(bytes);
  const std::uint32_t magic = in.u32();
  in.u32();
  const std::uint32_t length = in.u32();
  if (!in.ok()) return std::optional<std::size_t>();
  if (magic != kMagic) return other_magic(magic);
  if (length > limits::kFrameBytes - kFrameHeaderBytes) {
    return Error{ErrorCode::kLimit,
                 fmt::format("frame: a body of {} bytes is over the limit", length)};
  }
  return std::optional<std::size_t>(kFrameHeaderBytes + length);
}

namespace {

bool is_one_frame(ByteView bytes) {
  if (bytes.size() < kFrameHeaderBytes || bytes.size() > limits::kFrameBytes) return false;
  return load_little<std::uint32_t>(bytes.data()) == kMagic &&
         load_little<std::uint32_t>(bytes.data() + kLengthOffset) ==
             bytes.size() - kFrameHeaderBytes;
}

// Why it is not.
[[gnu::cold]] Error not_one_frame(ByteView bytes) {
  const auto size = frame_size(bytes);
  return size.ok() ? invalid("not exactly one frame") : size.error();
}

}  // namespace

Result<Frame> decode_frame(const SharedBytes& bytes) {
  Frame frame;
  VESPER_TRY(decode_frame(bytes, frame));
  return frame;
}

Status decode_frame(const SharedBytes& bytes, Frame& frame) {
  if (!is_one_frame(bytes.view())) return not_one_frame(bytes.view());

  ByteReader in(bytes.view());
  in.u32();  // magic, as is_one_frame verified
  const std::uint8_t kind = in.u8();
  const ByteView zeros = in.bytes(3);
  in.u32();  // length, as is_one_frame verified
  if (in.u32() != frame_checksum(bytes.view())) return invalid("checksum differs");
  for (const std::byte zero : zeros) {
    if (zero != std::byte{0}) return invalid("a reserved byte is set");
  }

  frame.cluster = ClusterId(in.u64());
  frame.incarnation = Incarnation(in.u64());
  frame.from = NodeId(in.u32());
  frame.to = NodeId(in.u32());
  if (frame.from.value() >= limits::kNodeIds || frame.to.value() >= limits::kNodeIds) {
    return invalid("a node id beyond the limit");
  }
  if (kind == static_cast<std::uint8_t>(Kind::kRaft)) return decode_raft(bytes, frame);
  return decode_other(kind, bytes.view().subspan(kFrameHeaderBytes), frame);
}

}  // namespace vesper::node
