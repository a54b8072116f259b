// A node's log as a checker keeps it, in memory or on disk: each entry as its term and a rolling
// hash of everything up to it, so that two logs are compared at an index in constant time. A plain
// value; LogChecker owns some for each node.
#pragma once

#include <cstdint>
#include <deque>

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

  Index last() const { return Index(cells_.size()); }
  // Index 0: the empty log's.
  Cell at(Index index) const { return index == Index() ? Cell() : cells_[index.value() - 1]; }
  bool agrees_with(const ShadowLog& other, Index index) const {
    return index <= last() && index <= other.last() && at(index) == other.at(index);
  }
  void push(Cell cell) { cells_.push_back(cell); }
  void truncate_from(Index from) { cells_.resize(from.value() - 1); }
  void clear() { cells_.clear(); }
  // The log that a snapshot stands for, once it takes this one's place.
  void assign(const std::deque<Cell>& committed, Index last) {
    cells_.assign(committed.begin(), committed.begin() + static_cast<std::ptrdiff_t>(last.value()));
  }
  // The cell of an entry that follows this log.
  Cell next_cell(const raft::Entry& entry) const;

 private:
  // A deque: growing never copies what is there.
  std::deque<Cell> cells_;
};

}  // namespace vesper::sim
