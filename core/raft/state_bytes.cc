// Raft's state as bytes, so that a program which visits many states (sim/explore) can tell which
// are the same. What is in here is what decides how a node goes on, but for two things: times,
// which that program has in its own hands, and draws. Writes are named by their place in the queue,
// not by their number, which only counts how many there were.
#include <algorithm>

#include "core/raft/codec.h"
#include "core/raft/raft.h"

namespace vesper::raft {

namespace {

using Names = std::span<const NodeId>;

void encode_id(Names names, std::optional<NodeId> id, ByteWriter& out) {
  out.u32(id ? names[id->value()].value() : UINT32_MAX);
}

// As a set: nobody asks in which order the votes came.
void encode_set(Names names, const std::vector<NodeId>& nodes, ByteWriter& out) {
  std::vector<NodeId> named;
  for (const NodeId node : nodes) named.push_back(names[node.value()]);
  std::sort(named.begin(), named.end());
  out.u32(static_cast<std::uint32_t>(named.size()));
  for (const NodeId node : named) out.u32(node.value());
}

void encode_position(LogPosition position, ByteWriter& out) {
  out.u64(position.term.value());
  out.u64(position.index.value());
}

// What waits for one receiver keeps its order; that between receivers means nothing.
void encode_queue(Names names, const std::vector<Message>& messages, std::vector<std::byte>& out) {
  std::vector<Message> named = messages;
  for (Message& message : named) {
    message.from = names[message.from.value()];
    message.to = names[message.to.value()];
  }
  std::stable_sort(named.begin(), named.end(),
                   [](const Message& a, const Message& b) { return a.to < b.to; });
  ByteWriter(out).u32(static_cast<std::uint32_t>(named.size()));
  for (const Message& message : named) {
    ByteWriter(out).u32(message.to.value());
    encode_message(message, out);
  }
}

}  // namespace

void Progress::encode_state(ByteWriter& out) const {
  out.u64(match_.value());
  out.u64(next_.value());
  out.u64(acked_round.value());
  out.u8(static_cast<std::uint8_t>(state_));
  out.u8(probe_out_ ? 1 : 0);
  out.u8(counts_ ? 1 : 0);
  out.u32(static_cast<std::uint32_t>(inflight_.size()));
  for (const InFlight& request : inflight_) out.u64(request.last.value());
}

void Raft::encode_role(Names names, ByteWriter& out) const {
  out.u8(static_cast<std::uint8_t>(role_.index()));
  if (const auto* follower = std::get_if<Follower>(&role_)) {
    encode_id(names, follower->leader, out);
  } else if (const auto* candidate = std::get_if<Candidate>(&role_)) {
    out.u8(candidate->pre_vote ? 1 : 0);
    encode_set(names, candidate->granted, out);
    encode_set(names, candidate->refused, out);
  } else {
    const auto& leader = std::get<Leader>(role_);
    VESPER_CHECK(leader.reads.empty() && !leader.has_begun_transfer && !leader.has_voters_in_doubt);
    out.u64(leader.first_of_term.value());
    out.u64(leader.last_round.value());
    out.u64(leader.uncommitted_bytes);
    for (std::uint32_t name = 0; name < names.size(); ++name) {
      const auto is_named = [&](const Progress& each) {
        return names[each.member().value()] == NodeId(name);
      };
      const auto at = std::find_if(leader.progress.begin(), leader.progress.end(), is_named);
      out.u8(at != leader.progress.end() ? 1 : 0);
      if (at != leader.progress.end()) at->encode_state(out);
    }
  }
}

void Raft::encode_log(ByteWriter& out) const {
  encode_position(log_.base(), out);
  out.u64(log_.last_index().value());
  for (Index index = log_.first_index(); index <= log_.last_index(); index = index.next()) {
    const Entry& entry = log_.at(index);
    VESPER_CHECK(entry.kind() != EntryKind::kConfiguration);
    out.u64(entry.term().value());
    out.u32(entry.checksum());
  }
}

void Raft::encode_state(Names names, std::vector<std::byte>& out) const {
  VESPER_CHECK(!doubt_ && !incoming_ && !config_.lease_reads && asked_reads_.empty());
  VESPER_CHECK(chunks_wanted_.empty() && chunks_received_.empty() && granted_reads_.empty());
  ByteWriter writer(out);
  encode_id(names, config_.id, writer);
  writer.u64(hard_state_.term.value());
  encode_id(names, hard_state_.vote, writer);
  encode_role(names, writer);
  encode_log(writer);
  writer.u64(commit_.value());
  writer.u64(handed_out_.value());
  writer.u64(collected_.value());
  writer.u64(durable_.value());
  writer.u8(hard_state_changed_ ? 1 : 0);
  writer.u64(truncate_from_.value_or(Index()).value());
  writer.u32(static_cast<std::uint32_t>(pending_writes_.size()));
  for (const PendingWrite& write : pending_writes_) {
    writer.u64(write.last.value());
    writer.u8(hard_state_written_ == write.id ? 1 : 0);
  }
  encode_queue(names, now_messages_, out);
  encode_queue(names, durable_messages_, out);
}

}  // namespace vesper::raft
