// Generated Raft messages that a correct node might send, for the codec's and the wire's
// properties; and equality of messages field by field, not by the encoder's own bytes.
#pragma once

#include <rapidcheck.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/base/limits.h"
#include "core/raft/message.h"

namespace vesper::testing {

inline constexpr std::size_t kMessageKinds = std::variant_size_v<raft::MessageBody>;

inline std::uint64_t any_up_to(std::uint64_t most) {
  return *rc::gen::inRange<std::uint64_t>(0, most) + *rc::gen::inRange<std::uint64_t>(0, 2);
}

// {0, 0}, or a position of a term that is at most `most`.
inline LogPosition any_position(Term most, Index index_most = Index(UINT64_MAX / 2)) {
  if (most == Term(0) || index_most == Index(0) || *rc::gen::arbitrary<bool>()) return {};
  return {Term(1 + any_up_to(most.value() - 1)), Index(1 + any_up_to(index_most.value() - 1))};
}

inline raft::AppendRequest any_append_request(Term term) {
  raft::AppendRequest request;
  request.previous = any_position(term);
  request.commit = Index(*rc::gen::arbitrary<std::uint64_t>());
  LogPosition last = request.previous;
  const auto count = term == Term(0) ? 0 : *rc::gen::inRange(0, 8);
  for (int i = 0; i < count; ++i) {
    const std::uint64_t least = std::max<std::uint64_t>(last.term.value(), 1);
    last.term = Term(least + any_up_to(term.value() - least));
    last.index = last.index.next();
    const auto payload = *rc::gen::arbitrary<std::string>();
    const auto kind = *rc::gen::element(raft::EntryKind::kNoop, raft::EntryKind::kCommand);
    request.entries.push_back(raft::Entry::make(last, kind, as_bytes(payload)));
  }
  return request;
}

inline raft::AppendReply any_append_reply(Term term) {
  raft::AppendReply reply;
  reply.accepted = *rc::gen::arbitrary<bool>();
  if (reply.accepted) {
    reply.match = Index(*rc::gen::arbitrary<std::uint64_t>());
  } else {
    reply.rejected = Index(*rc::gen::arbitrary<std::uint64_t>());
    reply.hint = any_position(term, reply.rejected);
  }
  return reply;
}

inline raft::SnapshotId any_snapshot(Term term) {
  raft::SnapshotId id;
  // A message of term 0 speaks of no snapshot; the codec would refuse it.
  id.last.term = Term(1 + any_up_to(term.value() - 1));
  id.last.index = Index(1 + any_up_to(UINT64_MAX / 2));
  id.bytes = 1 + any_up_to(limits::kSnapshotBytes - 1);
  id.checksum = *rc::gen::arbitrary<std::uint32_t>();
  return id;
}

inline raft::SnapshotRequest any_snapshot_request(Term term) {
  raft::SnapshotRequest request;
  request.snapshot = any_snapshot(term);
  const auto bytes = *rc::gen::nonEmpty(rc::gen::arbitrary<std::string>());
  const std::uint64_t size = std::min<std::uint64_t>(bytes.size(), request.snapshot.bytes);
  request.offset = any_up_to(request.snapshot.bytes - size);
  request.chunk = SharedBytes::copy_of(as_bytes(std::string_view(bytes).substr(0, size)));
  return request;
}

inline raft::SnapshotReply any_snapshot_reply(Term term) {
  raft::SnapshotReply reply;
  reply.snapshot = any_snapshot(term);
  reply.next = any_up_to(reply.snapshot.bytes);
  return reply;
}

inline raft::ReadIndexReply any_read_index_reply() {
  raft::ReadIndexReply reply;
  reply.granted = *rc::gen::arbitrary<bool>();
  reply.batch = raft::ReadBatch(*rc::gen::arbitrary<std::uint64_t>());
  if (reply.granted) reply.index = Index(*rc::gen::arbitrary<std::uint64_t>());
  return reply;
}

inline raft::HeartbeatReply any_heartbeat_reply(Term term) {
  raft::HeartbeatReply reply;
  reply.round = Round(*rc::gen::arbitrary<std::uint64_t>());
  if (*rc::gen::arbitrary<bool>()) reply.doubt = Term(any_up_to(term.value()));
  return reply;
}

inline raft::MessageBody any_body(std::size_t kind, Term term) {
  switch (kind) {
    case 0:
      return raft::PreVoteRequest{any_position(term)};
    case 1:
      return raft::PreVoteReply{*rc::gen::arbitrary<bool>()};
    case 2:
      return raft::VoteRequest{any_position(term), *rc::gen::arbitrary<bool>()};
    case 3:
      return raft::VoteReply{*rc::gen::arbitrary<bool>()};
    case 4:
      return any_append_request(term);
    case 5:
      return any_append_reply(term);
    case 6:
      return raft::HeartbeatRequest{Index(*rc::gen::arbitrary<std::uint64_t>()),
                                    Round(*rc::gen::arbitrary<std::uint64_t>())};
    case 7:
      return any_heartbeat_reply(term);
    case 8:
      return raft::TimeoutNow{};
    case 9:
      return any_snapshot_request(term);
    case 10:
      return any_snapshot_reply(term);
    case 11:
      return raft::ReadIndexRequest{raft::ReadBatch(*rc::gen::arbitrary<std::uint64_t>())};
    default:
      return any_read_index_reply();
  }
}

inline raft::Message any_message(std::size_t kind) {
  // A snapshot's last entry has a term, so its sender has one.
  const std::uint64_t least = kind < 8 ? 0 : 1;
  const Term term(least + any_up_to(limits::kTerm - 1 - least));
  return {NodeId(*rc::gen::inRange<std::uint32_t>(0, 64)),
          NodeId(*rc::gen::inRange<std::uint32_t>(0, 64)), term, any_body(kind, term)};
}

inline raft::Message any_message() {
  return any_message(*rc::gen::inRange<std::size_t>(0, kMessageKinds));
}

inline bool same(const raft::Entry& a, const raft::Entry& b) {
  return a.position() == b.position() && a.kind() == b.kind() &&
         as_text(a.payload()) == as_text(b.payload()) && a.record().text() == b.record().text();
}

struct SameBody {
  const raft::MessageBody& other;

