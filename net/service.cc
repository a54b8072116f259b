#include "net/service.h"

#include <unistd.h>

#include "core/node/wire.h"
#include "net/peer_senders.h"
#include "net/rest_members.h"

namespace vesper::net {

namespace {

// Of a frame: enough to tell of which version it is.
constexpr std::size_t kVersionBytes = 12;

HttpReply method_not_allowed(const std::string& method, const char* allowed) {
  HttpReply reply = error_reply(405, "the method " + method + " is not for this path");
  reply.headers = {{"Allow", allowed}};
  return reply;
}

}  // namespace

bool Service::is_from_peer(std::string_view path) const {
  return path == "/peer";
}

std::size_t Service::body_bytes_max(std::string_view target) const {
  return is_from_peer(path_of(target)) ? kPeerBodyBytes : options_.body_bytes;
}

HttpReply Service::handle(const HttpRequest& request) {
  const std::string_view path = path_of(request.target);
  if (path == "/request") return on_request(request);
  if (path == "/session") return on_session(request);
  if (path == "/peer") return on_peer(request);
  if (path == "/status") return on_status(request);
  if (path == "/snapshot") return on_snapshot(request);
  if (path == "/move-leader") return on_move_leader(request);
  if (path == "/members") return on_members(request);
  return error_reply(404, "no such path: " + std::string(path));
}

HttpReply Service::on_request(const HttpRequest& request) {
  if (request.method != "GET" && request.method != "PUT") {
    return method_not_allowed(request.method, "GET, PUT");
  }
  const auto kind = request.method == "GET" ? node::RequestKind::kGet : node::RequestKind::kPut;
  auto parsed = parse_api_request(kind, request.body);
  if (!parsed.ok()) {
    const int status = parsed.error().code == ErrorCode::kLimit ? 413 : 400;
    return error_reply(status, parsed.error().message);
  }
  const auto at_follower = parse_read_at_follower(kind, request.target);
  if (!at_follower.ok()) return error_reply(400, at_follower.error().message);
  parsed.value().at_follower = at_follower.value();
  // A GET may always be repeated: what a client sends along with all its requests is nothing to it.
  if (kind == node::RequestKind::kPut && request.idempotency_key) {
    const auto once = parse_idempotency_key(*request.idempotency_key);
    if (!once.ok()) return error_reply(400, once.error().message);
    parsed.value().once = once.value();
  }
  return ask_node(std::move(parsed.value()));
}

HttpReply Service::on_session(const HttpRequest& request) {
  if (request.method != "POST") return method_not_allowed(request.method, "POST");
  return ask_node({.kind = node::RequestKind::kRegister});
}

HttpReply Service::ask_node(ApiRequest api) {
  const auto answer = runtime_.request({.kind = api.kind,
                                        .key = api.key,
                                        .value = std::string(api.value),
                                        .once = api.once,
                                        .at_follower = api.at_follower});
  if (!answer) return overloaded_reply("overloaded");
  return api_reply(api, *answer, runtime_.addresses().line_of(answer->leader));
}

HttpReply Service::on_status(const HttpRequest& request) {
  if (request.method != "GET") return method_not_allowed(request.method, "GET");
  const std::chrono::duration<double> uptime = std::chrono::steady_clock::now() - started_;
  const node::NodeView view = runtime_.view();
  const AddressBook& book = runtime_.addresses();
  return status_reply({.view = view,
                       .address = book.line_of(view.id),
                       .leader_address = book.line_of(view.leader),
                       .nodes = book.lines(),
                       .version = options_.version,
                       .uptime_seconds = uptime.count(),
                       .connections = connections_ ? connections_() : 0,
                       .pid = ::getpid()});
}

HttpReply Service::on_move_leader(const HttpRequest& request) {
  if (request.method != "POST") return method_not_allowed(request.method, "POST");
  const auto target = parse_move_leader(request.body);
  if (!target.ok()) return error_reply(400, target.error().message);
  const auto answer =
      runtime_.request({.kind = node::RequestKind::kTransfer, .target = target.value()});
  if (!answer) return overloaded_reply("overloaded");
  return move_leader_reply(*answer, runtime_.addresses().line_of(answer->leader));
}

HttpReply Service::on_members(const HttpRequest& request) {
  if (request.method == "POST") return change_members(request);
  if (request.method != "GET") return method_not_allowed(request.method, "GET, POST");
  const auto answer = runtime_.request({.kind = node::RequestKind::kListMembers});
  if (!answer) return overloaded_reply("overloaded");
  return list_members_reply(*answer, runtime_.view().cluster, runtime_.addresses());
}

HttpReply Service::change_members(const HttpRequest& request) {
  auto parsed = parse_members_request(request.body);
  if (!parsed.ok()) return error_reply(400, parsed.error().message);
  const bool adds = !parsed.value().add.empty();
  const auto answer = runtime_.request(
      {.kind = adds ? node::RequestKind::kAddMember : node::RequestKind::kChangeMembers,
       .address = std::move(parsed.value().add),
       .change = std::move(parsed.value().change)});
  if (!answer) return overloaded_reply("overloaded");
  return change_members_reply(*answer, runtime_.addresses().line_of(answer->leader));
}

// POST has a snapshot made; GET reads a piece of one.
HttpReply Service::on_snapshot(const HttpRequest& request) {
  if (request.method == "POST") return ask_node({.kind = node::RequestKind::kSnapshot});
  if (request.method != "GET") return method_not_allowed(request.method, "GET, POST");
  const auto part = parse_snapshot_part(request.target);
  if (!part.ok()) return error_reply(400, part.error().message);
  const auto answer = runtime_.request({.kind = node::RequestKind::kSnapshotPart,
                                        .snapshot = part.value().snapshot,
                                        .offset = part.value().offset});
  if (!answer) return overloaded_reply("overloaded");
  return snapshot_part_reply(part.value(), *answer);
}

// The frames share one copy of the body. Their sums are checked by the node that decodes them.
HttpReply Service::on_peer(const HttpRequest& request) {
  if (request.method != "POST") return method_not_allowed(request.method, "POST");
  const SharedBytes bytes = SharedBytes::copy_of(as_bytes(request.body));
  std::vector<SharedBytes> frames;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::string place = " at byte " + std::to_string(at);
    const auto size = node::frame_size(bytes.view().subspan(at));
    if (!size.ok()) {
      // The node says in its log that somebody speaks another version, at the pace of such lines.
      if (size.error().code == ErrorCode::kMismatch) {
        runtime_.deliver(SharedBytes::copy_of(bytes.view().subspan(at).first(kVersionBytes)));
      }
      return error_reply(400, size.error().message + place);
    }
    if (!size.value() || *size.value() > bytes.size() - at) {
      return error_reply(400, "a frame is cut off" + place);
    }
    frames.push_back(bytes.slice(at, *size.value()));
    at += *size.value();
  }
  const auto sender = parse_peer_target(request.target);
  if (!sender.ok()) return error_reply(400, sender.error().message);
  if (sender.value()) {
    const Status noted = runtime_.note_sender(sender.value()->id, sender.value()->line);
    if (!noted.ok()) return error_reply(400, noted.error().message);
  }
  for (SharedBytes& frame : frames) runtime_.deliver(std::move(frame));
  return {.status = 204};
}

}  // namespace vesper::net
