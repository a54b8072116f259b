#include "core/raft/codec.h"

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "core/base/limits.h"

// A body is u8 kind, u64 term, then the kind's fields in the order of message.h:
//
//   1 PreVoteRequest    position last_log
//   2 PreVoteReply      u8 granted
//   3 VoteRequest       as 1
//   4 VoteReply         as 2
//   5 AppendRequest     position previous, u64 commit, u32 count, the entries' records
//   6 AppendReply       u8 accepted; accepted: u64 match; else u64 rejected, position hint
//   7 HeartbeatRequest  u64 commit, u64 round
//   8 HeartbeatReply    u64 round
//   9 TimeoutNow        nothing
//  10 VoteRequest       as 1, by transfer: the kind is the mark
//  11 SnapshotRequest   the snapshot, u64 offset, u32 length, that many bytes
//  12 SnapshotReply     the snapshot, u64 next
//  13 ReadIndexRequest  u64 batch
//  14 ReadIndexReply    u8 granted, u64 batch; granted: u64 index
//  15 HeartbeatReply    as 8, then u64 doubt: of a voter in doubt, the kind is the mark
//
// A position is u64 term, u64 index: both 0 or neither. A snapshot is position last (not 0), u64
// bytes, u32 checksum.

namespace vesper::raft {

namespace {

enum class Kind : std::uint8_t {
  kPreVoteRequest = 1,
  kPreVoteReply = 2,
  kVoteRequest = 3,
  kVoteReply = 4,
  kAppendRequest = 5,
  kAppendReply = 6,
  kHeartbeatRequest = 7,
  kHeartbeatReply = 8,
  kTimeoutNow = 9,
  kVoteRequestByTransfer = 10,
  kSnapshotRequest = 11,
  kSnapshotReply = 12,
  kReadIndexRequest = 13,
  kReadIndexReply = 14,
  kHeartbeatReplyInDoubt = 15,
};
// Two of the kinds are another's with a mark.
static_assert(std::variant_size_v<MessageBody> + 2 ==
              static_cast<std::size_t>(Kind::kHeartbeatReplyInDoubt));

constexpr std::size_t kFieldBytesMax = 64;

// A body but for the entries or the chunk that end it.
struct FieldEncoder {
  Term term;
  FieldWriter<kFieldBytesMax> fields = {};

  void begin(Kind kind) {
    fields.u8(static_cast<std::uint8_t>(kind));
    fields.u64(term.value());
  }
  void position(LogPosition position) {
    fields.u64(position.term.value());
    fields.u64(position.index.value());
  }
  void boolean(bool value) { fields.u8(value ? 1 : 0); }

  void operator()(const PreVoteRequest& body) {
    begin(Kind::kPreVoteRequest);
    position(body.last_log);
  }
  void operator()(const PreVoteReply& body) {
    begin(Kind::kPreVoteReply);
    boolean(body.granted);
  }
  void operator()(const VoteRequest& body) {
    begin(body.by_transfer ? Kind::kVoteRequestByTransfer : Kind::kVoteRequest);
    position(body.last_log);
  }
  void operator()(const VoteReply& body) {
    begin(Kind::kVoteReply);
    boolean(body.granted);
  }
  void operator()(const AppendRequest& body) {
    VESPER_CHECK(body.entries.size() <= limits::kAppendEntries);
    begin(Kind::kAppendRequest);
    position(body.previous);
    fields.u64(body.commit.value());
    fields.u32(static_cast<std::uint32_t>(body.entries.size()));
  }
  void operator()(const AppendReply& body) {
    begin(Kind::kAppendReply);
    boolean(body.accepted);
    if (body.accepted) {
      fields.u64(body.match.value());
    } else {
      fields.u64(body.rejected.value());
      position(body.hint);
    }
  }
  void operator()(const HeartbeatRequest& body) {
    begin(Kind::kHeartbeatRequest);
    fields.u64(body.commit.value());
    fields.u64(body.round.value());
  }
  void operator()(const HeartbeatReply& body) {
    const bool is_in_doubt = body.doubt != Term();
    begin(is_in_doubt ? Kind::kHeartbeatReplyInDoubt : Kind::kHeartbeatReply);
    fields.u64(body.round.value());
    if (is_in_doubt) fields.u64(body.doubt.value());
  }
  void operator()(const TimeoutNow&) { begin(Kind::kTimeoutNow); }
  void snapshot(const SnapshotId& id) {
    position(id.last);
    fields.u64(id.bytes);
    fields.u32(id.checksum);
  }
  void operator()(const SnapshotRequest& body) {
    VESPER_CHECK(body.chunk.size() <= limits::kSnapshotChunkBytes);
    begin(Kind::kSnapshotRequest);
    snapshot(body.snapshot);
    fields.u64(body.offset);
    fields.u32(static_cast<std::uint32_t>(body.chunk.size()));
  }
  void operator()(const SnapshotReply& body) {
    begin(Kind::kSnapshotReply);
    snapshot(body.snapshot);
    fields.u64(body.next);
  }
  void operator()(const ReadIndexRequest& body) {
    begin(Kind::kReadIndexRequest);
    fields.u64(body.batch.value());
  }
  void operator()(const ReadIndexReply& body) {
    begin(Kind::kReadIndexReply);
    boolean(body.granted);
    fields.u64(body.batch.value());
    if (body.granted) fields.u64(body.index.value());
  }
};

void append_entries(const std::vector<Entry>& entries, ByteWriter& out) {
  const std::size_t before = out.size();
  for (const Entry& entry : entries) out.bytes(entry.record().view());
  VESPER_CHECK(entries.size() <= 1 || out.size() - before <= limits::kAppendBytes);
}

// Reads on after a fault and keeps the first one: every field is asked for in line, and `fault`
// once at the end.
class Decoder {
 public:
  Decoder(const SharedBytes& bytes, std::size_t begin, MessageBody& body)
      : bytes_(bytes), begin_(begin), in_(bytes.view().subspan(begin)), body_(body) {}

