#include "core/raft/log.h"

#include <algorithm>

namespace vesper::raft {

Log::Log(LogPosition base, std::vector<Entry> entries) : base_(base) {
  for (Entry& entry : entries) append(std::move(entry));
}

void Log::append(Entry entry) {
  VESPER_CHECK(entry.index() == last_index().next());
  VESPER_CHECK(entry.term() >= last().term);
  if (term_starts_.empty() || term_starts_.back().term < entry.term()) {
    term_starts_.push_back({entry.term(), entry.index()});
  }
  entries_.push_back(std::move(entry));
}

void Log::truncate_from(Index from) {
  VESPER_CHECK(from > base_.index && from <= last_index());
  while (last_index() >= from) entries_.pop_back();
  while (!term_starts_.empty() && term_starts_.back().first >= from) term_starts_.pop_back();
}

void Log::compact(Index to) {
  VESPER_CHECK(to >= base_.index && to <= last_index());
  const LogPosition base = position_at(to);
  entries_.erase(entries_.begin(),
                 entries_.begin() + static_cast<std::ptrdiff_t>(to.value() - base_.index.value()));
  base_ = base;
  // The term that the first entry left belongs to now begins with it.
  const auto after = std::find_if(term_starts_.begin(), term_starts_.end(),
                                  [&](const TermStart& start) { return start.first > to; });
  const bool begins_within =
      entries_.empty() || (after != term_starts_.end() && after->first == first_index());
  term_starts_.erase(term_starts_.begin(), begins_within ? after : std::prev(after));
  if (!begins_within) term_starts_.front().first = first_index();
}

void Log::reset(LogPosition base) {
  entries_.clear();
  term_starts_.clear();
  base_ = base;
}

LogPosition Log::find_hint(LogPosition at_most) const {
  const Index candidate = std::min(at_most.index, last_index());
  if (candidate < base_.index) return at_most;
  if (term_at(candidate) <= at_most.term) return position_at(candidate);

  // The first term that is too high begins at or before `candidate`; the entry before it is the
  // answer.
  const auto too_high =
      std::upper_bound(term_starts_.begin(), term_starts_.end(), at_most.term,
                       [](Term term, const TermStart& start) { return term < start.term; });
  const bool is_base = candidate == base_.index || base_.term > at_most.term;
  VESPER_CHECK(is_base || (too_high != term_starts_.end() && too_high->first <= candidate));
  if (!is_base) return position_at(too_high->first.previous());
  const Index below = base_.index.previous();
  return below == Index(0) ? LogPosition{} : LogPosition{at_most.term, below};
}

}  // namespace vesper::raft
