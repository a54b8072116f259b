#include "core/raft/message.h"

namespace vesper::raft {

namespace {

struct Namer {
  const char* operator()(const PreVoteRequest&) const { return "PreVoteRequest"; }
  const char* operator()(const PreVoteReply&) const { return "PreVoteReply"; }
  const char* operator()(const VoteRequest&) const { return "VoteRequest"; }
  const char* operator()(const VoteReply&) const { return "VoteReply"; }
  const char* operator()(const AppendRequest&) const { return "AppendRequest"; }
  const char* operator()(const AppendReply&) const { return "AppendReply"; }
  const char* operator()(const HeartbeatRequest&) const { return "HeartbeatRequest"; }
  const char* operator()(const HeartbeatReply&) const { return "HeartbeatReply"; }
  const char* operator()(const TimeoutNow&) const { return "TimeoutNow"; }
  const char* operator()(const SnapshotRequest&) const { return "SnapshotRequest"; }
  const char* operator()(const SnapshotReply&) const { return "SnapshotReply"; }
  const char* operator()(const ReadIndexRequest&) const { return "ReadIndexRequest"; }
  const char* operator()(const ReadIndexReply&) const { return "ReadIndexReply"; }
};

}  // namespace

const char* message_name(const MessageBody& body) {
  return std::visit(Namer{}, body);
}

}  // namespace vesper::raft
