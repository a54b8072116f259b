#include "sim/check/history_checker.h"

#include <utility>

#include "core/kv/command.h"

namespace vesper::sim {

namespace {

// Between one look at all keys and the next.
constexpr std::uint64_t kSettleEach = 4096;  // operations

HistoryOutcome outcome_of(const node::Answer& answer) {
  switch (answer.outcome) {
    case node::Outcome::kSuccess:
    case node::Outcome::kAbsent:
      return HistoryOutcome::kOk;
    case node::Outcome::kRedirect:
    case node::Outcome::kRejected:
    case node::Outcome::kOverloaded:
    case node::Outcome::kDiskFull:
    case node::Outcome::kImpossible:
      return HistoryOutcome::kFail;
    case node::Outcome::kRefused:
      return kv::may_have_taken_effect(answer.verdict) ? HistoryOutcome::kUnknown
                                                       : HistoryOutcome::kFail;
    case node::Outcome::kUnknown:
      return HistoryOutcome::kUnknown;
  }
  VESPER_UNREACHABLE();
}

}  // namespace

// The first node to apply an entry says what it was; whether the others do the same is
// AppliedChecker's.
void HistoryChecker::on_applied(Instant at, const node::NodeView& /*view*/,
                                const raft::Entry& entry, const node::Applied& applied) {
  if (entry.index() != applied_.next()) return;
  applied_ = entry.index();
  if (applied.verdict != kv::Verdict::kApplied) return;  // a no-op; a try that changes nothing
  const auto put = kv::decode_put(entry.payload());
  if (!put.ok()) return;  // a registration
  violations_.set_now(at);
  const ByteView value = entry.payload().subspan(put.value().value_offset);
  witness_.on_applied(as_text(put.value().key), as_text(value));
  judge();
}

void HistoryChecker::on_invoke(Instant at, const Operation& operation) {
  VESPER_CHECK(operation.id.value() == first_open_ + operations_.size());
  HistoryOperation& added = operations_.emplace_back().operation;
  added.client = operation.client.value();
  added.kind = operation.kind;
  added.key = operation.key;
  if (operation.kind == node::RequestKind::kPut) added.value = operation.value;
  added.start = at;
  added.end = Instant::never();
}

void HistoryChecker::on_answer(Instant at, OperationId id, const node::Answer& answer) {
  end(at, id, &answer);
}

void HistoryChecker::on_give_up(Instant at, OperationId id) {
  end(at, id, nullptr);
}

void HistoryChecker::end(Instant at, OperationId id, const node::Answer* answer) {
  violations_.set_now(at);
  Recorded& recorded = operations_[id.value() - first_open_];
  HistoryOperation& operation = recorded.operation;
  operation.end = at;
  if (answer != nullptr) {
    operation.outcome = outcome_of(*answer);
    const bool is_found = answer->outcome == node::Outcome::kSuccess;
    if (operation.kind == node::RequestKind::kGet && is_found) {
      operation.value = std::string(answer->value.text());
    }
  }
  recorded.is_open = false;
  witness_.add(operation);
  while (!operations_.empty() && !operations_.front().is_open) {
    operations_.pop_front();
    ++first_open_;
  }
  if (++ended_ >= kSettleEach) {
    ended_ = 0;
    witness_.settle(operations_.empty() ? at : operations_.front().operation.start);
  }
  judge();
}

void HistoryChecker::judge() {
  if (!witness_.found().ok()) violations_.report("linearizability", witness_.found().detail);
}

Linearizability HistoryChecker::judged() const {
  Witness whole = witness_;
  for (const Recorded& each : operations_) {
    if (each.is_open) whole.add(each.operation);
  }
  return whole.judged();
}

}  // namespace vesper::sim
