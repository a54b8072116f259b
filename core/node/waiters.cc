#include "core/node/waiters.h"

#include <algorithm>
#include <utility>

namespace vesper::node {

namespace {

// Of a session's id only a client that registered is told.
Answer answer_of(LogPosition position, kv::Verdict verdict) {
  if (kv::is_refusal(verdict)) return {.outcome = Outcome::kRefused, .verdict = verdict};
  return {.outcome = Outcome::kSuccess, .session = SessionId(position.index.value())};
}

}  // namespace

void Waiters::add_proposal(RequestId request, LogPosition position, Instant deadline) {
  // This node led before, lost its tail and leads again: an older proposal at this index may live
  // on in another node's log, so nobody here can say what becomes of it.
  while (!proposals_.empty() && proposals_.back().position.index >= position.index) {
    answer(proposals_.back().request, {.outcome = Outcome::kUnknown, .leader = {}, .value = {}});
    proposals_.pop_back();
  }
  proposals_.push_back({request, position, deadline});
}

void Waiters::add_get(RequestId request, std::string_view key, Instant deadline) {
  gets_.push_back({request, std::string(key), deadline});
}

void Waiters::add_transfer(RequestId request, Instant deadline) {
  VESPER_CHECK(!transfer_);
  transfer_ = {request, deadline};
}

void Waiters::end_transfer(Answer reply) {
  VESPER_CHECK(transfer_.has_value());
  answer(std::exchange(transfer_, std::nullopt)->request, std::move(reply));
}

void Waiters::add_change(RequestId request, Instant deadline) {
  VESPER_CHECK(!change_);
  change_ = {request, deadline};
}

void Waiters::end_change(Answer reply) {
  VESPER_CHECK(change_.has_value());
  answer(std::exchange(change_, std::nullopt)->request, std::move(reply));
}

void Waiters::on_applied(LogPosition position, kv::Verdict verdict) {
  while (!proposals_.empty() && proposals_.front().position.index <= position.index) {
    const Proposal& proposal = proposals_.front();
    // Another leader's entry is committed where this one stood: it can never take effect.
    answer(proposal.request, proposal.position == position ? answer_of(position, verdict)
                                                           : Answer{.outcome = Outcome::kRejected});
    proposals_.pop_front();
  }
}

void Waiters::on_restored(Index last) {
  while (!proposals_.empty() && proposals_.front().position.index <= last) {
    answer(proposals_.front().request, {.outcome = Outcome::kUnknown});
    proposals_.pop_front();
  }
}

void Waiters::on_read_granted(raft::GrantedRead read) {
  VESPER_CHECK(granted_.empty() || granted_.back().index <= read.index);
  granted_.push_back(read);
}

void Waiters::on_read_lost(RequestId read) {
  if (Get* get = find(read))
    answer_get(*get, {.outcome = Outcome::kRejected, .leader = {}, .value = {}});
}

void Waiters::serve_reads(Index applied, const kv::Store& store) {
  while (!granted_.empty() && granted_.front().index <= applied) {
    Get* get = find(granted_.front().request);
    if (get != nullptr && get->key.empty()) {
      is_snapshot_wanted_ = true;
      answer_get(*get, Answer{.outcome = Outcome::kSuccess, .index = applied});
    } else if (get != nullptr) {
      const SharedBytes* value = store.get(get->key);
      answer_get(*get, value == nullptr
                           ? Answer{.outcome = Outcome::kAbsent, .leader = {}, .value = {}}
                           : Answer{.outcome = Outcome::kSuccess, .leader = {}, .value = *value});
    }
    granted_.pop_front();
  }
}

void Waiters::expire(Instant now) {
  while (!proposals_.empty() && proposals_.front().deadline <= now) {
    answer(proposals_.front().request, {.outcome = Outcome::kUnknown, .leader = {}, .value = {}});
    proposals_.pop_front();
  }
  while (!gets_.empty() && gets_.front().deadline <= now) {
    answer_get(gets_.front(), {.outcome = Outcome::kRejected, .leader = {}, .value = {}});
  }
  while (!parts_.empty() && parts_.front().second <= now) {
    end_part(parts_.front().first, {.outcome = Outcome::kRejected});
  }
  if (transfer_ && transfer_->deadline <= now) end_transfer({.outcome = Outcome::kUnknown});
  if (change_ && change_->deadline <= now) end_change({.outcome = Outcome::kUnknown});
}

Instant Waiters::next_deadline() const {
  Instant deadline = Instant::never();
  if (!proposals_.empty()) deadline = proposals_.front().deadline;
  if (!gets_.empty()) deadline = std::min(deadline, gets_.front().deadline);
  if (!parts_.empty()) deadline = std::min(deadline, parts_.front().second);
  if (transfer_) deadline = std::min(deadline, transfer_->deadline);
  if (change_) deadline = std::min(deadline, change_->deadline);
  return deadline;
}

// It may have waited too long already.
void Waiters::end_part(RequestId request, Answer reply) {
  const auto is_it = [&](const auto& part) { return part.first == request; };
  const auto part = std::find_if(parts_.begin(), parts_.end(), is_it);
  if (part == parts_.end()) return;
  parts_.erase(part);
  answer(request, std::move(reply));
}

void Waiters::fail_all() {
  expire(Instant::never());
  granted_.clear();
}

Waiters::Get* Waiters::find(RequestId read) {
  if (read.value() < first_get_ || read.value() - first_get_ >= gets_.size()) return nullptr;
  Get& get = gets_[read.value() - first_get_];
  return get.answered ? nullptr : &get;
}

void Waiters::answer_get(Get& get, Answer reply) {
  VESPER_CHECK(!get.answered);
  get.answered = true;
  answer(get.request, std::move(reply));
  while (!gets_.empty() && gets_.front().answered) {
    gets_.pop_front();
    ++first_get_;
  }
}

}  // namespace vesper::node
