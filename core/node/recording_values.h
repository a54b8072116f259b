// What a recording (recording_format.h) holds of a node's configuration, requests and outputs.
// Each of these takes its value apart by the number of its fields, so that whoever adds a field to
// NodeConfig, Request, Answer or NodeView must say here what becomes of it before it compiles.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/node/node.h"

namespace vesper::node {

// --- Inputs ---

// All that a node is told at its start. What the node itself sets (of NodeConfig::raft: id,
// configuration, random) does not travel.
void encode_config(const NodeConfig& config, std::vector<std::byte>& out);
// Exactly one encoding. Errors: kInvalid.
Result<NodeConfig> decode_config(ByteView bytes);

// Without key and value, which follow as bytes.
void encode_request(const Request& request, std::vector<std::byte>& out);
struct RecordedRequest {
  Request request;  // key, value and address point into what it was decoded from
  bool is_good = false;
};
// `key` and `value` are its own. Not good: no node may be given it.
RecordedRequest decode_request(ByteView head, ByteView key, ByteView value);

// Status as RecordingWriter::status puts it. `in` is not ok, or it holds no such thing: kInvalid.
Status decode_status(ByteReader& in, Status& decoded);

// --- Outputs: two that hash alike are taken for the same ---

std::uint64_t hash_of_frame(NodeId to, ByteView frame);
std::uint64_t hash_of_batch(const storage::DiskBatch& batch);
std::uint64_t hash_of_answer(RequestId request, const Answer& answer);
std::uint64_t hash_of_members(const raft::Configuration& members);
std::uint64_t hash_of_event(const NodeEvent& event);

// What is seen of a node after a turn: its view, and when it wants the next one at the latest.
inline constexpr std::size_t kSeenFields = 33;
using Seen = std::array<std::uint64_t, kSeenFields>;
Seen seen_of(const NodeView& view, Instant deadline);
// "commit"; requires: field < kSeenFields.
const char* seen_name(std::size_t field);

}  // namespace vesper::node
