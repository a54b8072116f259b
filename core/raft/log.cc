#include "core/raft/log.h"

#include <algorithm>

namespace vesper::raft {

Log::Log(std::vector<Entry> entries) {
  for (Entry& entry : entries) append(std::move(entry));
}

LogPosition Log::last() const {
  return entries_.empty() ? LogPosition{} : entries_.back().position();
}

bool Log::contains(LogPosition position) const {
  if (position.index > last_index()) return false;
  return term_at(position.index) == position.term;
}

Term Log::term_at(Index index) const {
  VESPER_CHECK(index <= last_index());
  return index == Index(0) ? Term(0) : entries_[index.value() - 1].term();
}

const Entry& Log::at(Index index) const {
  VESPER_CHECK(index > Index(0) && index <= last_index());
  return entries_[index.value() - 1];
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
  VESPER_CHECK(from > Index(0) && from <= last_index());
  while (last_index() >= from) entries_.pop_back();
  while (!term_starts_.empty() && term_starts_.back().first >= from) term_starts_.pop_back();
}

LogPosition Log::find_hint(LogPosition at_most) const {
  const Index candidate = std::min(at_most.index, last_index());
  if (candidate == Index(0)) return {};
  if (term_at(candidate) <= at_most.term) return at(candidate).position();

  // The first term that is too high begins at or before `candidate`; the entry before it is the
  // answer.
  const auto too_high =
      std::upper_bound(term_starts_.begin(), term_starts_.end(), at_most.term,
                       [](Term term, const TermStart& start) { return term < start.term; });
  VESPER_CHECK(too_high != term_starts_.end() && too_high->first <= candidate);
  const Index before = too_high->first.previous();
  return before == Index(0) ? LogPosition{} : at(before).position();
}

}  // namespace vesper::raft
