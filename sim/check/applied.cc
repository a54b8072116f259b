#include "sim/check/applied.h"

#include <fmt/format.h>

#include "core/base/hash.h"
#include "core/kv/command.h"

namespace vesper::sim {

void AppliedChecker::on_recovered(NodeId node, std::uint64_t life, const raft::Log* log) {
  applied_by_[node.value()] = Index();
  if (life != 1 || log == nullptr) return;
  for (Index index(1); index <= log->last_index(); index = index.next()) {
    puts_.add(name_of(log->at(index).payload()));
  }
}

void AppliedChecker::on_applied(const node::NodeView& view, const raft::Entry& entry,
                                std::uint64_t state_hash) {
  Index& last = applied_by_[view.id.value()];
  if (entry.index() != last.next()) {
    violations_.report("state-machine-safety",
                       fmt::format("n{} applies entry {} after entry {}", view.id.value(),
                                   entry.index().value(), last.value()));
    return;
  }
  last = entry.index();
  if (entry.index() > Index(applied_.size())) {
    applied_.push_back({entry.term(), entry.checksum(), state_hash, entry.shared_payload()});
    if (entry.kind() == raft::EntryKind::kCommand) on_first_applied(view, entry);
    return;
  }
  const Applied& first = applied_[entry.index().value() - 1];
  if (first.term == entry.term() && first.checksum == entry.checksum() &&
      first.state_hash == state_hash) {
    return;
  }
  violations_.report(
      "state-machine-safety",
      fmt::format("n{} applies entry {} of term {} where another node applied {} of term {}{}",
                  view.id.value(), entry.index().value(), entry.term().value(),
                  entry.index().value(), first.term.value(),
                  first.checksum == entry.checksum() ? ": the stores differ" : ""));
}

void AppliedChecker::on_first_applied(const node::NodeView& view, const raft::Entry& entry) {
  PutTable::Put* const put = puts_.find(name_of(entry.payload()));
  if (put == nullptr) {
    violations_.report("only-client-commands",
                       fmt::format("n{} applies entry {}, which no client sent", view.id.value(),
                                   entry.index().value()));
    return;
  }
  put->is_applied = true;
  if (put->is_rejected) {
    violations_.report("rejected-write",
                       fmt::format("n{} applies entry {}, a put that its client was told can "
                                   "never take effect",
                                   view.id.value(), entry.index().value()));
  }
}

void AppliedChecker::on_invoke(const Operation& operation) {
  VESPER_CHECK(operation.id.value() == put_of_.size() + 1);
  if (operation.kind == node::RequestKind::kGet) {
    put_of_.push_back(0);
    return;
  }
  scratch_.clear();
  kv::encode_put(as_bytes(operation.key), as_bytes(operation.value), scratch_);
  put_of_.push_back(name_of(scratch_));
  puts_.add(put_of_.back());
}

void AppliedChecker::on_answer(OperationId id, const node::Answer& answer) {
  const std::uint64_t name = put_of_[id.value() - 1];
  if (name == 0) return;
  PutTable::Put& put = puts_.add(name);
  switch (answer.outcome) {
    case node::Outcome::kSuccess:
      if (!put.is_applied) {
        violations_.report("lost-write", fmt::format("operation {} was told success, and its put "
                                                     "is applied nowhere",
                                                     id.value()));
      }
      return;
    case node::Outcome::kRedirect:
    case node::Outcome::kRejected:
    case node::Outcome::kOverloaded:
    case node::Outcome::kRefused:
      put.is_rejected = true;
      if (put.is_applied) {
        violations_.report("rejected-write",
                           fmt::format("operation {} was told that its put can never take effect; "
                                       "it is applied",
                                       id.value()));
      }
      return;
    case node::Outcome::kAbsent:
      violations_.report("lost-write",
                         fmt::format("operation {}, a put, got a get's answer", id.value()));
      return;
    case node::Outcome::kUnknown:
      return;
  }
  VESPER_UNREACHABLE();
}

std::vector<AppliedChecker::AppliedPut> AppliedChecker::order() const {
  std::vector<AppliedPut> order;
  for (const Applied& applied : applied_) {
    if (applied.payload.empty()) continue;  // a no-op
    const auto put = kv::decode_put(applied.payload.view());
    if (!put.ok()) continue;
    order.push_back(
        {as_text(put.value().key), applied.payload.text().substr(put.value().value_offset)});
  }
  return order;
}

}  // namespace vesper::sim
