#include "sim/scenario/trace.h"

#include <fmt/format.h>

namespace vesper::sim {

namespace {

std::string name(NodeId node) {
  return fmt::format("n{}", node.value());
}
std::string name(const std::optional<NodeId>& node) {
  return node ? name(*node) : "nobody";
}
std::string text(kv::IdempotencyKey once) {
  return fmt::format("{}/{}", once.session.value(), once.number.value());
}

std::string text(LogPosition position) {
  return fmt::format("{}/{}", position.term.value(), position.index.value());
}

struct BodyText {
  std::string operator()(const raft::PreVoteRequest& body) const {
    return " last " + text(body.last_log);
  }
  std::string operator()(const raft::PreVoteReply& body) const {
    return body.granted ? " granted" : " refused";
  }
  std::string operator()(const raft::VoteRequest& body) const {
    return " last " + text(body.last_log) + (body.by_transfer ? " by transfer" : "");
  }
  std::string operator()(const raft::VoteReply& body) const {
    return body.granted ? " granted" : " refused";
  }
  std::string operator()(const raft::AppendRequest& body) const {
    return fmt::format(" previous {} commit {} entries {}", text(body.previous),
                       body.commit.value(), body.entries.size());
  }
  std::string operator()(const raft::AppendReply& body) const {
    if (body.accepted) return fmt::format(" accepted, match {}", body.match.value());
    return fmt::format(" rejected {}, hint {}", body.rejected.value(), text(body.hint));
  }
  std::string operator()(const raft::HeartbeatRequest& body) const {
    return fmt::format(" commit {} round {}", body.commit.value(), body.round.value());
  }
  std::string operator()(const raft::HeartbeatReply& body) const {
    return fmt::format(" round {}", body.round.value());
  }
  std::string operator()(const raft::TimeoutNow&) const { return {}; }
  std::string operator()(const raft::SnapshotRequest& body) const {
    return fmt::format(" snapshot {} bytes {} to {} of {}", text(body.snapshot.last), body.offset,
                       body.offset + body.chunk.size(), body.snapshot.bytes);
  }
  std::string operator()(const raft::SnapshotReply& body) const {
    return fmt::format(" snapshot {} next {} of {}", text(body.snapshot.last), body.next,
                       body.snapshot.bytes);
  }
  std::string operator()(const raft::ReadIndexRequest& body) const {
    return fmt::format(" batch {}", body.batch.value());
  }
  std::string operator()(const raft::ReadIndexReply& body) const {
    if (!body.granted) return fmt::format(" batch {} refused", body.batch.value());
    return fmt::format(" batch {} index {}", body.batch.value(), body.index.value());
  }
};

const char* outcome_name(node::Outcome outcome) {
  switch (outcome) {
    case node::Outcome::kSuccess:
      return "success";
    case node::Outcome::kAbsent:
      return "absent";
    case node::Outcome::kRedirect:
      return "redirect";
    case node::Outcome::kRejected:
      return "rejected";
    case node::Outcome::kUnknown:
      return "unknown";
    case node::Outcome::kOverloaded:
      return "overloaded";
    case node::Outcome::kRefused:
      return "refused";
    case node::Outcome::kImpossible:
      return "impossible";
    case node::Outcome::kDiskFull:
      return "disk full";
  }
  VESPER_UNREACHABLE();
}

// Nothing to say of most.
const char* verdict_text(kv::Verdict verdict) {
  switch (verdict) {
    case kv::Verdict::kNone:
    case kv::Verdict::kApplied:
      return "";
    case kv::Verdict::kRepeated:
      return ", applied before";
    case kv::Verdict::kOtherBody:
      return ", refused: another body";
    case kv::Verdict::kBelowWindow:
      return ", refused: below the window";
    case kv::Verdict::kExpired:
      return ", refused: expired";
    case kv::Verdict::kNeverIssued:
      return ", refused: never issued";
  }
  VESPER_UNREACHABLE();
}

const char* event_name(node::NodeEvent::Kind kind) {
  switch (kind) {
    case node::NodeEvent::Kind::kWaiting:
      return "waits for";
    case node::NodeEvent::Kind::kFormed:
      return "formed";
    case node::NodeEvent::Kind::kRecovered:
      return "recovered";
    case node::NodeEvent::Kind::kRole:
      return "is";
    case node::NodeEvent::Kind::kTransfer:
      return "hands over:";
    case node::NodeEvent::Kind::kMembers:
      return "counts";
    case node::NodeEvent::Kind::kSnapshot:
      return "has a snapshot";
    case node::NodeEvent::Kind::kDiffers:
      return "differs from";
    case node::NodeEvent::Kind::kDoubt:
      return "is in doubt:";
    case node::NodeEvent::Kind::kIgnored:
      return "ignores";
    case node::NodeEvent::Kind::kStopped:
      return "stopped";
    case node::NodeEvent::Kind::kDisk:
      return "says that its disk";
  }
  VESPER_UNREACHABLE();
}

struct FrameText {
  std::string operator()(const raft::Message& message) const { return describe(message); }
  std::string operator()(const node::Hello&) const { return "Hello"; }
  std::string operator()(const node::Form&) const { return "Form"; }
  std::string operator()(const node::Refusal&) const { return "Refusal"; }
  std::string operator()(const node::Fingerprint& body) const {
    return fmt::format("Fingerprint index {} state {:016x}", body.index.value(), body.state_hash);
  }
};

}  // namespace

std::string describe(const raft::Message& message) {
  return fmt::format("{} term {}{}", raft::message_name(message.body), message.term.value(),
                     std::visit(BodyText{}, message.body));
}

std::string describe_frame(ByteView frame) {
  const Result<node::Frame> decoded = node::decode_frame(SharedBytes::copy_of(frame));
  if (!decoded.ok()) return "a frame that does not decode";
  return std::visit(FrameText{}, decoded.value().body);
}

std::string describe(const node::NodeEvent& event) {
  std::string what = event_name(event.kind);
  if (event.kind == node::NodeEvent::Kind::kRole) {
    what += fmt::format(" {} of {} in term {}", node::role_name(event.view.role),
                        name(event.view.leader), event.view.term.value());
  }
  return event.detail.empty() ? what : what + " " + event.detail;
}

std::string describe(const node::Answer& answer) {
  return fmt::format("{} {}{}", outcome_name(answer.outcome), answer.value.text(),
                     verdict_text(answer.verdict));
}

std::string format_instant(Instant at) {
  return fmt::format("{}.{:09}s", at.nanoseconds() / 1'000'000'000,
                     at.nanoseconds() % 1'000'000'000);
}

void Trace::line(Instant at, std::string_view who, std::string_view what) {
  buffer_.clear();
  fmt::format_to(std::back_inserter(buffer_), "{:>16} {} {}\n", format_instant(at), who, what);
  sink_.write(buffer_);
}

void Trace::on_start(Instant at, NodeId node, std::uint64_t life) {
  line(at, name(node), fmt::format("starts life {}", life));
}

void Trace::on_opened(Instant at, const node::Node& node) {
  const node::NodeView view = node.view();
  line(at, name(view.id),
       fmt::format("opened: term {} vote {} last {}", view.term.value(), name(view.vote),
                   view.last.value()));
}

void Trace::on_crash(Instant at, NodeId node) {
  line(at, name(node), "crashes");
}

void Trace::on_stopped(Instant at, NodeId node, const Error& reason) {
  line(at, name(node), "stops: " + reason.message);
}

void Trace::on_ready(Instant at, const node::NodeView& view, const raft::Ready& ready) {
  if (ready.write == WriteId()) return;
  std::string what = fmt::format("writes {}:", ready.write.value());
  if (ready.hard_state) {
    what += fmt::format(" term {} vote {}", ready.hard_state->term.value(),
                        name(ready.hard_state->vote));
  }
  if (ready.truncate_from) what += fmt::format(" cut from {}", ready.truncate_from->value());
  if (!ready.entries.empty()) {
    what += fmt::format(" entries {} to {}", text(ready.entries.front().position()),
                        text(ready.entries.back().position()));
  }
  line(at, name(view.id), what);
}

void Trace::on_send(Instant at, const node::NodeView& view, const raft::Message& message) {
  line(at, fmt::format("{} > {}", name(view.id), name(message.to)), describe(message));
}

void Trace::on_log_durable(Instant at, NodeId node, std::uint64_t ticket) {
  line(at, name(node), fmt::format("disk has carried out batch {}", ticket));
}

void Trace::on_applied(Instant at, const node::NodeView& view, const raft::Entry& entry,
                       const node::Applied& applied) {
  line(at, name(view.id),
       fmt::format("applies {} state {:016x}{}", text(entry.position()), applied.state_hash,
                   verdict_text(applied.verdict)));
}

void Trace::on_restored(Instant at, const node::NodeView& view, LogPosition last,
                        std::uint64_t state_hash) {
  line(at, name(view.id), fmt::format("restores {} state {:016x}", text(last), state_hash));
}

void Trace::on_node_event(Instant at, const node::NodeEvent& event) {
  line(at, name(event.view.id), describe(event));
}

void Trace::on_deliver(Instant at, NodeId from, NodeId to, ByteView frame) {
  line(at, fmt::format("{} < {}", name(to), name(from)), describe_frame(frame));
}

void Trace::on_corrupted(Instant at, NodeId from, NodeId to, ByteView frame, bool left_trace) {
  line(at, fmt::format("{} < {}", name(to), name(from)),
       fmt::format("a corrupted frame of {} bytes, {}", frame.size(),
                   left_trace ? "which is acted upon" : "ignored"));
}

void Trace::on_invoke(Instant at, const Operation& operation) {
  const bool put = operation.kind == node::RequestKind::kPut;
  line(at, fmt::format("c{}", operation.client.value()),
       fmt::format("asks {}: {} {} {}{}(operation {})", name(operation.node), put ? "put" : "get",
                   operation.key, put ? std::string(operation.value) + " " : std::string(),
                   operation.once ? text(*operation.once) + " " : std::string(),
                   operation.id.value()));
}

void Trace::on_retry(Instant at, OperationId id, NodeId node) {
  line(at, fmt::format("operation {}", id.value()), fmt::format("asks {} again", name(node)));
}

void Trace::on_register(Instant at, ClientId client, NodeId node) {
  line(at, fmt::format("c{}", client.value()), fmt::format("asks {}: register", name(node)));
}

void Trace::on_answer(Instant at, OperationId id, const node::Answer& answer) {
  line(at, fmt::format("operation {}", id.value()), describe(answer));
}

void Trace::on_give_up(Instant at, OperationId id) {
  line(at, fmt::format("operation {}", id.value()), "given up");
}

void Trace::on_fault(Instant at, std::string_view what) {
  line(at, "fault", what);
}

}  // namespace vesper::sim
