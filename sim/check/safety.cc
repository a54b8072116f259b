#include "sim/check/safety.h"

#include <fmt/format.h>

namespace vesper::sim {

namespace {

bool takes_part_in_election(const raft::MessageBody& body) {
  if (const auto* reply = std::get_if<raft::VoteReply>(&body)) return reply->granted;
  if (const auto* reply = std::get_if<raft::PreVoteReply>(&body)) return reply->granted;
  return std::holds_alternative<raft::VoteRequest>(body) ||
         std::holds_alternative<raft::PreVoteRequest>(body);
}

}  // namespace

SafetyChecker::SafetyChecker(std::size_t founders, std::size_t spares)
    : terms_(founders + spares, violations_),
      logs_(founders, spares, violations_),
      applied_(founders + spares, violations_),
      lives_(founders + spares),
      snapshots_(founders + spares),
      disks_(founders + spares) {}

void SafetyChecker::on_start(Instant at, NodeId node, std::uint64_t /*life*/) {
  violations_.set_now(at);
  ++lives_[node.value()];
  terms_.on_start(node);
  applied_.altered().on_start(node);
}

void SafetyChecker::on_altered(Instant at, NodeId node) {
  applied_.altered().on_altered(at, node);
}

void SafetyChecker::on_wipe(Instant at, NodeId node) {
  violations_.set_now(at);
  terms_.on_wipe(node);
  logs_.on_wipe(node);
}

void SafetyChecker::on_opened(Instant at, const node::Node& node) {
  violations_.set_now(at);
  const node::NodeView view = node.view();
  const std::uint64_t life = lives_[view.id.value()];
  Disk& disk = disks_[view.id.value()];
  // A snapshot that was made from memory that did not hold what its header says is damage too.
  const bool is_altered = applied_.altered().is_altered(view.id);
  if (view.doubt && !disk.is_damaged && !disk.is_in_doubt && !is_altered) {
    violations_.report("sound-disk",
                       fmt::format("n{} is in doubt: {}", view.id.value(), view.doubt->where));
  }
  disk = {.is_damaged = false, .is_in_doubt = view.doubt.has_value()};
  terms_.on_recovered(view, life);
  logs_.on_recovered(view, node.log());
  logs_.on_members_recovered(view, node.configurations());
  applied_.on_recovered(view, life, node.log());
  snapshots_[view.id.value()] = view.snapshot;
}

// What a crash may leave is never damage, so where no fault made it a node did.
void SafetyChecker::on_stopped(Instant at, NodeId node, const Error& reason) {
  violations_.set_now(at);
  if (reason.code == ErrorCode::kDiverged) return applied_.altered().on_diverged(node, reason);
  if (reason.code != ErrorCode::kCorruption || disks_[node.value()].is_damaged) return;
  // A snapshot that was made from memory that did not hold what its header says.
  if (applied_.altered().is_altered(node)) return;
  violations_.report("sound-disk", fmt::format("n{} stops: {}", node.value(), reason.message));
}

void SafetyChecker::on_ready(Instant at, const node::NodeView& view, const raft::Ready& ready) {
  violations_.set_now(at);
  terms_.on_view(view);
  const bool is_elected = terms_.is_new_leader(view);
  logs_.on_ready(view, ready);
  if (is_elected) logs_.on_new_leader(view);
  if (view.snapshot != snapshots_[view.id.value()]) on_snapshot(view);
}

void SafetyChecker::on_snapshot(const node::NodeView& view) {
  snapshots_[view.id.value()] = view.snapshot;
  logs_.on_snapshot(view);
  applied_.on_snapshot(view.snapshot);
  if (logs_.settle()) applied_.settle(logs_.settled(), logs_.newest());
}

void SafetyChecker::on_send(Instant at, const node::NodeView& view, const raft::Message& message) {
  violations_.set_now(at);
  if (view.doubt && takes_part_in_election(message.body)) {
    violations_.report("doubt-abstains",
                       fmt::format("n{} sends {} though it is in doubt", view.id.value(),
                                   raft::message_name(message.body)));
  }
  terms_.on_send(view, message, logs_.durable_hard_state(view.id));
  logs_.on_send(view, message);
}

void SafetyChecker::on_damage(Instant /*at*/, NodeId node) {
  disks_[node.value()].is_damaged = true;
  logs_.on_damage(node);
}

void SafetyChecker::on_corrupted(Instant at, NodeId from, NodeId to, ByteView frame,
                                 bool left_trace) {
  violations_.set_now(at);
  if (!left_trace) return;
  violations_.report("frame-integrity",
                     fmt::format("n{} acts on {} bytes that n{} never sent in this form",
                                 to.value(), frame.size(), from.value()));
}

void SafetyChecker::on_log_submitted(Instant /*at*/, const node::NodeView& view,
                                     std::uint64_t ticket, WriteId last) {
  logs_.on_log_submitted(view.id, ticket, last);
}

void SafetyChecker::on_log_durable(Instant /*at*/, NodeId node, std::uint64_t ticket) {
  logs_.on_log_durable(node, ticket);
}

void SafetyChecker::on_applied(Instant at, const node::NodeView& view, const raft::Entry& entry,
                               const node::Applied& applied) {
  violations_.set_now(at);
  applied_.on_applied(view, entry, applied);
}

void SafetyChecker::on_restored(Instant at, const node::NodeView& view, LogPosition last,
                                std::uint64_t state_hash) {
  violations_.set_now(at);
  logs_.on_restored(view, last);
  applied_.on_restored(view, last, state_hash);
}

void SafetyChecker::on_node_event(Instant at, const node::NodeEvent& event) {
  violations_.set_now(at);
  terms_.on_view(event.view);
  if (event.kind == node::NodeEvent::Kind::kDiffers) applied_.altered().on_differs(event.view.id);
}

void SafetyChecker::on_invoke(Instant at, const Operation& operation) {
  violations_.set_now(at);
  applied_.on_invoke(operation);
}

void SafetyChecker::on_register(Instant /*at*/, ClientId /*client*/, NodeId /*node*/) {
  applied_.on_register();
}

void SafetyChecker::on_answer(Instant at, OperationId id, const node::Answer& answer) {
  violations_.set_now(at);
  applied_.on_answer(id, answer);
}

void SafetyChecker::on_retry(Instant /*at*/, OperationId id, NodeId /*node*/) {
  applied_.on_retry(id);
}

void SafetyChecker::on_give_up(Instant /*at*/, OperationId id) {
  applied_.on_give_up(id);
}

void SafetyChecker::on_try_end(Instant /*at*/, OperationId id) {
  applied_.on_try_end(id, logs_.newest());
}

}  // namespace vesper::sim
