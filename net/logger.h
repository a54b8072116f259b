// Log lines on standard error, one a state change: time, level, node, term and index first, then
// what happened. Any thread may write; a line leaves in one write.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "core/node/environment.h"

namespace vesper::net {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError, kOff };

class Logger {
 public:
  Logger(NodeId node, LogLevel level) : node_(node), level_(level) {}
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  // Where no term is known, such as before the log is read: term and index 0.
  void line(LogLevel level, std::string_view text) { line(level, Term(), Index(), text); }
  void line(LogLevel level, Term term, Index index, std::string_view text);
  void event(const node::NodeEvent& event);

 private:
  NodeId node_;
  LogLevel level_;
  std::mutex mutex_;  // keeps lines whole and in order
};

}  // namespace vesper::net
