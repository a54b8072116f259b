// Raft's log in memory, and the rules of paper figure 2 and section 5.3 about comparing logs. It
// holds the entries after `base`; what is at or below the base is in a snapshot (paper section 7),
// so it is committed: every correct leader's log agrees with it. Raft owns it. It allocates per
// entry only when it grows; nothing in it costs more for a longer log but find_hint, which is
// logarithmic in the number of terms.
#pragma once

#include <deque>
#include <vector>

#include "core/base/types.h"
#include "core/raft/entry.h"

namespace vesper::raft {

class Log {
 public:
  Log() = default;
  // Requires: indexes 1.. without a gap, terms never going down.
  explicit Log(std::vector<Entry> entries) : Log(LogPosition(), std::move(entries)) {}
  // Requires: the same, with indexes and terms that follow the base.
  Log(LogPosition base, std::vector<Entry> entries);

  // The last position that a snapshot stands for; {0, 0} if none does.
  LogPosition base() const { return base_; }
  Index first_index() const { return base_.index.next(); }
  Index last_index() const { return base_.index.plus(entries_.size()); }
  // The base for a log without entries.
  LogPosition last() const { return entries_.empty() ? base_ : entries_.back().position(); }
  // Whether this log holds an entry at exactly this position; {0, 0} is in every log. What lies
  // below the base is taken to agree: it was committed.
  bool contains(LogPosition position) const {
    if (position.index > last_index()) return false;
    if (position.index < base_.index) return true;
    return term_at(position.index) == position.term;
  }
  // Requires: base().index <= index <= last_index(). Term 0 for index 0.
  Term term_at(Index index) const {
    VESPER_CHECK(index >= base_.index && index <= last_index());
    return index == base_.index ? base_.term : entries_[place_of(index)].term();
  }
  // Requires: first_index() <= index <= last_index().
  const Entry& at(Index index) const {
    VESPER_CHECK(index > base_.index && index <= last_index());
    return entries_[place_of(index)];
  }

  // Requires: entry.index() is last_index().next(), its term not below the last one's.
  void append(Entry entry);
  // Drops every entry from `from` on. Requires: first_index() <= from <= last_index().
  void truncate_from(Index from);
  // Drops every entry up to `to`, which becomes the base. Requires: base().index <= to <=
  // last_index().
  void compact(Index to);
  // Drops everything; the log goes on after `base`.
  void reset(LogPosition base);

  // The last position at or below `at_most.index` whose term is at most `at_most.term`: where two
  // logs may still agree (paper section 5.3, "the protocol can be optimized"). {0, 0} if there is
  // none. Below the base no terms are known, and the answer is only an upper bound.
  LogPosition find_hint(LogPosition at_most) const;

 private:
  // Where each term begins: the log's terms never go down, so this is sorted.
  struct TermStart {
    Term term;
    Index first;
  };
  std::size_t place_of(Index index) const { return index.value() - base_.index.value() - 1; }
  LogPosition position_at(Index index) const { return {term_at(index), index}; }

  LogPosition base_;
  std::deque<Entry> entries_;
  std::vector<TermStart> term_starts_;  // of the entries
};

}  // namespace vesper::raft
