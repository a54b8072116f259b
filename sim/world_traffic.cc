// Requests and answers between clients and nodes.
#include <utility>

#include "sim/world_impl.h"

namespace vesper::sim {

namespace {

// Frames and requests that wait for a paused process, as in its sockets' buffers. Full: more are
// lost.
constexpr std::size_t kInboxTraffic = 4096;

}  // namespace

bool WorldImpl::put_in_inbox(Member& member, Member::Input input) {
  if (member.inbox_traffic >= kInboxTraffic) return false;
  ++member.inbox_traffic;
  member.inbox.push_back(std::move(input));
  return true;
}

void WorldImpl::tick_client_in(std::uint32_t client) {
  const Duration gap = crowd.next_gap(client);
  if (gap == Crowd::kNever) return;
  queue.push({.at = now + gap,
              .what = client,
              .generation = tick_generation,
              .who = 0,
              .kind = EventKind::kClientTick});
}

void WorldImpl::on_client_tick(const Event& event) {
  if (event.generation != tick_generation) return;
  ++counts.client_steps;
  tick_client_in(event.what);
  if (!crowd.is_idle(event.what)) return;
  const std::uint32_t slot = crowd.next_operation(event.what);
  const OpenOperation& operation = crowd.operation(slot);
  const Duration timeout = crowd.timeout_of(operation);
  if (operation.kind == node::RequestKind::kRegister) {
    observers.tell<&WorldObserver::on_register>(now, operation.client, operation.node);
    return send_request(slot, timeout);
  }
  invoke(slot, timeout);
  send_second_try(event.what);
}

void WorldImpl::on_client_retry(const Event& event) {
  if (!crowd.is_retry_due(event.what, event.generation)) return;
  ++counts.client_steps;
  send_retry(crowd.next_try(event.what));
  send_second_try(event.what);
}

void WorldImpl::send_second_try(std::uint32_t client) {
  if (const auto second = crowd.second_try(client)) send_retry(*second);
}

void WorldImpl::send_retry(std::uint32_t slot) {
  ++counts.retries;
  const OpenOperation& operation = crowd.operation(slot);
  observers.tell<&WorldObserver::on_retry>(now, operation.id, operation.node);
  send_request(slot, crowd.timeout_of(operation));
}

OperationId WorldImpl::invoke(std::uint32_t slot, Duration timeout) {
  ++counts.operations;
  const OpenOperation& operation = crowd.operation(slot);
  const Operation told{.id = operation.id,
                       .client = operation.client,
                       .node = operation.node,
                       .kind = operation.kind,
                       .key = operation.key,
                       .value = operation.value,
                       .once = operation.once};
  observers.tell<&WorldObserver::on_invoke>(now, told);
  send_request(slot, timeout);
  return told.id;
}

void WorldImpl::send_request(std::uint32_t slot, Duration timeout) {
  const OpenOperation& operation = crowd.operation(slot);
  if (crowd.is_lost(operation, Crowd::Way::kThere)) {
    ++counts.lost_requests;
  } else {
    queue.push({.at = now + crowd.way(operation, Crowd::Way::kThere),
                .what = slot,
                .generation = operation.generation,
                .who = operation.node.value(),
                .kind = EventKind::kRequestArrive});
  }
  queue.push({.at = now + timeout,
              .what = slot,
              .generation = operation.generation,
              .who = operation.node.value(),
              .kind = EventKind::kGiveUp});
}

void WorldImpl::on_request_arrive(const Event& event) {
  OpenOperation& operation = crowd.operation(event.what);
  if (!operation.is_open || operation.generation != event.generation) return;
  ++counts.client_steps;
  Member& member = *members[event.who];
  if (member.node == nullptr || member.has_stopped) {
    // Nobody listens: the connection is refused, so nothing can have happened.
    operation.answer = {.outcome = node::Outcome::kRejected, .leader = {}, .value = {}};
    return send_answer(event.what);
  }
  const Member::Request request{event.what, event.generation};
  if (member.is_paused) {
    put_in_inbox(member, request);
    return;
  }
  feed(member, request);
  after_input(member);
}

void WorldImpl::transfer(Member& member, std::optional<NodeId> target) {
  node::Request request;
  request.kind = node::RequestKind::kTransfer;
  request.target = target;
  ask_as_operator(member, request);
}

// From a node: the request may be of a client that waits no longer.
void WorldImpl::answer(RequestId request, const node::Answer& answer) {
  if ((request.value() & kOfOperator) != 0) {
    stir(static_cast<std::uint64_t>(answer.outcome));
    const bool is_transfer = transfer_requests.erase(request) > 0;
    if (is_transfer && answer.outcome == node::Outcome::kSuccess) ++counts.transfers;
    return;
  }
  const auto slot = static_cast<std::uint32_t>(request.value());
  OpenOperation& operation = crowd.operation(slot);
  if (!operation.is_open || operation.generation != request.value() >> 32) return;
  VESPER_CHECK(operation.is_at_node);
  operation.is_at_node = false;
  operation.answer = answer;
  send_answer(slot);
}

void WorldImpl::send_answer(std::uint32_t slot) {
  const OpenOperation& operation = crowd.operation(slot);
  if (crowd.is_lost(operation, Crowd::Way::kBack)) {
    ++counts.lost_answers;  // its client waits until its own time is over
    return;
  }
  queue.push({.at = now + crowd.way(operation, Crowd::Way::kBack),
              .what = slot,
              .generation = operation.generation,
              .who = operation.node.value(),
              .kind = EventKind::kAnswerArrive});
}

void WorldImpl::on_answer_arrive(const Event& event) {
  OpenOperation& operation = crowd.operation(event.what);
  if (!operation.is_open || operation.generation != event.generation) return;
  ++counts.client_steps;
  const node::Answer answer = std::exchange(operation.answer, {});
  stir(static_cast<std::uint64_t>(answer.outcome) << 32 ^ hash64(answer.value.view()));
  end_request(event.what, &answer);
}

void WorldImpl::end_request(std::uint32_t slot, const node::Answer* answer) {
  const OpenOperation& operation = crowd.operation(slot);
  end_try(operation, crowd.close(slot, answer));
  if (operation.kind == node::RequestKind::kRegister) return;
  observers.tell<&WorldObserver::on_try_end>(now, operation.id);
}

// An operation ends with it, or one try of it.
void WorldImpl::end_try(const OpenOperation& operation, const Crowd::Closed& closed) {
  if (closed.retry_in) {
    queue.push({.at = now + *closed.retry_in,
                .what = static_cast<std::uint32_t>(operation.client.value()),
                .generation = static_cast<std::uint32_t>(operation.id.value()),
                .who = 0,
                .kind = EventKind::kClientRetry});
  }
  if (!closed.is_over) return;
  if (!closed.told) {
    observers.tell<&WorldObserver::on_give_up>(now, operation.id);
    return;
  }
  count_answer(operation, *closed.told);
  observers.tell<&WorldObserver::on_answer>(now, operation.id, *closed.told);
}

void WorldImpl::count_verdict(Index index, kv::Verdict verdict) {
  // Every node and every life applies it; the first one counts.
  if (index <= counted_verdicts) return;
  counted_verdicts = index;
  if (verdict == kv::Verdict::kRepeated) ++counts.repeated;
  if (kv::is_refusal(verdict)) ++counts.refused;
}

void WorldImpl::count_answer(const OpenOperation& operation, const node::Answer& answer) {
  const node::Outcome outcome = answer.outcome;
  // Nobody knows what became of it: the client is told no more than if it had given up.
  if (outcome == node::Outcome::kUnknown ||
      (outcome == node::Outcome::kRefused && kv::may_have_taken_effect(answer.verdict))) {
    ++counts.unknown;
    return;
  }
  ++counts.answered;
  if (outcome == node::Outcome::kRedirect) ++counts.redirects;
  if (outcome != node::Outcome::kSuccess && outcome != node::Outcome::kAbsent) return;
  ++counts.successes;
  const bool is_get = operation.kind == node::RequestKind::kGet;
  if (operation.at_follower) ++counts.follower_reads;
  ++(is_get ? counts.get_successes : counts.put_successes);
  if (is_get && outcome == node::Outcome::kSuccess) ++counts.found;
}

void WorldImpl::on_give_up(const Event& event) {
  OpenOperation& operation = crowd.operation(event.what);
  if (!operation.is_open || operation.generation != event.generation) return;
  ++counts.client_steps;
  if (operation.is_at_node) ++counts.overdue;
  end_request(event.what, nullptr);
}

// The node's process is gone, and its connections with it: whoever waits for an answer learns so.
void WorldImpl::reset_connections(NodeId node) {
  for (std::uint32_t slot = 0; slot < crowd.slots(); ++slot) {
    OpenOperation& operation = crowd.operation(slot);
    if (!operation.is_open || !operation.is_at_node || operation.node != node) continue;
    operation.is_at_node = false;
    queue.push({.at = now + crowd.way(operation, Crowd::Way::kBack),
                .what = slot,
                .generation = operation.generation,
                .who = node.value(),
                .kind = EventKind::kGiveUp});
  }
}

}  // namespace vesper::sim
