#include "sim/check/terms.h"

#include <fmt/format.h>

namespace vesper::sim {

namespace {

// A pre-vote and its granted reply speak of a future term that nobody has entered.
bool bears_own_term(const raft::MessageBody& body) {
  if (std::holds_alternative<raft::PreVoteRequest>(body)) return false;
  const auto* reply = std::get_if<raft::PreVoteReply>(&body);
  return reply == nullptr || !reply->granted;
}

}  // namespace

void TermChecker::on_start(NodeId node_id) {
  Node& node = nodes_[node_id.value()];
  node.term = Term();
  node.vote.reset();
}

void TermChecker::on_recovered(const node::NodeView& view, std::uint64_t life) {
  Node& node = nodes_[view.id.value()];
  node.life = life;
  node.term = view.term;
  node.vote = view.vote;
  node.led = Term();
  if (view.term < node.sent_term) {
    violations_.report("hard-state-durable",
                       fmt::format("n{} restarts in term {} but has spoken in term {}",
                                   view.id.value(), view.term.value(), node.sent_term.value()));
  }
  if (view.term == node.granted_term && view.term != Term() && view.vote != node.granted_to) {
    violations_.report("hard-state-durable",
                       fmt::format("n{} restarts without its vote of term {} for n{}",
                                   view.id.value(), view.term.value(), node.granted_to.value()));
  }
}

void TermChecker::on_view(const node::NodeView& view) {
  Node& node = nodes_[view.id.value()];
  if (view.term < node.term) {
    violations_.report("term-monotonic",
                       fmt::format("n{} goes from term {} back to {}", view.id.value(),
                                   node.term.value(), view.term.value()));
  } else if (view.term == node.term && node.vote && view.vote != node.vote) {
    violations_.report("vote-once", fmt::format("n{} changes its vote within term {}",
                                                view.id.value(), view.term.value()));
  }
  node.term = view.term;
  node.vote = view.vote;
}

bool TermChecker::is_new_leader(const node::NodeView& view) {
  if (view.role != node::Role::kLeader) return false;
  Node& node = nodes_[view.id.value()];
  if (node.led == view.term) return false;
  node.led = view.term;
  const auto [at, is_first] = leaders_.try_emplace(view.term, Leader{view.id, node.life});
  if (!is_first) {
    violations_.report("election-safety",
                       at->second.node == view.id
                           ? fmt::format("n{} leads term {} again in another life", view.id.value(),
                                         view.term.value())
                           : fmt::format("n{} and n{} both lead term {}", at->second.node.value(),
                                         view.id.value(), view.term.value()));
  }
  return true;
}

void TermChecker::on_send(const node::NodeView& view, const raft::Message& message,
                          const raft::HardState& durable) {
  Node& node = nodes_[view.id.value()];
  if (!bears_own_term(message.body)) return;
  if (message.term > durable.term) {
    violations_.report(
        "hard-state-durable",
        fmt::format("n{} sends {} of term {}, on its disk is term {}", view.id.value(),
                    raft::message_name(message.body), message.term.value(), durable.term.value()));
  }
  if (message.term < node.sent_term) {
    violations_.report("hard-state-durable",
                       fmt::format("n{} sends {} of term {} after it spoke in term {}",
                                   view.id.value(), raft::message_name(message.body),
                                   message.term.value(), node.sent_term.value()));
  }
  node.sent_term = message.term;
  if (const auto* reply = std::get_if<raft::VoteReply>(&message.body); reply && reply->granted) {
    on_grant(node, view, message.term, message.to, durable);
  }
  if (std::holds_alternative<raft::VoteRequest>(message.body)) {
    on_grant(node, view, message.term, view.id, durable);  // a candidate votes for itself
  }
}

void TermChecker::on_grant(Node& node, const node::NodeView& view, Term term, NodeId to,
                           const raft::HardState& durable) {
  if (node.granted_term == term && node.granted_to != to) {
    violations_.report("vote-once",
                       fmt::format("n{} votes for n{} and n{} in term {}", view.id.value(),
                                   node.granted_to.value(), to.value(), term.value()));
  }
  node.granted_term = term;
  node.granted_to = to;
  if (durable.term == term && durable.vote != to) {
    violations_.report("hard-state-durable",
                       fmt::format("n{}'s vote for n{} in term {} leaves before it is on disk",
                                   view.id.value(), to.value(), term.value()));
  }
}

}  // namespace vesper::sim
