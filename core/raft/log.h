// Raft's log in memory: every entry from index 1 on, and the rules of paper figure 2 and section
// 5.3 about comparing logs. Raft owns it. It allocates per entry only when it grows; nothing in it
// costs more for a longer log but find_hint, which is logarithmic in the number of terms.
// (Snapshots will move first_index.)
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
  explicit Log(std::vector<Entry> entries);

  Index last_index() const { return Index(entries_.size()); }
  // {0, 0} for an empty log.
  LogPosition last() const;
  // Whether this log holds an entry at exactly this position; {0, 0} is in every log.
  bool contains(LogPosition position) const;
  // Requires: index <= last_index(). Term 0 for index 0.
  Term term_at(Index index) const;
  // Requires: 1 <= index <= last_index().
  const Entry& at(Index index) const;

  // Requires: entry.index() is last_index().next(), its term not below the last one's.
  void append(Entry entry);
  // Drops every entry from `from` on. Requires: 1 <= from <= last_index().
  void truncate_from(Index from);

  // The last position at or below `at_most.index` whose term is at most `at_most.term`: where two
  // logs may still agree (paper section 5.3, "the protocol can be optimized"). {0, 0} if there is
  // none.
  LogPosition find_hint(LogPosition at_most) const;

 private:
  // Where each term begins: the log's terms never go down, so this is sorted.
  struct TermStart {
    Term term;
    Index first;
  };
  std::deque<Entry> entries_;
  std::vector<TermStart> term_starts_;
};

}  // namespace vesper::raft