  Status decode(Term& term) {
    const std::uint8_t kind = in_.u8();
    term = term_ = Term(in_.u64());
    if (term_ > Term(limits::kTerm)) fail(ErrorCode::kLimit, "a term beyond all elections");
    read_body(kind);
    if (!in_.ok()) fail(ErrorCode::kInvalid, "cut short");
    if (in_.remaining() > 0) fail(ErrorCode::kInvalid, "bytes left over");
    if (fault_) return *std::move(fault_);
    return {};
  }

 private:
  // Each kind where it is to stand: a body of many kinds is dear to move.
  void read_body(std::uint8_t kind) {
    switch (static_cast<Kind>(kind)) {
      case Kind::kPreVoteRequest:
        return put(PreVoteRequest{.last_log = position_within_term()});
      case Kind::kPreVoteReply:
        return put(PreVoteReply{.granted = boolean()});
      case Kind::kVoteRequest:
        return put(VoteRequest{.last_log = position_within_term(), .by_transfer = false});
      case Kind::kVoteRequestByTransfer:
        return put(VoteRequest{.last_log = position_within_term(), .by_transfer = true});
      case Kind::kVoteReply:
        return put(VoteReply{.granted = boolean()});
      case Kind::kAppendRequest:
        return append_request();
      case Kind::kAppendReply:
        return append_reply();
      case Kind::kHeartbeatRequest: {
        const Index commit(in_.u64());
        return put(HeartbeatRequest{.commit = commit, .round = Round(in_.u64())});
      }
      case Kind::kHeartbeatReply:
        return put(HeartbeatReply{.round = Round(in_.u64()), .doubt = {}});
      case Kind::kHeartbeatReplyInDoubt:
        return heartbeat_reply_in_doubt();
      case Kind::kTimeoutNow:
        return put(TimeoutNow{});
      case Kind::kSnapshotRequest:
        return snapshot_request();
      case Kind::kSnapshotReply: {
        SnapshotReply reply{.snapshot = snapshot(), .next = in_.u64()};
        if (reply.next > reply.snapshot.bytes) {
          fail(ErrorCode::kInvalid, "an offset beyond the snapshot's end");
        }
        return put(reply);
      }
      case Kind::kReadIndexRequest:
        return put(ReadIndexRequest{.batch = ReadBatch(in_.u64())});
      case Kind::kReadIndexReply: {
        const bool granted = boolean();
        const ReadBatch batch(in_.u64());
        return put(ReadIndexReply{
            .granted = granted, .batch = batch, .index = Index(granted ? in_.u64() : 0)});
      }
    }
    fail(ErrorCode::kInvalid, "unknown kind");
  }

  template <class Body>
  void put(const Body& body) {
    body_.emplace<Body>(body);
  }

  void append_request() {
    auto& request = body_.emplace<AppendRequest>();
    request.previous = position_within_term();
    request.commit = Index(in_.u64());
    const std::uint32_t count = in_.u32();
    if (count > limits::kAppendEntries) {
      fail(ErrorCode::kLimit, "more entries than one request may carry");
      return;
    }
    // A claimed count allocates only once the bytes for its headers are there.
    if (count > in_.remaining() / Entry::kHeaderBytes) {
      fail(ErrorCode::kInvalid, "fewer bytes than its entries need");
      return;
    }

    request.entries.reserve(count);
    const std::size_t begin = in_.offset();
    LogPosition last = request.previous;
    for (std::uint32_t i = 0; i < count && !fault_; ++i) {
      read_entry(last, request.entries);
    }
    if (count > 1 && in_.offset() - begin > limits::kAppendBytes) {
      fail(ErrorCode::kLimit, "more bytes of entries than one request may carry");
    }
  }