  bool operator()(const raft::PreVoteRequest& a) const { return a.last_log == as(a).last_log; }
  bool operator()(const raft::PreVoteReply& a) const { return a.granted == as(a).granted; }
  bool operator()(const raft::VoteRequest& a) const {
    return a.last_log == as(a).last_log && a.by_transfer == as(a).by_transfer;
  }
  bool operator()(const raft::VoteReply& a) const { return a.granted == as(a).granted; }
  bool operator()(const raft::AppendRequest& a) const {
    const raft::AppendRequest& b = as(a);
    return a.previous == b.previous && a.commit == b.commit &&
           std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                      [](const raft::Entry& x, const raft::Entry& y) { return same(x, y); });
  }
  bool operator()(const raft::AppendReply& a) const {
    const raft::AppendReply& b = as(a);
    return a.accepted == b.accepted && a.match == b.match && a.rejected == b.rejected &&
           a.hint == b.hint;
  }
  bool operator()(const raft::HeartbeatRequest& a) const {
    return a.commit == as(a).commit && a.round == as(a).round;
  }
  bool operator()(const raft::HeartbeatReply& a) const {
    return a.round == as(a).round && a.doubt == as(a).doubt;
  }
  bool operator()(const raft::TimeoutNow&) const { return true; }
  bool operator()(const raft::SnapshotRequest& a) const {
    const raft::SnapshotRequest& b = as(a);
    return a.snapshot == b.snapshot && a.offset == b.offset && a.chunk.text() == b.chunk.text();
  }
  bool operator()(const raft::SnapshotReply& a) const {
    return a.snapshot == as(a).snapshot && a.next == as(a).next;
  }
  bool operator()(const raft::ReadIndexRequest& a) const { return a.batch == as(a).batch; }
  bool operator()(const raft::ReadIndexReply& a) const {
    const raft::ReadIndexReply& b = as(a);
    return a.granted == b.granted && a.batch == b.batch && a.index == b.index;
  }

  template <class Body>
  const Body& as(const Body&) const {
    return std::get<Body>(other);
  }
};

inline bool same(const raft::MessageBody& a, const raft::MessageBody& b) {
  return a.index() == b.index() && std::visit(SameBody{b}, a);
}

}  // namespace vesper::testing
