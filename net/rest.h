// The documented REST API as values: a body becomes a request, an answer of the node becomes a
// reply. The table that it implements stands in README.md; pure functions, no socket in sight.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/node/environment.h"
#include "net/http.h"

namespace vesper::net {

struct ApiRequest {
  node::RequestKind kind = node::RequestKind::kGet;
  std::string key;         // decoded
  std::string_view value;  // kPut: its JSON text, a part of the body
  std::optional<kv::IdempotencyKey> once;
  bool at_follower = false;  // kGet
};

// {"type": ..., "payload": {"key": K, "value": V}}. `type` is optional and the method rules; other
// members are passed over, a repeated one is an error.
// Requires: kGet or kPut. Errors: kInvalid (400), kLimit (413); what, and where.
Result<ApiRequest> parse_api_request(node::RequestKind kind, std::string_view body);

// "<client id>/<number>": two decimal numbers from 1 to 2^64 - 1, without leading zeros.
// Errors: kInvalid (400).
Result<kv::IdempotencyKey> parse_idempotency_key(std::string_view text);

// What the query of a request's target asks for: nothing, or for a GET `read=follower`, to be
// answered by this node though it follows another. Errors: kInvalid (400).
Result<bool> parse_read_at_follower(node::RequestKind kind, std::string_view target);

// `leader`: where the answer's leader is reached, as a client is told; empty: not known. So below.
HttpReply api_reply(const ApiRequest& request, const node::Answer& answer, std::string_view leader);

// The body of POST /move-leader: nothing, or {"to": ID}. Errors: kInvalid; what, and where.
Result<std::optional<NodeId>> parse_move_leader(std::string_view body);

HttpReply move_leader_reply(const node::Answer& answer, std::string_view leader);

// The query of GET /snapshot: index=I&offset=O. Errors: kInvalid (400).
struct SnapshotPart {
  Index snapshot;
  std::uint64_t offset = 0;
};
Result<SnapshotPart> parse_snapshot_part(std::string_view target);
// The piece's own bytes, or 404.
HttpReply snapshot_part_reply(const SnapshotPart& part, const node::Answer& answer);

struct StatusFacts {
  node::NodeView view;
  std::string address;             // this node's
  std::string leader_address;      // empty: not known
  std::vector<std::string> nodes;  // where all members are reached
  std::string version;
  double uptime_seconds = 0;
  std::size_t connections = 0;
  std::int64_t pid = 0;  // by which who started the node knows that it is the node
};
HttpReply status_reply(const StatusFacts& facts);

// Parts of replies, for the routes whose replies stand elsewhere (net/rest_members.h).
HttpReply rejected_reply();
HttpReply unknown_reply();
// It cannot be done as it was asked for (409); with Retry-After if that may change.
HttpReply impossible_reply(const node::Answer& answer);
// To the leader; without one that is known, rejected.
HttpReply elsewhere_reply(std::string_view leader);
// Of an operator's request that did not succeed.
HttpReply not_done_reply(const node::Answer& answer, std::string_view leader);

}  // namespace vesper::net
