#include "net/rest.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>
#include <optional>

#include "core/base/limits.h"
#include "net/json.h"

namespace vesper::net {

namespace {

constexpr const char* kOutcomeHeader = "Vesper-Outcome";
constexpr const char* kRejected = "rejected";
constexpr const char* kUnknown = "unknown";
constexpr const char* kFail = R"({"code":"fail"})";

Error invalid(std::string why) {
  return {ErrorCode::kInvalid, std::move(why)};
}

struct Payload {
  std::optional<std::string> key;
  std::optional<std::string_view> value;
};

Status read_payload(JsonReader& reader, Payload& payload) {
  if (reader.peek() != JsonReader::Kind::kObject) {
    if (!reader.ok()) return invalid(reader.error());
    return invalid(fmt::format("payload is not an object at byte {}", reader.offset()));
  }
  reader.begin_object();
  std::string name;
  while (reader.next_member(name)) {
    const JsonReader::Kind kind = reader.peek();
    if (name == "key") {
      if (payload.key) return invalid(fmt::format("a second key at byte {}", reader.offset()));
      if (kind != JsonReader::Kind::kString && kind != JsonReader::Kind::kError) {
        return invalid(fmt::format("the key is not a string at byte {}", reader.offset()));
      }
      reader.string(payload.key.emplace());
    } else if (name == "value") {
      if (payload.value) return invalid(fmt::format("a second value at byte {}", reader.offset()));
      reader.value(payload.value.emplace());
    } else {
      std::string_view skipped;
      reader.value(skipped);
    }
  }
  return {};
}

Status read_request(JsonReader& reader, std::optional<Payload>& payload) {
  if (reader.peek() != JsonReader::Kind::kObject && reader.ok()) {
    // Whole and valid, but no request; or not JSON at all.
    std::string_view skipped;
    reader.value(skipped);
    reader.end();
    if (reader.ok()) return invalid("the body is not a JSON object");
  }
  if (!reader.ok() || !reader.begin_object()) return invalid("not JSON: " + reader.error());
  std::string name;
  while (reader.next_member(name)) {
    if (name == "payload") {
      if (payload) return invalid(fmt::format("a second payload at byte {}", reader.offset()));
      VESPER_TRY(read_payload(reader, payload.emplace()));
    } else {
      std::string_view skipped;
      reader.value(skipped);
    }
  }
  reader.end();
  if (!reader.ok()) return invalid("not JSON: " + reader.error());
  return {};
}

// Reads are served, and what there is no room for may be taken by whoever leads next.
HttpReply disk_full_reply() {
  HttpReply reply = error_reply(507,
                                "this node's disk is full: it takes no writes before there is "
                                "room again");
  reply.headers.emplace_back(kOutcomeHeader, kRejected);
  return reply;
}

HttpReply redirect_reply(const ApiRequest& request, std::string_view leader) {
  HttpReply reply = rejected_reply();
  reply.body = R"({"code":"fail","payload":{)";
  if (!request.key.empty()) {
    reply.body += R"("key":)";
    append_json_string(request.key, reply.body);
    reply.body += ',';
  }
  if (request.kind == node::RequestKind::kPut) {
    reply.body += R"("value":)";
    reply.body += request.value;
    reply.body += ',';
  }
  reply.body += R"("message":)";
  append_json_string(leader, reply.body);
  reply.body += "}}";
  return reply;
}

HttpReply success_reply(const ApiRequest& request, const node::Answer& answer) {
  HttpReply reply;
  reply.body = R"({"code":"success")";
  if (request.kind == node::RequestKind::kGet) {
    reply.body += R"(,"payload":{"key":)";
    append_json_string(request.key, reply.body);
    reply.body += R"(,"value":)";
    reply.body += answer.value.text();
    reply.body += '}';
  } else if (request.kind == node::RequestKind::kRegister) {
    reply.body += fmt::format(R"(,"payload":{{"client":{}}})", answer.session.value());
  } else if (request.kind == node::RequestKind::kSnapshot) {
    reply.body += fmt::format(R"(,"index":{})", answer.index.value());
  }
  reply.body += '}';
  return reply;
}

std::string why_refused(kv::IdempotencyKey once, kv::Verdict verdict) {
  const std::uint64_t client = once.session.value();
  const std::uint64_t number = once.number.value();
  switch (verdict) {
    case kv::Verdict::kOtherBody:
      return fmt::format("client {} has put something else under the number {}", client, number);
    case kv::Verdict::kBelowWindow:
      return fmt::format(
          "the number {} of client {} lies too far below its highest: what became "
          "of it is no longer known",
          number, client);
    case kv::Verdict::kExpired:
      return fmt::format("client {} has expired: what became of its numbers is no longer known",
                         client);
    case kv::Verdict::kNeverIssued:
      return fmt::format("no client {} is registered", client);
    case kv::Verdict::kNone:
    case kv::Verdict::kApplied:
    case kv::Verdict::kRepeated:
      break;
  }
  VESPER_UNREACHABLE();
}

HttpReply refused_reply(const ApiRequest& request, kv::Verdict verdict) {
  VESPER_CHECK(request.once.has_value());
  HttpReply reply = error_reply(409, why_refused(*request.once, verdict));
  const bool is_unknown = kv::may_have_taken_effect(verdict);
  reply.headers = {{kOutcomeHeader, is_unknown ? kUnknown : kRejected}};
  return reply;
}

// Consumes one of them. Nothing: no number, or one that is 0, begins with 0 or is too large.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || text.front() == '0') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

const char* phase_name(node::Phase phase) {
  switch (phase) {
    case node::Phase::kForming:
      return "forming";
    case node::Phase::kRunning:
      return "running";
    case node::Phase::kStopped:
      return "stopped";
  }
  VESPER_UNREACHABLE();
}

// A node, or null.
std::string node_text(const std::optional<NodeId>& id) {
  return id ? std::to_string(id->value()) : "null";
}

// An address, or null.
void append_address(std::string_view address, std::string& out) {
  if (address.empty()) {
    out += "null";
  } else {
    append_json_string(address, out);
  }
}

}  // namespace

Result<ApiRequest> parse_api_request(node::RequestKind kind, std::string_view body) {
  JsonReader reader(body);
  std::optional<Payload> payload;
  if (const Status read = read_request(reader, payload); !read.ok()) {
    // What the reader met first, where both complain.
    return reader.ok() ? read.error() : invalid("not JSON: " + reader.error());
  }
  if (!payload) return invalid("no payload in the body");
  if (!payload->key) return invalid("no key in the payload");
  if (payload->key->empty()) return invalid("the key in the payload is empty");
  if (kind == node::RequestKind::kPut && !payload->value) {
    return invalid("no value in the payload of a PUT");
  }
  if (payload->key->size() > limits::kKeyBytes) {
    return Error{ErrorCode::kLimit, fmt::format("the key has {} bytes, more than {}",
                                                payload->key->size(), limits::kKeyBytes)};
  }
  const std::string_view value = payload->value.value_or(std::string_view());
  if (value.size() > limits::kValueBytes) {
    return Error{ErrorCode::kLimit, fmt::format("the value has {} bytes, more than {}",
                                                value.size(), limits::kValueBytes)};
  }
  return ApiRequest{kind, std::move(*payload->key), value, std::nullopt};
}

Result<kv::IdempotencyKey> parse_idempotency_key(std::string_view text) {
  const auto client = take_number(text);
  const bool is_divided = client && text.starts_with('/');
  if (is_divided) text.remove_prefix(1);
  const auto number = is_divided ? take_number(text) : std::nullopt;
  if (!number || !text.empty()) {
    return invalid(
        "the header Idempotency-Key is not <client id>/<number>, two whole numbers from 1 on");
  }
  return kv::IdempotencyKey{SessionId(*client), RequestNumber(*number)};
}

Result<bool> parse_read_at_follower(node::RequestKind kind, std::string_view target) {
  const std::size_t at = target.find('?');
  if (at == std::string_view::npos || at + 1 == target.size()) return false;
  const std::string_view query = target.substr(at + 1);
  if (kind == node::RequestKind::kGet && query == "read=follower") return true;
  return invalid(
      fmt::format("the query \"{}\" is not understood: only a GET has one, which is "
                  "read=follower",
                  query));
}

HttpReply rejected_reply() {
  return {.body = kFail, .headers = {{kOutcomeHeader, kRejected}}};
}

HttpReply unknown_reply() {
  return {.body = kFail, .headers = {{kOutcomeHeader, kUnknown}}};
}

HttpReply impossible_reply(const node::Answer& answer) {
  HttpReply reply = error_reply(409, answer.value.text());
  reply.headers.emplace_back(kOutcomeHeader, kRejected);
  if (answer.is_for_now) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

HttpReply elsewhere_reply(std::string_view leader) {
  HttpReply reply = rejected_reply();
  if (leader.empty()) return reply;
  reply.body = R"({"code":"fail","payload":{"message":)";
  append_json_string(leader, reply.body);
  reply.body += "}}";
  return reply;
}

HttpReply api_reply(const ApiRequest& request, const node::Answer& answer,
                    std::string_view leader) {
  switch (answer.outcome) {
    case node::Outcome::kSuccess:
      return success_reply(request, answer);
    case node::Outcome::kAbsent:
      return {.body = kFail};
    case node::Outcome::kRedirect:
      return leader.empty() ? rejected_reply() : redirect_reply(request, leader);
    case node::Outcome::kRejected:
      return rejected_reply();
    case node::Outcome::kUnknown:
      return unknown_reply();
    case node::Outcome::kOverloaded:
      return overloaded_reply("overloaded");
    case node::Outcome::kRefused:
      return refused_reply(request, answer.verdict);
    case node::Outcome::kDiskFull:
      return disk_full_reply();
    case node::Outcome::kImpossible:
      break;
  }
  VESPER_UNREACHABLE();
}

Result<std::optional<NodeId>> parse_move_leader(std::string_view body) {
  std::optional<NodeId> target;
  if (body.empty()) return target;
  JsonReader reader(body);
  if (reader.peek() != JsonReader::Kind::kObject) return invalid("the body is not a JSON object");
  reader.begin_object();
  std::string name;
  while (reader.next_member(name)) {
    if (name == "to" && target) {
      return invalid(fmt::format("a second \"to\" at byte {}", reader.offset()));
    }
    const std::size_t at = reader.offset();
    std::string_view text;
    reader.value(text);
    if (name != "to" || !reader.ok()) continue;
    std::uint32_t id = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), id);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size()) {
      return invalid(fmt::format("\"to\" is not the number of a node at byte {}", at));
    }
    target = NodeId(id);
  }
  reader.end();
  if (!reader.ok()) return invalid("not JSON: " + reader.error());
  return target;
}

