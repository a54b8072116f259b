// Who watches recovery read a log, record by record in the log's order, up to its end or to the
// first damage: `vesperctl wal` shows a data directory with the very code that a node starts with.
#pragma once

#include <cstdint>
#include <variant>

#include "core/base/types.h"
#include "core/raft/entry.h"
#include "core/raft/ready.h"

namespace vesper::storage {

struct LogRecord {
  // Where it stands.
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t group = 0;

  struct Truncation {
    Index from;
  };
  struct Restart {
    LogPosition after;
  };
  std::variant<raft::HardState, Truncation, Restart, raft::Entry> content;
};

class LogVisitor {
 public:
  virtual ~LogVisitor() = default;
  // The record verifies, and follows from those before it.
  virtual void on_record(const LogRecord& record) = 0;
};

}  // namespace vesper::storage
