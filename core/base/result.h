// Status and Result<T>: what the world can do to us, as values. No exception crosses a border of
// the core. An Error carries a code to act on and a message for a person that names what failed and
// where.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "core/base/check.h"

namespace vesper {

enum class ErrorCode {
  kIo,           // the operating system or the simulated disk failed an operation
  kCorruption,   // bytes that were once written whole do not verify now
  kInvalid,      // bytes or values that no correct writer makes
  kMismatch,     // a data directory or peer of another node, cluster or version
  kRemoved,      // this node is a member of its cluster no more
  kLimit,        // over a bound of limits.h or of the configuration
  kDiverged,     // a node's state is not that of the others, or not what it applied
  kUnavailable,  // not now: no leader, no quorum, or stopped
  kNoSpace,      // the disk has no room for it, now
};

struct Error {
  ErrorCode code = ErrorCode::kInvalid;
  std::string message;
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(Error error) : error_(std::move(error)), ok_(false) {}  // NOLINT: an Error is a Status

  bool ok() const { return ok_; }
  // Requires: !ok().
  const Error& error() const {
    VESPER_CHECK(!ok_);
    return error_;
  }

 private:
  Error error_;
  bool ok_ = true;
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: a value is a result
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: an error is a result

  bool ok() const { return std::holds_alternative<T>(state_); }
  // Requires: ok().
  T& value() {
    VESPER_CHECK(ok());
    return std::get<T>(state_);
  }
  const T& value() const {
    VESPER_CHECK(ok());
    return std::get<T>(state_);
  }
  // Requires: !ok().
  const Error& error() const {
    VESPER_CHECK(!ok());
    return std::get<Error>(state_);
  }

 private:
  std::variant<T, Error> state_;
};

}  // namespace vesper

// Returns the error of a Status or Result from the function that stands here.
#define VESPER_TRY(expression)                                                       \
  do {                                                                               \
    if (auto vesper_try = (expression); !vesper_try.ok()) return vesper_try.error(); \
  } while (false)
