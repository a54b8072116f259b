#include "core/raft/progress.h"

#include <algorithm>

#include "core/base/check.h"

namespace vesper::raft {

void Progress::on_sent(Index last, std::size_t bytes) {
  VESPER_CHECK(can_send() || last < next_);
  if (is_probing()) {
    probe_out_ = true;  // next_ stays: nothing is assumed before the answer
    return;
  }
  if (last < next_) return;  // an empty request takes no place in the window
  inflight_.push_back({last, bytes});
  inflight_bytes_ += bytes;
  next_ = last.next();
}

bool Progress::on_accepted(Index match, Index base) {
  if (match < match_) return false;
  const bool is_news = match > match_;
  match_ = match;
  if (needs_snapshot() && match < base) return is_news;

  if (state_ != State::kReplicate) {
    state_ = State::kReplicate;
    sending.reset();
    probe_out_ = false;
    next_ = match.next();
  }
  next_ = std::max(next_, match.next());
  while (!inflight_.empty() && inflight_.front().last <= match) {
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  return is_news;
}

bool Progress::on_rejected(Index rejected, Index agree) {
  if (needs_snapshot()) return false;
  // Probing: only the answer to the probe that is out counts. Replicating: whatever is known to
  // match was accepted later than this rejection was sent.
  if (is_probing() ? rejected.next() != next_ : rejected >= next_) return false;
  if (rejected <= match_) return false;

  state_ = State::kProbe;
  probe_out_ = false;
  clear_window();
  next_ = std::max(match_.next(), std::min(rejected, agree.next()));
  return true;
}

void Progress::clear_window() {
  inflight_.clear();
  inflight_bytes_ = 0;
}

void Progress::count_no_more() {
  counts_ = false;
  match_ = Index(0);
  sending.reset();
}

void Progress::begin_snapshot() {
  state_ = State::kSnapshot;
  probe_out_ = false;
  clear_window();
  sending.reset();
}

bool Progress::must_ask(Index last_index) const {
  if (needs_snapshot()) return false;
  return is_probing() ? probe_out_ : match_ < last_index && !inflight_.empty();
}

}  // namespace vesper::raft
