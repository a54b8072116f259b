// A node's log as a checker keeps it, in memory or on disk: each entry as its term and a rolling
// hash of everything up to it, so that two logs are compared at an index in constant time. What
// lies before its base is forgotten: LogChecker settles entries that every node has left behind,
// and tells them apart no more. A plain value; LogChecker owns some for each node.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "core/base/check.h"
#include "core/base/types.h"
#include "core/raft/entry.h"

namespace vesper::sim {

class ShadowLog {
 public:
  struct Cell {
    Term term;
    std::uint64_t rolling = 0;  // of every entry up to this one
    bool operator==(const Cell&) const = default;
  };

  Index base() const { return base_; }
  Index last() const { return base_.plus(cells_.size()); }
  // Before the base: one that is no entry's. Index 0: the empty log's. Requires: index <= last().
  Cell at(Index index) const {
    VESPER_CHECK(index <= last());
    if (index <= base_) return index == base_ ? base_cell_ : Cell();
    return cells_[index.value() - base_.value() - 1];
  }
  bool agrees_with(const ShadowLog& other, Index index) const {
    if (index > last() || index > other.last()) return false;
    return index < std::max(base_, other.base_) || at(index) == other.at(index);
  }
  void push(Cell cell) { cells_.push_back(cell); }
  // Requires: from > 0.
  void truncate_from(Index from) {
    if (from > base_) return cells_.resize(from.value() - base_.value() - 1);
    begin_at(from.previous(), {});
  }
  // It holds one cell, and everything before it is forgotten.
  void begin_at(Index base, Cell cell) {
    cells_.clear();
    base_ = base;
    base_cell_ = cell;
  }
  // Forgets what lies before `base`. Requires: base() <= base <= last().
  void forget_before(Index base) {
    const Cell cell = at(base);
    const auto gone = static_cast<std::ptrdiff_t>(base.value() - base_.value());
    cells_.erase(cells_.begin(), cells_.begin() + gone);
    base_ = base;
    base_cell_ = cell;
  }
  // The log that a snapshot stands for, once it takes this one's place.
  // Requires: last <= committed.last().
  void assign(const ShadowLog& committed, Index last) {
    if (last < committed.base_) return begin_at(last, {});
    VESPER_CHECK(last <= committed.last());
    begin_at(committed.base_, committed.base_cell_);
    const auto count = static_cast<std::ptrdiff_t>(last.value() - base_.value());
    cells_.assign(committed.cells_.begin(), committed.cells_.begin() + count);
  }
  // The cell of an entry that follows this log.
  Cell next_cell(const raft::Entry& entry) const;

 private:
  Index base_;
  Cell base_cell_;
  // A deque: growing never copies what is there.
  std::deque<Cell> cells_;
};

}  // namespace vesper::sim