  // Reads the entry that must follow `last`, and moves `last` on.
  void read_entry(LogPosition& last, std::vector<Entry>& entries) {
    auto decoded = Entry::decode(bytes_.slice(begin_ + in_.offset(), in_.remaining()));
    if (!decoded.ok()) return fail(decoded.error().code, decoded.error().message.c_str());
    Entry& entry = decoded.value();
    if (entry.index() != last.index.next()) {
      return fail(ErrorCode::kInvalid, "an entry does not follow the one before");
    }
    if (entry.term() == Term(0)) return fail(ErrorCode::kInvalid, "an entry of term 0");
    if (entry.term() < last.term) {
      return fail(ErrorCode::kInvalid, "an entry's term is below the one before");
    }
    if (entry.term() > term_) {
      return fail(ErrorCode::kInvalid, "an entry's term is above the message's");
    }
    last = entry.position();
    in_.bytes(entry.record().size());
    entries.push_back(std::move(entry));
  }

  // A voter has been in the term that it names.
  void heartbeat_reply_in_doubt() {
    const Round round(in_.u64());
    const Term doubt(in_.u64());
    if (doubt == Term(0) || doubt > term_) {
      fail(ErrorCode::kInvalid, "a doubt about no term, or one above the message's");
    }
    put(HeartbeatReply{.round = round, .doubt = doubt});
  }

  void append_reply() {
    auto& reply = body_.emplace<AppendReply>();
    reply.accepted = boolean();
    if (reply.accepted) {
      reply.match = Index(in_.u64());
      return;
    }
    reply.rejected = Index(in_.u64());
    reply.hint = position_within_term();
    if (reply.hint.index > reply.rejected) {
      fail(ErrorCode::kInvalid, "a hint beyond the rejected index");
    }
  }

  SnapshotId snapshot() {
    SnapshotId id;
    id.last = position_within_term();
    id.bytes = in_.u64();
    id.checksum = in_.u32();
    if (id.last == LogPosition()) fail(ErrorCode::kInvalid, "a snapshot of nothing");
    if (id.bytes > limits::kSnapshotBytes) {
      fail(ErrorCode::kLimit, "a snapshot longer than any may be");
    }
    return id;
  }

  void snapshot_request() {
    auto& request = body_.emplace<SnapshotRequest>();
    request.snapshot = snapshot();
    request.offset = in_.u64();
    const std::uint32_t length = in_.u32();
    if (length > limits::kSnapshotChunkBytes) {
      fail(ErrorCode::kLimit, "more bytes of a snapshot than one request may carry");
    }
    if (length == 0 || request.offset > request.snapshot.bytes ||
        length > request.snapshot.bytes - request.offset) {
      fail(ErrorCode::kInvalid, "a piece that is not within its snapshot");
    }
    const std::size_t begin = in_.offset();
    in_.bytes(length);
    if (in_.ok() && !fault_) request.chunk = bytes_.slice(begin_ + begin, length);
  }

  // Everything that a sender's log holds has a term of at most its own; nothing stands at term or
  // index 0.
  LogPosition position_within_term() {
    const Term term(in_.u64());
    const LogPosition position{term, Index(in_.u64())};
    if ((position.term == Term(0)) != (position.index == Index(0))) {
      fail(ErrorCode::kInvalid, "a position that is half zero");
    }
    if (position.term > term_) {
      fail(ErrorCode::kInvalid, "a position's term is above the message's");
    }
    return position;
  }

  bool boolean() {
    const std::uint8_t value = in_.u8();
    if (value > 1) fail(ErrorCode::kInvalid, "a boolean that is neither 0 nor 1");
    return value == 1;
  }

  [[gnu::cold]] void fail(ErrorCode code, const char* what) {
    if (fault_) return;
    fault_ = Error{code, fmt::format("message: {} at offset {}", what, in_.offset())};
  }

  const SharedBytes& bytes_;
  const std::size_t begin_;  // of the message
  ByteReader in_;
  MessageBody& body_;
  Term term_;
  std::optional<Error> fault_;
};

}  // namespace

void encode_message(const Message& message, std::vector<std::byte>& out) {
  FieldEncoder encoder{message.term};
  std::visit(encoder, message.body);
  ByteWriter writer(out);
  writer.bytes(encoder.fields.view());
  if (const auto* request = std::get_if<AppendRequest>(&message.body)) {
    append_entries(request->entries, writer);
  } else if (const auto* piece = std::get_if<SnapshotRequest>(&message.body)) {
    writer.bytes(piece->chunk.view());
  }
}

Status decode_message(const SharedBytes& bytes, std::size_t begin, Message& message) {
  return Decoder(bytes, begin, message.body).decode(message.term);
}

Result<Message> decode_message(const SharedBytes& bytes) {
  Message message;
  VESPER_TRY(decode_message(bytes, 0, message));
  return message;
}

}  // namespace vesper::raft