HttpReply not_done_reply(const node::Answer& answer, std::string_view leader) {
  switch (answer.outcome) {
    case node::Outcome::kRedirect:
      return elsewhere_reply(leader);
    case node::Outcome::kRejected:
      return rejected_reply();
    case node::Outcome::kUnknown:
      return unknown_reply();
    case node::Outcome::kOverloaded:
      return overloaded_reply("overloaded");
    case node::Outcome::kImpossible:
      return impossible_reply(answer);
    case node::Outcome::kSuccess:
    case node::Outcome::kAbsent:
    case node::Outcome::kRefused:
    case node::Outcome::kDiskFull:
      break;
  }
  VESPER_UNREACHABLE();
}

HttpReply move_leader_reply(const node::Answer& answer, std::string_view leader) {
  if (answer.outcome != node::Outcome::kSuccess) return not_done_reply(answer, leader);
  VESPER_CHECK(answer.leader.has_value());
  HttpReply reply{.body = fmt::format(R"({{"code":"success","leader":{},"leader_address":)",
                                      answer.leader->value())};
  append_address(leader, reply.body);
  reply.body += '}';
  return reply;
}

namespace {

// What the node's disk has lost, while that is not repaired.
void append_doubt(const std::optional<node::DoubtView>& doubt, std::string& body) {
  body += R"(,"doubt":)";
  if (!doubt) {
    body += "null";
    return;
  }
  fmt::format_to(std::back_inserter(body), R"({{"term":{},"first":{},"last":{},"where":)",
                 doubt->term.value(), doubt->first.value(), doubt->last.value());
  append_json_string(doubt->where, body);
  body += '}';
}

}  // namespace

