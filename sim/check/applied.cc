#include "sim/check/applied.h"

#include <fmt/format.h>

#include <algorithm>

namespace vesper::sim {

void AppliedChecker::on_recovered(const node::NodeView& view, std::uint64_t life,
                                  const raft::Log* log) {
  applied_by_[view.id.value()] = view.applied;
  if (view.applied > Index()) {
    match_snapshot(view, {log->term_at(view.applied), view.applied}, view.state_hash);
  }
  if (life != 1 || log == nullptr) return;
  for (Index index = log->first_index(); index <= log->last_index(); index = index.next()) {
    const auto put = kv::decode_put(log->at(index).payload());
    if (!put.ok()) continue;
    const ByteView value = log->at(index).payload().subspan(put.value().value_offset);
    puts_.add(name_of(put.value().key, value));
  }
}

void AppliedChecker::on_restored(const node::NodeView& view, LogPosition last,
                                 std::uint64_t state_hash) {
  if (last.index <= applied_by_[view.id.value()]) {
    violations_.report(
        "snapshot", fmt::format("n{} goes back from entry {} to a snapshot to {}", view.id.value(),
                                applied_by_[view.id.value()].value(), last.index.value()));
  }
  applied_by_[view.id.value()] = last.index;
  altered_.on_restored(view.id);
  match_snapshot(view, last, state_hash);
}

void AppliedChecker::match_snapshot(const node::NodeView& view, LogPosition last,
                                    std::uint64_t state_hash) {
  const Applied* const applied = applied_at(last.index);
  const bool is_known = applied != nullptr;
  if (is_known && applied->term == last.term && applied->state_hash == state_hash) {
    return on_snapshot(last.index);
  }
  if (is_known && altered_.any()) return altered_.on_inherited(view.id);
  violations_.report("snapshot",
                     fmt::format("n{} takes the store of a snapshot to entry {} of term {}, {}",
                                 view.id.value(), last.index.value(), last.term.value(),
                                 is_known                ? "which is not what the entries give"
                                 : last.index > settled_ ? "which no node has applied"
                                                         : "which every node has left behind"));
}

void AppliedChecker::on_applied(const node::NodeView& view, const raft::Entry& entry,
                                const node::Applied& applied) {
  Index& last = applied_by_[view.id.value()];
  if (entry.index() != last.next()) {
    violations_.report("state-machine-safety",
                       fmt::format("n{} applies entry {} after entry {}", view.id.value(),
                                   entry.index().value(), last.value()));
    return;
  }
  last = entry.index();
  // It came back to before what is settled; its state is judged where it leaves that.
  if (entry.index() <= settled_) return;
  if (entry.index() > this->last()) {
    applied_.push_back({entry.term(), entry.checksum(), {}, applied.verdict});
    if (!altered_.is_altered(view.id)) applied_.back().state_hash = applied.state_hash;
    if (entry.kind() == raft::EntryKind::kCommand) on_first_applied(view, entry, applied.verdict);
    return;
  }
  Applied& first = applied_[entry.index().value() - settled_.value() - 1];
  const bool is_altered = altered_.is_altered(view.id);
  if (!first.state_hash && !is_altered) first.state_hash = applied.state_hash;
  if (first.term == entry.term() && first.checksum == entry.checksum() &&
      (is_altered || first.state_hash == applied.state_hash) && first.verdict == applied.verdict) {
    return;
  }
  violations_.report(
      "state-machine-safety",
      fmt::format("n{} applies entry {} of term {} where another node applied {} of term {}{}",
                  view.id.value(), entry.index().value(), entry.term().value(),
                  entry.index().value(), first.term.value(),
                  first.checksum == entry.checksum() ? ": the states differ" : ""));
}

void AppliedChecker::on_first_applied(const node::NodeView& view, const raft::Entry& entry,
                                      kv::Verdict verdict) {
  if (kv::is_check_point(entry.payload())) return;
  if (!kv::is_register(entry.payload())) return on_first_put(view, entry, verdict);
  sessions_.on_opened(entry.index());
  if (++registrations_applied_ <= registrations_asked_) return;
  violations_.report("only-client-commands",
                     fmt::format("n{} applies entry {}, a registration, and clients asked for {}",
                                 view.id.value(), entry.index().value(), registrations_asked_));
}

void AppliedChecker::on_first_put(const node::NodeView& view, const raft::Entry& entry,
                                  kv::Verdict verdict) {
  const auto command = kv::decode_put(entry.payload());
  Put* put = nullptr;
  std::uint64_t name = 0;
  if (command.ok()) {
    name = name_of(command.value().key, entry.payload().subspan(command.value().value_offset));
    put = puts_.find(name);
  }
  if (put == nullptr || put->once != command.value().once) {
    violations_.report("only-client-commands",
                       fmt::format("n{} applies entry {}, which no client sent", view.id.value(),
                                   entry.index().value()));
    return;
  }
  if (put->once) sessions_.on_judged(entry.index(), *put->once, name, verdict);
  if (verdict != kv::Verdict::kApplied) return;
  put->is_applied = true;
  if (put->is_rejected) {
    violations_.report("rejected-write",
                       fmt::format("n{} applies entry {}, a put that its client was told can "
                                   "never take effect",
                                   view.id.value(), entry.index().value()));
  }
}

void AppliedChecker::on_invoke(const Operation& operation) {
  VESPER_CHECK(operation.id.value() == first_open_ + operations_.size());
  Open& open = operations_.emplace_back();
  if (operation.kind == node::RequestKind::kGet) return;
  open.name = name_of(as_bytes(operation.key), as_bytes(operation.value));
  puts_.add(open.name).once = operation.once;
}

AppliedChecker::Open& AppliedChecker::operation(OperationId id) {
  VESPER_CHECK(id.value() >= first_open_ && id.value() < first_open_ + operations_.size());
  return operations_[id.value() - first_open_];
}

void AppliedChecker::reject(OperationId id, Put& put) {
  put.is_rejected = true;
  if (!put.is_applied) return;
  violations_.report("rejected-write",
                     fmt::format("operation {} was told that its put can never take effect; it is "
                                 "applied",
                                 id.value()));
}

void AppliedChecker::on_answer(OperationId id, const node::Answer& answer) {
  Open& open = operation(id);
  open.is_over = true;
  if (open.name == 0) return;
  Put& put = puts_.add(open.name);
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
    case node::Outcome::kDiskFull:
      return reject(id, put);
    case node::Outcome::kImpossible:
      violations_.report("lost-write",
                         fmt::format("operation {}, a put, got a transfer's answer", id.value()));
      return;
    case node::Outcome::kRefused:
      sessions_.on_told(answer.verdict);
      if (!kv::may_have_taken_effect(answer.verdict)) reject(id, put);
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

// --- What is settled ---

const AppliedChecker::Applied* AppliedChecker::applied_at(Index index) const {
  if (index > last()) return nullptr;
  if (index > settled_) return &applied_[index.value() - settled_.value() - 1];
  const auto found = snapshots_.find(index);
  return found == snapshots_.end() ? nullptr : &found->second;
}

// Kept for good: a node that loses what it had may come back to it.
void AppliedChecker::on_snapshot(Index last) {
  if (const Applied* applied = applied_at(last)) snapshots_.emplace(last, *applied);
}

void AppliedChecker::on_try_end(OperationId id, Index newest) {
  --operation(id).tries;
  while (!operations_.empty() && operations_.front().is_over && operations_.front().tries == 0) {
    if (operations_.front().name != 0) past_.push_back({operations_.front().name, newest});
    operations_.pop_front();
    ++first_open_;
  }
}

void AppliedChecker::settle(Index to, Index newest) {
  for (; settled_ < std::min(to, last()); settled_ = settled_.next()) applied_.pop_front();
  for (; !shown_.empty() && shown_.front().newest <= to; shown_.pop_front()) {
    forget(shown_.front().name);
  }
  for (; !past_.empty() && past_.front().newest < to; past_.pop_front()) {
    shown_.push_back({past_.front().name, newest});
  }
}

void AppliedChecker::forget(std::uint64_t name) {
  const Put* const put = puts_.find(name);
  if (put == nullptr) return;
  if (put->once) sessions_.forget(*put->once);
  puts_.erase(name);
}

}  // namespace vesper::sim
