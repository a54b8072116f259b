#include "net/service.h"

#include <unistd.h>

#include <utility>

#include "net/peer_links.h"
#include "net/peer_stream.h"

namespace vesper::net {

namespace {

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
  return is_from_peer(path_of(target)) ? 0 : options_.body_bytes;
}

std::optional<HttpReply> Service::handle(HttpTicket ticket, HttpRequest request) {
  const std::string_view path = path_of(request.target);
  if (path == "/request") return on_request(ticket, std::move(request));
  if (path == "/session") {
    if (request.method != "POST") return method_not_allowed(request.method, "POST");
    return ask_api(
        {.ticket = ticket, .request = {}, .api = {.kind = node::RequestKind::kRegister}});
  }
  if (path == "/peer") return on_peer(request);
  if (path == "/status") return on_status(request);
  if (path == "/snapshot") return on_snapshot(ticket, std::move(request));
  if (path == "/move-leader") return on_move_leader(ticket, std::move(request));
  if (path == "/members") return on_members(ticket, std::move(request));
  return error_reply(404, "no such path: " + std::string(path));
}

// --- Clients ---

Service::Reply Service::on_request(HttpTicket ticket, HttpRequest request) {
  if (request.method != "GET" && request.method != "PUT") {
    return method_not_allowed(request.method, "GET, PUT");
  }
  const auto kind = request.method == "GET" ? node::RequestKind::kGet : node::RequestKind::kPut;
  // The value is a view of the body: it is read where the body is to stay.
  Pending pending{.ticket = ticket, .request = std::move(request)};
  auto parsed = parse_api_request(kind, pending.request.body);
  if (!parsed.ok()) {
    const int status = parsed.error().code == ErrorCode::kLimit ? 413 : 400;
    return error_reply(status, parsed.error().message);
  }
  pending.api = std::move(parsed.value());
  const auto at_follower = parse_read_at_follower(kind, pending.request.target);
  if (!at_follower.ok()) return error_reply(400, at_follower.error().message);
  pending.api.at_follower = at_follower.value();
  // A GET may always be repeated: what a client sends along with all its requests is nothing to it.
  if (kind == node::RequestKind::kPut && pending.request.idempotency_key) {
    const auto once = parse_idempotency_key(*pending.request.idempotency_key);
    if (!once.ok()) return error_reply(400, once.error().message);
    pending.api.once = once.value();
  }
  return ask_api(std::move(pending));
}

Service::Reply Service::ask_api(Pending pending) {
  const node::Request request{.kind = pending.api.kind,
                              .key = pending.api.key,
                              .value = pending.api.value,
                              .once = pending.api.once,
                              .at_follower = pending.api.at_follower};
  return ask(std::move(pending), request);
}

// The request views what is pending, which therefore stays where it is until the node has seen it.
Service::Reply Service::ask(Pending&& pending, const node::Request& request) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(pending_.size()));
    pending_.emplace_back();
  }
  const std::uint32_t token = free_.back();
  if (!runtime_.ask(request, *this, token)) return overloaded_reply("overloaded");
  free_.pop_back();
  pending_[token] = std::move(pending);
  return std::nullopt;
}

void Service::answered(std::uint32_t token, const node::Answer& answer) {
  const Pending pending = std::exchange(pending_[token], {});
  free_.push_back(token);
  server_->answer(pending.ticket, reply_of(pending, answer));
}

HttpReply Service::reply_of(const Pending& pending, const node::Answer& answer) const {
  const auto leader = [&] { return runtime_.addresses().line_of(answer.leader); };
  switch (pending.route) {
    case Route::kApi:
      return api_reply(pending.api, answer, answer.leader ? leader() : std::string());
    case Route::kMoveLeader:
      return move_leader_reply(answer, leader());
    case Route::kListMembers:
      return list_members_reply(answer, runtime_.view().cluster, runtime_.addresses());
    case Route::kChangeMembers:
      return change_members_reply(answer, leader());
    case Route::kSnapshotPart:
      return snapshot_part_reply(pending.part, answer);
  }
  VESPER_UNREACHABLE();
}

// --- Operators ---

Service::Reply Service::on_status(const HttpRequest& request) {
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
                       .connections = server_->connections(),
                       .pid = ::getpid()});
}

Service::Reply Service::on_move_leader(HttpTicket ticket, HttpRequest request) {
  if (request.method != "POST") return method_not_allowed(request.method, "POST");
  const auto target = parse_move_leader(request.body);
  if (!target.ok()) return error_reply(400, target.error().message);
  return ask({.ticket = ticket, .route = Route::kMoveLeader},
             {.kind = node::RequestKind::kTransfer, .target = target.value()});
}

Service::Reply Service::on_members(HttpTicket ticket, HttpRequest request) {
  if (request.method == "POST") return change_members(ticket, std::move(request));
  if (request.method != "GET") return method_not_allowed(request.method, "GET, POST");
  return ask({.ticket = ticket, .route = Route::kListMembers},
             {.kind = node::RequestKind::kListMembers});
}

Service::Reply Service::change_members(HttpTicket ticket, HttpRequest request) {
  const auto parsed = parse_members_request(request.body);
  if (!parsed.ok()) return error_reply(400, parsed.error().message);
  const bool adds = !parsed.value().add.empty();
  return ask({.ticket = ticket, .route = Route::kChangeMembers},
             {.kind = adds ? node::RequestKind::kAddMember : node::RequestKind::kChangeMembers,
              .address = parsed.value().add,
              .change = parsed.value().change});
}

// POST has a snapshot made; GET reads a piece of one.
Service::Reply Service::on_snapshot(HttpTicket ticket, HttpRequest request) {
  if (request.method == "POST") {
    return ask_api({.ticket = ticket, .api = {.kind = node::RequestKind::kSnapshot}});
  }
  if (request.method != "GET") return method_not_allowed(request.method, "GET, POST");
  const auto part = parse_snapshot_part(request.target);
  if (!part.ok()) return error_reply(400, part.error().message);
  return ask({.ticket = ticket, .route = Route::kSnapshotPart, .part = part.value()},
             {.kind = node::RequestKind::kSnapshotPart,
              .snapshot = part.value().snapshot,
              .offset = part.value().offset});
}

// --- Nodes ---

Service::Reply Service::on_peer(const HttpRequest& request) {
  if (request.method != "GET") return method_not_allowed(request.method, "GET");
  if (request.upgrade != kPeerProtocol) {
    HttpReply reply = error_reply(426, std::string("nodes speak ") + kPeerProtocol + " here");
    reply.headers = {{"Upgrade", kPeerProtocol}};
    return reply;
  }
  const auto sender = parse_peer_target(request.target);
  if (!sender.ok()) return error_reply(400, sender.error().message);
  if (sender.value()) {
    const Status noted = runtime_.note_sender(sender.value()->id, sender.value()->line);
    if (!noted.ok()) return error_reply(400, noted.error().message);
  }
  return HttpReply{.status = 101,
                   .headers = {{"Connection", "Upgrade"}, {"Upgrade", kPeerProtocol}},
                   .stream = std::make_shared<PeerStream>(
                       [this](const SharedBytes& frame) { runtime_.deliver(frame); })};
}

}  // namespace vesper::net