Result<SnapshotPart> parse_snapshot_part(std::string_view target) {
  const Error bad = invalid("the query is not index=<a snapshot's>&offset=<a block's>");
  const std::size_t at = target.find('?');
  if (at == std::string_view::npos) return bad;
  std::string_view query = target.substr(at + 1);
  constexpr std::string_view kIndex = "index=";
  constexpr std::string_view kOffset = "&offset=";
  if (!query.starts_with(kIndex)) return bad;
  query.remove_prefix(kIndex.size());
  const auto index = take_number(query);
  if (!index || !query.starts_with(kOffset)) return bad;
  query.remove_prefix(kOffset.size());
  if (query == "0") return SnapshotPart{Index(*index), 0};
  const auto offset = take_number(query);
  if (!offset || !query.empty()) return bad;
  return SnapshotPart{Index(*index), *offset};
}

HttpReply snapshot_part_reply(const SnapshotPart& part, const node::Answer& answer) {
  if (answer.outcome == node::Outcome::kRejected) return rejected_reply();
  if (answer.outcome == node::Outcome::kOverloaded) return overloaded_reply("overloaded");
  if (answer.outcome != node::Outcome::kSuccess) {
    return error_reply(404, fmt::format("this node has no piece at {} of a snapshot to {}",
                                        part.offset, part.snapshot.value()));
  }
  return {.body = std::string(answer.value.text()), .content_type = "application/octet-stream"};
}

