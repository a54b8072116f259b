#include "core/raft/progress.h"

#include <algorithm>

#include "core/base/check.h"

namespace vesper::raft {

void Progress::on_sent(Index last) {
  VESPER_CHECK(can_send() || last < next_);
  if (probing_) {
    probe_out_ = true;  // next_ stays: nothing is assumed before the answer
    return;
  }
  if (last < next_) return;  // an empty request takes no place in the window
  inflight_.push_back(last);
  next_ = last.next();
}

bool Progress::on_accepted(Index match) {
  if (match < match_) return false;
  const bool is_news = match > match_;
  match_ = match;

  if (probing_) {
    probing_ = false;
    probe_out_ = false;
    next_ = match.next();
  }
  next_ = std::max(next_, match.next());
  while (!inflight_.empty() && inflight_.front() <= match) inflight_.pop_front();
  return is_news;
}

bool Progress::on_rejected(Index rejected, Index agree) {
  // Probing: only the answer to the probe that is out counts. Replicating: whatever is known to
  // match was accepted later than this rejection was sent.
  if (probing_ ? rejected.next() != next_ : rejected >= next_) return false;
  if (rejected <= match_) return false;

  probing_ = true;
  probe_out_ = false;
  inflight_.clear();
  next_ = std::max(match_.next(), std::min(rejected, agree.next()));
  return true;
}

bool Progress::must_ask(Index last_index) const {
  return probing_ ? probe_out_ : match_ < last_index && !inflight_.empty();
}

}  // namespace vesper::raft