HttpReply status_reply(const StatusFacts& facts) {
  const node::NodeView& view = facts.view;
  HttpReply reply;
  auto out = std::back_inserter(reply.body);
  fmt::format_to(out, R"({{"id":{},"address":)", view.id.value());
  append_address(facts.address, reply.body);
  fmt::format_to(out, R"(,"phase":"{}","role":"{}","term":{},"vote":{},"leader":{})",
                 phase_name(view.phase), node::role_name(view.role), view.term.value(),
                 node_text(view.vote), node_text(view.leader));
  reply.body += R"(,"leader_address":)";
  append_address(facts.leader_address, reply.body);
  fmt::format_to(out, R"(,"commit":{},"applied":{},"last":{},"durable":{})", view.commit.value(),
                 view.applied.value(), view.last.value(), view.durable.value());
  fmt::format_to(out, R"(,"base":{},"snapshot":{},"restored":{},"keys":{},"sessions":{})",
                 view.base.value(), view.snapshot.value(), view.restored, view.keys, view.sessions);
  fmt::format_to(out, R"(,"configuration":{},"joint":{},"voter":{})", view.configuration.value(),
                 view.is_joint, view.is_voter);
  fmt::format_to(out, R"(,"lease_reads":{},"follower_reads":{})", view.lease_reads,
                 view.follower_reads);
  fmt::format_to(out, R"(,"disk_full":{},"log_room":{},"snapshot_bytes":{})", view.disk_full,
                 view.log_room, view.snapshot_bytes);
  fmt::format_to(out, R"(,"checks":{},"differences":{})", view.checks, view.differences);
  append_doubt(view.doubt, reply.body);
  fmt::format_to(out, R"(,"state_hash":"{:016x}","cluster":"{:016x}","incarnation":"{:016x}")",
                 view.state_hash, view.cluster.value(), view.incarnation.value());
  fmt::format_to(out, R"(,"version":"{}","pid":{},"uptime":{:.3f},"connections":{},"nodes":[)",
                 facts.version, facts.pid, facts.uptime_seconds, facts.connections);
  for (const std::string& node : facts.nodes) {
    if (&node != &facts.nodes.front()) reply.body += ',';
    append_json_string(node, reply.body);
  }
  reply.body += "]}";
  return reply;
}

}  // namespace vesper::net
